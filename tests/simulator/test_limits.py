"""The limits of an instance, and which refused calls count toward them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_marketo.simulator import ManualClock
from tests.simulator.conftest import Make
from tests.simulator.support import Api, codes

TYPES = "/rest/v1/activities/types.json"
USAGE = "/rest/v1/stats/usage.json"


def test_the_101st_call_within_20_seconds_is_606_until_the_window_has_rolled_on(api: Api, clock: ManualClock):
    for _ in range(50):
        assert api.get(TYPES)["success"]
    clock.advance(10)
    for _ in range(50):
        assert api.get(TYPES)["success"]

    refused = api.get(TYPES)
    clock.advance(10)

    assert codes(refused) == ["606"]
    assert refused["errors"][0]["message"] == "Max rate limit '100' exceeded with in '20' secs"
    assert api.get(TYPES)["success"]


def test_the_eleventh_call_at_once_is_615(make: Make):
    api = make(latency=1.0)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: api.get(TYPES), range(12)))

    assert [codes(reply) for reply in replies if not reply["success"]] == [["615"], ["615"]]
    report = api.simulator.report()
    assert report.peak_concurrency > 10
    assert report.calls["activities.get_types"] == 12


def test_beyond_the_daily_quota_calls_are_607_until_midnight_in_chicago(make: Make):
    api = make(daily_quota=3)
    replies = [api.get(TYPES)["success"] for _ in range(3)]
    refused = api.get(TYPES)
    # The clock stands at noon UTC; in Chicago, on daylight saving time, it is seven in the morning.
    api.wait(17 * 3600 - 1)
    still_refused = api.get(TYPES)
    api.simulator.clock.sleep(1)

    assert replies == [True] * 3
    assert codes(refused) == codes(still_refused) == ["607"]
    assert api.get(TYPES)["success"]


def test_other_integrations_use_the_same_quota(make: Make):
    api = make(daily_quota=10)
    api.simulator.spend(calls=10)

    assert codes(api.get(TYPES)) == ["607"]


@pytest.mark.parametrize(("code", "charged"), [("611", 0), ("608", 0), ("610", 1), ("1003", 1)])
def test_some_errors_cost_nothing(api: Api, code: str, charged: int):
    api.simulator.fail("activities.get_types", code)

    assert codes(api.get(TYPES)) == [code]
    assert api.result(USAGE)[0]["total"] == charged + 1


def test_limits_can_be_switched_off(make: Make):
    api = make(limits=False, rate=1, daily_quota=1)

    assert all(api.get(TYPES)["success"] for _ in range(5))


def test_an_address_of_more_than_8_kb_is_http_414(api: Api):
    reply = api.send("GET", "/rest/v1/leads.json", params={"filterType": "email", "filterValues": "x" * 8192})

    assert reply.status_code == 414
    assert api.simulator.report().violations == {"address too long": 1}


def test_addresses_of_assets_may_be_longer(api: Api):
    reply = api.send("GET", "/rest/asset/v1/programs.json", params={"x": "x" * 20_000})

    assert reply.status_code != 414


def test_a_body_of_more_than_1_mb_is_http_413(api: Api):
    reply = api.send("POST", "/rest/v1/leads.json", json={"input": [{"comments": "x" * (1 << 20)}]})

    assert reply.status_code == 413
    assert api.simulator.report().rejected == {"HTTP 413": 1}
    assert api.get(TYPES)["success"]


def test_usage_has_the_calls_and_errors_of_the_last_seven_days(api: Api, clock: ManualClock):
    api.get(TYPES)
    api.simulator.fail("activities.get_types", "1003")
    api.get(TYPES)
    api.wait(86_400)

    today, yesterday, *earlier = api.result("/rest/v1/stats/usage/last7days.json")
    errors = api.result("/rest/v1/stats/errors/last7days.json")

    user = api.user.user_id
    assert today == {"date": "2026-03-16", "total": 1, "users": [{"userId": user, "count": 1}]}
    assert yesterday == {"date": "2026-03-15", "total": 2, "users": [{"userId": user, "count": 2}]}
    assert [(day["date"], day["total"]) for day in earlier][-1] == ("2026-03-10", 0)
    assert errors[1] == {"date": "2026-03-15", "total": 1, "errors": [{"errorCode": "1003", "count": 1}]}
    assert len(api.result("/rest/v1/stats/errors.json")) == 1
