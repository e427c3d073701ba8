"""The rows of a query into Marketo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.operators.import_base import MarketoImportOperator

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.source import Rows
    from airflow_provider_marketo.imports.staged import StagedImport

_AUTO = "auto"
_LONGEST_CORRELATION = 200
_TRANSPORTS = (_AUTO, "sync", "bulk", "ingestion")


class SqlToMarketoOperator(MarketoImportOperator):
    """
    Load the rows of a query on any Airflow connection whose hook has a DB-API.

    The query runs once, through a cursor on the server where the driver has one, so that ten million rows need no more
    memory than ten thousand. What is read is staged; a retried task sends the rest of the same rows and never queries
    again.

    Adobe's operations: those of :class:`~airflow_provider_marketo.operators.sync.MarketoSyncOperator` or of
    :class:`~airflow_provider_marketo.operators.bulk_import.MarketoBulkImportOperator`, or
    ``data_ingestion.sync_persons`` and ``data_ingestion.sync_custom_objects``.

    :param sql: one statement that returns rows, or a ``.sql`` file; columns are named by REST API names or mapped
        with ``columns``.
    :param sql_conn_id: connection of a database.
    :param parameters: for placeholders in the statement, in the driver's style.
    :param object_type: ``leads``; ``program_members`` (bulk), ``custom_objects``, or any other that
        ``MarketoSyncOperator`` takes.
    :param transport: ``sync``, ``bulk``, ``ingestion``, or ``auto``: sync for up to 30,000 rows or where ``latency``
        leaves no time for bulk, else bulk; the choice and its cost in calls are logged. Data ingestion needs a
        Performance Tier, is taken only when it is named, and reports outcomes elsewhere: its rows count as submitted.
    :param latency: how soon the rows have to be in Marketo, for ``auto``.
    :param action: as Marketo has it; anything but ``createOrUpdate`` goes by sync.
    :param lookup_field: for leads, the field by which they are found. Default ``email``.
    :param dedupe_by: for others, ``dedupeFields`` (default) or ``idField``.
    :param list_id: static list that leads join; goes by bulk.
    :param partition_name: lead partition.
    :param program_id: program that imported members join.
    :param program_member_status: their status.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param empty_fields: what an empty value does by sync: ``keep`` the field as it is, or ``clear`` it.

    All other parameters: see :class:`~airflow_provider_marketo.operators.import_base.MarketoImportOperator`.

    :return: counts of rows, calls and the addresses of the tables of rejects and warnings; never rows. With data
        ingestion also ``correlation_id``, which with ``/`` and a chunk's name is the ``X-Correlation-Id`` of its calls.
    """

    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "sql",
        "sql_conn_id",
        "parameters",
        "lookup_field",
        "list_id",
        "partition_name",
        "program_id",
        "program_member_status",
        "custom_object",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - Airflow's own idiom

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        parameters: Any = None,
        object_type: str = "leads",
        transport: str = _AUTO,
        latency: timedelta | None = None,
        action: str | None = None,
        lookup_field: str | None = None,
        dedupe_by: str | None = None,
        list_id: int | str | None = None,
        partition_name: str | None = None,
        program_id: int | str | None = None,
        program_member_status: str | None = None,
        custom_object: str | None = None,
        empty_fields: str = "keep",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.object_type = object_type
        self.transport = transport
        self.latency = latency
        self.action = action
        self.lookup_field = lookup_field
        self.dedupe_by = dedupe_by
        self.list_id = list_id
        self.partition_name = partition_name
        self.program_id = program_id
        self.program_member_status = program_member_status
        self.custom_object = custom_object
        self.empty_fields = empty_fields

    def _request(self) -> ImportRequest:
        from airflow_provider_marketo.legacy_arguments import one_of

        one_of("transport", self.transport, _TRANSPORTS)
        return self._request_by(self._only_transport() or "sync")

    def _only_transport(self) -> str | None:
        """The transport, if the parameters leave no choice."""
        from airflow_provider_marketo.client.bulk.imports import OBJECTS

        if self.transport != _AUTO:
            return self.transport
        if self.list_id is not None or self.object_type == "program_members":
            return "bulk"
        upsert = self.action in (None, "createOrUpdate") and self.dedupe_by is None
        return None if self.object_type in OBJECTS and upsert else "sync"

    def _request_by(self, transport: str) -> ImportRequest:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.imports.request import ImportRequest
        from airflow_provider_marketo.legacy_arguments import as_id

        if transport == "bulk" and self.action not in (None, "createOrUpdate"):
            raise MarketoInvalidRequestError(
                f"bulk imports only create or update, and action is {self.action!r}", parameter="action"
            )
        return ImportRequest(
            object_type=self.object_type,
            transport=transport,
            custom_object=self.custom_object,
            action=self.action if transport != "bulk" else None,
            lookup_field=self.lookup_field,
            dedupe_by=self.dedupe_by,
            list_id=as_id("list_id", self.list_id),
            partition_name=self.partition_name,
            program_id=as_id("program_id", self.program_id),
            program_member_status=self.program_member_status,
            empty_fields=self.empty_fields,
            **self._common(self.sql, self.sql_conn_id, self.parameters),
        )

    def _choose(self, rows: Rows) -> tuple[ImportRequest, Rows]:
        from airflow_provider_marketo.imports.transport import choose

        transport = self._only_transport()
        if transport is None:
            transport, rows = choose(rows, self.latency)
        return self._request_by(transport), rows

    def _rows(self) -> Rows:
        from airflow_provider_marketo.imports.inputs import open_rows

        return open_rows(sql=self.sql, sql_conn_id=self.sql_conn_id, parameters=self.parameters)

    def _values(self, client: MarketoClient, run: str) -> dict[str, Any]:
        key = {"field1": self.lookup_field} if self.lookup_field else None
        return {"munchkin_id": client.instance, "ingestion_key": key, "correlation": _correlation(run)}

    def _send(self, client: MarketoClient, load: StagedImport, run: str, *, resumed: bool) -> dict[str, Any]:
        more = super()._send(client, load, run, resumed=resumed)
        return {**more, "correlation_id": _correlation(run)} if load.plan.transport == "ingestion" else more


def _correlation(run: str) -> str:
    """What names this task instance to data ingestion; the name of a chunk is added to it."""
    from hashlib import sha256

    name = run.rpartition("runs/")[2]
    return name if name.isascii() and len(name) <= _LONGEST_CORRELATION else sha256(name.encode()).hexdigest()
