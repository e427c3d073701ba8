"""
Drafts of custom activity types and custom object types.

Approved types are stored with their records: activity types in :class:`~.activities.Activities`, custom object types
in :class:`~.custom_objects.CustomObjects`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.store.activity_types import ActivityType
    from airflow_provider_marketo.simulator.store.custom_objects import CustomObjectType


@dataclass
class Schemas:
    """
    Drafts of types.

    :param activities: drafts of activity types, by API name.
    :param attributes: names of attributes, by the API names of the activity type and the attribute.
    :param objects: drafts of custom object types, by API name.
    """

    activities: dict[str, ActivityType] = field(default_factory=dict)
    attributes: dict[tuple[str, str], str] = field(default_factory=dict)
    objects: dict[str, CustomObjectType] = field(default_factory=dict)
