"""Drafts of custom activity types and of custom object types. What is approved lies with the records."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_marketo.simulator.store.activity_types import ActivityType
from airflow_provider_marketo.simulator.store.custom_objects import CustomObjectType


@dataclass
class Schemas:
    """
    :param activities: drafts by API name.
    :param attributes: of activity types: API names of type and attribute to the attribute's name.
    :param objects: drafts by API name.
    """

    activities: dict[str, ActivityType] = field(default_factory=dict)
    attributes: dict[tuple[str, str], str] = field(default_factory=dict)
    objects: dict[str, CustomObjectType] = field(default_factory=dict)
