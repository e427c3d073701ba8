"""Rows of a query, by the transport that suits them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.bulk.imports import OBJECTS
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.request import UPSERT, ImportRequest
from airflow_provider_marketo.imports.targets import BULK, INGESTION, SYNC, SYNC_TARGETS
from airflow_provider_marketo.imports.task import ImportWork
from airflow_provider_marketo.imports.transport import choose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.imports.result import ImportDetails
    from airflow_provider_marketo.imports.rows import Rows
    from airflow_provider_marketo.imports.staged import StagedImport

_AUTO = "auto"
_LONGEST_CORRELATION = 200


class QueryWork(ImportWork):
    """Imports the rows of a query by sync, bulk import or data ingestion."""

    def request(self) -> ImportRequest:
        """Return the request, with the only possible transport, or else with one that takes the rows."""
        return self._request_by(_only_transport(self.arguments) or SYNC)

    def choose(self, rows: Rows) -> tuple[ImportRequest, Rows]:
        """Choose the transport by the number of rows, if the arguments leave a choice."""
        transport = _only_transport(self.arguments)
        if transport is None:
            transport, rows = choose(rows, self.arguments["latency"])
        return self._request_by(transport), rows

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that only data ingestion takes."""
        lookup_field = self.arguments["lookup_field"]
        return {
            "munchkin_id": self._client.instance,
            "ingestion_key": {"field1": lookup_field} if lookup_field else None,
            "correlation": _correlation(self._beginning.run),
        }

    def send(self, staged: StagedImport) -> ImportDetails:
        """Send all chunks by calls."""
        details = super().send(staged)
        if staged.plan.transport == INGESTION:
            details["correlation_id"] = _correlation(self._beginning.run)
        return details

    def _request_by(self, transport: str) -> ImportRequest:
        action = self.arguments["action"]
        if transport == BULK and action not in (None, UPSERT):
            raise MarketoInvalidRequestError(
                f"bulk imports only create or update, and action is {action!r}", parameter="action"
            )
        return ImportRequest.from_arguments(
            self.arguments, transport=transport, action=action if transport != BULK else None
        )


def _only_transport(arguments: Mapping[str, Any]) -> str | None:
    """Return the transport if the arguments leave no choice."""
    if arguments["transport"] != _AUTO:
        return str(arguments["transport"])
    if arguments["list_id"] is not None or arguments["object_type"] not in SYNC_TARGETS:
        return BULK
    upsert = arguments["action"] in (None, UPSERT) and arguments["dedupe_by"] is None
    return None if arguments["object_type"] in OBJECTS and upsert else SYNC


def _correlation(run: str) -> str:
    """Return the id of this task instance for data ingestion, to which the name of a chunk is added."""
    name = run.rpartition("runs/")[2]
    return name if name.isascii() and len(name) <= _LONGEST_CORRELATION else sha256(name.encode()).hexdigest()
