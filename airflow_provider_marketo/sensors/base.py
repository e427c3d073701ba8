"""What the sensors have in common: one condition, asked here or by the triggerer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    conf,
)
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoConnectionError,
    MarketoError,
    MarketoExportFailedError,
    MarketoImportFailedError,
    MarketoInvalidRequestError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller


@contextmanager
def ending(sensor: BaseSensorOperator) -> Iterator[None]:
    """
    Have ``soft_fail`` hold for every error in every mode. The reason is logged, since Airflow's own skip may hide it.

    :raises AirflowSkipException: in the place of an error, if the sensor is to fail softly.
    :raises AirflowFailException: another try of the task would end in the same way.
    """
    try:
        with no_retry_on_permanent_errors():
            yield
    except (AirflowFailException, AirflowNotFoundException, AirflowSensorTimeout, MarketoError) as error:
        if sensor.soft_fail or sensor.never_fail:
            sensor.log.warning("Skipping: %s", error)
            raise AirflowSkipException(str(error)) from error
        if isinstance(error, (MarketoExportFailedError, MarketoImportFailedError)):
            raise AirflowFailException(str(error)) from error
        raise


class MarketoSensor(BaseSensorOperator):
    """
    Waits until something in Marketo is so: in ``poke`` or ``reschedule`` mode, or in the triggerer, where all sensors
    of a connection share their calls.

    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.

    Airflow's own parameters hold in every mode: ``poke_interval`` (60 seconds), ``timeout`` (the deadline; without one
    ``[sensors] default_timeout``, a week), ``soft_fail`` (skipped, whether the deadline or an error ends the wait).
    ``exponential_backoff`` holds in ``poke`` and ``reschedule`` mode; in the triggerer looks are shared.
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
        self._poller: ConditionPoller[Any] | None = None
        self._begun = True
        self._failures = 0

    def condition(self, context: Context) -> Condition:
        """What is waited for."""
        raise NotImplementedError

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """One look."""
        with ending(self):
            condition = self.condition(context)
            answer = self._ask(condition)
        if answer is None:
            if not self.deferrable:
                self.log.info("Waiting for %s", condition.describe())
            return False
        self.log.info("Found %s", answer)
        return PokeReturnValue(is_done=True, xcom_value=dict(answer))

    def execute(self, context: Context) -> Any:
        self._begun = self.reschedule and context["ti"].get_first_reschedule_date(context) is not None
        if not self._begun:
            with ending(self):
                self._check(self.condition(context))
        if not self.deferrable:
            return super().execute(context)
        done = self.poke(context)
        if isinstance(done, PokeReturnValue):
            return done.xcom_value
        with ending(self):
            return self._wait_until(context, datetime.now(timezone.utc) + timedelta(seconds=self.timeout))

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Goes on after the wait: the trigger's event says what was found."""
        with ending(self):
            found = self._found(context, event or {})
        self.log.info("Found %s", found)
        return found

    def _found(self, context: Context, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the trigger found, or a look of our own if it could not look as late as it ought to have."""
        from airflow_provider_marketo.triggers.condition import found_from_event

        try:
            found: Mapping[str, Any] | None = found_from_event(event)
            if found is not None:
                return found
            missed = datetime.now(timezone.utc) - _deadline(event) > timedelta(seconds=self.poke_interval)
        except MarketoAuthError:
            missed = self._has_new_secret(event)
            if not missed:
                raise
            self.log.info("The connection's client secret was changed while the task waited; going on with the new one")
        if missed:
            found = self._ask(self.condition(context))
            if found is not None:
                return found
        return self._wait_until(context, _deadline(event))

    def _check(self, condition: Condition) -> None:
        try:
            self._asking(condition).check(condition)
        except (MarketoQuotaExhaustedError, MarketoThrottledError, MarketoTransientError) as error:
            self.log.warning("Whether there is what is waited for could not be checked: %s", error)

    def _ask(self, condition: Condition) -> Mapping[str, Any] | None:
        from airflow_provider_marketo.triggers.poller import FAILURES_IN_A_ROW, PASSING

        answer: Answer | None
        try:
            answer = self._asking(condition).ask([condition]).get(condition)
        except MarketoError as error:
            answer = error
        if not isinstance(answer, MarketoError):
            self._begun, self._failures = True, 0
            return answer
        if not isinstance(answer, MarketoQuotaExhaustedError):
            self._failures += 1
            unreachable = isinstance(answer, MarketoConnectionError) and not self._begun
            if unreachable or not isinstance(answer, PASSING) or self._failures == FAILURES_IN_A_ROW:
                raise answer
        self.log.warning("A look at Marketo failed, and is tried again: %s", answer)
        return None

    def _asking(self, condition: Condition) -> ConditionPoller[Any]:
        from airflow_provider_marketo.conditions.kinds import KINDS
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        if self._poller is None:
            self._poller = KINDS[condition.kind][1](MarketoHook(self.marketo_conn_id, parallel=1).get_conn())
        return self._poller

    def _wait_until(self, context: Context, deadline: datetime) -> NoReturn:
        from airflow_provider_marketo.conditions.sealing import sealed
        from airflow_provider_marketo.triggers.condition import MarketoConditionTrigger

        condition = self.condition(context)
        if datetime.now(timezone.utc) >= deadline:
            raise AirflowSensorTimeout(f"Waited {timedelta(seconds=self.timeout)} for {condition.describe()}, in vain.")
        self.log.info(
            "Waiting in the triggerer for %s: until %s, with a look every %g seconds",
            condition.describe(),
            deadline.isoformat(timespec="seconds"),
            self.poke_interval,
        )
        self.defer(
            trigger=MarketoConditionTrigger(
                marketo_conn_id=self.marketo_conn_id,
                kind=condition.kind,
                condition=sealed(self._asking(condition).continued(condition), self._secret()),
                about=condition.describe(),
                deadline=deadline.isoformat(),
                poll_interval=self.poke_interval,
            ),
            method_name="execute_complete",
        )

    def _has_new_secret(self, event: Mapping[str, Any]) -> bool:
        """Whether the secret that a deferred condition was sealed with is no longer that of the connection."""
        from airflow_provider_marketo.conditions.sealing import unsealed

        try:
            unsealed(event["kind"], event["condition"], self._secret())
        except MarketoAuthError:
            return True
        return False

    def _secret(self) -> str:
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        return MarketoHook(self.marketo_conn_id).settings.client_secret


def _deadline(event: Mapping[str, Any]) -> datetime:
    return parse_date(event["deadline"])


def given_ids(parameter: str, value: Any) -> tuple[int, ...]:
    """
    Ids, or none at all where the parameter was left out.

    :raises MarketoInvalidRequestError: a list was given that is empty: who asks for nobody does not mean anybody.
    """
    from airflow_provider_marketo.legacy_arguments import as_ids

    ids = as_ids(parameter, value)
    if not ids and value not in (None, ""):
        raise MarketoInvalidRequestError(
            "is an empty list", parameter=parameter, remedy="Leave it out to wait for any, or skip the task upstream."
        )
    return tuple(sorted(ids))


def since_of(given: datetime | str | None, context: Context) -> str:
    """
    From when on something is waited for, as Marketo takes it.

    :param given: by the author; without it the run's data interval begins it, or the time when the run was due, which
        stays the same when the run is cleared.
    """
    from airflow_provider_marketo.legacy_arguments import as_utc

    since, _ = as_utc("since", given)
    return iso(since or _run_start(context))


def _run_start(context: Context) -> datetime:
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is not None and start != end:
        return start
    run = context.get("dag_run")
    return getattr(run, "run_after", None) or datetime.now(timezone.utc)
