"""Custom activities: rows that become activities of a type that the instance has defined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, text
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.import_base import (
    INPUT_CHECKS,
    INPUT_TEMPLATE_FIELDS,
    MarketoImportOperator,
    Records,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.choices import OnLostUpload, OnQuotaExhausted, OnUnknown, RejectsFormat, SourceFormat
    from airflow_provider_marketo.hooks.work import Work


class MarketoCustomActivitiesOperator(MarketoImportOperator):
    """
    Add activities of a custom type to leads, 300 in a call.

    The input has the column ``activityDate``, a column for the primary attribute, and perhaps columns for other
    attributes of the type, under their API names. The column ``leadId`` or that of ``lookup_field`` names the lead. The
    input is read once and staged. Each row ends as accepted, rejected with Marketo's reason, or unknown.

    Marketo cannot delete an activity, and does not notice one that is sent twice. So the task writes down the state of
    each call before it makes the call. It repeats no call that may have run, unless ``on_lost_upload`` says so. Two
    equal rows are two activities.

    This operator is experimental until it has been in a release.

    Adobe's operations: ``activities.add_custom_activities``, ``activities.get_custom_types``,
    ``activities.describe_custom_type``, and for ``lookup_field`` ``leads.get_by_filter_type``.

    :param activity_type: API name, name or id of an approved custom activity type.
    :param source: file, URL, glob or ``ObjectStoragePath``, or a list of them: csv, tsv, jsonl or parquet, plain or
        gzipped. Give one of ``source``, ``sql`` and ``records``.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param sql: a query, or a ``.sql`` file, on ``sql_conn_id``.
    :param sql_conn_id: connection of a database.
    :param records: list of mappings of names to values, or a function that returns one. It is not a template:
        leads must appear neither in XCom nor in rendered fields.
    :param lookup_field: field of leads by which the input names them, such as ``email``, in a column of that name. The
        task asks Marketo for their ids, 300 a call. A row is rejected if Marketo has no such lead, or several. Default:
        the input has ids, in a column ``leadId``.
    :param rejects_path: folder for the tables of rows that were rejected, or imported with a warning: a local path,
        ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``.
    :param rejects_format: ``jsonl`` or ``parquet``.
    :param staging: folder, reachable by every worker, for the rows while the task runs. Default: ``rejects_path``.
    :param columns: map of input columns to REST API names; only these columns are sent. Default: every column, under
        its name.
    :param constants: map of REST API names to the values that every row gets.
    :param max_reject_ratio: share of the rows, from 0 to 1, that may be rejected. If more are, the task fails after it
        has sent all other rows.
    :param on_lost_upload: whether to ``resend`` rows or to ``stop`` when the answer to a request was lost. Default:
        ``stop``: Marketo cannot delete an activity. With ``resend`` a cleared task sends those rows once more.
    :param on_unknown: *experimental*: if ``on_lost_upload`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param dry_run: check, stage and count, and send nothing.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: the account of rows (``ImportResult``): counts and the address of the table of rejects; never rows.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Activity", "Read-Only Activity Metadata")
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoImportOperator.argument_checks,
        "activity_type": text(required=True),
        **INPUT_CHECKS,
    }
    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "activity_type",
        *INPUT_TEMPLATE_FIELDS,
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        activity_type: str,
        source: Source | None = None,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        records: Records | None = None,
        lookup_field: str | None = None,
        rejects_path: str,
        rejects_format: RejectsFormat = "jsonl",
        staging: str | None = None,
        columns: Mapping[str, str] | str | None = None,
        constants: Mapping[str, Any] | str | None = None,
        max_reject_ratio: float = 0.0,
        on_lost_upload: OnLostUpload | None = None,
        on_unknown: OnUnknown = "ask",
        dry_run: bool = False,
        on_quota_exhausted: OnQuotaExhausted = "defer",
        deferrable: bool = DEFERRABLE,
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
            max_reject_ratio=max_reject_ratio,
            on_lost_upload=on_lost_upload,
            on_unknown=on_unknown,
            dry_run=dry_run,
            on_quota_exhausted=on_quota_exhausted,
            deferrable=deferrable,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.activity_type = activity_type
        self.source = source
        self.source_format = source_format
        self.delimiter = delimiter
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.records = records
        self.lookup_field = lookup_field
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.imports.custom_activities import CustomActivitiesWork

        return CustomActivitiesWork(
            context, self.hook, self.checked_arguments(), parallel=self.pool_slots, resumed=resumed
        )
