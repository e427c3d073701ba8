"""Waits for export jobs without holding a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoDeadlineError, MarketoError, from_dict
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.triggers.connection import hook_of, settings_of
from airflow_provider_marketo.triggers.ending import ERROR, TIMED_OUT, event_of
from airflow_provider_marketo.triggers.job_poller import wait_for_jobs
from airflow_provider_marketo.triggers.poller import run_in_thread

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.jobs import ExportJob, ExportJobs
    from airflow_provider_marketo.client.client import MarketoClient

ENDED, PASSED = "ended", "passed"

EXPORT_IDS = "marketo_export_ids"
"""XCom in which a task names the jobs that it waits for."""


class MarketoBulkJobTrigger(BaseTrigger):
    """
    Fires when at least one of several export jobs has ended, successfully or not, or when the deadline has passed.
    Whoever ends the task meanwhile has its jobs cancelled (Airflow 3.3).

    All triggers of a connection and an object type share one call of the job list per interval. Airflow stores the
    arguments in clear text: they are ids and nothing else.

    :param marketo_conn_id: id of the connection.
    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param export_ids: ids of the jobs.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two looks.
    :param custom_object: API name of the custom object type.
    :param until: ISO 8601, aware; only let time pass until then, without a look at the jobs.
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
        until: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.marketo_conn_id = marketo_conn_id
        self.object_type = object_type
        self.export_ids = export_ids
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.custom_object = custom_object
        self.until = until
        self._client: MarketoClient | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "object_type": self.object_type,
            "export_ids": self.export_ids,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
            "custom_object": self.custom_object,
            "until": self.until,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        wait = self._wait() if self.until is None else self._let_pass(self.until)
        yield await event_of(wait, self.deadline, export_ids=self.export_ids)

    async def on_kill(self) -> None:
        """
        Airflow 3.3: somebody cleared or ended the deferred task. Cancel those of its jobs that nobody waits for.

        The same call comes when the trigger merely moves to another triggerer, perhaps so late that the task has gone
        on there, and after a quick clear the next try may have taken the jobs over already: then the task is deferred
        or running, and its XCom names the jobs that are wanted. Airflow deletes it at the start of a try.

        While a trigger has not ended Airflow cancels it once a second, and would break this off.
        """
        cancelling = asyncio.create_task(self._cancel_unwanted())
        while not cancelling.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(cancelling)

    async def _cancel_unwanted(self) -> None:
        wanted = await run_in_thread(self._wanted)
        unwanted = [export_id for export_id in self.export_ids if export_id not in wanted]
        if unwanted:
            self.log.info("The task was cleared or ended")
            settings = await settings_of(self.marketo_conn_id)
            await run_in_thread(lambda: self._jobs(settings).cancel_all(unwanted))

    def _wanted(self) -> Collection[str]:
        """Jobs that the task still waits for."""
        task = getattr(self, "task_instance", None)
        if task is None:  # dag.test() has none, and nobody to take the jobs over
            return ()
        states = airflow_compat.RuntimeTaskInstance.get_task_states(
            dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.run_id], map_index=task.map_index
        )
        state = next((state for run in states.values() for state in run.values()), None)  # None: it was deleted
        if state not in ("deferred", "running"):
            return ()
        named: list[str] | None = airflow_compat.XCom.get_one(
            key=EXPORT_IDS, dag_id=task.dag_id, task_id=task.task_id, run_id=task.run_id, map_index=task.map_index
        )
        if named is None:
            return self.export_ids if state == "deferred" else ()
        return named

    @staticmethod
    async def _let_pass(until: str) -> dict[str, Any]:
        await asyncio.sleep((parse_date(until) - datetime.now(timezone.utc)).total_seconds())
        return {"status": PASSED}

    async def _wait(self) -> dict[str, Any]:
        settings = await settings_of(self.marketo_conn_id)

        async def find(export_ids: Collection[str]) -> Mapping[str, ExportJob]:
            return await run_in_thread(lambda: self._jobs(settings).find(export_ids))

        condition = (settings, self.object_type, self.custom_object)
        jobs = await wait_for_jobs(condition, find, self.export_ids, self.poll_interval)
        return {"status": ENDED, "jobs": [asdict(job) for job in jobs.values()]}

    def _jobs(self, settings: ConnectionSettings) -> ExportJobs:
        from airflow_provider_marketo.client.bulk.jobs import ExportJobs
        from airflow_provider_marketo.client.bulk.objects import export_object

        if self._client is None:
            self._client = hook_of(settings).get_conn()
        return ExportJobs(self._client, export_object(self.object_type), self.custom_object)


def jobs_from_event(event: Mapping[str, Any] | None) -> dict[str, ExportJob]:
    """
    What the trigger found out.

    :param event: the trigger's event, as ``execute_complete`` receives it.
    :raises MarketoError: the trigger met an error, or the deadline has passed, or the event is not ours.
    """
    from airflow_provider_marketo.client.bulk.jobs import ExportJob

    status = (event or {}).get("status")
    if event is not None and status == ENDED:
        return {job["export_id"]: ExportJob(**job) for job in event["jobs"]}
    if event is not None and status == ERROR:
        raise from_dict(event)
    if event is not None and status == TIMED_OUT:
        raise MarketoDeadlineError(f"exports {', '.join(event['export_ids'])} did not finish within timeout")
    raise MarketoError(f"the trigger sent an event that is not understood: {status!r}")
