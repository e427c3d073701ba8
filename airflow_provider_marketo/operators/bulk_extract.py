"""Marketo in bulk to files: leads, activities, program members, custom objects."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_marketo.lineage.outlets import PublishesLineage
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.failures import PERMANENT_ERRORS, no_retry_on_permanent_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.bulk.jobs import ExportJob
    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.extract.run import ExtractRun, ExtractWait

_WINDOW = timedelta(days=30)

_JOBS_IN_FLIGHT = 2
"""Marketo works on two jobs at a time; more in the queue would only stand in the way of others."""


class MarketoBulkExtractOperator(PublishesLineage, MarketoOperator):
    """
    Extract objects from Marketo in bulk into files of an object store or a local folder.

    Splits the span into windows, runs an export job for each, waits without a worker if ``deferrable``, verifies the
    files, writes them typed and publishes each window in one step; the manifest comes last. A task that is killed,
    retried or cleared goes on with its own jobs. Jobs that it no longer needs are cancelled, and no others.

    Adobe's operations: ``bulk_export_<object_type>.{create_job, enqueue_job, get_jobs, get_file, cancel_job}``, and
    ``leads.describe``, ``program_members.describe``, ``custom_objects.describe`` or ``activities.get_types`` once.

    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param output: folder: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``. One
        folder holds one dataset. It must render to the same at every try.
    :param start: first second wanted; a datetime or ISO 8601, without a zone UTC. Default: the data interval's start,
        but no dates where a list selects the rows, or for program members without a ``date_field``.
    :param end: first second no longer wanted. Default: as for ``start``, the data interval's end.
    :param date_field: what the span selects by: leads ``createdAt`` (default) or ``updatedAt``, program members and
        custom objects ``updatedAt``. Not every subscription has ``updatedAt`` for leads and program members (1035).
    :param filters: further filters by Adobe's names, e.g. ``{"staticListId": 1001}`` in the place of dates,
        ``{"programIds": [1, 2]}``, which program members need (ten per job).
    :param fields: REST API names, or ``"all"``: every field of describe, without those that Marketo refuses.
        Activities have a default. The key (``id``, ``marketoGUID``, ``leadId``) is always exported.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param file_format: ``csv`` (the bytes Marketo sent), ``jsonl`` or ``parquet`` (typed; both need the
        ``arrow`` extra).
    :param window: length of a job's window, at most 31 days: a timedelta, or a number of days.
    :param order: ``oldest_first`` or ``newest_first``.
    :param lookback: how far before ``start`` to read again, for rows that became visible late; as ``window``.
    :param activity_types: names or ids; default all that Marketo exports.
    :param attributes: of activities: ``map`` (default for parquet), ``json`` (default for jsonl) or ``typed``: one
        dataset per activity type with a column per attribute.
    :param partition_by: columns, or ``activity_type``, ``year``, ``month``, ``date``, ``hour``: Hive-style folders.
    :param on_schema_change: ``evolve`` (the manifest lists the change) or ``fail``, when the instance's fields differ
        from those of the output's earlier files.
    :param exclude_sensitive: leave out fields that Marketo marks as sensitive (needs a schema permission).
    :param hash_fields: fields replaced by their SHA-256, keyed with the connection's ``hash_salt`` if it has one.
    :param on_type_error: a value that does not fit its column: ``null``, ``string`` (null, and its text in the column
        ``_misfits``) or ``fail``. Always counted in the manifest.
    :param on_quota_exhausted: ``defer`` until the quota's reset and go on, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: seconds between two looks at the jobs. Default: the connection's ``poll_interval`` (60).
    :param timeout: how long a try waits for Marketo in all, the wait for a quota's reset not counted.
    :param partition_events: give the asset events of the outlets a partition key (Airflow 3.3): the start of the run's
        data interval, or of the span if it has none. DAGs that are scheduled by the plain asset do not start for such
        events.
    :param marketo_conn_id: id of the connection.
    :return: the manifest: paths, rows, bytes, checksums, windows and job ids; never rows. Of more than 100 files or
        windows only the numbers, ``file_count`` and ``window_count``; the lists are in the file at ``manifest``.
    """

    template_fields: Sequence[str] = (
        "object_type",
        "output_path",
        "start",
        "end",
        "date_field",
        "filters",
        "fields",
        "custom_object",
        "file_format",
        "window",
        "order",
        "lookback",
        "activity_types",
        "attributes",
        "partition_by",
        "hash_fields",
        "marketo_conn_id",
    )
    template_fields_renderers = {"filters": "json"}  # noqa: RUF012 - Airflow's own idiom
    ui_color = "#e9e3f5"

    def __init__(
        self,
        *,
        object_type: str,
        output: str,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        date_field: str | None = None,
        filters: Mapping[str, Any] | str | None = None,
        fields: Sequence[str] | str | None = None,
        custom_object: str | None = None,
        file_format: str = "csv",
        window: timedelta | float | str = _WINDOW,
        order: str = "oldest_first",
        lookback: timedelta | float | str | None = None,
        activity_types: Sequence[str | int] | None = None,
        attributes: str | None = None,
        partition_by: Sequence[str] | None = None,
        on_schema_change: str = "evolve",
        exclude_sensitive: bool = False,
        hash_fields: Sequence[str] | None = None,
        on_type_error: str = "null",
        on_quota_exhausted: str = "defer",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | None = None,
        timeout: timedelta = timedelta(hours=24),
        partition_events: bool = False,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_type = object_type
        self.output_path = output  # an operator's "output" is its XCom
        self.start = start
        self.end = end
        self.date_field = date_field
        self.filters = filters
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
        self.exclude_sensitive = exclude_sensitive
        self.hash_fields = hash_fields
        self.on_type_error = on_type_error
        self.on_quota_exhausted = on_quota_exhausted
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.partition_events = partition_events
        self.marketo_conn_id = marketo_conn_id
        self._run: ExtractRun | None = None
        self._killed = False

    def execute(self, context: Context) -> dict[str, Any]:
        return self._go(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Goes on after a wait for jobs: the trigger's event says what has become of them."""
        from airflow_provider_marketo.triggers.bulk_job import jobs_from_event

        return self._go(context, resumed=True, look=lambda: jobs_from_event(event))

    def resume(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Goes on after a wait that was for time to pass: a place in the queue, or the quota's reset."""
        return self._go(context, resumed=True)

    def on_kill(self) -> None:
        """Cancels the jobs of this task instance, and no others. Airflow lets the task run on for some seconds."""
        self._killed = True
        if self._run is not None:
            self._run.kill()

    def _begin(self, context: Context, *, resumed: bool = False) -> ExtractRun:
        from airflow_provider_marketo.extract.begin import begin
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        self._run = begin(
            lambda: self._request(context),
            output=self.output_path,
            hook=MarketoHook(self.marketo_conn_id, parallel=self.pool_slots),
            context=context,
            timeout=self.timeout,
            resumed=resumed,
            in_flight=conf.getint("marketo", "jobs_in_flight", fallback=_JOBS_IN_FLIGHT),
        )
        return self._run

    def _request(self, context: Context) -> ExtractRequest:
        from airflow_provider_marketo.extract.request import ON_QUOTA_EXHAUSTED, ExtractRequest, as_fields, as_filters
        from airflow_provider_marketo.legacy_arguments import as_list, as_span, one_of

        one_of("on_quota_exhausted", self.on_quota_exhausted, ON_QUOTA_EXHAUSTED)
        start, end = self._dates(context)
        return ExtractRequest(
            object_type=self.object_type,
            start=start,
            end=end,
            date_field=self.date_field,
            filters=as_filters(self.filters),
            fields=as_fields(self.fields),
            custom_object=self.custom_object,
            file_format=self.file_format,
            window=as_span("window", self.window),
            order=self.order,
            lookback=as_span("lookback", self.lookback or 0),
            activity_types=as_list(self.activity_types) or (),
            attributes=self.attributes,
            partition_by=as_list(self.partition_by) or (),
            on_schema_change=self.on_schema_change,
            exclude_sensitive=self.exclude_sensitive,
            hash_fields=as_list(self.hash_fields) or (),
            on_type_error=self.on_type_error,
        )

    def _dates(self, context: Context) -> tuple[datetime | None, datetime | None]:
        """The author's dates, or in their place those of the run."""
        from airflow_provider_marketo.client.bulk.objects import export_object
        from airflow_provider_marketo.extract.request import as_filters, data_interval, interval_selects
        from airflow_provider_marketo.legacy_arguments import as_utc

        start, end = self._date("start"), self._date("end")
        if start is not None or end is not None:
            return (
                start or as_utc("start", context.get("data_interval_start"))[0],
                end or as_utc("end", context.get("data_interval_end"))[0],
            )
        if interval_selects(export_object(self.object_type), self.date_field, as_filters(self.filters)):
            return data_interval(context)
        return None, None

    def _date(self, parameter: str) -> datetime | None:
        from airflow_provider_marketo.legacy_arguments import as_utc

        given = getattr(self, parameter)
        date, naive = as_utc(parameter, given)
        if naive:
            self.log.info("%s=%s has no time zone and is taken as UTC", parameter, given)
        return date

    def _go(
        self, context: Context, *, resumed: bool = False, look: Callable[[], Mapping[str, ExportJob]] | None = None
    ) -> dict[str, Any]:
        """
        From wherever the extract stands to its end, or to the next deferral.

        :param resumed: whether this is the same try after a deferral.
        :param look: what is known of the jobs; by default Marketo is asked.
        """
        from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError, MarketoStoppedError

        run: ExtractRun | None = None
        with no_retry_on_permanent_errors():
            try:
                run = self._begin(context, resumed=resumed)
                if self._killed:  # meanwhile
                    run.kill()
                waiting = run.step((look or run.adopt)())
                while waiting is not None:
                    waiting = run.step(self._wait(context, run, waiting))
                manifest = run.finish()
            except MarketoStoppedError:
                raise
            except Exception as error:
                moment = self._goes_on_at(run, error)
                if moment is not None:
                    # Jobs in the queue go on by themselves, and what is published stays.
                    self.log.warning("%s Going on after %s.", error, moment.isoformat())
                    if run is not None and isinstance(error, MarketoQuotaExhaustedError):
                        run.extend_deadline(moment)
                    self._defer_until(moment, context, run)
                if run is not None and self._gives_up(context, error):
                    run.cancel()  # nobody will come back for the jobs
                raise
        self._emit(context, manifest)
        return manifest

    def _goes_on_at(self, run: ExtractRun | None, error: Exception) -> datetime | None:
        """When what stands in the way will have passed, if that is known and worth waiting for without a worker."""
        from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError, MarketoThrottledError

        if isinstance(error, MarketoQuotaExhaustedError):
            return error.until if self.on_quota_exhausted == "defer" else None
        now = datetime.now(timezone.utc)
        if isinstance(error, MarketoThrottledError) and self.deferrable and run is not None and now < run.deadline:
            return now + timedelta(seconds=self.poll_interval or run.poll_interval)
        return None

    def _gives_up(self, context: Context, error: Exception) -> bool:
        from airflow_provider_marketo.client.errors import MarketoDeadlineError

        last_try = context["ti"].try_number > context["ti"].max_tries
        return last_try or isinstance(error, (MarketoDeadlineError, *PERMANENT_ERRORS))

    def _wait(self, context: Context, run: ExtractRun, waiting: ExtractWait) -> Mapping[str, ExportJob]:
        """Until one of the jobs has ended: in the triggerer, or here."""
        run.check_deadline()
        interval = self.poll_interval or run.poll_interval
        if not self.deferrable:
            time.sleep(interval)
            return run.look(waiting)
        if waiting.export_ids:
            self._defer(context, run)
        self._defer_until(datetime.now(timezone.utc) + timedelta(seconds=interval), context, run)
        return {}

    def _defer_until(self, moment: datetime, context: Context, run: ExtractRun | None) -> None:
        """Lets time pass in the triggerer; Airflow's own trigger would not cancel the jobs of a task that is ended."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        if run is not None and run.held:
            self._defer(context, run, until=moment)
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume")

    def _defer(self, context: Context, run: ExtractRun, *, until: datetime | None = None) -> NoReturn:
        from airflow_provider_marketo.triggers.bulk_job import EXPORT_IDS, MarketoBulkJobTrigger

        context["ti"].xcom_push(key=EXPORT_IDS, value=run.held)
        self.defer(
            trigger=MarketoBulkJobTrigger(
                marketo_conn_id=self.marketo_conn_id,
                object_type=run.object_type,
                custom_object=run.custom_object,
                export_ids=run.held,
                deadline=run.deadline.isoformat(),
                poll_interval=self.poll_interval or run.poll_interval,
                until=until.isoformat() if until else None,
            ),
            method_name="resume" if until else "execute_complete",
        )
