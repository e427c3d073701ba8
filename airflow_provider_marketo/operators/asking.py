"""The mixin of operators that ask a person whether their request ran (*experimental*)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError


class AsksPerson:
    """
    Mixin of operators: the question in Airflow's Required Actions.

    :ivar on_unknown: ``ask`` or ``fail``.
    """

    on_unknown: str

    def _ask(self, context: Context, error: MarketoAmbiguousOutcomeError) -> None:
        """
        Ask a person, which ends the task's process. Return if the author wants no question, or no person can answer.

        :param context: the running task's context.
        :param error: why it is unknown whether the request ran.
        """
        if self.on_unknown != "ask":
            return
        from airflow_provider_marketo.at_most_once.asking import ask

        ask(self, context, error)

    def _answer(self, event: Any) -> bool:
        """
        Return whether a person says that the request ran.

        :param event: the answer, as Airflow passes it.
        """
        from airflow_provider_marketo.at_most_once.asking import answer_of

        return answer_of(event)
