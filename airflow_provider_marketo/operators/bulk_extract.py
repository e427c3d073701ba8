"""Marketo in bulk to files: leads, activities, program members, custom objects."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseOperator

from airflow_provider_marketo.operators.failures import FINAL, fail_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.bulk.jobs import ExportJob
    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.extract.run import ExtractRun, Waiting

_JOBS_IN_FLIGHT = 2
"""Marketo works on two jobs at a time; more in the queue would only stand in the way of others."""


class MarketoBulkExtractOperator(BaseOperator):
    """
    Extract objects from Marketo in bulk into files of an object store or a local folder.

    Splits the span into windows, runs an export job for each, waits without a worker if ``deferrable``, verifies the
    files, writes them typed and publishes each window in one step; the manifest comes last. A task that is killed,
    retried or cleared goes on with its own jobs. Jobs that it no longer needs are cancelled, and no others.

    Adobe's operations: ``bulk_export_<object_type>.{create_job, enqueue_job, get_jobs, get_file, cancel_job}``, and
    ``leads.describe``, ``program_members.describe``, ``custom_objects.describe`` or ``activities.get_types`` once.

    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param output: folder: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``. One
        folder holds one dataset.
    :param start: first second wanted; a datetime or ISO 8601, without a zone UTC. Default: the data interval's start.
    :param end: first second no longer wanted. Default: the data interval's end.
    :param date_field: what the span selects by: leads ``createdAt`` (default) or ``updatedAt``, program members and
        custom objects ``updatedAt``. Not every subscription has ``updatedAt`` for leads and program members (1035).
    :param filters: further filters by Adobe's names, e.g. ``{"staticListId": 1001}`` in the place of dates,
        ``{"programIds": [1, 2]}``, which program members need (ten per job).
    :param fields: REST API names, or ``"all"``: every field of describe, without those that Marketo refuses.
        Activities have a default. The key (``id``, ``marketoGUID``, ``leadId``) is always exported.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param file_format: ``csv`` (the bytes Marketo sent), ``jsonl`` or ``parquet`` (typed; both need the
        ``arrow`` extra).
    :param window: length of a job's window, at most 31 days.
    :param order: ``oldest_first`` or ``newest_first``.
    :param lookback: how far before ``start`` to read again, for rows that became visible late.
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
    :param timeout: how long to wait for Marketo in all, the wait for a quota's reset not counted.
    :param marketo_conn_id: id of the connection.
    :return: the manifest: paths, rows, bytes, checksums, windows and job ids; never rows.
    """

    template_fields: Sequence[str] = (
        "output",
        "start",
        "end",
        "date_field",
        "filters",
        "fields",
        "custom_object",
        "file_format",
        "activity_types",
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
        filters: Mapping[str, Any] | None = None,
        fields: Sequence[str] | str | None = None,
        custom_object: str | None = None,
        file_format: str = "csv",
        window: timedelta = timedelta(days=30),
        order: str = "oldest_first",
        lookback: timedelta | None = None,
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
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_type = object_type
        self.output = output
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
        self.marketo_conn_id = marketo_conn_id
        self._run: ExtractRun | None = None

    def execute(self, context: Context) -> dict[str, Any]:

        with fail_for_good():
            run = self._begin(context)
            return self._advance(context, run, run.adopt)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Goes on after a wait for jobs: the trigger's event says what has become of them."""
        from airflow_provider_marketo.triggers.bulk_job import jobs_from_event

        with fail_for_good():
            return self._advance(context, self._begin(context, resumed=True), lambda: jobs_from_event(event))

    def resume(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Goes on after a wait that was for time to pass: a place in the queue, or the quota's reset."""

        with fail_for_good():
            run = self._begin(context, resumed=True)
            return self._advance(context, run, run.adopt)

    def on_kill(self) -> None:
        """Cancels the jobs of this try, and no others."""
        if self._run is not None:
            self._run.cancel()

    def _begin(self, context: Context, *, resumed: bool = False) -> ExtractRun:
        from airflow_provider_marketo.extract.begin import begin
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        hook = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots)
        self._run = begin(
            self._request(context),
            output=self.output,
            hook=hook,
            context=context,
            timeout=self.timeout,
            resumed=resumed,
            in_flight=conf.getint("marketo", "jobs_in_flight", fallback=_JOBS_IN_FLIGHT),
        )
        return self._run

    def _request(self, context: Context) -> ExtractRequest:
        from airflow_provider_marketo.extract.request import ExtractRequest, as_list, as_utc

        dates = {}
        for parameter, default in (("start", "data_interval_start"), ("end", "data_interval_end")):
            given = getattr(self, parameter)
            dates[parameter], naive = as_utc(parameter, context.get(default) if given is None else given)
            if naive:
                self.log.info("%s=%s has no time zone and is taken as UTC", parameter, given)
        return ExtractRequest(
            object_type=self.object_type,
            date_field=self.date_field,
            filters=self.filters or {},
            fields=as_list(self.fields),
            custom_object=self.custom_object,
            file_format=self.file_format,
            window=self.window,
            order=self.order,
            lookback=self.lookback or timedelta(0),
            activity_types=as_list(self.activity_types) or (),
            attributes=self.attributes,
            partition_by=as_list(self.partition_by) or (),
            on_schema_change=self.on_schema_change,
            exclude_sensitive=self.exclude_sensitive,
            hash_fields=as_list(self.hash_fields) or (),
            on_type_error=self.on_type_error,
            **dates,
        )

    def _advance(
        self, context: Context, run: ExtractRun, look: Callable[[], Mapping[str, ExportJob]]
    ) -> dict[str, Any]:
        from airflow_provider_marketo.client.errors import (
            MarketoDeadlineError,
            MarketoError,
            MarketoQuotaExhaustedError,
        )

        try:
            waiting = run.step(look())
            while waiting is not None:
                waiting = run.step(self._wait(run, waiting))
            return run.finish()
        except MarketoQuotaExhaustedError as error:
            # Jobs in the queue go on by themselves: the next try, or this one after the reset, fetches them.
            if self.on_quota_exhausted != "defer" or error.until is None:
                raise
            self.log.warning("%s Going on after %s.", error, error.until.isoformat())
            run.extend_deadline(error.until)
            self._defer_until(error.until)
            raise
        except MarketoError as error:
            if isinstance(error, (MarketoDeadlineError, *FINAL)) or context["ti"].try_number > context["ti"].max_tries:
                run.cancel()  # nobody will come back for them
            raise

    def _wait(self, run: ExtractRun, waiting: Waiting) -> Mapping[str, ExportJob]:
        """Until one of the jobs has ended: in the triggerer, or here."""
        run.check_deadline()
        interval = self.poll_interval or run.poll_interval
        if not self.deferrable:
            time.sleep(interval)
            return run.look(waiting)
        if waiting.export_ids:
            from airflow_provider_marketo.triggers.bulk_job import MarketoBulkJobTrigger

            self.defer(
                trigger=MarketoBulkJobTrigger(
                    marketo_conn_id=self.marketo_conn_id,
                    object_type=self.object_type,
                    custom_object=self.custom_object,
                    export_ids=list(waiting.export_ids),
                    deadline=run.deadline.isoformat(),
                    poll_interval=interval,
                ),
                method_name="execute_complete",
            )
        self._defer_until(datetime.now(timezone.utc) + timedelta(seconds=interval))
        return {}

    def _defer_until(self, moment: datetime) -> None:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume")
