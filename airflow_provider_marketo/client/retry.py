"""Whether and when a request may be sent again. Marketo has no idempotency keys: double sends are prevented here."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.clock import Clock
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoConnectionError,
    MarketoError,
    MarketoThrottledError,
    MarketoTransientError,
)

Answer = TypeVar("Answer")

UPSERT = "upsert"
"""Retry class of requests that may run again, but not at the same time: two upserts of one new lead make two leads."""

MAY_RUN_TWICE = frozenset({"read", "repeatable", UPSERT})
"""Retry classes whose requests may be repeated although the first one may have run."""

RESENDS = 5
"""After a failure that may pass."""

RESENDS_OF_SYSTEM_ERROR = 2
"""611 hides many errors that never pass: do not insist."""

RESENDS_OF_UNREACHABLE = 2
"""A host that does not answer at all: long enough for a blip, short enough for a typing error."""

RESENDS_OF_THROTTLED = 20
"""606 and 615 cost nobody anything but time, and the governor spaces them."""

_BASE = 1.0
_LONGEST = 30.0
_LONGEST_OF_THROTTLED = 4.0


def send_with_retries(
    send: Callable[[], Answer], *, operation: str, retry_class: str, clock: Clock, longest_run: float = 0.0
) -> Answer:
    """
    Call ``send`` until it succeeds, or until sending again would be futile or dangerous.

    :param send: one exchange with Marketo; raises a :class:`~.errors.MarketoError` when it fails.
    :param operation: the operation's name, for the error.
    :param retry_class: ``read``, ``repeatable``, ``upsert``, ``reconcile`` or ``once``.
    :param clock: the time.
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
        # After a rejection by the rate the governor holds the next lease back for as long as it takes.
        longest = _LONGEST_OF_THROTTLED if isinstance(error, MarketoThrottledError) else _LONGEST
        pause: float = random.uniform(0.5, 1.0) * min(longest, _BASE * 2 ** (state.attempt_number - 1))
        if retry_class == UPSERT and isinstance(error, MarketoError) and error.executed:
            # The one wait that may exceed a minute: the caller holds the same leads back meanwhile.
            return max(pause, longest_run - error.elapsed)
        return pause

    try:
        return Retrying(retry=again, wait=pause, sleep=clock.sleep, reraise=True)(send)
    except MarketoTransientError as error:
        if error.executed and retry_class not in MAY_RUN_TWICE:
            raise MarketoAmbiguousOutcomeError(
                f"the request may have run, and running it twice would do harm: {error.message}",
                operation=operation,
                code=error.code,
                request_id=error.request_id,
                executed=True,
            ) from None
        raise


def _resends(error: MarketoError) -> int:
    if isinstance(error, MarketoThrottledError):
        # Without a code it is the governor's own word that there is no turn within a minute.
        return RESENDS_OF_THROTTLED if error.code else 0
    if isinstance(error, MarketoConnectionError):
        return RESENDS_OF_UNREACHABLE
    if isinstance(error, MarketoTransientError):
        return RESENDS_OF_SYSTEM_ERROR if error.code == codes.SYSTEM_ERROR else RESENDS
    return 0
