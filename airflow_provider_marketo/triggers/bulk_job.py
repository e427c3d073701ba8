"""The trigger that waits for export jobs."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.job_waits import EXPORT_IDS
from airflow_provider_marketo.triggers.connection import blocking, settings_of
from airflow_provider_marketo.triggers.events import event_of
from airflow_provider_marketo.triggers.killed import WAITS, state_of, task_of, to_its_end
from airflow_provider_marketo.triggers.poller import run_in_thread, wait_for_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from airflow_provider_marketo.client.bulk.jobs import ExportJob, ExportJobs
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

log = printable_logger(__name__)


ENDED, PASSED = "ended", "passed"


class MarketoBulkJobTrigger(BaseTrigger):
    """
    Fire when one of several export jobs has ended, successfully or not, or when the deadline has passed.

    If a person clears or ends the task meanwhile, the trigger cancels its jobs (Airflow 3.3). All triggers of a
    connection and an object type share one call of the job list per interval. Airflow stores the arguments in clear
    text: they are only ids.

    :param marketo_conn_id: id of the connection.
    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param export_ids: ids of the jobs.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two polls.
    :param custom_object: API name of the custom object type.
    :param until: ISO 8601, aware; let time pass until then, and do not poll the jobs.
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
        """Return what Airflow stores, in clear text, to create the trigger again."""
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
        """Wait, and yield the one event of the trigger."""
        wait = self._wait() if self.until is None else self._let_pass(self.until)
        yield await event_of(wait, self.deadline, export_ids=self.export_ids)

    async def on_kill(self) -> None:
        """
        Cancel the jobs that no try waits for: a person cleared or ended the deferred task (Airflow 3.3).

        Airflow also calls this when the trigger only moves to another triggerer, perhaps after the task has continued
        there. After a quick clear the next try may already have taken the jobs over. In both cases the task is deferred
        or running, and its XCom names the jobs that it wants. Airflow deletes the XCom at the start of a try.
        """
        await to_its_end(self._cancel_unwanted())

    async def _cancel_unwanted(self) -> None:
        wanted = await run_in_thread(self._wanted)
        unwanted = [export_id for export_id in self.export_ids if export_id not in wanted]
        if unwanted:
            log.info("The task was cleared or ended")
            settings = await settings_of(self.marketo_conn_id)
            await run_in_thread(lambda: self._jobs(settings).cancel_all(unwanted))

    def _wanted(self) -> Collection[str]:
        """Return the jobs that the task still waits for."""
        task = task_of(self)
        if task is None or (state := state_of(task)) not in WAITS:
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

        async def ask(wanted: Collection[frozenset[str]]) -> Mapping[frozenset[str], Mapping[str, ExportJob]]:
            return await run_in_thread(lambda: self._look(settings, wanted))

        jobs = await wait_for_answer(
            ("exports", settings, self.object_type, self.custom_object),
            lambda: ask,
            frozenset(self.export_ids),
            self.poll_interval,
            waits_out_quota=False,
        )
        return {"status": ENDED, "jobs": [asdict(job) for job in jobs.values()]}

    def _look(
        self, settings: ConnectionSettings, wanted: Collection[frozenset[str]]
    ) -> Mapping[frozenset[str], Mapping[str, ExportJob]]:
        found = self._jobs(settings).find(frozenset().union(*wanted))
        answers: Mapping[frozenset[str], Mapping[str, ExportJob]] = blocking().ended_exports(found, wanted)
        return answers

    def _jobs(self, settings: ConnectionSettings) -> ExportJobs:
        if self._client is None:
            self._client = blocking().hook(settings).get_conn()
        jobs: ExportJobs = blocking().export_jobs(self._client, self.object_type, self.custom_object)
        return jobs
