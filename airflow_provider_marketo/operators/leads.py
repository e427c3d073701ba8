"""The operator that gets leads by key, list or program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, narrowing, one_id, text, texts, values
from airflow_provider_marketo.choices import FileFormat
from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context


class MarketoGetLeadsOperator(MarketoOperator):
    """
    Read leads by the values of a field, or all leads of a static list or a program.

    For thousands of leads use :class:`~airflow_provider_marketo.operators.bulk_extract.MarketoBulkExtractOperator`.

    Adobe's operations: ``leads.get_by_filter_type``, ``static_list_membership.get_leads_by_list_id``,
    ``leads.get_by_program_id``; with ``output_path`` also ``leads.describe``, for the types.

    :param lookup_field: field to look in, such as ``email`` or ``id``; one of the searchable fields of describe.
    :param lookup_values: values to look for; any number. A value must not contain a comma. Airflow shows them as a
        rendered field.
    :param list_id: id of a static list, instead of a filter.
    :param program_id: id of a program, instead of a filter.
    :param fields: REST API names; default id, email, firstName, lastName, createdAt, updatedAt. ``id`` is always read.
    :param output_path: folder for the rows, as in the bulk extract; without it no row is kept. The rows replace the
        file of an earlier run: ``leads.<file_format>``, or ``leads_<map_index>.<file_format>`` for a mapped task.
    :param file_format: ``parquet`` or ``jsonl`` (typed), or ``csv``.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"count", "ids", "output", "files", "manifest"}``; an id comes once, however many values found it.
        ``manifest`` is the URL of the manifest, with ``output_path``.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Lead",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOperator.argument_checks,
        "lookup_field": text(),
        "lookup_values": values(),
        "list_id": one_id(),
        "program_id": one_id(),
        "fields": narrowing(texts()),
        "output_path": text(),
        "file_format": choice(FileFormat),
    }
    template_fields: Sequence[str] = (
        *MarketoOperator.template_fields,
        "lookup_field",
        "lookup_values",
        "list_id",
        "program_id",
        "fields",
        "output_path",
        "file_format",
    )

    def __init__(
        self,
        *,
        lookup_field: str | None = None,
        lookup_values: Sequence[Any] | str | int | None = None,
        list_id: int | str | None = None,
        program_id: int | str | None = None,
        fields: Sequence[str] | str | None = None,
        output_path: str | None = None,
        file_format: FileFormat = "parquet",
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(max_calls=max_calls, marketo_conn_id=marketo_conn_id, **kwargs)
        self.lookup_field = lookup_field
        self.lookup_values = lookup_values
        self.list_id = list_id
        self.program_id = program_id
        self.fields = fields
        self.output_path = output_path
        self.file_format = file_format
        self.check_arguments()

    def _execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.extract.lead_lookup import look_up_leads

        return look_up_leads(context, self.hook, self.checked_arguments())
