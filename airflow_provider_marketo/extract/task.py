"""The task of a bulk extract: from an operator's arguments to work that can be stopped and resumed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.bulk.jobs import ExportJob
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.bulk.plan import Window
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.conversions import as_utc
from airflow_provider_marketo.extract.begin import begin
from airflow_provider_marketo.extract.programs import all_programs, changed_programs
from airflow_provider_marketo.extract.request import (
    ALL,
    ALL_FIELDS,
    CHANGED,
    GIVE_A_SPAN,
    PROGRAM_IDS,
    ExtractRequest,
    checked_filters,
    data_interval,
    interval_selects,
)
from airflow_provider_marketo.hooks.job_waits import ExportJobsWait
from airflow_provider_marketo.hooks.work import Wait, Work
from airflow_provider_marketo.options import options
from airflow_provider_marketo.output.foreign import unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)

_JOBS_IN_FLIGHT = 2
"""Marketo works on two jobs at a time; more in the queue would only delay other integrations."""

_TURN_LOOKS = 3
"""Poll intervals between two checks whether another task has ended its job, in a DAG with a budget."""

_OF_THE_REQUEST = (
    "object_type",
    "date_field",
    "custom_object",
    "file_format",
    "window",
    "order",
    "attributes",
    "on_schema_change",
    "on_type_error",
)
_LISTS = ("activity_types", "partition_by", "exclude_fields", "hash_fields")


class ExtractWork(Work):
    """
    One try of a bulk extract.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :param resumed: whether this is the same try after a deferral. It then keeps its deadline.
    :raises MarketoInvalidRequestError: an argument is wrong; no job was created.
    """

    def __init__(
        self, context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any], *, resumed: bool
    ) -> None:
        self._run = begin(
            lambda earlier: extract_request(context, arguments, client=hook.get_conn(), earlier=earlier),
            output_path=arguments["output_path"],
            hook=hook,
            context=context,
            timeout=arguments["timeout"],
            resumed=resumed,
            in_flight=options.number("jobs_in_flight", _JOBS_IN_FLIGHT),
            daily_export_mb=arguments["daily_export_mb"],
        )
        if not resumed:
            self._run.log_outlook()
        self._adopted = False
        self._output_path = arguments["output_path"]
        self.poll_interval = timedelta(seconds=hook.settings.poll_interval)

    @property
    def deadline(self) -> datetime:
        """When waiting for Marketo ends."""
        return self._run.deadline

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """
        Start the next jobs, then fetch and publish finished ones.

        :param found: the trigger's event, with the jobs' states; None to ask Marketo.
        :return: the jobs to wait for, or None when everything is published.
        """
        waiting = self._run.step(self._known(found))
        if waiting is None:
            return None
        if waiting.for_turn:  # the other task may take days
            until = datetime.now(timezone.utc) + _TURN_LOOKS * self.poll_interval
            self.extend_deadline(until)
            return Wait(until)
        self._run.check_deadline()
        return self._wait_for_jobs() if waiting.export_ids else Wait()

    def finish(self) -> dict[str, Any]:
        """Publish the manifest, and return it."""
        return self._run.finish()

    def pause(self, until: datetime) -> Wait:
        """Return a wait during which a person who ends the task still cancels its jobs."""
        return self._wait_for_jobs(until) if self._run.held else Wait(until)

    def extend_deadline(self, idle_until: datetime) -> None:
        """Move the deadline: time in which Marketo answers no calls does not count."""
        self._run.extend_deadline(idle_until)

    def kill(self) -> None:
        """Cancel only the jobs of this task instance."""
        self._run.kill()

    def give_up(self) -> None:
        """Cancel only the jobs of this task instance."""
        self._run.cancel()

    def _known(self, found: Mapping[str, Any] | None) -> Mapping[str, ExportJob]:
        if found is not None:
            self._adopted = True
            if found["jobs"] and not set(self._run.held) & {job["export_id"] for job in found["jobs"]}:
                raise unreachable(self._output_path, "the host on which the task began")
            return {job["export_id"]: ExportJob(**job) for job in found["jobs"]}
        if not self._adopted:
            self._adopted = True
            return self._run.adopt()
        return self._run.look()

    def _wait_for_jobs(self, until: datetime | None = None) -> ExportJobsWait:
        run = self._run
        return ExportJobsWait(
            until=until,
            object_type=run.object_type,
            custom_object=run.custom_object,
            export_ids=tuple(run.held),
            deadline=run.deadline,
        )


def extract_request(
    context: Mapping[str, Any],
    arguments: Mapping[str, Any],
    *,
    client: MarketoClient | None = None,
    earlier: ExtractRequest | None = None,
) -> ExtractRequest:
    """
    Return the request that an operator's arguments make.

    :param context: the running task's context.
    :param arguments: the operator's arguments, rendered and converted.
    :param client: the instance; needed if Marketo has to list the programs.
    :param earlier: the request of an earlier try of the run. If it is otherwise the same, its programs are kept.
    :raises MarketoInvalidRequestError: the arguments do not go together.
    """
    start, end = _dates(context, arguments)
    plain: dict[str, Any] = {name: arguments[name] for name in _OF_THE_REQUEST}
    lists: dict[str, Any] = {name: arguments[name] or () for name in _LISTS}
    request = ExtractRequest(
        **plain,
        **lists,
        start=start,
        end=end,
        fields=_fields(arguments),
        filters=_filters(arguments),
        lookback=arguments["lookback"] or timedelta(0),
        programs=arguments.get("programs"),
    )
    return request if request.programs is None or client is None else _with_programs(request, client, earlier)


def _filters(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the author's filters, with a place for the ids of programs if Marketo lists them."""
    filters = checked_filters(arguments["filters"])
    if arguments.get("programs") is None:
        return filters
    for name in ("programId", PROGRAM_IDS):
        if name in filters:
            raise MarketoInvalidRequestError(
                f"programs and filters[{name!r}] say the same thing twice",
                parameter="programs",
                remedy="Give one of them.",
            )
    return {**filters, PROGRAM_IDS: ()}


def _with_programs(request: ExtractRequest, client: MarketoClient, earlier: ExtractRequest | None) -> ExtractRequest:
    if earlier is not None and PROGRAM_IDS in earlier.filters:
        again = replace(request, filters={**request.filters, PROGRAM_IDS: earlier.filters[PROGRAM_IDS]})
        if again.fingerprint() == earlier.fingerprint():
            return again
    if request.programs == ALL:
        ids = all_programs(client)
    else:
        if request.start is None or request.end is None:
            raise MarketoInvalidRequestError(
                "programs='changed' needs a span of time, and the run has no data interval",
                parameter="start",
                remedy=GIVE_A_SPAN,
            )
        request.refuse_future(client.marketo_time())
        ids = changed_programs(client, Window(request.start - request.lookback, request.end))
    return replace(request, filters={**request.filters, PROGRAM_IDS: ids})


def _fields(arguments: Mapping[str, Any]) -> Any:
    fields = arguments["fields"]
    by_default = fields is None and export_object(arguments["object_type"]).all_by_default
    return ALL_FIELDS if by_default else fields


def _dates(context: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Return the author's dates; without them, those of the run."""
    start, end = arguments["start"], arguments["end"]
    if start is not None or end is not None:
        return (
            start or as_utc("start", context.get("data_interval_start"))[0],
            end or as_utc("end", context.get("data_interval_end"))[0],
        )
    export = export_object(arguments["object_type"])
    if arguments.get("programs") == CHANGED:
        return data_interval(context)
    if interval_selects(export, arguments["date_field"], checked_filters(arguments["filters"])):
        return data_interval(context)
    return None, None
