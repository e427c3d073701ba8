"""Waits until something in Marketo is so, without holding a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo.client.errors import MarketoError, from_dict
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.triggers.connection import hook_of, settings_of
from airflow_provider_marketo.triggers.ending import ERROR, TIMED_OUT, event_of
from airflow_provider_marketo.triggers.poller import Ask, run_in_thread, wait_for_answer

if TYPE_CHECKING:
    from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller, Found

FOUND = "found"


class MarketoConditionTrigger(BaseTrigger):
    """
    Fires when a condition has been answered, when it cannot be, or when the deadline has passed.

    All triggers of a connection and a kind of condition share one look per interval, in as few calls as Marketo allows:
    300 values, 30 leads or ten activity types in one, all exports of an object type in one.

    :param marketo_conn_id: id of the connection.
    :param kind: of the condition.
    :param condition: sealed, since Airflow stores the arguments in clear text.
    :param about: what is waited for, without a person's data.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two looks.
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
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "kind": self.kind,
            "condition": self.condition,
            "about": self.about,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        waited_for = {"about": self.about, "kind": self.kind, "condition": self.condition, "deadline": self.deadline}
        yield await event_of(self._wait(), self.deadline, **waited_for)

    async def _wait(self) -> dict[str, Any]:
        settings = await settings_of(self.marketo_conn_id)
        condition = await run_in_thread(lambda: self._unsealed(settings))
        found = await wait_for_answer(
            (settings, self.kind), lambda: _asking(settings, self.kind), condition, self.poll_interval
        )
        return {"status": FOUND, "found": dict(found)}

    def _unsealed(self, settings: ConnectionSettings) -> Condition:
        from airflow_provider_marketo.conditions.sealing import unsealed

        return unsealed(self.kind, self.condition, settings.client_secret)


def _asking(settings: ConnectionSettings, kind: str) -> Ask[Condition, Found]:
    """Asks conditions of one kind; what it remembers lives as long as somebody waits."""
    poller: ConditionPoller[Any] | None = None

    def ask(conditions: Collection[Condition]) -> Mapping[Condition, Answer]:
        nonlocal poller
        if poller is None:
            from airflow_provider_marketo.conditions.kinds import KINDS

            poller = KINDS[kind][1](hook_of(settings).get_conn())
        return poller.ask(conditions)

    async def ask_off_the_loop(conditions: Collection[Condition]) -> Mapping[Condition, Answer]:
        return await run_in_thread(lambda: ask(conditions))

    return ask_off_the_loop


def found_from_event(event: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """
    What the trigger found out; None when the deadline has passed.

    :param event: the trigger's event, as ``execute_complete`` receives it.
    :raises MarketoError: the trigger met an error, or the event is not ours.
    """
    status = (event or {}).get("status")
    if event is not None and status == FOUND:
        return dict(event["found"])
    if event is not None and status == ERROR:
        raise from_dict(event)
    if status == TIMED_OUT:
        return None
    raise MarketoError(f"the trigger sent an event that is not understood: {status!r}")
