"""What the sensors have in common: one question, asked here or by the triggerer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_marketo.operators.failures import fail_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.questions.question import Answer, Inquirer, Question


class MarketoSensor(BaseSensorOperator):
    """
    Waits until something in Marketo is so: in ``poke`` or ``reschedule`` mode, or in the triggerer, where all sensors
    of a connection share their calls.

    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.

    Airflow's own parameters hold in every mode: ``poke_interval`` (60 seconds), ``timeout`` (the deadline; without one
    ``[sensors] default_timeout``, a week), ``soft_fail``, ``mode``.
    """

    template_fields: Sequence[str] = ("marketo_conn_id",)
    ui_color = "#d8d0ee"

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.marketo_conn_id = marketo_conn_id
        self._inquirer: Inquirer | None = None

    def question(self, context: Context) -> Question:
        """What is waited for."""
        raise NotImplementedError

    def poke(self, context: Context) -> bool | PokeReturnValue:
        with fail_for_good():
            answer = self._ask(self.question(context))
        return False if answer is None else PokeReturnValue(is_done=True, xcom_value=dict(answer))

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        try:
            done = self.poke(context)
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        if isinstance(done, PokeReturnValue):
            return done.xcom_value
        return self._defer(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Goes on after the wait: the trigger's event says what was found."""
        from airflow.providers.common.compat.sdk import AirflowSensorTimeout

        from airflow_provider_marketo.triggers.question import found_from_event

        with fail_for_good():
            found = found_from_event(event)
        if found is None:
            about = (event or {}).get("about")
            raise AirflowSensorTimeout(f"Waited {timedelta(seconds=self.timeout)} for {about}, in vain.")
        return found

    def _ask(self, question: Question) -> Mapping[str, Any] | None:
        from airflow_provider_marketo.client.errors import MarketoError

        answer = self._look(question)
        if isinstance(answer, MarketoError):
            if not _passes(answer):
                raise answer
            self.log.warning("A look at Marketo failed, and is tried again: %s", answer)
            return None
        if answer is None:
            self.log.info("Waiting for %s", question.describe())
        return answer

    def _look(self, question: Question) -> Answer | None:
        from airflow_provider_marketo.client.errors import MarketoError
        from airflow_provider_marketo.hooks.marketo import MarketoHook
        from airflow_provider_marketo.questions.kinds import KINDS

        if self._inquirer is None:
            self._inquirer = KINDS[question.kind][1](MarketoHook(self.marketo_conn_id, parallel=1).get_conn())
        try:
            return self._inquirer.ask([question]).get(question)
        except MarketoError as error:
            return error

    def _defer(self, context: Context) -> None:
        from airflow_provider_marketo.hooks.marketo import MarketoHook
        from airflow_provider_marketo.questions.sealing import sealed
        from airflow_provider_marketo.triggers.question import MarketoQuestionTrigger

        question = self.question(context)
        go_on = getattr(self._inquirer, "continued", lambda same: same)
        self.defer(
            trigger=MarketoQuestionTrigger(
                marketo_conn_id=self.marketo_conn_id,
                kind=question.kind,
                question=sealed(go_on(question), MarketoHook(self.marketo_conn_id).settings.client_secret),
                about=question.describe(),
                deadline=(datetime.now(timezone.utc) + timedelta(seconds=self.timeout)).isoformat(),
                poll_interval=self.poke_interval,
            ),
            method_name="execute_complete",
        )


def _passes(error: Exception) -> bool:
    from airflow_provider_marketo.client.errors import (
        MarketoConnectionError,
        MarketoQuotaExhaustedError,
        MarketoThrottledError,
        MarketoTransientError,
    )

    passing = (MarketoConnectionError, MarketoQuotaExhaustedError, MarketoThrottledError, MarketoTransientError)
    return isinstance(error, passing)


def run_start(context: Context) -> datetime:
    """When the run began: its data interval if it has one, else its first second."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is not None and start != end:
        return start
    run = context.get("dag_run")
    return getattr(run, "start_date", None) or datetime.now(timezone.utc)
