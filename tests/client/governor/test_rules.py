"""The governor's rules, in simulated time, tested with a model of how Marketo counts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.governor import EXTRACT, INTERACTIVE, POLL, kind_of, rules
from airflow_provider_marketo.client.governor.rules import CallRequest, Limits
from airflow_provider_marketo.client.governor.state import Moment, State
from benchmarks.throttling_model import outcome, share, simulate

NOON = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
LIMITS = Limits(rate=90, parallel=8)


def moment(now: float) -> Moment:
    return Moment(now, NOON + timedelta(seconds=now))


def ask(name: str, kind: str = INTERACTIVE, waited: float = 0.0, operation: str = "leads.describe") -> CallRequest:
    return CallRequest(name, operation, kind, hold=60.0, waited=waited)


def go(state: State, name: str, now: float, **facts) -> None:
    """Send a call that does not have to wait."""
    assert rules.admit(state, LIMITS, ask(name, **facts), moment(now)) == 0


def done(state: State, name: str, now: float, error=None) -> None:
    rules.settle(state, LIMITS, name, error, moment(now))


def full_window() -> State:
    """Return the state after the 90 calls of a window, ten in each second."""
    state = State()
    for call in range(90):
        go(state, f"{call}", now=call / 10)
        done(state, f"{call}", now=call / 10)
    return state


def test_the_call_after_the_last_of_the_window_waits_for_the_first_to_leave_it_and_the_guard():
    state = full_window()
    assert rules.admit(state, LIMITS, ask("next"), moment(10)) == pytest.approx(10.5)
    assert rules.admit(state, LIMITS, ask("next", waited=10.4), moment(20.4)) > 0
    go(state, "next", now=20.51, waited=10.51)


def test_a_call_behind_one_that_waits_for_the_window_waits_for_the_second_to_leave_it():
    state = full_window()
    assert rules.admit(state, LIMITS, ask("first"), moment(10)) == pytest.approx(10.5)
    assert rules.admit(state, LIMITS, ask("second"), moment(15)) == pytest.approx(5.6)
    go(state, "first", now=20.51, waited=10.51)
    go(state, "second", now=20.61, waited=5.61)


def test_a_call_behind_more_calls_than_the_window_holds_waits_for_the_last_to_leave_it():
    state, two = State(), Limits(2, 8)
    for call in range(5):
        wait = rules.admit(state, two, ask(f"{call}"), moment(call))
    assert wait == pytest.approx(1 + 20.5 - 4)


def test_no_more_at_once_than_slots_and_a_dead_workers_lease_ends_by_itself():
    state = State()
    for call in range(8):
        go(state, f"{call}", now=0)
    assert rules.admit(state, LIMITS, ask("ninth"), moment(59.9)) > 0
    go(state, "ninth", now=60, waited=60)


def test_a_renewed_lease_lasts():
    state, one = State(), Limits(90, 1)
    go(state, "download", now=0)
    rules.renew(state, one, "download", 60.0, moment(50))
    assert rules.admit(state, one, ask("next"), moment(100)) > 0
    assert rules.admit(state, one, ask("next"), moment(111)) == 0


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_call_that_never_reached_marketo_is_not_counted(seconds):
    state = State()
    go(state, "lost", now=0)
    done(state, "lost", now=seconds, error=MarketoConnectionError("no route"))
    assert state.sent == []


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("campaigns.request", INTERACTIVE),
        ("leads.sync", INTERACTIVE),
        ("activities.get_types", INTERACTIVE),
        ("activities.get_lead_activities", EXTRACT),
        ("bulk_export_leads.create_job", EXTRACT),
        ("bulk_import_leads.import", EXTRACT),
        ("bulk_export_leads.get_jobs", POLL),
        ("bulk_import_leads.get_status", POLL),
        ("usage.get_daily_usage", INTERACTIVE),
    ],
)
def test_the_operation_says_how_urgent_a_call_is(operation, kind):
    assert kind_of(operation) == kind


def test_urgent_calls_pass_others_that_have_waited_longer():
    state, one = State(), Limits(90, 1)
    rules.admit(state, one, ask("running"), moment(0))
    for name, kind in (("poll", POLL), ("extract", EXTRACT), ("urgent", INTERACTIVE)):
        assert rules.admit(state, one, ask(name, kind), moment(0.1)) > 0
    rules.settle(state, one, "running", None, moment(0.11))
    assert rules.admit(state, one, ask("poll", POLL, 0.02), moment(0.12)) > 0
    assert rules.admit(state, one, ask("extract", EXTRACT, 0.02), moment(0.12)) > 0
    assert rules.admit(state, one, ask("urgent", INTERACTIVE, 0.02), moment(0.12)) == 0


def test_calls_that_began_to_wait_at_the_same_moment_do_not_wait_for_each_other():
    state, one = State(), Limits(90, 1)
    rules.admit(state, one, ask("running"), moment(0))
    for name in ("a", "b"):
        assert rules.admit(state, one, ask(name), moment(1)) > 0
    rules.settle(state, one, "running", None, moment(1.5))
    assert rules.admit(state, one, ask("a", waited=0.5), moment(1.5)) == 0


def test_no_call_waits_for_ever_behind_more_urgent_calls():
    state, one = State(), Limits(90, 1)
    rules.admit(state, one, ask("running"), moment(0))
    rules.admit(state, one, ask("urgent", INTERACTIVE), moment(31))
    rules.settle(state, one, "running", None, moment(31))
    assert rules.admit(state, one, ask("poll", POLL, waited=31.5), moment(31.1)) == 0


def test_a_call_that_gave_up_waiting_does_not_hold_others_up_for_long():
    state, one = State(), Limits(90, 1)
    rules.admit(state, one, ask("running"), moment(0))
    assert rules.admit(state, one, ask("killed", INTERACTIVE), moment(0)) > 0
    rules.settle(state, one, "running", None, moment(0.5))
    assert rules.admit(state, one, ask("next", EXTRACT), moment(0.6)) > 0
    assert rules.admit(state, one, ask("next", EXTRACT, waited=0.42), moment(1.02)) == 0


def test_a_615_takes_a_slot_away_until_half_a_minute_was_quiet():
    state = State()
    go(state, "a", now=0)
    go(state, "long", now=0)
    done(state, "a", now=0.1, error=MarketoThrottledError("615", code="615"))
    assert rules.parallel_now(state, LIMITS, 0.1) == 7
    assert 0 < rules.admit(state, LIMITS, ask("next"), moment(0.1)) <= 2, "a short pause"
    assert rules.parallel_now(state, LIMITS, 30.2) == 8
    done(state, "long", now=30.2, error=MarketoThrottledError("615", code="615"))
    assert rules.parallel_now(state, LIMITS, 30.2) == 7


def test_the_rejections_of_one_burst_are_one_lesson():
    state = State()
    for call in range(60):
        go(state, f"{call}", now=0.001 * call)
        if call < 52:
            done(state, f"{call}", now=0.001 * call)
    for call in range(52, 60):
        done(state, f"{call}", now=0.2, error=MarketoThrottledError("606", code="606"))
    assert rules.rate_now(state, LIMITS, 0.2) == pytest.approx(0.8 * 60)


@pytest.mark.parametrize(("since", "rate"), [(80, 21), (200, 11)])
def test_a_lower_ceiling_counts_half_until_the_limit_has_recovered(since, rate):
    """The first ceiling is 40 calls; the second burst has 20."""
    state = State()
    for begin, calls in ((0, 40), (since, 20)):
        for call in range(calls):
            now = begin + call / 2
            go(state, f"{now}", now=now)
            error = MarketoThrottledError("606", code="606") if call == calls - 1 else None
            done(state, f"{now}", now=now, error=error)
    assert rules.rate_now(state, LIMITS, now) == pytest.approx(rate)


def test_a_tenth_of_the_limit_is_kept_and_spread_over_the_window():
    state = State()
    go(state, "a", now=0)
    done(state, "a", now=0.1, error=MarketoThrottledError("606", code="606"))
    assert rules.rate_now(state, LIMITS, 0.1) == pytest.approx(9)
    assert rules.admit(state, LIMITS, ask("b"), moment(0.1)) == pytest.approx(20.5 / 9 - 0.1)
    assert rules.rate_now(state, LIMITS, 60.1) == pytest.approx(10.125), "it grows from there"


def test_a_failure_that_is_not_throttling_changes_no_limit():
    state = State()
    go(state, "a", now=0)
    done(state, "a", now=1, error=MarketoTransientError("502"))
    assert (state.ceiling, state.slots, state.paused_until) == (None, None, 0)


def test_a_clock_that_goes_back_is_logged_and_holds_no_call_up(caplog):
    state = State()
    for call in range(90):
        go(state, f"{call}", now=1000)
        done(state, f"{call}", now=1000)
    assert rules.admit(state, LIMITS, ask("next"), moment(100)) == pytest.approx(20.5)
    assert "The clock went back by 900.0 seconds" in caplog.text
    go(state, "next", now=121, waited=21)


def spent(quota: str) -> MarketoQuotaExhaustedError:
    return MarketoQuotaExhaustedError("spent", code={"calls": "607", "export": "1029"}[quota], quota=quota)


def seconds_until(text: str) -> float:
    return (datetime.fromisoformat(text).replace(tzinfo=timezone.utc) - NOON).total_seconds()


RESET = seconds_until("2026-01-16T06:05")


def test_a_spent_call_quota_stops_every_call_and_says_until_when():
    state = State()
    go(state, "a", now=0)
    error = spent("calls")
    done(state, "a", now=1, error=error)
    assert error.until == datetime(2026, 1, 16, 6, 5, tzinfo=timezone.utc)
    with pytest.raises(MarketoQuotaExhaustedError, match="daily call quota") as caught:
        rules.admit(state, LIMITS, ask("b"), moment(RESET - 1))
    assert caught.value.until == error.until


def test_after_the_reset_one_call_finds_out_and_the_others_wait_for_it():
    state = State()
    go(state, "a", now=0)
    done(state, "a", now=1, error=spent("calls"))
    go(state, "probe", now=RESET)
    assert rules.admit(state, LIMITS, ask("other"), moment(RESET + 0.1)) > 0
    done(state, "probe", now=RESET + 1)
    go(state, "other", now=RESET + 1.1, waited=1)
    assert state.latches == {}


def test_a_quota_that_is_still_spent_after_the_reset_is_asked_for_again_a_quarter_of_an_hour_later():
    state = State()
    go(state, "a", now=0)
    done(state, "a", now=1, error=spent("calls"))
    go(state, "probe", now=RESET)
    done(state, "probe", now=RESET, error=spent("calls"))
    with pytest.raises(MarketoQuotaExhaustedError):
        rules.admit(state, LIMITS, ask("b"), moment(RESET + 899))
    go(state, "b", now=RESET + 901)


def test_a_spent_export_quota_stops_new_exports_only():
    state = State()
    go(state, "a", now=0, operation="bulk_export_leads.enqueue_job")
    done(state, "a", now=1, error=spent("export"))
    go(state, "file", now=2, operation="bulk_export_leads.get_file")
    with pytest.raises(MarketoQuotaExhaustedError, match="bulk export quota"):
        rules.admit(state, LIMITS, ask("b", operation="bulk_export_activities.create_job"), moment(3))


def test_a_latch_set_by_a_clock_that_was_wrong_ends_with_this_day():
    state = State()
    wrong = Moment(0, NOON + timedelta(days=30))
    rules.admit(state, LIMITS, ask("a"), wrong)
    rules.settle(state, LIMITS, "a", spent("calls"), wrong)
    with pytest.raises(MarketoQuotaExhaustedError):
        rules.admit(state, LIMITS, ask("b"), moment(1))
    go(state, "b", now=RESET + 1)


def test_extracts_stop_at_the_reserve_until_the_day_ends():
    state = State()
    rules.tell_used(state, LIMITS, 100, 100, moment(0))
    with pytest.raises(MarketoQuotaExhaustedError) as caught:
        rules.admit(state, LIMITS, ask("a", EXTRACT), moment(1))
    assert caught.value.until == datetime(2026, 1, 16, 6, 5, tzinfo=timezone.utc)
    go(state, "a", now=RESET, kind=EXTRACT)


def test_places_in_marketos_queue_are_eight_and_come_back():
    state = State()
    at = moment(0)
    assert all(rules.enter_queue(state, LIMITS, "export", f"job {n}", at) for n in range(8))
    assert rules.enter_queue(state, LIMITS, "export", "job 3", at)  # has its place
    assert not rules.enter_queue(state, LIMITS, "export", "job 8", at)
    assert rules.enter_queue(state, LIMITS, "import", "job 8", at)
    rules.leave_queue(state, "export", ["job 0", "unknown"])
    assert rules.enter_queue(state, LIMITS, "export", "job 8", at)
    lapsed = moment(2 * 3600)
    assert rules.queued(state, LIMITS, "export", lapsed) == []
    assert rules.enter_queue(state, LIMITS, "export", "job 9", lapsed)
    assert rules.queued(state, LIMITS, "export", lapsed) == ["job 9"]


@pytest.mark.parametrize(("rate", "slots"), [(90, 8), (88, 5), (5, 8), (1, 10)])
def test_shares_never_exceed_the_whole(rate, slots):
    share = Limits(rate, slots).share(1 / slots)
    assert share.parallel == 1
    assert slots * share.rate / share.window <= rate / 20


def test_a_share_is_exact_and_paced():
    assert Limits(98, 98).share(1 / 49) == Limits(2, 2, paced=True)  # 98 / 49 is a little less than 2 as a float
    assert Limits(5, 8).share(1 / 8) == Limits(1, 1, 32.0, paced=True)


def test_alone_the_rate_is_used_to_the_full_and_never_passed():
    ours, _ = simulate(100, neighbour=(0, 0))
    assert share(ours, 0, 100) == 1
    assert sum(20 <= now < 100 for now, _ in ours) >= 0.95 * 90 * 4


def test_a_neighbour_keeps_its_share_we_use_the_rest_and_all_of_it_when_the_neighbour_has_gone():
    found = outcome(even=True)
    assert found.rejected <= 0.05
    assert found.lost <= 0.10
    assert found.used >= 0.80
    assert found.back <= 180


def test_a_neighbour_that_comes_by_chance_keeps_its_share_too():
    found = outcome(even=False)
    assert found.rejected <= 0.05
    assert found.lost <= 0.10
    assert found.back <= 180


def test_the_model_of_the_neighbour_tells_rules_apart(monkeypatch):
    """The model must show when a rule does not hold back."""
    monkeypatch.setattr(rules, "_cut", lambda *_: None)
    assert outcome(even=True).lost > 0.10
