"""Erase leads on request, as data protection law requires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, count, duration, flag, ids, mapping, text
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.base import MarketoDeferrableOperator
from airflow_provider_marketo.operators.import_base import INPUT_CHECKS, INPUT_TEMPLATE_FIELDS, Records, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow.sdk import Context

    from airflow_provider_marketo.choices import OnQuotaExhausted, SourceFormat
    from airflow_provider_marketo.hooks.work import Work


def _warehouse(parameter: str, value: Any) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping()(parameter, value)
    if found is not None and (not found.get("sql_conn_id") or found.keys() - {"sql_conn_id", "schema", "output_path"}):
        raise MarketoInvalidRequestError(
            f"{parameter} needs sql_conn_id, and may also have schema and output_path",
            parameter=parameter,
            remedy=f'Write {parameter}={{"sql_conn_id": "wh", "schema": "marketo"}}.',
        )
    return found


class MarketoEraseLeadsOperator(MarketoDeferrableOperator):
    """
    Delete all leads that a request for erasure is about, and write down evidence without personal data.

    The task looks in all partitions that the API user sees, also for duplicates, deletes the leads, and looks again. A
    deletion cannot be undone, so it needs ``confirm=True``. A deleted lead may come back through a form, a CRM or a
    list import: ``verify_after`` looks once more, without a worker in between, and fails the task if a lead has come
    back.

    Adobe's operations: ``leads.get_by_filter_type``, ``leads.delete``.

    :param evidence: folder for the evidence, a JSON file per run of the task: counts, times, and if the connection has
        a ``hash_secret``, a digest with this key instead of each value and id.
    :param lead_ids: Marketo ids of the leads. Give one of ``lead_ids``, ``source``, ``sql`` and ``records``.
    :param source: files with a column ``leadId`` or the one that ``lookup_field`` names: csv, tsv, jsonl or parquet,
        plain or gzipped; a path, URL, glob or ``ObjectStoragePath``, or a list of them.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param sql: a query with such a column, or a ``.sql`` file, on ``sql_conn_id``.
    :param sql_conn_id: connection of a database.
    :param records: list of mappings of names to values, or a function that returns one. It is not a template:
        leads must appear neither in XCom nor in rendered fields.
    :param lookup_field: field of leads by which the input names them, such as ``email``, in a column of that name. All
        leads that have one of its values are deleted. Default: the input has ids, in a column ``leadId``.
    :param columns: column of the input to the name that ``lookup_field`` uses: ``{"mail": "email"}``.
    :param confirm: must be True, or render to True.
    :param allow_none_found: let the task succeed if no value finds a lead. By default it fails, because this is most
        often a mistake upstream, and the evidence would say that the request was fulfilled. If only some values find no
        lead, the task warns, and the evidence has their positions.
    :param max_leads: refuse to delete more, which is usually a mistake upstream.
    :param verify_after: how long after the deletion to look again: seconds, a timedelta or an ISO 8601 duration; None
        for never. Needs a triggerer.
    :param warehouse: also erase the leads from the tables that ``MarketoToSqlOperator`` has loaded, before they are
        deleted in Marketo: ``{"sql_conn_id": "wh", "schema": "marketo"}``. With ``"output_path"``, the folder of the
        extracts, also remove all files that are loaded. Experimental.
    :param dry_run: count what would be deleted.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"requested", "found", "erased", "remaining", "reappeared", "evidence"}``: counts, and where the evidence
        lies. With ``warehouse`` also ``tables`` (how many rows were emptied, by table), ``files`` (those that were
        removed) and ``files_left`` (those that are not loaded and stay).
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Lead",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoDeferrableOperator.argument_checks,
        "evidence": text(required=True),
        "lead_ids": ids(),
        **INPUT_CHECKS,
        "columns": mapping(),
        "confirm": flag(),
        "allow_none_found": flag(),
        "max_leads": count(),
        "verify_after": duration(required=False),
        "warehouse": _warehouse,
        "dry_run": flag(),
    }
    template_fields: Sequence[str] = (
        *MarketoDeferrableOperator.template_fields,
        "evidence",
        "lead_ids",
        *INPUT_TEMPLATE_FIELDS,
        "columns",
        "confirm",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    deferrable = True
    """Only the later check waits, for a day or so."""

    def __init__(
        self,
        *,
        evidence: str,
        lead_ids: Sequence[int] | str | int | None = None,
        source: Source | None = None,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        records: Records | None = None,
        lookup_field: str | None = None,
        columns: Mapping[str, str] | str | None = None,
        confirm: bool | str = False,
        allow_none_found: bool = False,
        max_leads: int = 1_000,
        verify_after: timedelta | float | str | None = None,
        warehouse: Mapping[str, str] | str | None = None,
        dry_run: bool = False,
        on_quota_exhausted: OnQuotaExhausted = "defer",
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            on_quota_exhausted=on_quota_exhausted,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.evidence = evidence
        self.lead_ids = lead_ids
        self.source = source
        self.source_format = source_format
        self.delimiter = delimiter
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.records = records
        self.lookup_field = lookup_field
        self.columns = columns
        self.confirm = confirm
        self.allow_none_found = allow_none_found
        self.max_leads = max_leads
        self.verify_after = verify_after
        self.warehouse = warehouse
        self._preview = dry_run  # BaseOperator.dry_run is a method
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.imports.erase_task import EraseWork

        return EraseWork(context, self.hook, self.checked_arguments(), self._erase_tables, resumed=resumed)

    def _erase_tables(self, leads: Sequence[int]) -> Mapping[str, Any]:
        """Erase leads from the warehouse, if the author names one; return the counts."""
        warehouse = self.argument("warehouse")
        if warehouse is None:
            return {}
        from airflow_provider_marketo.warehouse.erase import erase_leads_and_files

        place = (warehouse["sql_conn_id"], warehouse.get("schema"))
        return erase_leads_and_files(*place, leads, warehouse.get("output_path"))
