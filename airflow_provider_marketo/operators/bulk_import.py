"""The operator that imports files into Marketo in bulk: leads, program members, custom objects."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, one_id, text
from airflow_provider_marketo.choices import (
    ImportObject,
    OnDuplicates,
    OnLostUpload,
    OnQuotaExhausted,
    OnUnknown,
    RejectsFormat,
    SourceFormat,
)
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.import_base import MarketoImportOperator, Source, delimiter_sign, required_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work


class MarketoBulkImportOperator(MarketoImportOperator):
    """
    Import files into Marketo in bulk.

    The files are read once, checked against describe and staged in chunks of less than 10 MB. The task keeps a few
    imports in Marketo's queue and waits without a worker if ``deferrable``. Marketo's reports of failures and warnings
    are matched with the rows of the input. Each row ends as accepted, warned, rejected, superseded by a later row of
    the same key, or unknown; a task with an unknown row fails. A retried task sends the rest of the same bytes.

    Adobe's operations: ``bulk_import_<object_type>.{import, get_status, get_failures, get_warnings}``,
    ``leads.describe``, ``program_members.describe`` or ``custom_objects.describe``; for the checks
    ``static_list_membership.get_list_by_id``, ``programs.get_by_id`` and ``channels.get_by_name``.

    :param object_type: ``leads``, ``program_members`` or ``custom_objects``.
    :param source: file, URL, glob or ``ObjectStoragePath``, or a list of them: csv, tsv, jsonl or parquet, plain or
        gzipped. A glob that finds nothing is an empty input, which is a success.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param lookup_field: for leads, the field by which they are found. Default: ``email``; ``id`` only updates.
    :param list_id: static list that imported leads join.
    :param partition_name: name of a lead partition.
    :param program_id: program that imported members join.
    :param program_member_status: status of these members; a status of the program's channel.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param rejects_path: folder for the tables of rows that were rejected, or imported with a warning: a local path,
        ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``.
    :param rejects_format: ``jsonl`` or ``parquet``.
    :param staging: folder, reachable by every worker, for the rows while the task runs. Default: ``rejects_path``.
    :param columns: map of input columns to REST API names; only these columns are sent. Default: every column, under
        its name.
    :param constants: map of REST API names to the values that every row gets.
    :param on_duplicates: the ``last`` of the rows with one key wins and the others count as superseded, or ``fail``.
    :param max_reject_ratio: share of the rows, from 0 to 1, that may be rejected. If more are, the task fails after it
        has sent all other rows.
    :param on_lost_upload: whether to ``resend`` rows or to ``stop`` when the answer to a request was lost. Default:
        ``resend``, and ``stop`` with ``list_id`` or for program members, since joining a list or a program may fire
        campaigns.
    :param on_unknown: *experimental*: if ``on_lost_upload`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param dry_run: check, stage and count, and send nothing.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: time between two polls of bulk imports: seconds, a timedelta or an ISO 8601 duration. Default:
        the connection's ``poll_interval``, at most 30 seconds.
    :param timeout: how long a try waits for bulk imports, in the form of ``poll_interval``. The wait for a quota's
        reset does not count.
    :param max_calls: largest number of calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: the account of rows (``ImportResult``): counts, ids of imports, and the addresses of the tables of rejects
        and warnings; never rows.
    """

    permissions: ClassVar[Sequence[str]] = ("bulk_import_{object_type}.import",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoImportOperator.argument_checks,
        "object_type": choice(ImportObject),
        "source": required_paths,
        "source_format": choice(SourceFormat, required=False),
        "delimiter": delimiter_sign,
        "lookup_field": text(),
        "list_id": one_id(),
        "partition_name": text(),
        "program_id": one_id(),
        "program_member_status": text(),
        "custom_object": text(),
    }
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
        object_type: ImportObject,
        source: Source,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        lookup_field: str | None = None,
        list_id: int | str | None = None,
        partition_name: str | None = None,
        program_id: int | str | None = None,
        program_member_status: str | None = None,
        custom_object: str | None = None,
        rejects_path: str,
        rejects_format: RejectsFormat = "jsonl",
        staging: str | None = None,
        columns: Mapping[str, str] | str | None = None,
        constants: Mapping[str, Any] | str | None = None,
        on_duplicates: OnDuplicates = "last",
        max_reject_ratio: float = 0.0,
        on_lost_upload: OnLostUpload | None = None,
        on_unknown: OnUnknown = "ask",
        dry_run: bool = False,
        on_quota_exhausted: OnQuotaExhausted = "defer",
        deferrable: bool = DEFERRABLE,
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = timedelta(hours=24),
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rejects_path=rejects_path,
            rejects_format=rejects_format,
            staging=staging,
            columns=columns,
            constants=constants,
            on_duplicates=on_duplicates,
            max_reject_ratio=max_reject_ratio,
            on_lost_upload=on_lost_upload,
            on_unknown=on_unknown,
            dry_run=dry_run,
            on_quota_exhausted=on_quota_exhausted,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.object_type = object_type
        self.source = source
        self.source_format = source_format
        self.delimiter = delimiter
        self.lookup_field = lookup_field
        self.list_id = list_id
        self.partition_name = partition_name
        self.program_id = program_id
        self.program_member_status = program_member_status
        self.custom_object = custom_object
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.imports.task import BulkImportWork

        return BulkImportWork(context, self.hook, self.checked_arguments(), parallel=self.pool_slots, resumed=resumed)
