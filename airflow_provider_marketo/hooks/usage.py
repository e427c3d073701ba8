"""What the running task uses of Marketo: counted over all its hooks, shown as metrics, and summed up at its end."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_marketo.client.errors import MarketoError, MarketoQuotaExhaustedError, MarketoThrottledError
from airflow_provider_marketo.client.tally import Observer, Tally
from airflow_provider_marketo.hooks.task import RunningTask, current_task

log = logging.getLogger(__name__)

USAGE = "marketo_usage"
"""XCom in which a deferred task keeps its counts. Airflow clears it before the next try."""

_tallies: dict[str, Tally] = {}
_recalled: dict[str, dict[str, Any]] = {}
_counted_for: RunningTask | None = None
_listening = False


def tally_of(conn_id: str, observer: Observer) -> Tally:
    """
    The tally of the running task for a connection, the same for all its hooks, with what the task's author allows it
    (``max_calls``, ``max_export_mb`` of the operator). What is no task has one for each hook.

    :param conn_id: id of the connection.
    :param observer: told of every call; the first hook's.
    """
    global _counted_for
    task = current_task()
    if task is None:
        return Tally(observer=observer)
    if task != _counted_for:
        _tallies.clear()
        _counted_for = task
    _listen()
    if conn_id not in _tallies:
        tally = Tally(max_calls=task.max_calls, max_export_mb=task.max_export_mb, observer=observer)
        tally.add(_recalled.pop(conn_id, {}))
        _tallies[conn_id] = tally
    return _tallies[conn_id]


def keep_usage() -> None:
    """The running task is about to be deferred, and will go on in another process."""
    if _tallies:
        from airflow.sdk import get_current_context

        counts = {conn_id: tally.to_dict() for conn_id, tally in _tallies.items()}
        get_current_context()["ti"].xcom_push(key=USAGE, value=counts)
    _tallies.clear()


def recall_usage(ti: Any) -> None:
    """
    The running task goes on after a deferral.

    :param ti: the task instance.
    """
    kept = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, key=USAGE)
    _recalled.clear()
    _recalled.update(kept or {})


def log_usage() -> None:
    """One line for each connection that the task has used, and a new count from here on."""
    for conn_id, tally in _tallies.items():
        if tally.calls:
            log.info("Marketo usage of this task (connection %s): %s", conn_id, tally.summary())
    _tallies.clear()


def send_metrics(conn_id: str, operation: str, waited: float, error: MarketoError | None) -> None:
    """
    Tell Airflow's metrics of a call.

    :param conn_id: id of the connection.
    :param operation: the operation's name.
    :param waited: seconds that it waited for its turn.
    :param error: what it ended in.
    """
    tags = {"connection": conn_id, "operation": operation}
    Stats.incr("marketo.calls", tags=tags)
    Stats.timing("marketo.wait_seconds", timedelta(seconds=waited), tags=tags)
    if isinstance(error, (MarketoThrottledError, MarketoQuotaExhaustedError)):
        Stats.incr("marketo.rejected", tags=tags | {"code": error.code or ""})


def _listen() -> None:
    """Airflow calls listeners in the task's own process when the task has ended, well or not."""
    global _listening
    if _listening:
        return
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:  # before Airflow 3.2
        from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]
    from airflow.listeners import hookimpl

    class EndOfTask:
        @hookimpl
        def on_task_instance_success(self) -> None:
            log_usage()

        @hookimpl
        def on_task_instance_failed(self) -> None:
            log_usage()

        @hookimpl
        def on_task_instance_skipped(self) -> None:
            log_usage()

    get_listener_manager().add_listener(EndOfTask())  # type: ignore[no-untyped-call]
    _listening = True
