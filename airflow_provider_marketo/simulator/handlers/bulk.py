"""What exports and imports have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.request import Request

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance


def kind_of(instance: Instance, request: Request, families: Mapping[str, str]) -> str:
    """
    What a job is about: a kind of object, or the name of a custom object type.

    :param families: of the catalogue, to the kind of object.
    :raises ApiError: 1013, there is no such type.
    """
    kind = families[request.operation.family]
    if kind != "custom_objects":
        return kind
    name = str(request["apiName"])
    if name not in instance.store.custom_objects:
        raise ApiError("1013", f"Object '{name}' not found")
    return name
