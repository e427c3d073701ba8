"""The helper that handlers of bulk exports and bulk imports share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request


def kind_of(instance: Instance, request: Request, families: Mapping[str, str]) -> str:
    """
    Return the kind of object of a job; for custom objects, the name of their type.

    :param families: kinds of object by operation family.
    :raises ApiError: 1013, the custom object type does not exist.
    """
    kind = families[request.operation.family]
    if kind != "custom_objects":
        return kind
    name = str(request["apiName"])
    if name not in instance.store.custom_objects:
        raise ApiError("1013", f"Object '{name}' not found")
    return name
