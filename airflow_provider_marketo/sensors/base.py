"""Base of the sensors: one condition, checked by the worker or by the triggerer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_marketo.arguments import Check, ChecksArguments, flag, text
from airflow_provider_marketo.client.counts import duration
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import (
    MarketoExportFailedError,
    MarketoImportFailedError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.failure import MarketoTaskError
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.failures import fails_plainly, task_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.conditions.condition import Condition
    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.sensors.wait import SensorWait

log = printable_logger(__name__)


def sensor_error(sensor: BaseSensorOperator, error: Exception) -> Exception:
    """
    Return the exception that ends a sensor. ``soft_fail`` applies to every error in every mode.

    The reason is logged, since Airflow's own skip may hide it. Airflow decides whether ``never_fail`` applies to a
    deadline.

    :param sensor: the sensor.
    :param error: the failure.
    """
    if sensor.soft_fail or (sensor.never_fail and not isinstance(error, AirflowSensorTimeout)):
        text = str(task_error(sensor, error))
        log.warning("Skipping: %s", text)
        return AirflowSkipException(text)
    if isinstance(error, (MarketoExportFailedError, MarketoImportFailedError)):
        return MarketoTaskError(error)
    return task_error(sensor, error)


class ConnectedSensor(ChecksArguments, BaseSensorOperator):
    """
    Base of all sensors: its connection, and the link on the task's page.

    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {"marketo_conn_id": text(required=True), "deferrable": flag()}
    template_fields: Sequence[str] = ("marketo_conn_id",)
    operator_extra_links = (MarketoLink(),)
    ui_color = "#d8d0ee"
    marketo_url: str | None = None
    """Target of the link on the task's page, once the task knows it."""

    def __init__(
        self, *, deferrable: bool = DEFERRABLE, marketo_conn_id: str = "marketo_default", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.marketo_conn_id = marketo_conn_id

    @cached_property
    def hook(self) -> MarketoHook:
        """The connection's hook, with one call at a time."""
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        return MarketoHook(self.marketo_conn_id, parallel=1)

    def _drop_hook(self) -> None:
        """Drop the hook, after a wait in the triggerer: the connection may have changed meanwhile."""
        for name in ("hook", "_wait"):
            self.__dict__.pop(name, None)


class MarketoSensor(ConnectedSensor):
    """
    Wait until a condition in Marketo is true: in ``poke`` or ``reschedule`` mode, or in the triggerer.

    In the triggerer all sensors of a connection share their calls.

    Airflow's own parameters apply in every mode: ``poke_interval`` (60 seconds), ``timeout`` (the deadline; without it
    ``[sensors] default_timeout``, a week), ``soft_fail`` (the task is skipped, whether the deadline or an error ends
    the wait). ``exponential_backoff`` applies only in ``poke`` and ``reschedule`` mode; in the triggerer, sensors share
    their polls.

    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    """

    def __init__(
        self, *, deferrable: bool = DEFERRABLE, marketo_conn_id: str = "marketo_default", **kwargs: Any
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self._has_looked = True
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """
        Return the condition that the sensor waits for. Subclasses import its class here.

        :param context: the running task's context.
        """
        raise NotImplementedError

    @fails_plainly(sensor_error)
    def poke(self, context: Context) -> bool | PokeReturnValue:
        """
        Look once.

        :param context: the running task's context.
        """
        condition = self.condition(context)
        found = self._wait.look(condition)
        if found is None:
            if not self.deferrable:
                log.info("Waiting for %s", condition.describe())
            return False
        log.info("Found %s", found)
        return PokeReturnValue(is_done=True, xcom_value=dict(found))

    @fails_plainly(sensor_error)
    def execute(self, context: Context) -> Any:
        """
        Check that the wait makes sense, then wait.

        :param context: the running task's context.
        :return: what was found: ids and counts, never a person's data.
        """
        self._has_looked = self.reschedule and context["ti"].get_first_reschedule_date(context) is not None
        if not self._has_looked:
            self._wait.check(self.condition(context))
        if not self.deferrable:
            return super().execute(context)
        done = self.poke(context)
        if isinstance(done, PokeReturnValue):
            return done.xcom_value
        return self._wait_until(context, datetime.now(timezone.utc) + timedelta(seconds=self.timeout))

    @fails_plainly(sensor_error)
    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """
        Continue after the wait.

        :param context: the running task's context.
        :param event: the trigger's event, which says what was found.
        """
        self._drop_hook()
        found = self._found(context, event or {})
        log.info("Found %s", found)
        return found

    @cached_property
    def _wait(self) -> SensorWait:
        from airflow_provider_marketo.sensors.wait import SensorWait

        return SensorWait(self.hook, has_looked=self._has_looked)

    def _found(self, context: Context, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the trigger found; look once more if the trigger could not look until the deadline."""
        found = self._wait.found(event)
        if found is not None:
            return found
        deadline = self._wait.deadline(event)
        late = datetime.now(timezone.utc) - deadline > timedelta(seconds=self.poke_interval)
        if late or self._wait.has_new_secret(event):
            found = self._wait.look(self.condition(context))
            if found is not None:
                return found
        return self._wait_until(context, deadline)

    def _wait_until(self, context: Context, deadline: datetime) -> NoReturn:
        condition = self.condition(context)
        if datetime.now(timezone.utc) >= deadline:
            raise AirflowSensorTimeout(f"Waited {duration(self.timeout)} for {condition.describe()} without success.")
        log.info(
            "Waiting in the triggerer for %s: until %s, polling every %g seconds",
            condition.describe(),
            deadline.isoformat(timespec="seconds"),
            self.poke_interval,
        )
        self.defer(trigger=self._wait.trigger(condition, deadline, self.poke_interval), method_name="execute_complete")


def start_of(given: datetime | None, context: Context) -> str:
    """
    Return the time from which a sensor looks, in Marketo's form.

    :param given: the author's time. Default: the start of the run's data interval, or the time when the run was due.
        Both stay the same when the run is cleared.
    :param context: the running task's context.
    """
    return iso(given or _run_start(context))


def _run_start(context: Context) -> datetime:
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is not None and start != end:
        return start
    run = context.get("dag_run")
    return getattr(run, "run_after", None) or datetime.now(timezone.utc)
