"""Waits for imports without holding a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo.client.bulk.imports import ImportJobs, import_object
from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoError,
    MarketoNotFoundError,
    MarketoThrottledError,
    MarketoTransientError,
    from_dict,
)
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.settings import ConnectionSettings

ENDED, TIMED_OUT, ERROR = "ended", "timed out", "error"
FAILURES_IN_A_ROW = 10
_PASSING = (MarketoThrottledError, MarketoTransientError, MarketoConnectionError)


class MarketoBulkImportTrigger(BaseTrigger):
    """
    Fires when at least one of several imports has ended, however it did, or when the deadline has passed.

    Marketo has no list of imports: a look costs a call for each. Airflow stores the arguments in clear text: they are
    ids and nothing else. There is no ``on_kill``, since imports cannot be cancelled.

    :param marketo_conn_id: id of the connection.
    :param object_type: ``leads``, ``program_members`` or ``custom_objects``.
    :param batch_ids: ids of the imports.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two looks.
    :param custom_object: API name of the custom object type.
    """

    def __init__(
        self,
        *,
        marketo_conn_id: str,
        object_type: str,
        batch_ids: list[int],
        deadline: str,
        poll_interval: float,
        custom_object: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.marketo_conn_id = marketo_conn_id
        self.object_type = object_type
        self.batch_ids = batch_ids
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.custom_object = custom_object

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "object_type": self.object_type,
            "batch_ids": self.batch_ids,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
            "custom_object": self.custom_object,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            event: dict[str, Any] = {"status": await self._wait()}
        except MarketoError as error:
            event = {"status": ERROR, **error.to_dict()}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> str:
        jobs = await self._jobs()
        deadline = datetime.fromisoformat(self.deadline)
        failures = 0
        while datetime.now(timezone.utc) < deadline:
            await asyncio.sleep(self.poll_interval)
            try:
                if await asyncio.to_thread(jobs.any_ended, self.batch_ids):
                    return ENDED
                failures = 0
            except MarketoNotFoundError:
                return ENDED  # forgotten: the task finds out and says so
            except _PASSING as error:
                failures += 1
                self.log.warning("Could not look at imports %s (%d in a row): %s", self.batch_ids, failures, error)
                if failures >= FAILURES_IN_A_ROW:
                    raise
        return TIMED_OUT

    async def _jobs(self) -> ImportJobs:
        connection = await BaseHook.aget_connection(self.marketo_conn_id)
        hook = MarketoHook(
            self.marketo_conn_id,
            parallel=conf.getint("marketo", "triggerer_parallel", fallback=1),
            settings=ConnectionSettings.from_connection(connection),
        )
        return ImportJobs(hook.get_conn(), import_object(self.object_type), self.custom_object)


def raise_for_event(event: Any) -> None:
    """
    The error that a trigger met. After its deadline the task looks once more before it gives up.

    :param event: of this trigger, or of one that only let time pass.
    :raises MarketoError: the trigger met one.
    """
    if isinstance(event, Mapping) and event.get("status") == ERROR:
        raise from_dict(event)
