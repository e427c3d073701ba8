"""Leads that are new or have changed, on any subscription."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.hooks.marketo import MarketoHook

UPDATED_AT, CHANGE_FEED, SNAPSHOT = "updated_at", "change_feed", "snapshot"
MODES = ("auto", UPDATED_AT, CHANGE_FEED, SNAPSHOT)
FEATURES = "marketo_features_"
"""Variables that hold what is known of a subscription start with it."""

_FEED_KEEPS = timedelta(days=90)
_REMEMBERED = timedelta(days=30)
_CALLS_PER_JOB = 6
"""Create, enqueue, fetch, and a share of the looks at the job list."""

_REASONS = {
    UPDATED_AT: "which this subscription can",
    CHANGE_FEED: "since this subscription has no updatedAt exports",
    SNAPSHOT: "since this subscription has no updatedAt exports and the feed cannot be read from the start of the span",
}
_TOLD = "as the task says"


class MarketoIncrementalLeadsOperator(MarketoBulkExtractOperator):
    """
    Extract the leads that are new or have changed in a span, whatever the subscription can do.

    * ``updated_at``: bulk exports by ``updatedAt``, where the subscription has that filter.
    * ``change_feed``: who changed from Marketo's feed, then look-ups by id, 300 in a call. The feed knows changes of
      the exported fields in the last 90 days.
    * ``snapshot``: all leads by ``createdAt``, from ``first_lead`` to the end of the span.

    ``auto`` takes the first that works, and says which and what it costs. Whether there are ``updatedAt`` exports is
    asked once in 30 days, with a job that is never started, and remembered in the Variable
    ``marketo_features_<conn_id>``; delete it to have the subscription asked at once.

    Adobe's operations: those of :class:`~.bulk_extract.MarketoBulkExtractOperator`; for the feed
    ``activities.get_paging_token``, ``activities.get_lead_changes``, ``leads.get_by_filter_type``.

    :param mode: ``auto`` or one of the three.
    :param first_lead: no lead was created before it; for snapshots.
    :param max_empty_pages: of the feed: most pages without a record in a row, before the run is given up.

    Other parameters, and what is returned, as in :class:`~.bulk_extract.MarketoBulkExtractOperator`.
    """

    template_fields: Sequence[str] = (*MarketoBulkExtractOperator.template_fields, "mode", "first_lead")

    def __init__(
        self,
        *,
        mode: str = "auto",
        first_lead: datetime | str | None = None,
        max_empty_pages: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"object_type": "leads"} | kwargs)
        self.mode = mode
        self.first_lead = first_lead
        self.max_empty_pages = max_empty_pages

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow.providers.common.compat.sdk import AirflowFailException

        from airflow_provider_marketo.client.errors import MarketoFeatureUnavailableError

        try:
            return self._extract(context)
        except AirflowFailException as error:
            if self.mode != "auto" or not isinstance(error.__cause__, MarketoFeatureUnavailableError):
                raise
            self.log.warning("What is remembered of this subscription no longer holds. %s", error)
            self._remember({})
            return self._extract(context)

    def resume(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Goes on with the jobs that there are; where there are none yet, the way is chosen anew."""
        from airflow_provider_marketo.extract.state import progress_store
        from airflow_provider_marketo.output.folder import OutputFolder

        if progress_store(context, OutputFolder(self.output_path), self._run_folder(context)).load() is None:
            return self.execute(context)
        return super().resume(context, event)

    def _extract(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        with no_retry_on_permanent_errors():
            hook = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots)
            self.date_field = "updatedAt"
            request = self._request(context)
            try:
                mode = self._choose(hook, request)
                if mode == CHANGE_FEED:
                    manifest = self._follow(context, hook, request)
                    self._emit(context, manifest)
                    return manifest
            except MarketoQuotaExhaustedError as error:
                if self.on_quota_exhausted != "defer" or error.until is None:
                    raise
                from airflow.providers.standard.triggers.temporal import DateTimeTrigger

                self.log.warning("%s Starting anew after %s.", error, error.until.isoformat())
                self.defer(trigger=DateTimeTrigger(moment=error.until), method_name="resume")
            if mode == SNAPSHOT:
                self.date_field, self.start = "createdAt", self._snapshot_start()
        return super().execute(context)

    def _choose(self, hook: MarketoHook, request: ExtractRequest) -> str:
        from airflow_provider_marketo.legacy_arguments import one_of

        one_of("mode", self.mode, MODES)
        if self.mode == "auto":
            mode = self._best(hook, request)
        else:
            mode = self.mode
            if mode == CHANGE_FEED:
                self._refuse_gap(hook, request)
        self._say(mode, request)
        return mode

    def _best(self, hook: MarketoHook, request: ExtractRequest) -> str:
        from airflow_provider_marketo.client.errors import MarketoPermissionError

        if self._exports_by_updated_at(hook):
            return UPDATED_AT
        try:
            reaches = self._first_of(request) > self._oldest_change(hook, request)
        except MarketoPermissionError:
            return SNAPSHOT
        return CHANGE_FEED if reaches else SNAPSHOT

    def _say(self, mode: str, request: ExtractRequest) -> None:
        """The choice, why, and what it costs."""
        from airflow_provider_marketo.output.folder import OutputFolder
        from airflow_provider_marketo.streams.changed_leads import expected

        if mode == SNAPSHOT:
            request = replace(request, date_field="createdAt", start=self._snapshot_start(), lookback=timedelta(0))
        rows, megabytes = expected(OutputFolder(self.output_path), request) or (None, None)
        jobs = 0 if mode == CHANGE_FEED else len(request.slices({}))
        if jobs:
            calls = f"about {_CALLS_PER_JOB * jobs} calls"
        elif rows is None:
            calls = "a call for 300 changes and one for 300 leads"
        else:
            calls = f"about {3 + 2 * -(-rows // 300)} calls"
        if mode == CHANGE_FEED:
            size = "nothing of the export quota"
        elif megabytes is not None:
            size = f"about {megabytes:.1f} MB as {request.file_format}"
        else:
            size = "a size that is not known before the first run"
        self.log.info("mode=%s, %s: %d export jobs, %s, %s", mode, self._reason(mode), jobs, calls, size)

    def _reason(self, mode: str) -> str:
        return _REASONS[mode] if self.mode == "auto" else _TOLD

    def _exports_by_updated_at(self, hook: MarketoHook) -> bool:
        """Asked now and then, and remembered by instance."""
        from airflow.sdk import Variable

        from airflow_provider_marketo.streams.changed_leads import has_updated_at_exports

        client, now = hook.get_conn(), datetime.now(timezone.utc).replace(microsecond=0)
        known = Variable.get(self._facts, default=None, deserialize_json=True) or {}
        if known.get("instance") == client.instance and known.get("asked", "") > iso(now - _REMEMBERED):
            return bool(known["updated_at_exports"])
        found = has_updated_at_exports(client, now)
        self._remember({"instance": client.instance, "updated_at_exports": found, "asked": iso(now)})
        return found

    @property
    def _facts(self) -> str:
        return FEATURES + self.marketo_conn_id

    def _remember(self, facts: Mapping[str, Any]) -> None:
        from airflow_provider_marketo.hooks import variables

        variables.write_json(self._facts, facts, "What a Marketo subscription can do")

    def _oldest_change(self, hook: MarketoHook, request: ExtractRequest) -> datetime:

        reply = hook.call("activities.get_paging_token", sinceDatetime=iso(self._first_of(request)))
        return (reply.date or datetime.now(timezone.utc)).replace(microsecond=0) - _FEED_KEEPS

    @staticmethod
    def _first_of(request: ExtractRequest) -> datetime:
        assert request.start is not None  # the request was checked
        return request.start - request.lookback

    def _refuse_gap(self, hook: MarketoHook, request: ExtractRequest) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        first, oldest = self._first_of(request), self._oldest_change(hook, request)
        if first < oldest:
            raise MarketoInvalidRequestError(
                f"Marketo keeps changes of leads for {_FEED_KEEPS.days} days; {iso(first)} to {iso(oldest)} is gone",
                parameter="start",
                remedy="Begin later, or use mode='snapshot'.",
            )

    def _snapshot_start(self) -> datetime:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.legacy_arguments import as_utc

        start, _ = as_utc("first_lead", self.first_lead)
        if start is None:
            raise MarketoInvalidRequestError(
                f"mode={SNAPSHOT}, {self._reason(SNAPSHOT)}: it needs to know from when on there are leads",
                parameter="first_lead",
                remedy="Give a day before which no lead was created.",
            )
        return start

    def _follow(self, context: Context, hook: MarketoHook, request: ExtractRequest) -> dict[str, Any]:
        from airflow_provider_marketo.output.folder import OutputFolder
        from airflow_provider_marketo.streams.changed_leads import publish_changed_leads

        return publish_changed_leads(
            request,
            OutputFolder(self.output_path),
            hook.get_conn(),
            self._run_folder(context),
            hash_salt=hook.settings.hash_salt,
            parallel=self.pool_slots,
            max_empty_pages=self.max_empty_pages,
        )

    @staticmethod
    def _run_folder(context: Context) -> str:
        from airflow_provider_marketo.output import layout

        task = context["ti"]
        return layout.run_folder(
            task.dag_id, task.task_id, task.run_id, -1 if task.map_index is None else task.map_index
        )
