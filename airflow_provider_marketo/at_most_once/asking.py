"""
A task asks a person in Airflow's Required Actions whether its request ran (*experimental*).

The answer goes to :func:`~airflow_provider_marketo.at_most_once.decision.decide`, like the answer of ``airflow marketo
ledger settle``. Then the task continues by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.at_most_once.decision import decide
from airflow_provider_marketo.at_most_once.entries import task_name
from airflow_provider_marketo.at_most_once.how_to_check import how_to_check
from airflow_provider_marketo.at_most_once.ledger import MarketoUnknownOutcomeError
from airflow_provider_marketo.at_most_once.stores import store_of
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable, printable_logger
from airflow_provider_marketo.hooks.usage import keep_usage
from airflow_provider_marketo.imports.errors import MarketoRowsUnknownError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError

log = printable_logger(__name__)

SENT, NOT_SENT = "Sent", "Not sent"
SUBJECT = "Did Marketo run this request?"


def can_ask() -> bool:
    """Return whether a person can answer: a task without a scheduler, as in ``dags test``, cannot ask one."""
    return airflow_compat.is_supervised() and not airflow_compat.runs_in_process()


@dataclass(frozen=True)
class Question:
    """
    A question to a person.

    :param key: the ledger's key of the request; empty if the task itself keeps track of it.
    :param request: describes the request and the number of its leads, without lead data.
    :param operation: name of the operation.
    :param instance: the Munchkin ID.
    """

    key: str
    request: str
    operation: str
    instance: str

    @classmethod
    def about(cls, error: MarketoAmbiguousOutcomeError) -> Question | None:
        """
        Return the question about an error; None if no answer would help.

        :param error: why it is unknown whether the request ran.
        """
        if isinstance(error, MarketoUnknownOutcomeError):
            sending = error.sending
            return cls(sending.key, sending.what, sending.operation, sending.instance)
        if isinstance(error, MarketoRowsUnknownError) and error.lost:
            return cls("", error.lost, error.operation or "", error.instance)
        return None

    def body(self, ti: Any) -> str:
        """
        Return the text that a person reads before deciding, in Markdown.

        The text is the same at each try, because Airflow keeps the first text of a task instance.

        :param ti: the running task instance.
        """
        return (
            f"**Request**: {printable(self.request)}\n\n"
            f"**Operation**: `{self.operation}` on the Marketo instance {self.instance}\n\n"
            f"**Task**: {task_name(ti)}, run {printable(ti.run_id)}. Its log says why Airflow cannot know the"
            " answer.\n\n"
            f"**How to check**: {how_to_check(self.operation)}\n\n"
            f"* **{SENT}**: the request ran. The task does not send it again, and continues.\n"
            f"* **{NOT_SENT}**: the request did not run. The task sends it now, and continues.\n"
        )


def ask(operator: Any, context: Mapping[str, Any], error: MarketoAmbiguousOutcomeError) -> None:
    """
    End this process of the task until a person has answered. Return only if no person can be asked.

    :param operator: the task's operator. Its ``execute_answer`` is called with the question's key and the answer.
    :param context: the running task's context.
    :param error: why it is unknown whether the request ran.
    """
    question = Question.about(error)
    if question is None or not can_ask():
        return
    ti, options = context["ti"], [SENT, NOT_SENT]
    body = question.body(ti)
    try:
        asked = airflow_compat.create_question(ti.id, options, SUBJECT, body)
    except Exception as failure:  # noqa: BLE001 - Airflow may raise anything, and the task's own error matters more
        log.warning("Airflow did not accept the question, so the task fails: %s", failure)
        return
    if asked != body:
        log.warning(
            "The task fails now: an earlier try asked about another request, and Airflow would show that question"
            " instead of this one."
        )
        return
    log.warning("Waiting for a person in Airflow's Required Actions. %s", error)
    keep_usage()
    airflow_compat.wait_for_answer(operator, ti.id, options, "execute_answer", {"key": question.key})


def answer_of(event: Mapping[str, Any] | None) -> bool:
    """
    Return whether a person says that the request ran.

    :param event: the answer, as Airflow passes it.
    :raises MarketoInvalidRequestError: the event has no answer.
    """
    facts = event or {}
    chosen = list(facts.get("chosen_options") or ())
    if chosen not in ([SENT], [NOT_SENT]):
        raise MarketoInvalidRequestError(
            f"Airflow's Required Actions ended without an answer: {facts.get('error') or chosen}",
            remedy="Clear the task: it asks again.",
        )
    user = (facts.get("responded_by_user") or {}).get("name") or "A person"
    log.info("%s answered: %s", user, chosen[0])
    return chosen == [SENT]


def settle(context: Mapping[str, Any], ledger: str | None, key: str, *, sent: bool) -> None:
    """
    Record a person's answer in the ledger. An entry that is already settled stays unchanged.

    :param context: the running task's context.
    :param ledger: the operator's argument ``ledger``.
    :param key: key of the entry.
    :param sent: whether the request ran.
    """
    try:
        # The entry belongs to this task, which is not sending now.
        decide(store_of(ledger, context["ti"]), key, sent=sent, state_of=lambda entry: None)
    except MarketoInvalidRequestError as error:
        log.warning("The answer changes nothing: %s", error)
