"""Which requests may be sent again and when, and which never."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.retry import send_with_retries
from tests.support import ManualClock

CLASSES = ("read", "repeatable", "upsert", "reconcile", "once")


class Exchange:
    """Fails with the given errors, one at a time, then succeeds."""

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
    with pytest.raises(errors.MarketoAmbiguousOutcomeError, match="Check in Marketo") as caught:
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


def test_an_upsert_that_may_have_run_waits_until_it_has_ended_and_says_so(caplog):
    clock = ManualClock()
    with caplog.at_level(logging.INFO):
        lost = errors.MarketoTransientError("no reply", executed=True)
        lost.elapsed = 10.0
        send(Exchange(lost), "upsert", clock, longest_run=300.0)
    assert clock.monotonic() == 290.0
    assert "emails.clone may still run in Marketo; it is sent again in 290 seconds" in caplog.text


def test_the_governor_is_not_asked_again_when_it_has_no_turn_within_a_minute():
    exchange = Exchange(errors.MarketoThrottledError("this call would wait longer than 60 seconds for its turn"))
    with pytest.raises(errors.MarketoThrottledError):
        send(exchange, "read")
    assert exchange.sent == 1


@pytest.mark.parametrize(
    ("failure", "sent"),
    [
        (errors.MarketoTransientError("611", code="611", executed=True), 3),
        (errors.MarketoConnectionError("no route"), 3),
        (errors.MarketoTransientError("502", code="502"), 6),
        (errors.MarketoThrottledError("606", code="606"), 21),
    ],
    ids=["system error", "unreachable", "transient", "throttled"],
)
def test_how_many_times_a_request_is_sent_before_its_failure_is_final(failure, sent):
    exchange = Exchange(*[failure] * 99)
    with pytest.raises(type(failure)):
        send(exchange, "read")
    assert exchange.sent == sent


@pytest.mark.parametrize(
    ("failure", "longest"),
    [
        (errors.MarketoTransientError("502", code="502"), [1, 2, 4, 8, 16]),
        (errors.MarketoThrottledError("606", code="606"), [1, 2, *[4] * 18]),
    ],
    ids=["transient", "throttled"],
)
def test_waits_double_up_to_their_limit_and_the_shortest_is_half_of_the_longest(failure, longest):
    clock = ManualClock()
    with pytest.raises(type(failure)):
        send(Exchange(*[failure] * 99), "read", clock)
    assert [most / 2 <= wait <= most for wait, most in zip(clock.slept, longest, strict=True)] == [True] * len(longest)


def test_an_ambiguous_outcome_says_that_the_request_may_have_run():
    with pytest.raises(errors.MarketoAmbiguousOutcomeError) as caught:
        send(Exchange(errors.MarketoTransientError("dropped", executed=True)), "once")
    assert caught.value.executed
