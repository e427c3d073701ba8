"""Counts what the running task uses of Marketo, sends it as metrics and logs the sum when the task ends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats
from airflow.sdk import get_current_context

from airflow_provider_marketo.airflow_compat import get_listener_manager, hookimpl
from airflow_provider_marketo.client.errors import MarketoError, MarketoQuotaExhaustedError, MarketoThrottledError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.failure import log_failure
from airflow_provider_marketo.hooks.runtime import runtime

if TYPE_CHECKING:
    from airflow_provider_marketo.client.tally import Observer, Tally

log = printable_logger(__name__)

USAGE = "marketo_usage"
"""XCom key of a deferred task's counts. Airflow clears the XCom before the next try."""


def tally_of(conn_id: str, observer: Observer) -> Tally:
    """
    Return the running task's tally for a connection, and have Airflow log it when the task ends.

    :param conn_id: id of the connection.
    :param observer: called at the end of each call. The observer of the task's first hook is used.
    """
    if runtime().task is not None:
        listen()
    return runtime().tally(conn_id, observer)


def keep_usage() -> None:
    """Store the running task's counts before a deferral, because another process resumes the task."""
    counts = {conn_id: tally.to_dict() for conn_id, tally in runtime().take_tallies().items()}
    if counts:
        get_current_context()["ti"].xcom_push(key=USAGE, value=counts)


def recall_usage(ti: Any) -> None:
    """
    Read the running task's counts from before a deferral, and continue to count from there.

    :param ti: the running task instance.
    """
    runtime().recall(ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, key=USAGE) or {})


def log_usage() -> None:
    """Log one line for each connection that the running task has used, and begin to count from zero."""
    for conn_id, tally in runtime().take_tallies().items():
        if tally.calls:
            log.info("Marketo usage of this task (connection %s): %s", conn_id, tally.summary())


def send_metrics(conn_id: str, operation: str, waited: float, error: MarketoError | None) -> None:
    """
    Send the metrics of a call to Airflow.

    :param conn_id: id of the connection.
    :param operation: name of the operation in the catalogue.
    :param waited: seconds that the call waited for its turn.
    :param error: the error that the call ended in; None if it succeeded.
    """
    tags = {"connection": conn_id, "operation": operation}
    Stats.incr("marketo.calls", tags=tags)
    Stats.timing("marketo.wait_seconds", timedelta(seconds=waited), tags=tags)
    if isinstance(error, (MarketoThrottledError, MarketoQuotaExhaustedError)):
        Stats.incr("marketo.rejected", tags=tags | {"code": error.code or ""})


def send_quota_left(conn_id: str, calls_left: int) -> None:
    """
    Send the number of the day's remaining calls to Airflow's metrics.

    :param conn_id: id of the connection.
    :param calls_left: calls that are left today, for all integrations together.
    """
    Stats.gauge("marketo.quota_left", calls_left, tags={"connection": conn_id})


class _EndOfTask:
    """Airflow calls these methods in the task's own process when the task has ended, successfully or not."""

    @hookimpl
    def on_task_instance_success(self) -> None:
        log_usage()

    @hookimpl
    def on_task_instance_failed(self, error: BaseException | str | None) -> None:
        log_usage()
        log_failure(error)

    @hookimpl
    def on_task_instance_skipped(self) -> None:
        log_usage()


_END_OF_TASK = _EndOfTask()


def listen() -> None:
    """Have Airflow log the usage, and why the task failed, when the task ends. Further calls change nothing."""
    get_listener_manager().add_listener(_END_OF_TASK)  # type: ignore[no-untyped-call]
