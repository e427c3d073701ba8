"""Changes in Marketo as they happen: activities, changed fields, deleted and merged leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.dates import parse_date, without_zone
from airflow_provider_marketo.lineage.outlets import PublishesLineage
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.streams.request import StreamRequest
    from airflow_provider_marketo.streams.run import StreamRun

Span = timedelta | float | str

MOST_PARTITIONS = 1000
"""Partitions that one asset event names, the latest; a first run may read the hours of years."""


class _StreamOperator(PublishesLineage, MarketoOperator):
    """
    What the streams have in common. Each run reads from where the stream stands to its own end, publishes, and moves
    the stream's position only then. A run that is retried, cleared or run again reads its own range once more.

    :param output: folder: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``. One
        folder holds one stream.
    :param stream: name of the stream, by which its position is kept. Default: ``<dag_id>.<task_id>``. Another name
        starts anew. One run of a stream at a time: give the DAG ``max_active_runs=1``.
    :param since: where a new stream starts; a datetime or ISO 8601, without a zone UTC. Default: the data interval's
        start. Not looked at once the stream has a position.
    :param end: where this run ends. Default: the data interval's end, else now; never later than now by Marketo's
        clock.
    :param late_arrivals: how far before its start a run reads again, for rows that became visible late; a timedelta
        or days. Rows that were published before are left out by ``marketoGUID``.
    :param file_format: ``csv``, ``jsonl`` or ``parquet`` (the latter two need the ``arrow`` extra).
    :param attributes: of activities: ``map`` (default for parquet), ``json`` (default for jsonl) or ``typed``.
    :param partition_by: columns, or ``activity_type``, ``year``, ``month``, ``date``, ``hour``: Hive-style folders.
    :param hash_fields: columns replaced by their SHA-256, keyed with the connection's ``hash_salt`` if it has one.
    :param on_type_error: a value that does not fit its column: ``null``, ``string`` or ``fail``.
    :param on_gap: when Marketo no longer has what comes next: ``fail``, or ``skip`` to the oldest that it has.
    :param on_quota_exhausted: ``defer`` until the quota's reset and start the range anew, or ``fail`` at once.
    :param max_empty_pages: most pages without a record in a row, before the run is given up.
    :param partition_events: give the asset events of the outlets partition keys (Airflow 3.3): the start of the run's
        data interval, or of its range if it has none, and the starts of earlier intervals that the run has made up for.
        DAGs that are scheduled by the plain asset do not start for such events.
    :param marketo_conn_id: id of the connection.
    :return: the manifest: paths, rows, bytes, checksums and the range; never rows.
    """

    template_fields: Sequence[str] = (
        "output_path",
        "stream",
        "since",
        "end",
        "late_arrivals",
        "file_format",
        "attributes",
        "partition_by",
        "hash_fields",
        "on_gap",
        "marketo_conn_id",
    )
    ui_color = "#e9e3f5"
    object_type: ClassVar[str]

    def __init__(
        self,
        *,
        output: str,
        stream: str | None = None,
        since: datetime | str | None = None,
        end: datetime | str | None = None,
        late_arrivals: Span | None = None,
        file_format: str = "csv",
        attributes: str | None = None,
        partition_by: Sequence[str] | None = None,
        hash_fields: Sequence[str] | None = None,
        on_type_error: str = "null",
        on_gap: str = "fail",
        on_quota_exhausted: str = "defer",
        max_empty_pages: int = 1000,
        partition_events: bool = False,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_path = output  # an operator's "output" is its XCom
        self.stream = stream
        self.since = since
        self.end = end
        self.late_arrivals = late_arrivals
        self.file_format = file_format
        self.attributes = attributes
        self.partition_by = partition_by
        self.hash_fields = hash_fields
        self.on_type_error = on_type_error
        self.on_gap = on_gap
        self.on_quota_exhausted = on_quota_exhausted
        self.max_empty_pages = max_empty_pages
        self.partition_events = partition_events
        self.marketo_conn_id = marketo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        with no_retry_on_permanent_errors():
            since, end = self._dates(context)
            hook = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots)
            try:
                manifest = self._run(context, hook).run(since, end)
            except MarketoQuotaExhaustedError as error:
                if self.on_quota_exhausted != "defer" or error.until is None:
                    raise
                from airflow.providers.standard.triggers.temporal import DateTimeTrigger

                self.log.warning("%s Starting anew after %s.", error, error.until.isoformat())
                self.defer(trigger=DateTimeTrigger(moment=error.until), method_name="resume")
                raise
            self._emit(context, manifest)
            return manifest

    def resume(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Goes on after the quota's reset. Nothing was published before it."""
        return self.execute(context)

    def _run(self, context: Context, hook: MarketoHook) -> StreamRun:
        from airflow_provider_marketo.extract.request import ON_QUOTA_EXHAUSTED
        from airflow_provider_marketo.legacy_arguments import one_of
        from airflow_provider_marketo.output.folder import OutputFolder
        from airflow_provider_marketo.streams.request import ON_GAP
        from airflow_provider_marketo.streams.run import StreamRun

        one_of("on_gap", self.on_gap, ON_GAP)
        one_of("on_quota_exhausted", self.on_quota_exhausted, ON_QUOTA_EXHAUSTED)
        request = self._request()
        return StreamRun(
            request,
            self.stream or f"{self.dag_id}.{self.task_id}",
            OutputFolder(self.output_path),
            hook.get_conn(),
            context,
            hash_salt=hook.settings.hash_salt,
            parallel=self.pool_slots,
            max_empty_pages=self.max_empty_pages,
            on_gap=self.on_gap,
        )

    def _request(self, **more: Any) -> StreamRequest:
        from airflow_provider_marketo.legacy_arguments import as_list, as_span
        from airflow_provider_marketo.streams.request import StreamRequest

        return StreamRequest(
            object_type=self.object_type,
            lookback=as_span("late_arrivals", self.late_arrivals or timedelta(0)),
            file_format=self.file_format,
            attributes=self.attributes,
            partition_by=as_list(self.partition_by) or (),
            hash_fields=as_list(self.hash_fields) or (),
            on_type_error=self.on_type_error,
            **more,
        )

    def _partitions(self, context: Context, manifest: Mapping[str, Any]) -> list[str]:
        """A run after a pause has read the intervals of the runs that were not: they are published, too."""

        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        keys = super()._partitions(context, manifest)
        if not keys or start is None or end is None or start == end:
            return keys
        read_from = parse_date(manifest["start"])
        for _ in range(MOST_PARTITIONS - 1):
            end, start = start, start - (end - start)
            if start < read_from:
                break
            keys.append(without_zone(start))
        return keys

    def _dates(self, context: Context) -> tuple[datetime | None, datetime | None]:
        """The author's dates, or in their place those of the run."""
        from airflow_provider_marketo.legacy_arguments import as_utc

        first, last = context.get("data_interval_start"), context.get("data_interval_end")
        since, _ = as_utc("since", self.since or (first if first != last else None))
        end, _ = as_utc("end", self.end or last)
        return since, end


