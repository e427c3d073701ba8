"""How a sensor checks its condition, and how it passes the wait to the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoConnectionError,
    MarketoError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.conditions.encryption import decrypt, encrypt
from airflow_provider_marketo.conditions.kinds import KINDS
from airflow_provider_marketo.triggers.condition import MarketoConditionTrigger, found_from_event
from airflow_provider_marketo.triggers.poller import FAILURES_IN_A_ROW, PASSING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller
    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)


class SensorWait:
    """
    Polls Marketo for one sensor.

    :param hook: the sensor's connection.
    :param has_looked: whether an earlier poll reached Marketo. Until then an unreachable host is an error.
    """

    def __init__(self, hook: MarketoHook, *, has_looked: bool) -> None:
        self._hook = hook
        self._has_looked = has_looked
        self._failures = 0
        self._pollers: dict[str, ConditionPoller[Any]] = {}

    def check(self, condition: Condition) -> None:
        """
        Check once, before the wait, that the subject of the condition exists.

        :raises MarketoInvalidRequestError: the sensor would never end.
        """
        try:
            self._poller(condition).check(condition)
        except (MarketoQuotaExhaustedError, MarketoThrottledError, MarketoTransientError) as error:
            log.warning(
                "Could not check that what the sensor waits for exists (%s); the sensor waits anyway: %s",
                condition.describe(),
                error,
            )

    def look(self, condition: Condition) -> Mapping[str, Any] | None:
        """
        Look once.

        :return: what was found; None if the condition is not true yet, or if the poll failed and may be repeated.
        :raises MarketoError: the poll failed with a permanent error, or too often.
        """
        answer: Answer | None
        try:
            answer = self._poller(condition).ask([condition]).get(condition)
        except MarketoError as error:
            answer = error
        if not isinstance(answer, MarketoError):
            self._has_looked, self._failures = True, 0
            return answer
        if not isinstance(answer, MarketoQuotaExhaustedError):
            self._failures += 1
            unreachable = isinstance(answer, MarketoConnectionError) and not self._has_looked
            if unreachable or not isinstance(answer, PASSING) or self._failures == FAILURES_IN_A_ROW:
                raise answer
        log.warning("A poll of Marketo failed; trying again: %s", answer)
        return None

    def trigger(self, condition: Condition, deadline: datetime, poke_interval: float) -> MarketoConditionTrigger:
        """
        Return the trigger that waits instead of the sensor.

        :param condition: what the sensor waits for.
        :param deadline: when the wait ends, aware.
        :param poke_interval: seconds between two polls.
        """
        return MarketoConditionTrigger(
            marketo_conn_id=self._hook.marketo_conn_id,
            kind=condition.kind,
            condition=encrypt(self._poller(condition).continued(condition), self._secret),
            about=condition.describe(),
            deadline=deadline.isoformat(),
            poll_interval=poke_interval,
        )

    def found(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """
        Return what the trigger found; None if its deadline has passed or the client secret has changed meanwhile.

        :param event: the trigger's event.
        :raises MarketoError: the trigger met an error.
        """
        try:
            return found_from_event(event)
        except MarketoAuthError:
            if not self.has_new_secret(event):
                raise
            log.info("The connection's client secret was changed while the task waited; the task uses the new one")
            return None

    def has_new_secret(self, event: Mapping[str, Any]) -> bool:
        """Whether the connection's client secret has changed since the deferred condition was encrypted."""
        try:
            decrypt(event["kind"], event["condition"], self._secret)
        except MarketoAuthError:
            return True
        except KeyError:  # the event carries no condition
            return False
        return False

    @staticmethod
    def deadline(event: Mapping[str, Any]) -> datetime:
        """Return when the wait ends, as the trigger's event carries it."""
        return parse_date(event["deadline"])

    def _poller(self, condition: Condition) -> ConditionPoller[Any]:
        if condition.kind not in self._pollers:
            self._pollers[condition.kind] = KINDS[condition.kind][1](self._hook.get_conn())
        return self._pollers[condition.kind]

    @property
    def _secret(self) -> Secret:
        return self._hook.settings.client_secret
