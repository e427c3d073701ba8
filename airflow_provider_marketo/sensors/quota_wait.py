"""How the quota sensor asks what is left, and how it passes the wait to the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.quota import Quota, require
from airflow_provider_marketo.triggers.poller import PASSING
from airflow_provider_marketo.triggers.quota import MarketoQuotaTrigger, quota_from_event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)


class QuotaWait:
    """
    Asks what is left of the day's quotas.

    :param hook: the sensor's connection.
    :param min_calls: calls that must be left above the connection's reserve; None for any number.
    :param min_export_mb: megabytes of bulk export that must be left; None for any number.
    """

    def __init__(self, hook: MarketoHook, min_calls: int | None, min_export_mb: float | None) -> None:
        self._hook = hook
        self._calls = min_calls or 0
        self._export_mb = min_export_mb or 0.0

    def look(self) -> Quota | None:
        """Return what is left if it is enough; None if it is not, or if Marketo could not say."""
        try:
            left = self._hook.quota.current(exports=self._export_mb > 0)
            require(left, calls=self._calls, export_mb=self._export_mb)
        except MarketoQuotaExhaustedError as error:
            log.info("%s", error)
            return None
        except PASSING as error:
            log.warning("Marketo could not say what is left of the quota: %s", error)
            return None
        return left

    def trigger(self, deadline: datetime) -> MarketoQuotaTrigger:
        """
        Return the trigger that waits instead of the sensor.

        :param deadline: when the wait ends, aware.
        """
        return MarketoQuotaTrigger(
            marketo_conn_id=self._hook.marketo_conn_id,
            min_calls=self._calls,
            min_export_mb=self._export_mb,
            deadline=deadline.isoformat(),
        )

    @staticmethod
    def found(event: Mapping[str, Any] | None) -> Quota | None:
        """
        Return what the trigger found; None if its deadline has passed.

        :param event: the trigger's event.
        :raises MarketoError: the trigger met an error.
        """
        return quota_from_event(event)
