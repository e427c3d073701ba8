"""Rows that become records of a custom activity type. Marketo cannot change or delete such records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import ASK_ADOBE, MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import did_you_mean, nearest
from airflow_provider_marketo.imports.request import ImportRequest
from airflow_provider_marketo.imports.targets import SYNC
from airflow_provider_marketo.imports.task import ImportWork

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.imports.rows import Rows

_LIST = "activities.get_custom_types"


class CustomActivitiesWork(ImportWork):
    """One try of a task that adds custom activities."""

    def request(self) -> ImportRequest:
        """Return the request, still without Marketo's description of the activity type."""
        return ImportRequest.from_arguments(self.arguments, transport=SYNC, object_type="custom_activities")

    def choose(self, rows: Rows) -> tuple[ImportRequest, Rows]:
        """Ask Marketo about the type: its id, and which of its attributes is the primary one."""
        request, rows = super().choose(rows)
        kind = _type(self._client, self.arguments["activity_type"])
        primary = kind.get("primaryAttribute")
        return replace(
            request,
            activity={
                "id": kind["id"],
                "apiName": str(kind["apiName"]),
                "primary": primary.get("apiName") if isinstance(primary, Mapping) else None,
            },
        ), rows


def _type(client: MarketoClient, wanted: str) -> Mapping[str, Any]:
    """
    Find a custom activity type by its API name, its name or its id.

    :raises MarketoInvalidRequestError: it does not exist, or is not approved.
    """
    kinds = [record for record in client.call(_LIST).records if isinstance(record, Mapping)]
    for name in ("apiName", "name", "id"):
        for kind in kinds:
            if str(kind.get(name)) == wanted:
                return _approved(kind)
    names = [str(kind.get("apiName")) for kind in kinds]
    spellings = {str(kind.get(name)): str(kind.get("apiName")) for kind in kinds for name in ("name", "apiName")}
    near = nearest(wanted, spellings)
    raise MarketoInvalidRequestError(
        f"Marketo has no custom activity type {wanted!r}",
        parameter="activity_type",
        remedy=did_you_mean(near) if near else f"Use one of {', '.join(names)}." if names else "It has none yet.",
    )


def _approved(kind: Mapping[str, Any]) -> Mapping[str, Any]:
    if not kind.get("apiName") or not isinstance(kind.get("id"), int):
        raise MarketoDataError(
            "Marketo describes a custom activity type without an id or an API name",
            remedy=ASK_ADOBE,
        )
    if str(kind.get("status", "approved")).lower().startswith("approved"):
        return kind
    raise MarketoInvalidRequestError(
        f"custom activity type {kind['apiName']} is {kind['status']}: Marketo takes no records of it",
        parameter="activity_type",
        remedy="Approve it in Marketo, or with activities.approve_custom_type."
        if str(kind["status"]).lower() == "draft"
        else "Use an approved type.",
    )
