"""What all operators that load rows have in common: check, stage, send, wait, account."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.hooks.link import push_place
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.imports.begin import Beginning
    from airflow_provider_marketo.imports.bulk import BulkImport, ImportWait
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.source import Rows
    from airflow_provider_marketo.imports.staged import Ending, StagedImport

_IMPORTS_IN_FLIGHT = 4
_LONGEST_POLL_INTERVAL = 30.0
"""Seconds; Adobe asks for 5 to 30 between two looks at an import, and for 60 at an export."""


class MarketoImportOperator(MarketoOperator):
    """
    Base of the operators that load rows into Marketo; no operator by itself.

    :param rejects: folder for the tables of rows that were rejected, or loaded with a warning.
    :param rejects_format: ``jsonl`` or ``parquet``.
    :param staging: folder that every worker reaches, for the rows while the task is under way. Default: ``rejects``.
    :param columns: column of the input to REST API name; only these are sent. Default: every column, under its name.
    :param constants: REST API name to a value that every row gets.
    :param on_duplicates: ``last`` of the rows with one key wins and the others count as superseded, or ``fail``.
    :param max_reject_ratio: part of the rows that may be rejected before the task fails. It fails after everything
        else was loaded.
    :param on_lost_upload: ``resend`` or ``stop`` when nobody knows whether rows arrived.
    :param dry_run: check, stage and count, and send nothing.
    :param on_quota_exhausted: ``defer`` until the daily quota's reset and go on, or ``fail``.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: seconds between two looks at imports. Default: the connection's ``poll_interval``, at most 30.
    :param timeout: how long to wait for Marketo in all, the wait for a quota's reset not counted.
    :param marketo_conn_id: id of the connection.
    """

    template_fields: Sequence[str] = ("rejects", "staging", "columns", "constants", "marketo_conn_id")
    ui_color = "#e9e3f5"
    operator_extra_links = (MarketoLink(),)

    def __init__(
        self,
        *,
        rejects: str,
        rejects_format: str = "jsonl",
        staging: str | None = None,
        columns: Mapping[str, str] | None = None,
        constants: Mapping[str, Any] | None = None,
        on_duplicates: str = "last",
        max_reject_ratio: float = 0.0,
        on_lost_upload: str | None = None,
        dry_run: bool = False,
        on_quota_exhausted: str = "defer",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | None = None,
        timeout: timedelta = timedelta(hours=24),
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rejects = rejects
        self.rejects_format = rejects_format
        self.staging = staging
        self.columns = columns
        self.constants = constants
        self.on_duplicates = on_duplicates
        self.max_reject_ratio = max_reject_ratio
        self.on_lost_upload = on_lost_upload
        self.rehearse = dry_run  # an operator's "dry_run" is a method of Airflow's
        self.on_quota_exhausted = on_quota_exhausted
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.marketo_conn_id = marketo_conn_id
        self._loading: StagedImport | None = None
        self._interval = _LONGEST_POLL_INTERVAL

    def execute(self, context: Context) -> dict[str, Any]:
        return self._go(context)

    def resume(self, context: Context, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Goes on after a deferral: an import has ended, or time has passed."""
        return self._go(context, resumed=True, event=event)

    def on_kill(self) -> None:
        """Nothing more is sent. Marketo cannot cancel what it has; the next try takes it in."""
        if self._loading is not None:
            self._loading.ledger.stop()

    def _request(self) -> ImportRequest:
        """What is wanted, if no look at the rows is needed to decide; else any of the ways."""
        raise NotImplementedError

    def _rows(self) -> Rows:
        """The input."""
        raise NotImplementedError

    def _choose(self, rows: Rows) -> tuple[ImportRequest, Rows]:
        """The way in which these rows are sent."""
        return self._request(), rows

    def _common(self, *source: Any) -> dict[str, Any]:
        """
        The request's part of the parameters that all these operators have.

        :param source: whatever names the input.
        """
        return {
            "source": sha256(repr(source).encode()).hexdigest()[:16],
            "columns": self.columns,
            "constants": self.constants or {},
            "on_duplicates": self.on_duplicates,
            "max_reject_ratio": self.max_reject_ratio,
            "on_lost_upload": self.on_lost_upload,
            "rejects_format": self.rejects_format,
        }

    def _values(self, client: MarketoClient, run: str) -> dict[str, Any]:
        """Parameters of calls that are not the request's."""
        return {}

    def _go(self, context: Context, *, resumed: bool = False, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
        from airflow_provider_marketo.hooks.marketo import MarketoHook
        from airflow_provider_marketo.imports.begin import Beginning
        from airflow_provider_marketo.legacy_arguments import one_of
        from airflow_provider_marketo.triggers.bulk_import import raise_for_event

        with no_retry_on_permanent_errors():
            one_of("on_quota_exhausted", self.on_quota_exhausted, ("defer", "fail"))
            raise_for_event(event)
            request = self._request()
            hook = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots)
            client = hook.get_conn()
            if not resumed:
                push_place(context, hook, list_id=getattr(self, "list_id", None))
            self._interval = self.poll_interval or min(_LONGEST_POLL_INTERVAL, hook.settings.poll_interval)
            beginning = Beginning(client, context, self.staging or self.rejects, self.rejects)
            if self.rehearse:
                return self._rehearse(client, beginning)
            ending = beginning.ended(request)
            if ending is not None:
                return self._end(context, beginning, ending)
            try:
                load = beginning.go_on(request, resumed=resumed) or beginning.stage(self._choose, self._rows())
                self._loading = load
                more = self._send(client, load, beginning.run, resumed=resumed)
            except MarketoQuotaExhaustedError as error:
                if self.on_quota_exhausted == "defer" and error.until is not None:
                    self.log.warning("%s Going on after %s.", error, error.until.isoformat())
                    self._extend_deadline(error.until)
                    self._defer_until(error.until)
                raise
            return self._end(context, beginning, load.finish(more))

    def _send(self, client: MarketoClient, load: StagedImport, run: str, *, resumed: bool) -> dict[str, Any]:
        """
        All chunks, by whichever transport was chosen.

        :return: what the task's result says besides the account.
        """
        from airflow_provider_marketo.imports.sync import SyncImport
        from airflow_provider_marketo.imports.targets import BULK

        if load.plan.transport == BULK:
            self._import(client, load, resumed=resumed)
        else:
            SyncImport(load, client, self.pool_slots, self._values(client, run)).run()
        return {}

    def _import(self, client: MarketoClient, load: StagedImport, *, resumed: bool) -> None:
        from airflow_provider_marketo.client.bulk.imports import ImportJobs, import_object
        from airflow_provider_marketo.imports.begin import deadline_of
        from airflow_provider_marketo.imports.bulk import BulkImport

        jobs = ImportJobs(client, import_object(load.request.object_type), load.request.custom_object)
        in_flight = conf.getint("marketo", "imports_in_flight", fallback=_IMPORTS_IN_FLIGHT)
        bulk = BulkImport(load, jobs, min(in_flight, limits.QUEUED_JOBS))
        deadline = deadline_of(load, self.timeout, resumed=resumed)
        while (waiting := bulk.step()) is not None:
            if datetime.now(timezone.utc) >= deadline:
                raise bulk.overdue()
            self._wait(load, bulk, waiting, deadline)

    def _wait(self, load: StagedImport, bulk: BulkImport, waiting: ImportWait, deadline: datetime) -> None:
        if not self.deferrable:
            time.sleep(self._interval)
            return
        if waiting.batch_ids:
            from airflow_provider_marketo.triggers.bulk_import import MarketoBulkImportTrigger

            self.defer(
                trigger=MarketoBulkImportTrigger(
                    marketo_conn_id=self.marketo_conn_id,
                    object_type=load.request.object_type,
                    custom_object=load.request.custom_object,
                    batch_ids=list(waiting.batch_ids),
                    deadline=deadline.isoformat(),
                    poll_interval=self._interval,
                ),
                method_name="resume",
            )
        self._defer_until(datetime.now(timezone.utc) + timedelta(seconds=self._interval))

    def _defer_until(self, moment: datetime) -> None:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume")

    def _extend_deadline(self, idle_until: datetime) -> None:
        """Time in which Marketo is not allowed to do anything does not count."""
        if self._loading is None or not self._loading.ledger.progress.deadline:
            return
        progress = self._loading.ledger.progress
        idle = idle_until - datetime.now(timezone.utc)
        progress.deadline = (parse_date(progress.deadline) + idle).isoformat()
        self._loading.ledger.save()

    def _rehearse(self, client: MarketoClient, beginning: Beginning) -> dict[str, Any]:
        result = beginning.rehearse(self._choose, self._rows(), lambda load: self._preview_result(client, load))
        self.log.info("Dry run, nothing was sent: %s", result)
        return result

    def _preview_result(self, client: MarketoClient, load: StagedImport) -> dict[str, Any]:
        """What a dry run can say besides what it says of every load. Only reads are spent."""
        return {}

    def _end(self, context: Context, beginning: Beginning, ending: Ending) -> dict[str, Any]:
        if ending.final:
            beginning.forget()
        if ending.error is not None:
            context["ti"].xcom_push(key="account", value=ending.result)
            raise ending.error
        return ending.result
