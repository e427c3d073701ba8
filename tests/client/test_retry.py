"""What may be sent again, when, and what never."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.retry import send_with_retries
from tests.support import ManualClock

CLASSES = ("read", "repeatable", "upsert", "reconcile", "once")


class Exchange:
    """Fails with the given errors, one a time, then succeeds."""

    def __init__(self, *failures: errors.MarketoError) -> None:
        self.failures = list(failures)
        self.sent = 0

    def __call__(self) -> str:
        self.sent += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def send(exchange, retry_class, clock=None, **more):
    clock = clock or ManualClock()
    return send_with_retries(exchange, operation="emails.clone", retry_class=retry_class, clock=clock, **more)


@pytest.mark.parametrize("retry_class", CLASSES)
def test_any_operation_is_sent_again_if_it_was_certainly_not_executed(retry_class):
    exchange = Exchange(errors.MarketoTransientError("608"), errors.MarketoThrottledError("606", code="606"))
    assert send(exchange, retry_class) == "done"
    assert exchange.sent == 3


@pytest.mark.parametrize("retry_class", ["read", "repeatable", "upsert"])
def test_an_operation_that_may_have_run_is_sent_again_if_that_does_no_harm(retry_class):
    exchange = Exchange(errors.MarketoTransientError("dropped", executed=True))
    assert send(exchange, retry_class) == "done"


@pytest.mark.parametrize("retry_class", ["reconcile", "once"])
def test_an_operation_that_may_have_run_and_must_not_run_twice_is_not_sent_again(retry_class):
    exchange = Exchange(errors.MarketoTransientError("dropped", executed=True, code="502", request_id="a#1"))
    with pytest.raises(errors.MarketoAmbiguousOutcomeError, match="Look in Marketo") as caught:
        send(exchange, retry_class)
    assert exchange.sent == 1
    assert (caught.value.code, caught.value.request_id) == ("502", "a#1")


@pytest.mark.parametrize(
    "error",
    [
        errors.MarketoAuthError("no"),
        errors.MarketoPermissionError("no"),
        errors.MarketoInvalidRequestError("no"),
        errors.MarketoQuotaExhaustedError("no"),
        errors.MarketoQueueFullError("no"),
    ],
)
def test_permanent_errors_are_raised_at_once(error):
    exchange = Exchange(error)
    with pytest.raises(type(error)):
        send(exchange, "read")
    assert exchange.sent == 1


def test_an_upsert_that_was_certainly_not_executed_need_not_wait():
    clock = ManualClock()
    send(Exchange(errors.MarketoTransientError("608", code="608")), "upsert", clock, longest_run=100.0)
    assert clock.monotonic() <= 1.0


def test_the_governor_is_not_asked_again_when_it_has_no_turn_within_a_minute():
    exchange = Exchange(errors.MarketoThrottledError("no turn for this call within 60 seconds"))
    with pytest.raises(errors.MarketoThrottledError):
        send(exchange, "read")
    assert exchange.sent == 1


def test_a_system_error_is_resent_twice_only():
    exchange = Exchange(*(errors.MarketoTransientError("611", code="611", executed=True) for _ in range(9)))
    with pytest.raises(errors.MarketoTransientError):
        send(exchange, "read")
    assert exchange.sent == 3


def test_no_single_wait_exceeds_a_minute():
    clock = ManualClock()
    with pytest.raises(errors.MarketoTransientError):
        send(Exchange(*(errors.MarketoTransientError("502", code="502") for _ in range(9))), "read", clock)
    assert max(clock.slept) <= 30
    assert sum(clock.slept) < 120
