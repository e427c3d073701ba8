"""Waits until enough of the day's quotas is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, conf
from airflow.sdk import BaseSensorOperator

from airflow_provider_marketo.sensors.base import ending

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.quota import Quota


class MarketoQuotaSensor(BaseSensorOperator):
    """
    Wait until an instance has so many calls, or so many megabytes of bulk export, left for the day.

    Reads the Variable ``marketo_quota_<conn_id>``, and asks Marketo only when it is five minutes old
    (``usage.get_daily_usage``; with ``min_export_mb`` also ``bulk_export_*.get_jobs``). What is used of a day does not
    come back before midnight US Central time, so a deferred sensor sleeps until then.

    :param min_calls: calls that must be left, the connection's ``reserve`` not counted.
    :param min_export_mb: megabytes of bulk export that must be left.
    :param marketo_conn_id: id of the connection.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :return: what is left, as in the Variable.
    """

    template_fields: Sequence[str] = ("min_calls", "min_export_mb", "marketo_conn_id")
    ui_color = "#e9e3f5"

    def __init__(
        self,
        *,
        min_calls: int | None = None,
        min_export_mb: float | None = None,
        marketo_conn_id: str = "marketo_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min_calls = min_calls
        self.min_export_mb = min_export_mb
        self.marketo_conn_id = marketo_conn_id
        self.deferrable = deferrable
        self._left: Quota | None = None

    def execute(self, context: Context) -> Any:
        self._check()
        if not self.deferrable:
            super().execute(context)
            return self._answer()
        if self.poke(context):
            return self._answer()
        from airflow_provider_marketo.triggers.quota import MarketoQuotaTrigger

        calls, export_mb = self._wanted()
        return self.defer(
            trigger=MarketoQuotaTrigger(
                marketo_conn_id=self.marketo_conn_id,
                min_calls=calls,
                min_export_mb=export_mb,
                deadline=(datetime.now(timezone.utc) + timedelta(seconds=self.timeout)).isoformat(),
            ),
            method_name="execute_complete",
        )

    def poke(self, context: Context) -> bool:
        """Whether enough is left now."""
        from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
        from airflow_provider_marketo.hooks.marketo import MarketoHook
        from airflow_provider_marketo.hooks.quota import require
        from airflow_provider_marketo.triggers.poller import PASSING

        calls, export_mb = self._wanted()
        with ending(self):
            try:
                self._left = MarketoHook(self.marketo_conn_id).quota.current(exports=export_mb > 0)
                require(self._left, calls=calls, export_mb=export_mb)
            except MarketoQuotaExhaustedError as error:
                self.log.info("%s", error)
                return False
            except PASSING as error:
                self.log.warning("Could not ask for the quota: %s", error)
                return False
        return True

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Goes on after the wait: the trigger's event says what is left, or what went wrong."""
        from airflow_provider_marketo.triggers.ending import TIMED_OUT
        from airflow_provider_marketo.triggers.quota import quota_from_event

        with ending(self):
            if event is not None and event.get("status") == TIMED_OUT:
                raise AirflowSensorTimeout(
                    f"not enough of the quota of {self.marketo_conn_id} was left within {self.timeout} seconds"
                )
            self._left = quota_from_event(event)
        return self._answer()

    def _wanted(self) -> tuple[int, float]:
        """Templates render to texts."""
        return int(self.min_calls or 0), float(self.min_export_mb or 0)

    def _check(self) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        with ending(self):
            for parameter in ("min_calls", "min_export_mb"):
                value = getattr(self, parameter)
                try:
                    valid = value is None or float(value) > 0
                except ValueError:
                    valid = False
                if not valid:
                    raise MarketoInvalidRequestError(f"is {value!r} and must be above 0", parameter=parameter)
            if self.min_calls is None and self.min_export_mb is None:
                raise MarketoInvalidRequestError("give min_calls, min_export_mb or both", parameter="min_calls")

    def _answer(self) -> dict[str, Any] | None:
        if self._left is None:
            return None
        self.log.info("%d calls and %.1f MB are left", self._left.calls_left_for_extracts, self._left.export_mb_left)
        return self._left.to_dict()
