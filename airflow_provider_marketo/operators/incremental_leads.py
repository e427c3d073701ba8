"""The operator that extracts new and changed leads, on any subscription."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import (
    Check,
    choice,
    count,
    flag,
    moment,
    narrowing,
    number,
    period,
    text,
    texts,
    texts_or_word,
)
from airflow_provider_marketo.choices import (
    FileFormat,
    LeadsMode,
    OnQuotaExhausted,
    OnSchemaChange,
    OnTypeError,
    WindowOrder,
)
from airflow_provider_marketo.lineage.outlets import PublishesLineage
from airflow_provider_marketo.operators.base import MarketoJobOperator
from airflow_provider_marketo.operators.bulk_extract import SHORTEST_WINDOW
from airflow_provider_marketo.operators.defaults import DEFERRABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work


class MarketoIncrementalLeadsOperator(PublishesLineage, MarketoJobOperator):
    """
    Extract the leads that are new or have changed in a span, on any subscription.

    * ``updated_at``: bulk exports by ``updatedAt``, where the subscription has that filter.
    * ``change_feed``: Marketo's feed says which leads changed, then the task looks them up by id, 300 per call. The
      feed has changes of the exported fields from the last 90 days.
    * ``snapshot``: all leads by ``createdAt``, from ``first_lead`` to the end of the span.

    ``auto`` takes the first mode that works, and logs its name and cost. Once in 30 days it tests for ``updatedAt``
    exports with a job that is never started. The Variable ``marketo_features_<conn_id>`` remembers the answer; delete
    it to test again at once.

    Adobe's operations: those of :class:`~.bulk_extract.MarketoBulkExtractOperator`; for the feed
    ``activities.get_paging_token``, ``activities.get_lead_changes``, ``leads.get_by_filter_type``.

    :param output_path: folder: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``. One
        folder holds one dataset. It must render to the same value at every try.
    :param start: first second of the span; a datetime or ISO 8601, in UTC if it names no zone. Default: the data
        interval's start.
    :param end: first second after the span. Default: the data interval's end.
    :param mode: ``auto``, ``updated_at``, ``change_feed`` or ``snapshot``.
    :param first_lead: a time before which no lead was created; for snapshots.
    :param fields: REST API names, or ``"all"`` (default): every field of describe, without those that Marketo refuses.
        ``id`` is always exported.
    :param file_format: ``parquet`` or ``jsonl`` (typed), or ``csv`` (the bytes Marketo sent).
    :param window: length of a job's window, from 1 hour to 31 days: a timedelta or an ISO 8601 duration (``P7D``).
    :param order: ``oldest_first`` or ``newest_first``.
    :param lookback: how far before ``start`` to read again, for changes that became visible late; in the form of
        ``window``.
    :param partition_by: columns, or ``year``, ``month``, ``date``, ``hour``: Hive-style folders.
    :param on_schema_change: ``evolve`` (the manifest lists the change) or ``fail``, when the instance's fields differ
        from those of the output's earlier files.
    :param exclude_fields: fields to leave out. They are neither exported nor written. The key cannot be left out.
    :param hash_fields: fields replaced by digests (HMAC-SHA-256) with the key ``hash_secret`` of the connection.
    :param on_type_error: what to do with a value that does not fit its column: ``null``, ``string`` (null, and its text
        in the column ``_misfits``) or ``fail``. The manifest always counts such values.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: time between two polls of the jobs: seconds, a timedelta or an ISO 8601 duration. Default: the
        connection's ``poll_interval`` (60 seconds).
    :param timeout: how long a try waits for Marketo in all, in the form of ``poll_interval``. The wait for a quota's
        reset does not count.
    :param max_empty_pages: largest number of pages of the feed in a row without a record; with more, the task fails.
    :param partition_events: give the asset events of the outlets a partition key (Airflow 3.3): the start of the run's
        data interval, or the start of the span if the run has no interval. DAGs that are scheduled by the plain asset
        do not start for such events.
    :param max_calls: largest number of calls per try.
    :param daily_export_mb: *experimental*: megabytes that all runs, tries and mapped tasks of the DAG may export in
        bulk in a day. When they are spent, the task waits in the triggerer and continues the next day. The task leaves
        the connection's ``export_reserve_mb`` to other work, and what DAGs without a budget are likely to need.
    :param marketo_conn_id: id of the connection.
    :return: the manifest, as :class:`~.bulk_extract.MarketoBulkExtractOperator` returns it.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Lead", "Read-Only Activity")
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoJobOperator.argument_checks,
        "daily_export_mb": number(required=False),
        "output_path": text(required=True),
        "start": moment(),
        "end": moment(),
        "mode": choice(LeadsMode),
        "first_lead": moment(),
        "fields": narrowing(texts_or_word("all", required=True)),
        "file_format": choice(FileFormat),
        "window": period(minimum=SHORTEST_WINDOW),
        "order": choice(WindowOrder),
        "lookback": period(required=False),
        "partition_by": texts(),
        "on_schema_change": choice(OnSchemaChange),
        "exclude_fields": texts(),
        "hash_fields": texts(),
        "on_type_error": choice(OnTypeError),
        "max_empty_pages": count(minimum=1),
        "partition_events": flag(),
    }
    template_fields: Sequence[str] = (
        *MarketoJobOperator.template_fields,
        "output_path",
        "start",
        "end",
        "mode",
        "first_lead",
        "fields",
        "file_format",
        "window",
        "order",
        "lookback",
        "partition_by",
        "exclude_fields",
        "hash_fields",
        "daily_export_mb",
        "poll_interval",
        "timeout",
    )

    def __init__(
        self,
        *,
        output_path: str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        mode: LeadsMode = "auto",
        first_lead: datetime | str | None = None,
        fields: Sequence[str] | str = "all",
        file_format: FileFormat = "parquet",
        window: timedelta | str = timedelta(days=30),
        order: WindowOrder = "oldest_first",
        lookback: timedelta | str | None = None,
        partition_by: Sequence[str] | str | None = None,
        on_schema_change: OnSchemaChange = "evolve",
        exclude_fields: Sequence[str] | str | None = None,
        hash_fields: Sequence[str] | str | None = None,
        on_type_error: OnTypeError = "null",
        on_quota_exhausted: OnQuotaExhausted = "defer",
        deferrable: bool = DEFERRABLE,
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = timedelta(hours=24),
        max_empty_pages: int = 1000,
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
        self.daily_export_mb = daily_export_mb
        self.output_path = output_path
        self.start = start
        self.end = end
        self.mode = mode
        self.first_lead = first_lead
        self.fields = fields
        self.file_format = file_format
        self.window = window
        self.order = order
        self.lookback = lookback
        self.partition_by = partition_by
        self.on_schema_change = on_schema_change
        self.exclude_fields = exclude_fields
        self.hash_fields = hash_fields
        self.on_type_error = on_type_error
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.max_empty_pages = max_empty_pages
        self.partition_events = partition_events
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.streams.incremental_leads import IncrementalLeadsWork

        return IncrementalLeadsWork(context, self.hook, self.checked_arguments(), resumed=resumed)

    def _finished(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        self._emit(context, result)
        return result
