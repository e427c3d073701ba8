"""The sensor that waits until enough of the day's quotas is left."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_marketo.arguments import Check, count, number
from airflow_provider_marketo.client.counts import duration
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.failures import fails_plainly
from airflow_provider_marketo.sensors.base import ConnectedSensor, sensor_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.quota import Quota
    from airflow_provider_marketo.sensors.quota_wait import QuotaWait

log = printable_logger(__name__)


class MarketoQuotaSensor(ConnectedSensor):
    """
    Wait until an instance has enough calls, or megabytes of bulk export, left for the day.

    The sensor reads the Variable ``marketo_quota_<conn_id>``, and asks Marketo only when the Variable is five minutes
    old (``usage.get_daily_usage``; with ``min_export_mb`` also ``bulk_export_*.get_jobs``). Marketo resets the quotas
    at midnight US Central time, so a deferred sensor sleeps until then.

    :param min_calls: calls that must be left, not counting the connection's ``reserve``.
    :param min_export_mb: megabytes of bulk export that must be left.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: what is left, as in the Variable.
    """

    permissions: ClassVar[Sequence[str]] = ()
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **ConnectedSensor.argument_checks,
        "min_calls": count(minimum=1, required=False),
        "min_export_mb": number(required=False),
    }
    template_fields: Sequence[str] = (*ConnectedSensor.template_fields, "min_calls", "min_export_mb")

    def __init__(
        self,
        *,
        min_calls: int | str | None = None,
        min_export_mb: float | str | None = None,
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.min_calls = min_calls
        self.min_export_mb = min_export_mb
        self._left: Quota | None = None
        self.check_arguments()
        self._check_together()

    @fails_plainly(sensor_error)
    def execute(self, context: Context) -> Any:
        """
        Wait.

        :param context: the running task's context.
        """
        self._check_together()
        if not self.deferrable:
            super().execute(context)
            return self._result()
        if self.poke(context):
            return self._result()
        deadline = datetime.now(timezone.utc) + timedelta(seconds=self.timeout)
        return self.defer(trigger=self._wait.trigger(deadline), method_name="execute_complete")

    @fails_plainly(sensor_error)
    def poke(self, context: Context) -> bool:
        """
        Return whether enough is left now.

        :param context: the running task's context.
        """
        self._left = self._wait.look()
        return self._left is not None

    @fails_plainly(sensor_error)
    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """
        Continue after the wait.

        :param context: the running task's context.
        :param event: the trigger's event: what is left, or what went wrong.
        """
        self._drop_hook()
        self._left = self._wait.found(event)
        if self._left is None:
            raise AirflowSensorTimeout(
                f"the quota of {self.marketo_conn_id} did not have enough left during a wait of"
                f" {duration(self.timeout)}"
            )
        return self._result()

    @cached_property
    def _wait(self) -> QuotaWait:
        from airflow_provider_marketo.sensors.quota_wait import QuotaWait

        return QuotaWait(self.hook, self.argument("min_calls"), self.argument("min_export_mb"))

    def _check_together(self) -> None:
        if self.min_calls is None and self.min_export_mb is None:
            raise MarketoInvalidRequestError(
                "min_calls and min_export_mb are both missing",
                parameter="min_calls",
                remedy="Give min_calls, min_export_mb or both.",
            )

    def _result(self) -> dict[str, Any] | None:
        if self._left is None:
            return None
        log.info("Left: %d calls, %.1f MB", self._left.calls_left_for_extracts, self._left.export_mb_left)
        return self._left.to_dict()
