"""Who is in a static list or in a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.operators.import_base import MarketoImportOperator

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.imports.mirror import Mirror
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.source import Rows
    from airflow_provider_marketo.imports.staged import StagedImport

_MODES = ("add", "remove", "mirror")


class _MembersOperator(MarketoImportOperator):
    """Leads by their ids, from wherever they come."""

    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "lead_ids",
        "source",
        "sql",
        "sql_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - Airflow's own idiom

    def __init__(
        self,
        *,
        lead_ids: Iterable[int] | None = None,
        source: Any = None,
        source_format: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lead_ids = lead_ids
        self.source = source
        self.source_format = source_format
        self.sql = sql
        self.sql_conn_id = sql_conn_id

    def _input(self) -> tuple[Any, ...]:
        return self.source, self.source_format, self.sql, self.sql_conn_id

    def _rows(self) -> Rows:
        from airflow_provider_marketo.imports.inputs import open_rows
        from airflow_provider_marketo.imports.targets import LEAD_ID

        ids = self.lead_ids
        return open_rows(
            records=None if ids is None else [{LEAD_ID: lead_id} for lead_id in ids],
            source=self.source,
            source_format=self.source_format,
            sql=self.sql,
            sql_conn_id=self.sql_conn_id,
        )


class MarketoListMembersOperator(_MembersOperator):
    """
    Add leads to a static list, remove them from it, or make the list equal to them.

    Adobe's operations: ``static_list_membership.add_to_list``, ``remove_from_list``, ``get_list_by_id``, and for
    ``mirror`` ``get_leads_by_list_id``. A lead that is removed and was not in the list counts as accepted.

    :param list_id: of the static list.
    :param mode: ``add``, ``remove`` or ``mirror``.
    :param lead_ids: Marketo ids of the leads; or
    :param source: files with a column ``leadId`` (or another, with ``columns``); or
    :param sql: a query with such a column, on ``sql_conn_id``.
    :param source_format: of the files, where their names do not tell.
    :param sql_conn_id: connection of a database.
    :param max_removals: for ``mirror``: how many members may be removed; a fraction below one is a part of the list.
        More fails the task before anything is changed.

    All other parameters: see :class:`~airflow_provider_marketo.operators.import_base.MarketoImportOperator`.

    :return: counts of rows, calls and the address of the table of rejects; never rows.
    """

    template_fields: Sequence[str] = (*_MembersOperator.template_fields, "list_id")

    def __init__(self, *, list_id: int | str, mode: str = "add", max_removals: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.list_id = list_id
        self.mode = mode
        self.max_removals = max_removals

    def _request(self) -> ImportRequest:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.imports.request import ImportRequest
        from airflow_provider_marketo.imports.targets import SYNC
        from airflow_provider_marketo.legacy_arguments import as_id, one_of

        one_of("mode", self.mode, _MODES)
        if self.max_removals < 0:
            raise MarketoInvalidRequestError(f"max_removals={self.max_removals:g} is below 0", parameter="max_removals")
        return ImportRequest(
            object_type="list_remove" if self.mode == "remove" else "list_add",
            transport=SYNC,
            list_id=as_id("list_id", self.list_id),
            **self._common(*self._input()),
        )

    def _send(self, client: MarketoClient, load: StagedImport, run: str, *, resumed: bool) -> dict[str, Any]:
        if self.mode != "mirror":
            return super()._send(client, load, run, resumed=resumed)
        from airflow_provider_marketo.imports.sync import SyncImport

        mirror = self._mirror(client, load)
        SyncImport(load, client, self.pool_slots, {}, mirror.there).run()
        return mirror.remove()

    def _preview_result(self, client: MarketoClient, load: StagedImport) -> dict[str, Any]:
        return self._mirror(client, load).foresee() if self.mode == "mirror" else {}

    def _mirror(self, client: MarketoClient, load: StagedImport) -> Mirror:
        from airflow_provider_marketo.imports.mirror import Mirror

        mirror = Mirror(client, int(self.list_id), load)
        mirror.check(self.max_removals)
        return mirror


class MarketoProgramMembersOperator(_MembersOperator):
    """
    Make leads members of a program, set their status, and write program member fields.

    A member never moves backwards: "already in or past this status" (1037) counts as accepted. Attendees that are known
    by their e-mail address are a job for
    :class:`~airflow_provider_marketo.operators.bulk_import.MarketoBulkImportOperator` with ``program_members``.

    Adobe's operations: ``program_members.sync_status``, ``program_members.sync_data``, ``program_members.describe``,
    and for the check of the status ``programs.get_by_id`` and ``channels.get_by_name``.

    :param program_id: of the program.
    :param status: status of the program's channel for every row. Without it, a column ``statusName`` says which, and
        rows without one keep theirs.
    :param lead_ids: Marketo ids of the leads; or
    :param source: files with a column ``leadId``, and perhaps ``statusName`` and program member fields; or
    :param sql: a query with such columns, on ``sql_conn_id``.
    :param source_format: of the files, where their names do not tell.
    :param sql_conn_id: connection of a database.

    All other parameters: see :class:`~airflow_provider_marketo.operators.import_base.MarketoImportOperator`.

    :return: counts of rows, calls and the address of the table of rejects; never rows.
    """

    template_fields: Sequence[str] = (*_MembersOperator.template_fields, "program_id", "status")

    def __init__(self, *, program_id: int | str, status: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.program_id = program_id
        self.status = status

    def _request(self) -> ImportRequest:
        from airflow_provider_marketo.imports.request import ImportRequest
        from airflow_provider_marketo.imports.targets import STATUS, SYNC
        from airflow_provider_marketo.legacy_arguments import as_id

        common = self._common(*self._input())
        if self.status is not None:
            common["constants"] = {**common["constants"], STATUS: self.status}
        return ImportRequest(
            object_type="program_members",
            transport=SYNC,
            program_id=as_id("program_id", self.program_id),
            **common,
        )
