"""The trigger that waits for the day's quotas."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo.client.errors import (
    MarketoQuotaExhaustedError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.quota_day import next_probe
from airflow_provider_marketo.hooks.quota import REFRESH_EVERY, Quota, require
from airflow_provider_marketo.triggers.connection import blocking, settings_of
from airflow_provider_marketo.triggers.events import TIMED_OUT, checked_event, event_of
from airflow_provider_marketo.triggers.poller import PASSING, run_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

log = printable_logger(__name__)


ENOUGH = "enough"


class MarketoQuotaTrigger(BaseTrigger):
    """
    Fire when enough of the quotas is left, or when the deadline has passed.

    In between the trigger sleeps until the quota's reset.

    :param marketo_conn_id: id of the connection.
    :param min_calls: calls that must be left above the connection's reserve.
    :param min_export_mb: megabytes of bulk export that must be left.
    :param deadline: ISO 8601, aware.
    """

    def __init__(self, *, marketo_conn_id: str, min_calls: int, min_export_mb: float, deadline: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.marketo_conn_id = marketo_conn_id
        self.min_calls = min_calls
        self.min_export_mb = min_export_mb
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores, in clear text, to create the trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "min_calls": self.min_calls,
            "min_export_mb": self.min_export_mb,
            "deadline": self.deadline,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event of the trigger."""
        yield await event_of(self._wait(), self.deadline)

    async def _wait(self) -> dict[str, Any]:
        settings = await settings_of(self.marketo_conn_id)
        hook = await run_in_thread(lambda: blocking().hook(settings))
        while True:
            try:
                quota = await run_in_thread(lambda: hook.quota.current(exports=self.min_export_mb > 0))
                require(quota, calls=self.min_calls, export_mb=self.min_export_mb)
                return {"status": ENOUGH, "quota": quota.to_dict()}
            except MarketoQuotaExhaustedError as error:
                until = error.until or next_probe(datetime.now(timezone.utc))
                log.info("%s Looking again at %s.", error, until.isoformat())
            except PASSING as error:
                until = datetime.now(timezone.utc) + timedelta(seconds=REFRESH_EVERY)
                log.warning("Could not ask for the quota; trying again at %s: %s", until.isoformat(), error)
            await asyncio.sleep(max(1.0, (until - datetime.now(timezone.utc)).total_seconds()))


def quota_from_event(event: Mapping[str, Any] | None) -> Quota | None:
    """
    Return what is left; None if the deadline has passed.

    :param event: the trigger's event, as ``execute_complete`` receives it.
    :raises MarketoError: the trigger met an error, or the event is not ours.
    """
    answer = checked_event(event, ENOUGH, TIMED_OUT)
    return Quota.from_dict(answer["quota"]) if answer["status"] == ENOUGH else None
