"""The trigger that waits for a condition in Marketo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo.triggers.connection import blocking, settings_of
from airflow_provider_marketo.triggers.events import TIMED_OUT, checked_event, event_of
from airflow_provider_marketo.triggers.poller import Ask, run_in_thread, wait_for_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller, Found
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

FOUND = "found"


class MarketoConditionTrigger(BaseTrigger):
    """
    Fire when a condition is true, when Marketo cannot answer it, or when the deadline has passed.

    All triggers of a connection and a kind of condition share one poll per interval, in as few calls as Marketo allows:
    a call takes 300 values, 30 leads, ten activity types, or all exports of an object type.

    :param marketo_conn_id: id of the connection.
    :param kind: the kind of the condition.
    :param condition: the condition, encrypted, since Airflow stores the arguments in clear text.
    :param about: what the trigger waits for, without a person's data.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two polls.
    """

    def __init__(
        self, *, marketo_conn_id: str, kind: str, condition: str, about: str, deadline: str, poll_interval: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.marketo_conn_id = marketo_conn_id
        self.kind = kind
        self.condition = condition
        self.about = about
        self.deadline = deadline
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores, in clear text, to create the trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "kind": self.kind,
            "condition": self.condition,
            "about": self.about,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the one event of the trigger."""
        waited_for = {"about": self.about, "kind": self.kind, "condition": self.condition, "deadline": self.deadline}
        yield await event_of(self._wait(), self.deadline, **waited_for)

    async def _wait(self) -> dict[str, Any]:
        settings = await settings_of(self.marketo_conn_id)
        condition = await run_in_thread(lambda: self._decrypted(settings))
        found = await wait_for_answer(
            (settings, self.kind), lambda: _asking(settings, self.kind), condition, self.poll_interval
        )
        return {"status": FOUND, "found": dict(found)}

    def _decrypted(self, settings: ConnectionSettings) -> Condition:
        condition: Condition = blocking().condition(self.kind, self.condition, settings)
        return condition


def _asking(settings: ConnectionSettings, kind: str) -> Ask[Condition, Found]:
    """Ask conditions of one kind. The poller, and what it remembers, lives as long as a trigger waits."""
    poller: ConditionPoller[Any] | None = None

    def look(conditions: Collection[Condition]) -> Mapping[Condition, Answer]:
        nonlocal poller
        if poller is None:
            poller = blocking().condition_poller(kind, settings)
        return poller.ask(conditions)

    async def ask(conditions: Collection[Condition]) -> Mapping[Condition, Answer]:
        return await run_in_thread(lambda: look(conditions))

    return ask


def found_from_event(event: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """
    Return what the trigger found; None if the deadline has passed.

    :param event: the trigger's event, as ``execute_complete`` receives it.
    :raises MarketoError: the trigger met an error, or the event is not ours.
    """
    answer = checked_event(event, FOUND, TIMED_OUT)
    return dict(answer["found"]) if answer["status"] == FOUND else None
