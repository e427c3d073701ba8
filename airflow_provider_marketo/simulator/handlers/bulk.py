"""The helper that handlers of bulk exports and bulk imports share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request


def kind_of(request: Request, families: Mapping[str, str]) -> str:
    """
    Return the kind of object of a job; for custom objects, the name of their type.

    A job outlives its type, so the type may be gone.

    :param families: kinds of object by operation family.
    """
    kind = families[request.operation.family]
    return str(request["apiName"]) if kind == "custom_objects" else kind


def existing_kind_of(instance: Instance, request: Request, families: Mapping[str, str]) -> str:
    """
    Return the kind of object of a new job, or of a list of jobs.

    :raises ApiError: 1013, the custom object type does not exist.
    """
    kind = kind_of(request, families)
    if families[request.operation.family] == "custom_objects" and kind not in instance.store.custom_objects:
        raise ApiError("1013", f"Object '{kind}' not found")
    return kind
