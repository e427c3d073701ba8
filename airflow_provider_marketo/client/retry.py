"""Whether and when a request may be sent again. It prevents double sends, as Marketo has no idempotency keys."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from tenacity import RetryCallState, Retrying

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoConnectionError,
    MarketoError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.client.clock import Clock

log = printable_logger(__name__)

Answer = TypeVar("Answer")

UPSERT = "upsert"
"""Retry class of requests that may run again, but not at the same time: two upserts of one new lead make two leads."""

MAY_RUN_TWICE = frozenset({"read", "repeatable", UPSERT})
"""Retry classes whose requests may be repeated although the first one may have run."""

RESENDS = 5
"""How many times a request is sent again after a transient failure."""

RESENDS_OF_SYSTEM_ERROR = 2
"""The same after a 611, which is often permanent."""

RESENDS_OF_UNREACHABLE = 2
"""The same if the host cannot be reached: enough for a short outage, and soon over if the host is misspelt."""

RESENDS_OF_THROTTLED = 20
"""The same after a 606 or 615: Marketo did not execute the request, and the governor spaces the tries."""

_BASE = 1.0
_LONGEST_OF_THROTTLED = 4.0


def send_with_retries(
    send: Callable[[], Answer], *, operation: str, retry_class: str, clock: Clock, longest_run: float = 0.0
) -> Answer:
    """
    Call ``send`` until it succeeds, or until sending again would be futile or dangerous.

    :param send: one exchange with Marketo; raises a :class:`~.errors.MarketoError` when it fails.
    :param operation: the operation's name, for the error.
    :param retry_class: ``read``, ``repeatable``, ``upsert``, ``reconcile`` or ``once``.
    :param clock: the clock.
    :param longest_run: seconds after sending in which Marketo may still execute the request.
    :raises MarketoAmbiguousOutcomeError: the request may have run and must not run twice.
    """

    def again(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, MarketoError) or state.attempt_number > _resends(error):
            return False
        return not error.executed or retry_class in MAY_RUN_TWICE

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        longest = _BASE * 2 ** (state.attempt_number - 1)  # 16 seconds before the last of five resends
        if isinstance(error, MarketoThrottledError):
            # The governor holds back the next lease for as long as necessary.
            longest = min(longest, _LONGEST_OF_THROTTLED)
        pause: float = random.uniform(0.5, 1.0) * longest
        if retry_class == UPSERT and isinstance(error, MarketoError) and error.executed:
            # Only this wait may exceed a minute: the caller sends nothing else for these leads meanwhile.
            pause = max(pause, longest_run - error.elapsed)
            log.info(
                "%s may still run in Marketo; it is sent again in %.0f seconds, when it can no longer run",
                operation,
                pause,
            )
        return pause

    try:
        return Retrying(retry=again, wait=pause, sleep=clock.sleep, reraise=True)(send)
    except MarketoTransientError as error:
        if error.executed and retry_class not in MAY_RUN_TWICE:
            raise MarketoAmbiguousOutcomeError(
                f"the request may have run, and must not run twice: {error.message}",
                operation=operation,
                code=error.code,
                request_id=error.request_id,
                executed=True,
            ) from None
        raise


def _resends(error: MarketoError) -> int:
    if isinstance(error, MarketoThrottledError):
        # The governor raises an error without a code, if the call gets no turn within a minute.
        return RESENDS_OF_THROTTLED if error.code else 0
    if isinstance(error, MarketoConnectionError):
        return RESENDS_OF_UNREACHABLE
    if isinstance(error, MarketoTransientError):
        return RESENDS_OF_SYSTEM_ERROR if error.code == codes.SYSTEM_ERROR else RESENDS
    return 0
