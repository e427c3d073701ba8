"""Leads that are new or have changed, on any subscription."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.failures import fail_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.hooks.marketo import MarketoHook

UPDATED_AT, CHANGE_FEED, SNAPSHOT = "updated_at", "change_feed", "snapshot"
MODES = ("auto", UPDATED_AT, CHANGE_FEED, SNAPSHOT)
FEATURES = "marketo_features_"
"""Variables that hold what is known of a subscription start with it."""

_FEED_KEEPS = timedelta(days=90)
_CALLS_PER_JOB = 6
"""Create, enqueue, fetch, and a share of the looks at the job list."""

_REASONS = {
    UPDATED_AT: "which this subscription can",
    CHANGE_FEED: "since this subscription has no updatedAt exports",
    SNAPSHOT: "since this subscription has no updatedAt exports and the feed cannot be read from the start of the span",
}


class MarketoIncrementalLeadsOperator(MarketoBulkExtractOperator):
    """
    Extract the leads that are new or have changed in a span, whatever the subscription can do.

    * ``updated_at``: bulk exports by ``updatedAt``, where the subscription has that filter.
    * ``change_feed``: who changed from Marketo's feed, then look-ups by id, 300 in a call. The feed knows changes of
      the exported fields in the last 90 days.
    * ``snapshot``: all leads by ``createdAt``, from ``first_lead`` to the end of the span.

    ``auto`` takes the first that works, and says which and what it costs. Whether there are ``updatedAt`` exports is
    asked once, with a job that is never started, and remembered in the Variable ``marketo_features_<conn_id>``; delete
    it when the subscription was changed.

    Adobe's operations: those of :class:`~.bulk_extract.MarketoBulkExtractOperator`; for the feed
    ``activities.get_paging_token``, ``activities.get_lead_changes``, ``leads.get_by_filter_type``.

    :param mode: ``auto`` or one of the three.
    :param first_lead: no lead was created before it; for snapshots.

    Other parameters, and what is returned, as in :class:`~.bulk_extract.MarketoBulkExtractOperator`.
    """

    template_fields: Sequence[str] = (*MarketoBulkExtractOperator.template_fields, "mode", "first_lead")

    def __init__(self, *, mode: str = "auto", first_lead: datetime | str | None = None, **kwargs: Any) -> None:
        super().__init__(**{"object_type": "leads"} | kwargs)
        self.mode = mode
        self.first_lead = first_lead

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        with fail_for_good():
            hook = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots)
            self.date_field = "updatedAt"
            request = self._request(context)
            mode = self._choose(hook, request)
            if mode == CHANGE_FEED:
                manifest = self._follow(context, hook, request)
                self._tell(context, manifest)
                return manifest
            if mode == SNAPSHOT:
                self.date_field, self.start = "createdAt", self._snapshot_start()
        return super().execute(context)

    def _choose(self, hook: MarketoHook, request: ExtractRequest) -> str:
        from airflow_provider_marketo.arguments import one_of

        one_of("mode", self.mode, MODES)
        if self.mode != "auto":
            return self.mode
        if self._exports_by_updated_at(hook):
            self._say(UPDATED_AT, request, jobs=len(request.slices({})))
            return UPDATED_AT
        if self._feed_reaches(hook, request):
            self._say(CHANGE_FEED, request, jobs=0)
            return CHANGE_FEED
        start = self._snapshot_start()
        assert request.end is not None  # the request was checked
        self._say(SNAPSHOT, request, jobs=-(-(request.end - start) // timedelta(days=30)))
        return SNAPSHOT

    def _say(self, mode: str, request: ExtractRequest, *, jobs: int) -> None:
        """The choice, why, and what it costs."""
        from airflow_provider_marketo.storage import OutputFolder
        from airflow_provider_marketo.streams.changed_leads import expected

        rows, megabytes = expected(OutputFolder(self.output_path), request) or (None, None)
        calls = f"about {_CALLS_PER_JOB * jobs} calls" if jobs else "a call for 300 changes and one for 300 leads"
        if not jobs and rows is not None:
            calls = f"about {3 + 2 * -(-rows // 300)} calls"
        if mode == CHANGE_FEED:
            size = "nothing of the export quota"
        elif mode == SNAPSHOT:
            size = "the size of all leads"
        else:
            size = "a size that is not known before the first run" if megabytes is None else f"about {megabytes:.1f} MB"
        self.log.info("mode=%s, %s: %d export jobs, %s, %s", mode, _REASONS[mode], jobs, calls, size)

    def _exports_by_updated_at(self, hook: MarketoHook) -> bool:
        """Asked once, and remembered by instance."""
        from airflow.sdk import Variable

        from airflow_provider_marketo.streams.changed_leads import has_updated_at_exports

        client, name = hook.get_conn(), FEATURES + self.marketo_conn_id
        known = Variable.get(name, default=None, deserialize_json=True) or {}
        if known.get("instance") == client.instance and "updated_at_exports" in known:
            return bool(known["updated_at_exports"])
        found = has_updated_at_exports(client, datetime.now(timezone.utc).replace(microsecond=0))
        facts = {"instance": client.instance, "updated_at_exports": found}
        Variable.set(name, facts, description="What a Marketo subscription can do", serialize_json=True)
        return found

    def _feed_reaches(self, hook: MarketoHook, request: ExtractRequest) -> bool:
        from airflow_provider_marketo.client.bulk.plan import iso
        from airflow_provider_marketo.client.errors import MarketoPermissionError

        assert request.start is not None  # the request was checked
        try:
            reply = hook.call("activities.get_paging_token", sinceDatetime=iso(request.start))
        except MarketoPermissionError:
            return False
        return request.start - request.lookback > (reply.date or datetime.now(timezone.utc)) - _FEED_KEEPS

    def _snapshot_start(self) -> datetime:
        from airflow_provider_marketo.arguments import as_utc
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        start, _ = as_utc("first_lead", self.first_lead)
        if start is None:
            raise MarketoInvalidRequestError(
                "a snapshot needs to know from when on there are leads",
                parameter="first_lead",
                remedy="Give a day before which no lead was created.",
            )
        return start

    def _follow(self, context: Context, hook: MarketoHook, request: ExtractRequest) -> dict[str, Any]:
        from airflow_provider_marketo.extract import layout
        from airflow_provider_marketo.storage import OutputFolder
        from airflow_provider_marketo.streams.changed_leads import publish_changed_leads

        task = context["ti"]
        return publish_changed_leads(
            request,
            OutputFolder(self.output_path),
            hook.get_conn(),
            layout.run_folder(task.dag_id, task.task_id, task.run_id, -1 if task.map_index is None else task.map_index),
            hash_salt=hook.settings.hash_salt,
            parallel=self.pool_slots,
        )
