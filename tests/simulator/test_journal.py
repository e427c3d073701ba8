"""The journal and IMS of the simulator, called with plain requests: they behave as Adobe's pages say."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from airflow_provider_marketo.simulator import ManualClock, Simulator
from airflow_provider_marketo.simulator.journal import CLIENT_ID, CLIENT_SECRET, IMS_ORG, UNKNOWN_TYPE
from tests.simulator.support import Api

SCOPE = "openid,adobeio_api"
FORM = 2


class Caller:
    """A client of Adobe's services."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.headers = {"x-api-key": CLIENT_ID, "x-ims-org-id": IMS_ORG}
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Let simulated time pass, and get a token that is valid afterwards."""
        self.sim.clock.sleep(seconds)
        self.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def token(self, **changes: str) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": SCOPE,
        } | changes
        return requests.post(f"{self.sim.url}/ims/token/v3", data=form, timeout=10)

    def read(self, url: str | None = None, headers: dict[str, str] | None = None, **query: Any) -> requests.Response:
        return requests.get(
            url or self.sim.journal_url, params=query, headers={**self.headers, **(headers or {})}, timeout=10
        )

    def link(self, answer: requests.Response, relation: str = "next") -> str:
        return self.sim.url + answer.links[relation]["url"]

    def happen(self, count: int = 1) -> None:
        leads = list(self.sim.instance.store.leads.keys())
        for number in range(count):
            self.sim.instance.store.activities.add(self.sim.instance.now, leads[number % len(leads)], FORM)


@pytest.fixture
def caller(make: Any) -> Caller:
    return Caller(make(activities=0).simulator)


def positions(answer: requests.Response) -> list[str]:
    return [each["position"] for each in answer.json()["events"]]


def test_ims_gives_a_token_of_a_day_and_refuses_a_wrong_grant_secret_or_scope(caller: Caller) -> None:
    assert caller.token().json()["expires_in"] == 86_399
    assert caller.token(grant_type="password").status_code == 400
    assert caller.token(client_secret="wrong").json()["error"] == "invalid_client"
    assert caller.token(scope="openid,nonsense").json()["error"] == "invalid_scope"
    caller.sim.journal.behave(token_life=60, tokens=6)
    assert caller.token().json()["expires_in"] == 60
    assert caller.token().status_code == 429


def test_the_journal_tells_a_wrong_token_key_organization_and_address_apart(caller: Caller) -> None:
    assert caller.read(headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert caller.read(headers={"x-api-key": "other"}).status_code == 403
    assert caller.read(headers={"x-ims-org-id": "OTHER@AdobeOrg"}).status_code == 403
    assert caller.read(f"{caller.sim.journal_url}0").status_code == 404
    assert caller.read().status_code == 204


def test_a_token_that_is_missing_or_expired_is_refused(caller: Caller) -> None:
    assert requests.get(caller.sim.journal_url, headers={"x-api-key": CLIENT_ID}, timeout=10).status_code == 401
    caller.sim.clock.sleep(86_399)
    assert caller.read().status_code == 401
    caller.wait(0)
    assert caller.read().status_code == 204


def test_readers_do_not_disturb_each_other(caller: Caller) -> None:
    caller.happen(4)
    first = caller.read(limit=2)
    assert positions(caller.read(limit=2)) == positions(first)
    assert positions(caller.read(caller.link(first))) == positions(caller.read(caller.link(first))) != positions(first)


def test_reading_starts_at_the_oldest_and_continues_exclusively(caller: Caller) -> None:
    caller.happen(5)
    first = caller.read(limit=2)
    assert first.json()["_page"] == {"last": positions(first)[-1], "count": 2}
    second = caller.read(caller.link(first))
    assert len(positions(second)) == 2
    assert "limit=2" in caller.link(second)
    assert positions(caller.read(since=positions(first)[-1]))[:2] == positions(second)
    end = caller.read(caller.link(caller.read(caller.link(second))))
    assert (end.status_code, end.content, end.headers["Retry-After"]) == (204, b"", "10")
    assert caller.link(end) == end.url
    caller.happen(1)
    assert len(positions(caller.read(caller.link(end)))) == 1


def test_links_are_relative_and_next_has_another_path(caller: Caller) -> None:
    caller.happen(1)
    answer = caller.read()
    assert answer.links["next"]["url"].startswith("/events-fast/organizations/")
    assert "{position}" in answer.links["page"]["url"]
    assert caller.read(caller.link(answer, "validate")).status_code == 200


def test_links_are_absolute_on_request(caller: Caller) -> None:
    caller.happen(1)
    answer = caller.read(headers={"x-adobe-io-events-url-links": "true"})
    assert answer.links["next"]["url"].startswith(f"{caller.sim.url}/events-fast/organizations/")
    assert caller.read(answer.links["next"]["url"]).status_code == 204


def test_a_page_may_break_off(caller: Caller) -> None:
    caller.happen(2)
    caller.sim.fail("journal.read", truncate=100)
    with pytest.raises(requests.RequestException):
        caller.read()
    assert len(positions(caller.read())) == 2


def test_an_older_journal_says_nothing_of_a_forgotten_position_until_it_is_asked(caller: Caller) -> None:
    caller.sim.journal.behave(forgets_silently=True)
    caller.happen(2)
    place = positions(caller.read())[0]
    caller.wait(7 * 86_400)
    caller.happen(1)
    gone = caller.read(since=place)
    assert gone.status_code == 204
    assert caller.read(caller.link(gone, "validate")).status_code == 400


def test_an_activity_may_be_of_a_type_that_was_not_announced(caller: Caller) -> None:
    caller.sim.journal.behave(unknown=1.0)
    caller.happen(2)
    events = [each["event"] for each in caller.read().json()["events"]]
    assert sorted(each["data"]["activityTypeId"] for each in events) == [FORM, FORM, UNKNOWN_TYPE, UNKNOWN_TYPE]
    assert len({each["id"] for each in events}) == 4


@pytest.mark.parametrize("query", [{"seek": "-PT1H", "since": "x"}, {"limit": "0"}, {"limit": "many"}, {"seek": "1h"}])
def test_odd_parameters_are_refused(caller: Caller, query: dict[str, str]) -> None:
    assert caller.read(**query).status_code == 400


def test_latest_has_no_events_and_seek_a_few_too_many(caller: Caller) -> None:
    caller.happen(4)
    caller.sim.clock.sleep(7200)
    caller.happen(1)
    assert caller.read(latest="true").status_code == 204
    assert 1 < len(positions(caller.read(seek="-PT1H"))) < 5


def test_a_page_has_at_most_a_megabyte_and_a_half(caller: Caller) -> None:
    lead = next(iter(caller.sim.instance.store.leads.keys()))
    for _ in range(4):
        caller.sim.instance.store.activities.add(0, lead, FORM, attributes={"Form Fields": "x" * 600_000})
    first = caller.read(limit=4)
    assert len(first.content) < 1_500_000
    assert len(positions(first)) + len(positions(caller.read(caller.link(first)))) == 4


def test_events_are_kept_for_a_week(caller: Caller) -> None:
    caller.happen(2)
    place = positions(caller.read())[0]
    caller.wait(7 * 86_400)
    caller.happen(1)
    gone = caller.read(since=place)
    assert gone.status_code == 410
    assert place in gone.text
    assert len(positions(caller.read())) == 1
    caller.wait(8 * 86_400)
    assert caller.read().status_code == 204


def test_duplicates_have_another_position_and_the_same_ids(caller: Caller) -> None:
    caller.sim.journal.behave(duplicates=1.0)
    caller.happen(3)
    entries = caller.read().json()["events"]
    assert len({each["position"] for each in entries}) == 6
    assert len({each["event"]["eventid"] for each in entries}) == len({each["event"]["id"] for each in entries}) == 3


def test_events_arrive_late_and_out_of_order(caller: Caller) -> None:
    caller.sim.journal.behave(disorder=7200)
    for _ in range(20):
        caller.happen(1)
        caller.sim.clock.sleep(60)
    assert 0 < len(positions(caller.read())) < 20
    caller.sim.clock.sleep(7200)
    dates = [each["event"]["data"]["activityDate"] for each in caller.read().json()["events"]]
    assert len(dates) == 20
    assert dates != sorted(dates)


def test_generated_activities_arrive_at_their_date_and_those_of_calls_when_they_are_made(api: Api) -> None:
    clock = api.simulator.clock
    assert isinstance(clock, ManualClock)
    caller = Caller(api.simulator)
    before = positions(caller.read(limit=10_000))
    store = api.simulator.instance.store
    expected = store.activities.between(api.simulator.instance.now - 7 * 86_400 + 1, api.simulator.instance.now)
    assert len(before) == len(list(expected))
    lead = next(iter(store.leads.keys()))
    api.done(
        "/rest/v1/activities/external.json",
        {
            "input": [
                {
                    "leadId": lead,
                    "activityDate": "2026-01-02T03:04:05Z",
                    "activityTypeId": 100001,
                    "primaryAttributeValue": "Webinar",
                    "attributes": [],
                }
            ]
        },
    )
    last = caller.read(since=before[-1]).json()["events"][-1]["event"] if before else caller.read().json()["events"][-1]
    assert last["type"] == "com.adobe.platform.marketo.activity.custom"
    assert last["data"]["activityDate"] == "2026-01-02T03:04:05Z"


def test_changes_of_assets_are_user_audits(api: Api) -> None:
    caller = Caller(api.simulator)
    api.post("/rest/asset/v1/smartCampaign/2001/deactivate.json")
    audits = [
        each["event"]["event"]["body"]
        for each in caller.read(limit=10_000).json()["events"]
        if "event" in each["event"]
    ]
    assert [(each["type"], each["data"]["eventAction"], each["data"]["componentId"]) for each in audits] == [
        ("com.adobe.platform.marketo.audit.user.smartcampaign", "deactivate", 2001)
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", audits[0]["time"])


def test_other_processes_steer_the_journal(caller: Caller) -> None:
    def control(**facts: Any) -> requests.Response:
        return requests.post(f"{caller.sim.url}/simulator/journal", json=facts, timeout=10)

    assert control(duplicates=1.0, wrapping="body").status_code == 200
    caller.happen(1)
    assert [set(each["event"]) >= {"header", "body"} for each in caller.read().json()["events"]] == [True, True]
    assert "wrapping" in control(wrapping="nonsense").json()["error"]
    assert control(nonsense=1).status_code == 400
    control(expire_tokens=True)
    assert caller.read().status_code == 401
    old = caller.sim.journal_url
    control(register_again=True)
    assert caller.sim.journal_url != old
