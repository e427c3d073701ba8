"""Files into Marketo in bulk: leads, program members, custom objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.operators.import_base import MarketoImportOperator

if TYPE_CHECKING:
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.source import Rows


class MarketoBulkImportOperator(MarketoImportOperator):
    """
    Import files into Marketo in bulk.

    The files are read once, checked against describe and staged in chunks of less than 10 MB; the task keeps a few
    imports in Marketo's queue and waits without a worker if ``deferrable``. Marketo's reports of failures and warnings
    are led back to the rows of the input: each is accepted, warned, rejected, superseded by a later row of the same
    key, or unknown, and a task with an unknown row fails. A retried task sends the rest of the same bytes.

    Adobe's operations: ``bulk_import_<object_type>.{import, get_status, get_failures, get_warnings}``,
    ``leads.describe``, ``program_members.describe`` or ``custom_objects.describe``; for the checks
    ``static_list_membership.get_list_by_id``, ``programs.get_by_id`` and ``channels.get_by_name``.

    :param object_type: ``leads``, ``program_members`` or ``custom_objects``.
    :param source: file, URL, glob or ``ObjectStoragePath``, or a list of them: csv, tsv, jsonl or parquet, perhaps
        gzipped. A glob that finds nothing is an empty input, which is a success.
    :param source_format: of the files, where their names do not tell.
    :param lookup_field: for leads, the field by which they are found. Default ``email``; ``id`` only updates.
    :param list_id: static list that imported leads join.
    :param partition_name: lead partition.
    :param program_id: program that imported members join.
    :param program_member_status: their status; one of the program's channel.
    :param custom_object: API name of the type, for ``custom_objects``.

    All other parameters: see :class:`~airflow_provider_marketo.operators.import_base.MarketoImportOperator`.
    ``on_lost_upload`` is by default ``resend``, and ``stop`` with ``list_id`` or for program members, since joining a
    list or a program may fire campaigns.

    :return: counts of rows, ids of the imports and the addresses of the tables of rejects and warnings; never rows.
    """

    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "source",
        "lookup_field",
        "list_id",
        "partition_name",
        "program_id",
        "program_member_status",
        "custom_object",
    )

    def __init__(
        self,
        *,
        object_type: str,
        source: Any,
        source_format: str | None = None,
        lookup_field: str | None = None,
        list_id: int | str | None = None,
        partition_name: str | None = None,
        program_id: int | str | None = None,
        program_member_status: str | None = None,
        custom_object: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_type = object_type
        self.source = source
        self.source_format = source_format
        self.lookup_field = lookup_field
        self.list_id = list_id
        self.partition_name = partition_name
        self.program_id = program_id
        self.program_member_status = program_member_status
        self.custom_object = custom_object

    def _request(self) -> ImportRequest:
        from airflow_provider_marketo.imports.request import ImportRequest
        from airflow_provider_marketo.imports.targets import BULK
        from airflow_provider_marketo.legacy_arguments import as_id

        return ImportRequest(
            object_type=self.object_type,
            transport=BULK,
            custom_object=self.custom_object,
            lookup_field=self.lookup_field,
            list_id=as_id("list_id", self.list_id),
            partition_name=self.partition_name,
            program_id=as_id("program_id", self.program_id),
            program_member_status=self.program_member_status,
            **self._common(self.source, self.source_format),
        )

    def _rows(self) -> Rows:
        from airflow_provider_marketo.imports.inputs import open_rows

        return open_rows(source=self.source, source_format=self.source_format)
