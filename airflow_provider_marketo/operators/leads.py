"""Leads by key: the first call of every Marketo tutorial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.hooks.link import push_place
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

VALUES_PER_CALL = 300
_TOO_MANY = ("too many", "exceed", "more than")
_PARAMETERS = {
    "filterType": "filter_type",
    "filterValues": "filter_values",
    "listId": "list_id",
    "programId": "program_id",
}
DEFAULT_FIELDS = ("id", "email", "firstName", "lastName", "createdAt", "updatedAt")


class MarketoGetLeadsOperator(MarketoOperator):
    """
    Read leads by the values of a field, or all leads of a static list or a program.

    Values are sent 300 at a time, as a POST where the address would be too long, and every page is read. Rows go to
    ``output``; what comes back is ids and counts. Marketo finds at most 1,000 leads for a call: more are a job for
    :class:`~airflow_provider_marketo.operators.bulk_extract.MarketoBulkExtractOperator`.

    Adobe's operations: ``leads.get_by_filter_type``, ``static_list_membership.get_leads_by_list_id``,
    ``leads.get_by_program_id``; with ``output`` also ``leads.describe``, for the types.

    :param filter_type: field to look in, such as ``email`` or ``id``; one of the searchable fields of describe.
    :param filter_values: values to look for; any number. A value must not contain a comma. Airflow shows them as a
        rendered field.
    :param list_id: id of a static list, in the place of a filter.
    :param program_id: id of a program, in the place of a filter.
    :param fields: REST API names; default id, email, firstName, lastName, createdAt, updatedAt. ``id`` is always read.
    :param output: folder for the rows, as in the bulk extract; without it no row is kept. They replace those of an
        earlier run in ``leads.<file_format>``, or ``leads_<map_index>.<file_format>`` of a mapped task.
    :param file_format: ``jsonl``, ``parquet`` (both need the ``arrow`` extra) or ``csv``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"count", "ids", "output", "files"}``; an id comes once, however many values found it.
    """

    template_fields: Sequence[str] = (
        "filter_type",
        "filter_values",
        "list_id",
        "program_id",
        "fields",
        "output_path",
        "file_format",
        "marketo_conn_id",
    )
    operator_extra_links = (MarketoLink(),)
    ui_color = "#e9e3f5"

    def __init__(
        self,
        *,
        filter_type: str | None = None,
        filter_values: Sequence[Any] | str | None = None,
        list_id: int | str | None = None,
        program_id: int | str | None = None,
        fields: Sequence[str] | str | None = None,
        output: str | None = None,
        file_format: str = "jsonl",
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filter_type = filter_type
        self.filter_values = filter_values
        self.list_id = list_id
        self.program_id = program_id
        self.fields = fields
        self.output_path = output  # an operator's "output" is its XCom
        self.file_format = file_format
        self.marketo_conn_id = marketo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.extract.request import FILE_FORMATS
        from airflow_provider_marketo.hooks.marketo import MarketoHook
        from airflow_provider_marketo.legacy_arguments import as_list, one_of
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            one_of("file_format", self.file_format, FILE_FORMATS)
            hook = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots)
            client = hook.get_conn()
            fields = tuple(dict.fromkeys(("id", *(as_list(self.fields) or DEFAULT_FIELDS))))
            rows = _once_each(self._read(client, fields))
            files: list[dict[str, Any]] = []
            if self.output_path is None:
                ids = [row["id"] for row in rows]
            else:
                map_index = context["ti"].map_index
                name = "leads" if map_index is None or map_index < 0 else f"leads_{map_index}"
                ids, files = self._write(client, fields, rows, name)
            push_place(context, hook, lead_id=ids[0] if len(ids) == 1 else None, list_id=self.list_id)
        self.log.info("Read %d leads", len(ids))
        return {"count": len(ids), "ids": ids, "output": self.output_path, "files": files}

    def _read(self, client: MarketoClient, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        for operation, parameters in self._queries():
            try:
                yield from client.paginate(operation, **parameters, fields=list(fields))
            except MarketoInvalidRequestError as error:
                self._explain(error)
                raise

    def _explain(self, error: MarketoInvalidRequestError) -> None:
        """Say which of the operator's parameters Marketo, or the check before the call, complains about."""
        words = error.message.lower()
        if error.code == codes.INVALID_DATA and any(each in words for each in _TOO_MANY):
            error.parameter = "filter_values"
            error.remedy = (
                "Marketo finds at most 1,000 leads for a call. Ask for fewer values, or use"
                " MarketoBulkExtractOperator(object_type='leads')."
            )
        elif error.code == codes.UNKNOWN_FIELD:
            error.parameter = "fields"
        elif error.code is None:
            error.parameter = _PARAMETERS.get((error.parameter or "").partition("[")[0], error.parameter)
        else:
            ways = ("list_id", "program_id")
            error.parameter = next((way for way in ways if getattr(self, way) is not None), "filter_type")

    def _queries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The calls to make, checked before the first one is made."""
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.legacy_arguments import as_list, checked_values

        ways = [self.filter_type is not None, self.list_id is not None, self.program_id is not None]
        if sum(ways) != 1:
            raise MarketoInvalidRequestError(
                "leads are read by exactly one of filter_type, list_id and program_id", parameter="filter_type"
            )
        if self.list_id is not None:
            yield "static_list_membership.get_leads_by_list_id", {"listId": self.list_id}
            return
        if self.program_id is not None:
            yield "leads.get_by_program_id", {"programId": self.program_id}
            return
        values = checked_values(as_list(self.filter_values) or ())
        if not values:
            self.log.info("filter_values is empty: there is nothing to look for")
        for first in range(0, len(values), VALUES_PER_CALL):
            yield (
                "leads.get_by_filter_type",
                {
                    "filterType": self.filter_type,
                    "filterValues": values[first : first + VALUES_PER_CALL],
                },
            )

    def _write(
        self, client: MarketoClient, fields: Sequence[str], rows: Iterator[Mapping[str, Any]], name: str
    ) -> tuple[list[int], list[dict[str, Any]]]:
        from airflow_provider_marketo.client.tabular.arrow import require_arrow
        from airflow_provider_marketo.extract.rows import write_rows
        from airflow_provider_marketo.output.folder import OutputFolder

        if self.file_format != "csv":
            require_arrow()
        folder = OutputFolder(str(self.output_path))
        folder.check_writable()
        return write_rows(folder, client, fields, rows, file_format=self.file_format, name=name)


def _once_each(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """A lead may be found by several values, and pages may overlap when leads change meanwhile."""
    seen: set[int] = set()
    for row in rows:
        if row["id"] not in seen:
            seen.add(row["id"])
            yield row
