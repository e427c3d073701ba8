"""How every wait ends: with an answer, at its deadline, or with an error that the task raises."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_marketo.client import stored_errors
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable

log = printable_logger(__name__)

TIMED_OUT, ERROR = "timed out", "error"


async def event_of(answer: Awaitable[Mapping[str, Any]], deadline: str, /, **about: Any) -> TriggerEvent:
    """
    Wait for an answer, and return the event that carries it.

    :param answer: the members of the event, with its ``status``.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param about: further members of an event without an answer.
    """
    left = (parse_date(deadline) - datetime.now(timezone.utc)).total_seconds()
    event: Mapping[str, Any]
    try:
        event = await asyncio.wait_for(answer, timeout=max(0.0, left))
    except asyncio.TimeoutError:
        event = {"status": TIMED_OUT, **about}
    except MarketoError as error:
        event = {"status": ERROR, **about, **stored_errors.to_dict(error)}
    except Exception as error:  # if the trigger died, Airflow would fail the task without letting it tidy up
        log.exception("The wait has failed")
        failed = MarketoError(f"the wait has failed: {type(error).__name__}: {error}")
        event = {"status": ERROR, **about, **stored_errors.to_dict(failed)}
    return TriggerEvent(event)  # type: ignore[no-untyped-call]


def checked_event(event: Any, *expected: str) -> Mapping[str, Any]:
    """
    Return a trigger's event in the task, if it is of an expected kind.

    :param event: the event, as ``execute_complete`` receives it.
    :param expected: the statuses that the task understands.
    :raises MarketoError: the trigger met an error, or the event is not ours.
    """
    status = event.get("status") if isinstance(event, Mapping) else type(event).__name__
    if status == ERROR:
        raise stored_errors.from_dict(event)
    if status not in expected:
        raise MarketoError(f"the trigger sent an event of an unknown kind: {status!r}")
    found: Mapping[str, Any] = event
    return found
