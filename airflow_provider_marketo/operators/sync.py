"""Operators that send records through the sync endpoints: small or urgent imports."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, text
from airflow_provider_marketo.choices import (
    DedupeBy,
    EmptyFields,
    OnDuplicates,
    OnLostUpload,
    OnQuotaExhausted,
    OnUnknown,
    RejectsFormat,
    SourceFormat,
    SyncAction,
    SyncObject,
)
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.import_base import (
    MarketoImportOperator,
    Records,
    Source,
    delimiter_sign,
    paths,
    records,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work


class MarketoSyncOperator(MarketoImportOperator):
    """
    Create or update records, 300 in a call, as many calls at once as the task has ``pool_slots``.

    The input is read once and staged; a retried task sends the rest of the same rows. Records of one key are never in
    two calls at once. Each row ends as accepted, rejected (with Marketo's reason, in a table under ``rejects_path``),
    superseded by a later row of the same key, or unknown; a task with an unknown row fails.

    Adobe's operations: ``<object_type>.sync`` and ``<object_type>.describe``.

    :param object_type: ``leads``, ``companies``, ``opportunities``, ``opportunity_roles``, ``sales_persons``,
        ``named_accounts`` or ``custom_objects``.
    :param records: list of mappings of field names to values, or a function that returns one. It is not a template:
        leads must appear neither in XCom nor in rendered fields. Give either this or ``source``.
    :param source: file, URL, glob or ``ObjectStoragePath``, or a list of them: csv, tsv, jsonl or parquet, plain or
        gzipped.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param action: ``createOrUpdate`` (Marketo's default), ``createOnly``, ``updateOnly``, and for leads
        ``createDuplicate``, which is never sent twice.
    :param lookup_field: for leads, the field by which they are found. Default: ``email``.
    :param dedupe_by: for objects other than leads, ``dedupeFields`` (Marketo's default) or ``idField``, which needs
        ``updateOnly``.
    :param partition_name: name of a lead partition.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param empty_fields: what an empty value does: ``keep`` the field as it is, or ``clear`` it.
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
        ``resend``, and ``stop`` for ``createDuplicate``.
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

    permissions: ClassVar[Sequence[str]] = ("{object_type}.sync",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoImportOperator.argument_checks,
        "object_type": choice(SyncObject),
        "records": records,
        "source": paths,
        "source_format": choice(SourceFormat, required=False),
        "delimiter": delimiter_sign,
        "action": choice(SyncAction, required=False),
        "lookup_field": text(),
        "dedupe_by": choice(DedupeBy, required=False),
        "partition_name": text(),
        "custom_object": text(),
        "empty_fields": choice(EmptyFields),
    }
    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "source",
        "lookup_field",
        "partition_name",
        "custom_object",
    )

    def __init__(
        self,
        *,
        object_type: SyncObject,
        records: Records | None = None,
        source: Source | None = None,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        action: SyncAction | None = None,
        lookup_field: str | None = None,
        dedupe_by: DedupeBy | None = None,
        partition_name: str | None = None,
        custom_object: str | None = None,
        empty_fields: EmptyFields = "keep",
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
        self.records = records
        self.source = source
        self.source_format = source_format
        self.delimiter = delimiter
        self.action = action
        self.lookup_field = lookup_field
        self.dedupe_by = dedupe_by
        self.partition_name = partition_name
        self.custom_object = custom_object
        self.empty_fields = empty_fields
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.imports.task import SyncWork

        return SyncWork(context, self.hook, self.checked_arguments(), parallel=self.pool_slots, resumed=resumed)


class MarketoSyncLeadsOperator(MarketoSyncOperator):
    """
    Create or update leads: :class:`MarketoSyncOperator` for ``object_type="leads"``.

    Adobe's operations: ``leads.sync`` and ``leads.describe``.

    :param records: list of mappings of field names to values, or a function that returns one. It is not a template:
        leads must appear neither in XCom nor in rendered fields. Give either this or ``source``.
    :param source: file, URL, glob or ``ObjectStoragePath``, or a list of them: csv, tsv, jsonl or parquet, plain or
        gzipped.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param action: ``createOrUpdate`` (Marketo's default), ``createOnly``, ``updateOnly``, or ``createDuplicate``, which
        is never sent twice.
    :param lookup_field: the field by which leads are found. Default: ``email``.
    :param partition_name: name of a lead partition.
    :param empty_fields: what an empty value does: ``keep`` the field as it is, or ``clear`` it.
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
        ``resend``, and ``stop`` for ``createDuplicate``.
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

    def __init__(
        self,
        *,
        records: Records | None = None,
        source: Source | None = None,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        action: SyncAction | None = None,
        lookup_field: str | None = None,
        partition_name: str | None = None,
        empty_fields: EmptyFields = "keep",
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
            object_type="leads",
            records=records,
            source=source,
            source_format=source_format,
            delimiter=delimiter,
            action=action,
            lookup_field=lookup_field,
            partition_name=partition_name,
            empty_fields=empty_fields,
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
