"""The task of a stream: from an operator's arguments to one run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.conversions import as_utc
from airflow_provider_marketo.hooks.work import Wait, Work
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.streams.request import StreamRequest
from airflow_provider_marketo.streams.run import StreamRun

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_provider_marketo.hooks.marketo import MarketoHook

_LISTS = ("partition_by", "exclude_fields", "hash_fields", "activity_types", "lead_ids", "asset_ids")


class StreamWork(Work):
    """
    One try of a run of a stream. It never waits: nothing is published before everything is read.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted, with the stream's ``object_type``.
    :raises MarketoInvalidRequestError: the arguments do not go together.
    """

    def __init__(self, context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> None:
        task = context["ti"]
        self._dates = dates_of(context, arguments)
        self._manifest: dict[str, Any] = {}
        request = stream_request(arguments)
        self._run = StreamRun(
            request,
            stream_of(arguments, task),
            OutputFolder.for_task(arguments["output_path"], task),
            hook.get_conn(),
            context,
            hash_key=hook.settings.hash_key(request.hash_fields),
            parallel=hook.parallel,
            max_empty_pages=arguments["max_empty_pages"],
            on_gap=arguments["on_gap"],
        )

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """Read this run's range, publish it and move the stream's position."""
        self._manifest = self._run.run(*self._dates)
        return None

    def finish(self) -> dict[str, Any]:
        """Return the manifest."""
        return self._manifest


def default_stream(dag_id: str, task_id: str) -> str:
    """
    Return the name of a stream that the author does not name: ``<dag_id>.<task_id>``.

    Both ids may have dots. A slash, which no id has, follows a DAG id with dots, so two tasks never share a stream.

    :param dag_id: id of the DAG.
    :param task_id: id of the task.
    """
    return f"{dag_id}{'/' if '.' in dag_id else '.'}{task_id}"


def stream_of(arguments: Mapping[str, Any], task: Any) -> str | None:
    """
    Return the stream's name; None for a range that is read for its own sake.

    :param arguments: the operator's arguments, rendered and converted.
    :param task: the task instance.
    """
    if not arguments["keeps_position"]:
        return None
    return arguments["stream"] or default_stream(task.dag_id, task.task_id)


def stream_request(arguments: Mapping[str, Any]) -> StreamRequest:
    """
    Return the request that an operator's arguments make.

    :param arguments: the operator's arguments, rendered and converted.
    :raises MarketoInvalidRequestError: the arguments do not go together.
    """
    lists: dict[str, Any] = {name: arguments.get(name) or () for name in _LISTS}
    return StreamRequest(
        object_type=arguments["object_type"],
        lookback=arguments["lookback"] or timedelta(0),
        file_format=arguments["file_format"],
        attributes=arguments["attributes"],
        on_type_error=arguments["on_type_error"],
        changed_fields=arguments.get("fields") or (),
        list_id=arguments.get("list_id"),
        journal=bool(arguments.get("adobe_conn_id")),
        include_raw=bool(arguments.get("include_raw")),
        **lists,
    )


def dates_of(context: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """
    Return the author's dates; by default those of the run.

    :param context: the running task's context.
    :param arguments: the operator's arguments, rendered and converted.
    """
    first, last = context.get("data_interval_start"), context.get("data_interval_end")
    return (
        arguments["start"] or as_utc("start", first if first != last else None)[0],
        arguments["end"] or as_utc("end", last)[0],
    )
