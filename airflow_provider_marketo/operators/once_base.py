"""The base of the operators whose requests must not run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, flag, text
from airflow_provider_marketo.choices import OnAmbiguous, OnUnknown
from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError
from airflow_provider_marketo.operators.asking import AsksPerson
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.failures import fails_plainly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context


class MarketoOnceOperator(AsksPerson, MarketoOperator):
    """
    Base of the operators that write requests into a ledger, so that no retry sends them twice.

    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a request of an earlier try that may or may not have run: ``stop``;
        ``resend``, once after each clear of the task; or ``assume_sent``.
    :param on_unknown: *experimental*: if ``on_ambiguous`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param force: send again what the ledger marks as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. The task only reads.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOperator.argument_checks,
        "ledger": text(),
        "on_ambiguous": choice(OnAmbiguous),
        "on_unknown": choice(OnUnknown),
        "force": flag(),
        "dry_run": flag(),
    }
    template_fields: Sequence[str] = (*MarketoOperator.template_fields, "ledger", "on_ambiguous")

    def __init__(
        self,
        *,
        ledger: str | None = None,
        on_ambiguous: OnAmbiguous = "stop",
        on_unknown: OnUnknown = "ask",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(max_calls=max_calls, marketo_conn_id=marketo_conn_id, **kwargs)
        self.ledger = ledger
        self.on_ambiguous = on_ambiguous
        self.on_unknown = on_unknown
        self.force = force
        self._preview = dry_run
        self.check_arguments()

    @fails_plainly()
    def execute(self, context: Context) -> Any:
        """
        Run the task, or its part up to a question that a person has to answer.

        :param context: the running task's context.
        """
        return self._execute_or_ask(context)

    @fails_plainly()
    def execute_answer(self, context: Context, key: str, event: Any = None) -> Any:
        """
        Continue after a person's answer.

        :param context: the running task's context.
        :param key: key of the ledger's entry that the question was about.
        :param event: the answer.
        """
        sent = self._answer(event)
        self._settle(context, key, sent=sent)
        return self._execute_or_ask(context)

    def _settle(self, context: Context, key: str, *, sent: bool) -> None:
        from airflow_provider_marketo.at_most_once.asking import settle

        settle(context, self.argument("ledger"), key, sent=sent)

    def _execute_or_ask(self, context: Context) -> Any:
        try:
            return self._execute(context)
        except MarketoAmbiguousOutcomeError as error:
            self._ask(context, error)
            raise