class MarketoActivitiesOperator(_StreamOperator):
    """
    Follow activities. As :class:`~.bulk_extract.MarketoBulkExtractOperator` with ``object_type="activities"`` in small
    and often: a call a page of 300, no export quota, no job to wait for.

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.

    :param activity_types: names or ids; default all but Delete Lead. Marketo takes ten in a call: more are read by
        several cursors, of which the task's ``pool_slots`` go on at a time.
    :param lead_ids: only of these leads, at most 30.
    :param list_id: only of the members of a static list, which Marketo takes below 10,000 members.
    :param asset_ids: only with these primary attributes, such as ids of forms; with a single activity type.

    Other parameters as in the other streams: ``output``, ``stream``, ``since``, ``end``, ``late_arrivals``,
    ``file_format``, ``attributes``, ``partition_by``, ``hash_fields``, ``on_type_error``, ``on_gap``,
    ``on_quota_exhausted``, ``max_empty_pages``, ``marketo_conn_id``; see the page on streams.
    """

    object_type = "activities"
    template_fields: Sequence[str] = (
        *_StreamOperator.template_fields,
        "activity_types",
        "lead_ids",
        "list_id",
        "asset_ids",
    )

    def __init__(
        self,
        *,
        activity_types: Sequence[str | int] | str | None = None,
        lead_ids: Sequence[int] | str | None = None,
        list_id: int | str | None = None,
        asset_ids: Sequence[int] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activity_types = activity_types
        self.lead_ids = lead_ids
        self.list_id = list_id
        self.asset_ids = asset_ids

    def _request(self, **more: Any) -> StreamRequest:
        from airflow_provider_marketo.legacy_arguments import as_id, as_ids, as_list

        return super()._request(
            activity_types=as_list(self.activity_types) or (),
            lead_ids=as_ids("lead_ids", self.lead_ids),
            list_id=as_id("list_id", self.list_id),
            asset_ids=as_ids("asset_ids", self.asset_ids),
            **more,
        )


class MarketoLeadChangesOperator(_StreamOperator):
    """
    Follow changes of fields of leads, and new leads: a row for each field that changed, with its old and new value.

    Adobe's operations: ``leads.describe``, ``activities.get_paging_token``, ``activities.get_lead_changes``.

    :param fields: REST API names of the fields to follow. By Adobe's reference the feed does not tell of scores: follow
        the activity Change Score.
    :param lead_ids: only of these leads, at most 30.
    :param list_id: only of the members of a static list, which Marketo takes below 10,000 members.

    Other parameters as in the other streams; see :class:`MarketoActivitiesOperator`.
    """

    object_type = "lead_changes"
    template_fields: Sequence[str] = (*_StreamOperator.template_fields, "fields", "lead_ids", "list_id")

    def __init__(
        self,
        *,
        fields: Sequence[str] | str,
        lead_ids: Sequence[int] | str | None = None,
        list_id: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fields = fields
        self.lead_ids = lead_ids
        self.list_id = list_id

    def _request(self, **more: Any) -> StreamRequest:
        from airflow_provider_marketo.legacy_arguments import as_id, as_ids, as_list

        return super()._request(
            changed_fields=as_list(self.fields) or (),
            lead_ids=as_ids("lead_ids", self.lead_ids),
            list_id=as_id("list_id", self.list_id),
            **more,
        )


class MarketoDeletedLeadsOperator(_StreamOperator):
    """
    Follow deletions of leads. Marketo keeps them for 14 days, and a bulk extract does not have them.

    Adobe's operations: ``activities.get_paging_token``, ``activities.get_deleted_leads``.

    Parameters as in the other streams; see :class:`MarketoActivitiesOperator`.
    """

    object_type = "deleted_leads"


class MarketoMergedLeadsOperator(_StreamOperator):
    """
    Follow merges of leads: a row for each lead that is no more (``loserId``), with the one that stays (``winnerId``).

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.

    Parameters as in the other streams; see :class:`MarketoActivitiesOperator`.
    """

    object_type = "merged_leads"
