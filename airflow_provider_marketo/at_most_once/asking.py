"""
A task asks a person whether its request ran, where Airflow asks people: in its Required Actions (*experimental*).

The answer goes to :func:`~airflow_provider_marketo.at_most_once.decision.decide`, as that of ``airflow marketo ledger
settle`` does. Then the task continues by itself.
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
    What a person is asked.

    :param key: what the answer is about: a key of the ledger, or nothing where the task itself knows.
    :param request: what the task would have sent, and to how many leads, without lead data.
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
        Return the question about an error; None where no answer would help.

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

        It is the same at each try: Airflow keeps the first text of a task instance.

        :param ti: the running task instance.
        """
        return (
            f"**Request**: {printable(self.request)}\n\n"
            f"**Operation**: `{self.operation}` on the Marketo instance {self.instance}\n\n"
            f"**Task**: {task_name(ti)}, run {printable(ti.run_id)}. Its log says why it is unknown.\n\n"
            f"**How to check**: {how_to_check(self.operation)}\n\n"
            f"* **{SENT}**: the request ran. The task does not send it again, and continues.\n"
            f"* **{NOT_SENT}**: the request did not run. The task sends it now, and continues.\n"
        )


def ask(operator: Any, context: Mapping[str, Any], error: MarketoAmbiguousOutcomeError) -> None:
    """
    End this process of the task until a person has answered. Return only if no person can be asked.

    :param operator: the task's; its ``execute_answer`` is called with the question's key and the answer.
    :param context: Airflow's, of the running task.
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
        log.warning("Airflow did not take the question, so the task fails: %s", failure)
        return
    if asked != body:
        log.warning(
            "This task has asked about another request, and Airflow shows that question again. So it fails now."
        )
        return
    log.warning("Waiting for a person in Airflow's Required Actions. %s", error)
    keep_usage()
    airflow_compat.wait_for_answer(operator, ti.id, options, "execute_answer", {"key": question.key})


def answer_of(event: Mapping[str, Any] | None) -> bool:
    """
    Return whether a person says that the request ran.

    :param event: the answer, as Airflow passes it.
    :raises MarketoInvalidRequestError: it is not an answer.
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
    Record a person's answer in the ledger. An entry that was settled meanwhile stays as it is.

    :param context: Airflow's, of the running task.
    :param ledger: the operator's.
    :param key: of the entry.
    :param sent: whether the request ran.
    """
    try:
        # The task that asks is this one, and it is not sending.
        decide(store_of(ledger, context["ti"]), key, sent=sent, state_of=lambda entry: None)
    except MarketoInvalidRequestError as error:
        log.warning("The answer changes nothing: %s", error)
