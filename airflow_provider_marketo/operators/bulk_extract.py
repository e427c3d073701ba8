"""The operator that extracts leads, activities, program members and custom objects in bulk to files."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import (
    Check,
    choice,
    flag,
    mapping,
    moment,
    names_or_ids,
    narrowing,
    number,
    period,
    text,
    texts,
    texts_or_word,
)
from airflow_provider_marketo.choices import (
    AttributesForm,
    BulkObject,
    FileFormat,
    OnQuotaExhausted,
    OnSchemaChange,
    OnTypeError,
    ProgramsSelection,
    WindowOrder,
)
from airflow_provider_marketo.lineage.outlets import PublishesLineage
from airflow_provider_marketo.operators.base import MarketoJobOperator
from airflow_provider_marketo.operators.defaults import DEFERRABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work

SHORTEST_WINDOW = timedelta(hours=1)


class MarketoBulkExtractOperator(PublishesLineage, MarketoJobOperator):
    """
    Extract objects from Marketo in bulk into files of an object store or a local folder.

    The task splits the span into windows, runs an export job for each, and waits without a worker if ``deferrable``. It
    verifies the files, writes them typed and publishes each window in one step. It writes the manifest last. A task
    that is killed, retried or cleared continues with its own jobs. It cancels jobs that it no longer needs, and no
    others.

    Adobe's operations: ``bulk_export_<object_type>.{create_job, enqueue_job, get_jobs, get_file, cancel_job}``, and
    ``leads.describe``, ``program_members.describe``, ``custom_objects.describe`` or ``activities.get_types`` once.

    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param output_path: folder: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``. One
        folder holds one dataset. It must render to the same value at every try.
    :param start: first second of the span; a datetime or ISO 8601, in UTC if it names no zone. Default: the data
        interval's start, but no dates if a list selects the rows, or for program members without a ``date_field``.
    :param end: first second after the span. Default: as for ``start``, the data interval's end.
    :param date_field: the date that the span selects by: leads ``createdAt`` (default) or ``updatedAt``, program
        members and custom objects ``updatedAt``. Not every subscription has ``updatedAt`` for leads and program members
        (1035).
    :param filters: further filters by Adobe's names, e.g. ``{"staticListId": 1001}`` instead of dates, ``{"programIds":
        [1, 2]}`` for program members (ten per job).
    :param programs: for program members, instead of ids: ``all``, or ``changed``: the programs in which a membership
        began or changed in the span, according to activities. All members of these programs are extracted.
    :param fields: REST API names, or ``"all"``: every field of describe, without those that Marketo refuses.
        Leads: ``"all"`` by default. Activities have a default. The key (``id``, ``marketoGUID``, ``leadId``) is always
        exported.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param file_format: ``parquet`` or ``jsonl`` (typed), or ``csv`` (the bytes Marketo sent).
    :param window: length of a job's window, from 1 hour to 31 days: a timedelta or an ISO 8601 duration (``P7D``).
    :param order: ``oldest_first`` or ``newest_first``.
    :param lookback: how far before ``start`` to read again, for rows that became visible late; in the form of
        ``window``.
    :param activity_types: names or ids; default all that Marketo exports.
    :param attributes: attributes of activities: ``map`` (default for parquet), ``json`` (default for jsonl) or
        ``typed``: one dataset per activity type with a column per attribute.
    :param partition_by: columns, or ``activity_type``, ``year``, ``month``, ``date``, ``hour``: Hive-style folders.
    :param on_schema_change: ``evolve`` (the manifest lists the change) or ``fail``, when the instance's fields differ
        from those of the output's earlier files.
    :param exclude_fields: fields to leave out. They are neither exported nor written. The key cannot be left out.
    :param hash_fields: fields replaced by digests (HMAC-SHA-256) with the key ``hash_secret`` of the connection. For
        activities, this and ``exclude_fields`` also take fields of leads, and hide their old and new values. For
        program members they also take fields of leads that are not exported.
    :param on_type_error: what to do with a value that does not fit its column: ``null``, ``string`` (null, and its text
        in the column ``_misfits``) or ``fail``. The manifest always counts such values.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: time between two polls of the jobs: seconds, a timedelta or an ISO 8601 duration. Default: the
        connection's ``poll_interval`` (60 seconds).
    :param timeout: how long a try waits for Marketo in all, in the form of ``poll_interval``. The wait for a quota's
        reset does not count.
    :param partition_events: give the asset events of the outlets a partition key (Airflow 3.3): the start of the run's
        data interval, or the start of the span if the run has no interval. DAGs that are scheduled by the plain asset
        do not start for such events.
    :param max_calls: largest number of calls that a try may make.
    :param daily_export_mb: *experimental*: megabytes that all runs, tries and mapped tasks of the DAG may export in
        bulk in a day. When they are spent, the task waits in the triggerer and continues the next day. The task leaves
        the connection's ``export_reserve_mb`` to other work, and what DAGs without a budget are likely to need.
    :param marketo_conn_id: id of the connection.
    :return: the manifest: paths, rows, bytes, checksums, windows and job ids; never rows. For more than 100 files or
        windows it has only their numbers, ``file_count`` and ``window_count``; the lists are in the file at
        ``manifest``.
    """

    permissions: ClassVar[Sequence[str]] = ("bulk_export_{object_type}.create_job",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoJobOperator.argument_checks,
        "object_type": choice(BulkObject),
        "daily_export_mb": number(required=False),
        "output_path": text(required=True),
        "start": moment(),
        "end": moment(),
        "date_field": text(),
        "filters": mapping(),
        "programs": choice(ProgramsSelection, required=False),
        "fields": narrowing(texts_or_word("all")),
        "custom_object": text(),
        "file_format": choice(FileFormat),
        "window": period(minimum=SHORTEST_WINDOW),
        "order": choice(WindowOrder),
        "lookback": period(required=False),
        "activity_types": narrowing(names_or_ids()),
        "attributes": choice(AttributesForm, required=False),
        "partition_by": texts(),
        "on_schema_change": choice(OnSchemaChange),
        "exclude_fields": texts(),
        "hash_fields": texts(),
        "on_type_error": choice(OnTypeError),
        "partition_events": flag(),
    }
    template_fields: Sequence[str] = (
        *MarketoJobOperator.template_fields,
        "object_type",
        "output_path",
        "start",
        "end",
        "date_field",
        "filters",
        "programs",
        "fields",
        "custom_object",
        "file_format",
        "window",
        "order",
        "lookback",
        "activity_types",
        "attributes",
        "partition_by",
        "exclude_fields",
        "hash_fields",
        "daily_export_mb",
        "poll_interval",
        "timeout",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json"}

    def __init__(
        self,
        *,
        object_type: BulkObject,
        output_path: str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        date_field: str | None = None,
        filters: Mapping[str, Any] | str | None = None,
        programs: ProgramsSelection | None = None,
        fields: Sequence[str] | str | None = None,
        custom_object: str | None = None,
        file_format: FileFormat = "parquet",
        window: timedelta | str = timedelta(days=30),
        order: WindowOrder = "oldest_first",
        lookback: timedelta | str | None = None,
        activity_types: Sequence[str | int] | str | None = None,
        attributes: AttributesForm | None = None,
        partition_by: Sequence[str] | str | None = None,
        on_schema_change: OnSchemaChange = "evolve",
        exclude_fields: Sequence[str] | str | None = None,
        hash_fields: Sequence[str] | str | None = None,
        on_type_error: OnTypeError = "null",
        on_quota_exhausted: OnQuotaExhausted = "defer",
        deferrable: bool = DEFERRABLE,
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = timedelta(hours=24),
        partition_events: bool = False,
        max_calls: int | None = None,
        daily_export_mb: float | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            on_quota_exhausted=on_quota_exhausted,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.object_type = object_type
        self.daily_export_mb = daily_export_mb
        self.output_path = output_path
        self.start = start
        self.end = end
        self.date_field = date_field
        self.filters = filters
        self.programs = programs
        self.fields = fields
        self.custom_object = custom_object
        self.file_format = file_format
        self.window = window
        self.order = order
        self.lookback = lookback
        self.activity_types = activity_types
        self.attributes = attributes
        self.partition_by = partition_by
        self.on_schema_change = on_schema_change
        self.exclude_fields = exclude_fields
        self.hash_fields = hash_fields
        self.on_type_error = on_type_error
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.partition_events = partition_events
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.extract.task import ExtractWork

        return ExtractWork(context, self.hook, self.checked_arguments(), resumed=resumed)

    def _finished(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        self._emit(context, result)
        return result
