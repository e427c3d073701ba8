"""The task of an incremental extract of leads: choose how to find the changes, then read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import (
    MarketoFeatureUnavailableError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.extract.state import progress_store
from airflow_provider_marketo.extract.task import ExtractWork, extract_request
from airflow_provider_marketo.hooks.work import Wait, Work
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.streams.changed_leads import expected, publish_changed_leads
from airflow_provider_marketo.streams.features import Features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)

AUTO, UPDATED_AT, CHANGE_FEED, SNAPSHOT = "auto", "updated_at", "change_feed", "snapshot"

_FEED_KEEPS = timedelta(days=90)
_CALLS_PER_JOB = 6
"""Calls for an export job: create, enqueue, fetch, and a share of the polls of the job list."""

_PER_CALL = 300

_REASONS = {
    UPDATED_AT: "supported by this subscription",
    CHANGE_FEED: "since this subscription has no updatedAt exports",
    SNAPSHOT: "since this subscription has no updatedAt exports and the feed cannot be read from the start of the span",
}
_CHOSEN_BY_AUTHOR = "as the task says"

_OF_LEADS: Mapping[str, Any] = {
    "object_type": "leads",
    "custom_object": None,
    "filters": None,
    "activity_types": None,
    "attributes": None,
    "date_field": "updatedAt",
}


class IncrementalLeadsWork(Work):
    """
    One try of an incremental extract: the work of the mode that was chosen.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :param resumed: whether this is the same try after a deferral. It continues with its jobs if it has any.
    :raises MarketoInvalidRequestError: an argument is wrong, or Marketo no longer knows the changes.
    """

    def __init__(
        self, context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any], *, resumed: bool
    ) -> None:
        self._context = context
        self._hook = hook
        self._arguments = {**_OF_LEADS, **arguments}
        self._folder = OutputFolder.for_task(arguments["output_path"], context["ti"])
        self._features = Features(hook)
        self._work = self._extract({}, resumed=True) if resumed and self._has_jobs() else self._choose()
        self.poll_interval = self._work.poll_interval

    @property
    def deadline(self) -> datetime | None:
        """When waiting for Marketo ends; None for the feed."""
        return self._work.deadline

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """
        Do everything that can be done now.

        :param found: the trigger's event; None to ask Marketo.
        """
        try:
            return self._work.advance(found)
        except MarketoFeatureUnavailableError as error:
            if self._arguments["mode"] != AUTO:
                if error.code == codes.FILTER_UNSUPPORTED:  # the error's own remedy is for a bulk extract
                    error.parameter = "mode"
                    error.remedy = f"Use mode={AUTO!r}, {CHANGE_FEED!r} or {SNAPSHOT!r}, or ask Adobe for this filter."
                raise
            log.warning("The subscription has lost a feature; choosing another mode. %s", error)
            self._features.forget()
            self._work = self._choose()
            return self._work.advance(None)

    def finish(self) -> Any:
        """Publish the manifest, and return it."""
        return self._work.finish()

    def pause(self, until: datetime) -> Wait:
        """Return the wait that lets time pass."""
        return self._work.pause(until)

    def extend_deadline(self, idle_until: datetime) -> None:
        """Move the deadline: time in which Marketo answers no calls does not count."""
        self._work.extend_deadline(idle_until)

    def kill(self) -> None:
        """Cancel only the jobs of this task instance."""
        self._work.kill()

    def give_up(self) -> None:
        """Cancel only the jobs of this task instance."""
        self._work.give_up()

    def _has_jobs(self) -> bool:
        return progress_store(self._context, self._folder, layout.task_folder(self._context["ti"])).load() is not None

    def _extract(self, changes: Mapping[str, Any], *, resumed: bool = False) -> Work:
        return ExtractWork(self._context, self._hook, {**self._arguments, **changes}, resumed=resumed)

    def _choose(self) -> Work:
        """Return the work of the mode that the author names, or of the best one available."""
        request = extract_request(self._context, self._arguments)
        request.refuse_future(self._hook.get_conn().marketo_time())
        self._hook.settings.hash_key(request.hash_fields)
        mode = self._arguments["mode"]
        if mode == AUTO:
            mode = self._best(request)
        elif mode == CHANGE_FEED:
            self._refuse_gap(request)
        if mode != SNAPSHOT:
            self._log_choice(mode, request)
            if mode != CHANGE_FEED:
                return self._extract({})
            run_folder = layout.task_folder(self._context["ti"])
            return ChangeFeedWork(self._hook, self._arguments, request, self._folder, run_folder)
        first_lead = self._first_lead()
        self._log_choice(mode, replace(request, date_field="createdAt", start=first_lead, lookback=timedelta(0)))
        return self._extract({"date_field": "createdAt", "start": first_lead})

    def _best(self, request: ExtractRequest) -> str:
        if self._features.exports_by_updated_at():
            return UPDATED_AT
        try:
            reaches = _first_of(request) > self._oldest_change(request)
        except MarketoPermissionError:
            return SNAPSHOT
        return CHANGE_FEED if reaches else SNAPSHOT

    def _log_choice(self, mode: str, request: ExtractRequest) -> None:
        """Log the mode, its reason, and what it costs."""
        rows, megabytes = expected(self._folder, request) or (None, None)
        jobs = 0 if mode == CHANGE_FEED else len(request.slices({}))
        if jobs:
            calls = f"about {_CALLS_PER_JOB * jobs} calls"
        elif rows is None:
            calls = f"one call per {_PER_CALL} changes and one per {_PER_CALL} leads"
        else:
            calls = f"about {3 + 2 * -(-rows // _PER_CALL)} calls"
        if mode == CHANGE_FEED:
            size = "nothing of the export quota"
        elif megabytes is not None:
            size = f"about {megabytes:.1f} MB as {request.file_format}"
        else:
            size = "a size that is not known before the first run"
        log.info("mode=%s (%s): %s, %s, %s", mode, self._reason(mode), counted(jobs, "export job"), calls, size)

    def _reason(self, mode: str) -> str:
        return _REASONS[mode] if self._arguments["mode"] == AUTO else _CHOSEN_BY_AUTHOR

    def _oldest_change(self, request: ExtractRequest) -> datetime:
        reply = self._hook.call("activities.get_paging_token", sinceDatetime=iso(_first_of(request)))
        return (reply.date or datetime.now(timezone.utc)).replace(microsecond=0) - _FEED_KEEPS

    def _refuse_gap(self, request: ExtractRequest) -> None:
        first, oldest = _first_of(request), self._oldest_change(request)
        if first < oldest:
            raise MarketoInvalidRequestError(
                f"Marketo keeps changes of leads for {_FEED_KEEPS.days} days; {iso(first)} to {iso(oldest)} is gone",
                parameter="start",
                remedy="Begin later, or use mode='snapshot'.",
            )

    def _first_lead(self) -> datetime:
        start: datetime | None = self._arguments["first_lead"]
        if start is None:
            raise MarketoInvalidRequestError(
                f"mode={SNAPSHOT} ({self._reason(SNAPSHOT)}) needs the date of the first lead",
                parameter="first_lead",
                remedy="Set first_lead to a day before which no lead was created.",
            )
        return start


class ChangeFeedWork(Work):
    """
    Read the leads that the feed of changes names, in one go.

    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :param request: a request of leads, by ``updatedAt``.
    :param folder: the output.
    :param run_folder: the task instance's place in the output.
    """

    def __init__(
        self,
        hook: MarketoHook,
        arguments: Mapping[str, Any],
        request: ExtractRequest,
        folder: OutputFolder,
        run_folder: str,
    ) -> None:
        self._hook = hook
        self._folder = folder
        self._arguments = arguments
        self._request = request
        self._run_folder = run_folder
        self._manifest: dict[str, Any] = {}

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """Read and publish."""
        self._manifest = publish_changed_leads(
            self._request,
            self._folder,
            self._hook.get_conn(),
            self._run_folder,
            hash_key=self._hook.settings.hash_key(self._request.hash_fields),
            parallel=self._hook.parallel,
            max_empty_pages=self._arguments["max_empty_pages"],
        )
        return None

    def finish(self) -> dict[str, Any]:
        """Return the manifest."""
        return self._manifest


def _first_of(request: ExtractRequest) -> datetime:
    assert request.start is not None  # the request was checked
    return request.start - request.lookback
