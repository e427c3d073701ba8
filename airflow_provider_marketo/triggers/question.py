"""Waits until something in Marketo is so, without holding a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_marketo.client.errors import MarketoError, from_dict
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.triggers.connection import hook_of, settings_of
from airflow_provider_marketo.triggers.ending import ERROR, TIMED_OUT, event_of
from airflow_provider_marketo.triggers.poller import Ask, off_the_loop, wait_for_answer

if TYPE_CHECKING:
    from airflow_provider_marketo.questions.question import Answer, Found, Inquirer, Question

FOUND = "found"


class MarketoQuestionTrigger(BaseTrigger):
    """
    Fires when a question has been answered, when it cannot be, or when the deadline has passed.

    All triggers of a connection and a kind of question share one look per interval, in as few calls as Marketo allows:
    300 values, 30 leads or ten activity types in one, all exports of an object type in one.

    :param marketo_conn_id: id of the connection.
    :param kind: of the question.
    :param question: sealed, since Airflow stores the arguments in clear text.
    :param about: what is waited for, without a person's data.
    :param deadline: ISO 8601, aware; Airflow does not enforce a timeout while a task is deferred.
    :param poll_interval: seconds between two looks.
    """

    def __init__(
        self, *, marketo_conn_id: str, kind: str, question: str, about: str, deadline: str, poll_interval: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.marketo_conn_id = marketo_conn_id
        self.kind = kind
        self.question = question
        self.about = about
        self.deadline = deadline
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "marketo_conn_id": self.marketo_conn_id,
            "kind": self.kind,
            "question": self.question,
            "about": self.about,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        waited_for = {"about": self.about, "kind": self.kind, "question": self.question, "deadline": self.deadline}
        yield await event_of(self._wait(), self.deadline, **waited_for)

    async def _wait(self) -> dict[str, Any]:
        settings = await settings_of(self.marketo_conn_id)
        question = await off_the_loop(lambda: self._unsealed(settings))
        found = await wait_for_answer(
            (settings, self.kind), lambda: _asking(settings, self.kind), question, self.poll_interval
        )
        return {"status": FOUND, "found": dict(found)}

    def _unsealed(self, settings: ConnectionSettings) -> Question:
        from airflow_provider_marketo.questions.sealing import unsealed

        return unsealed(self.kind, self.question, settings.client_secret)


def _asking(settings: ConnectionSettings, kind: str) -> Ask[Question, Found]:
    """Asks questions of one kind; what it remembers lives as long as somebody waits."""
    inquirer: Inquirer[Any] | None = None

    def ask(questions: Collection[Question]) -> Mapping[Question, Answer]:
        nonlocal inquirer
        if inquirer is None:
            from airflow_provider_marketo.questions.kinds import KINDS

            inquirer = KINDS[kind][1](hook_of(settings).get_conn())
        return inquirer.ask(questions)

    async def ask_off_the_loop(questions: Collection[Question]) -> Mapping[Question, Answer]:
        return await off_the_loop(lambda: ask(questions))

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
