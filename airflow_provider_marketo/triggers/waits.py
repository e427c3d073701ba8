"""The trigger for the wait of an operator's work, and what the trigger's event says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoDeadlineError
from airflow_provider_marketo.hooks.job_waits import ExportJobsWait, ImportJobsWait
from airflow_provider_marketo.triggers.bulk_import import MarketoBulkImportTrigger
from airflow_provider_marketo.triggers.bulk_job import ENDED, PASSED, MarketoBulkJobTrigger
from airflow_provider_marketo.triggers.events import TIMED_OUT, checked_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.triggers.base import BaseTrigger

    from airflow_provider_marketo.hooks.work import Wait


def trigger_for(wait: Wait, marketo_conn_id: str, poll_interval: timedelta) -> BaseTrigger:
    """
    Return the trigger that waits instead of a task.

    :param wait: what the trigger waits for.
    :param marketo_conn_id: id of the connection.
    :param poll_interval: time between two polls of Marketo.
    """
    if isinstance(wait, ExportJobsWait):
        return MarketoBulkJobTrigger(
            marketo_conn_id=marketo_conn_id,
            object_type=wait.object_type,
            custom_object=wait.custom_object,
            export_ids=list(wait.export_ids),
            deadline=_iso(wait.deadline),
            poll_interval=poll_interval.total_seconds(),
            until=_iso(wait.until) if wait.until else None,
        )
    if isinstance(wait, ImportJobsWait):
        return MarketoBulkImportTrigger(
            marketo_conn_id=marketo_conn_id,
            object_type=wait.object_type,
            custom_object=wait.custom_object,
            batch_ids=list(wait.batch_ids),
            deadline=_iso(wait.deadline),
            poll_interval=poll_interval.total_seconds(),
        )
    return DateTimeTrigger(moment=wait.until or datetime.now(timezone.utc) + poll_interval)


def found_from(event: Any) -> Mapping[str, Any] | None:
    """
    Return what a trigger found out; None if it only let time pass.

    :param event: the trigger's event, as the operator receives it.
    :raises MarketoError: the trigger met an error, or the deadline has passed, or the event is not ours.
    """
    if event is None or isinstance(event, datetime):  # Airflow's own trigger sends the moment that it waited for
        return None
    found = checked_event(event, ENDED, PASSED, TIMED_OUT)
    if found["status"] == TIMED_OUT and "export_ids" in found:
        late = found["export_ids"]
        raise MarketoDeadlineError(f"{counted(len(late), 'export')} did not finish within timeout: {', '.join(late)}")
    # Imports cannot be cancelled: after their deadline the task polls once more before it gives up.
    return found if found["status"] == ENDED else None


def _iso(moment: datetime | None) -> str:
    return (moment or datetime.max.replace(tzinfo=timezone.utc)).isoformat()
