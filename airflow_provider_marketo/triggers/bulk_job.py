"""Waits for export jobs without holding a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo.client.bulk.jobs import ExportJob, ExportJobs
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.errors import MarketoDeadlineError, MarketoError, from_dict
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.triggers.job_poller import JobPoller, shared_poller

ENDED, TIMED_OUT, ERROR = "ended", "timed out", "error"


class MarketoBulkJobTrigger(BaseTrigger):
    """
    Fires when at least one of several export jobs has ended, successfully or not, or when the deadline has passed.

    All triggers of a connection and an object type share one call of the job list per interval. Airflow stores the
    arguments in clear text: they are ids and nothing else.

    :param marketo_conn_id: id of the connection.
    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param export_ids: ids of the jobs.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two looks.
    :param custom_object: API name of the custom object type.
    """

    def __init__(
        self,
        *,
        marketo_conn_id: str,
        object_type: str,
        export_ids: list[str],
        deadline: str,
        poll_interval: float,
        custom_object: str | None = None,
    ) -> None:
        super().__init__()
        self.marketo_conn_id = marketo_conn_id
        self.object_type = object_type
        self.export_ids = export_ids
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.custom_object = custom_object

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "object_type": self.object_type,
            "export_ids": self.export_ids,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
            "custom_object": self.custom_object,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        left = (datetime.fromisoformat(self.deadline) - datetime.now(timezone.utc)).total_seconds()
        try:
            poller = await self._poller()
            jobs = await asyncio.wait_for(poller.wait(self.export_ids), timeout=max(0.0, left))
            event: dict[str, Any] = {"status": ENDED, "jobs": [asdict(job) for job in jobs.values()]}
        except asyncio.TimeoutError:
            event = {"status": TIMED_OUT, "export_ids": self.export_ids}
        except MarketoError as error:
            event = {"status": ERROR, **error.to_dict()}
        yield TriggerEvent(event)

    async def on_kill(self) -> None:
        """
        Airflow 3.3: somebody cleared or ended the deferred task. Cancel its jobs, unless it still waits.

        The same call comes when the trigger merely moves to another triggerer, and after a quick clear the next try may
        have taken the jobs over already; in both cases the task is deferred, and its jobs are wanted.
        """
        if await self._still_deferred():
            return
        jobs = await self._jobs()
        for export_id in self.export_ids:
            self.log.info("Cancelling export %s: its task was cleared or ended", export_id)
            await asyncio.to_thread(jobs.cancel, export_id)

    async def _still_deferred(self) -> bool:
        task = getattr(self, "task_instance", None)
        if task is None:  # dag.test() has none, and nobody to take the jobs over
            return False
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states = await asyncio.to_thread(
            RuntimeTaskInstance.get_task_states,
            dag_id=task.dag_id,
            task_ids=[task.task_id],
            run_ids=[task.run_id],
            map_index=task.map_index,
        )
        return any(state == "deferred" for run in states.values() for state in run.values())

    async def _poller(self) -> JobPoller:
        jobs = await self._jobs()

        async def find(export_ids: Collection[str]) -> Mapping[str, ExportJob]:
            return await asyncio.to_thread(jobs.find, export_ids)

        key = (self.marketo_conn_id, self.object_type, self.custom_object, self.poll_interval)
        return shared_poller(key, lambda: JobPoller(find, self.poll_interval))

    async def _jobs(self) -> ExportJobs:
        connection = await BaseHook.aget_connection(self.marketo_conn_id)
        hook = MarketoHook(
            self.marketo_conn_id,
            parallel=conf.getint("marketo", "triggerer_parallel", fallback=1),
            settings=ConnectionSettings.from_connection(connection),
        )
        return ExportJobs(hook.get_conn(), export_object(self.object_type), self.custom_object)


def jobs_from_event(event: Mapping[str, Any] | None) -> dict[str, ExportJob]:
    """
    What the trigger found out.

    :param event: the trigger's event, as ``execute_complete`` receives it.
    :raises MarketoError: the trigger met an error, or the deadline has passed, or the event is not ours.
    """
    status = (event or {}).get("status")
    if event is not None and status == ENDED:
        return {job["export_id"]: ExportJob(**job) for job in event["jobs"]}
    if event is not None and status == ERROR:
        raise from_dict(event)
    if event is not None and status == TIMED_OUT:
        raise MarketoDeadlineError(f"exports {', '.join(event['export_ids'])} did not finish in time")
    raise MarketoError(f"the trigger sent an event that is not understood: {status!r}")
