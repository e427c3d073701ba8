"""Reading the simulator's journal."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoDataError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoJournalExpiredError,
    MarketoNotFoundError,
    MarketoPermissionError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.journal.address import JournalAddress
from airflow_provider_marketo.client.journal.client import JournalClient
from airflow_provider_marketo.client.journal.events import ACTIVITY
from airflow_provider_marketo.client.journal.reader import JournalReader
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.journal import CLIENT_ID, CLIENT_SECRET, IMS_ORG, OTHER_INSTANCE
from tests.seed import DATES

SCOPES = ("openid", "adobeio_api")
INSTANCE = "123-ABC-456"
FORM = 2


class World:
    """An instance, its journal, and a clock of its own for the client, which never really waits."""

    def __init__(self, simulator):
        self.sim = simulator
        self.waited = []
        self.client = self.connect()

    def connect(self, url=None, **changes):
        given = {"client_id": CLIENT_ID, "secret": CLIENT_SECRET, "ims_org": IMS_ORG, "scopes": SCOPES} | changes
        return JournalClient(
            JournalAddress.parse(url or self.sim.journal_url),
            given["client_id"],
            Secret(given["secret"]),
            ims_org=given["ims_org"],
            scopes=given["scopes"],
            clock=self,
        )

    def now(self):
        return self.sim.clock.now()

    def sleep(self, seconds):
        self.waited.append(seconds)

    def happen(self, count=1):
        for _ in range(count):
            lead = next(iter(self.sim.instance.store.leads.keys()))
            self.sim.instance.store.activities.add(self.sim.instance.now, lead, FORM, primary_id=1, primary="Form")

    def read(self, link=None, **more):
        reader = JournalReader(self.client, link or self.client.address.oldest(), INSTANCE, ACTIVITY, **more)
        return reader, [event.body["id"] for page in reader.pages() for event in page]


@pytest.fixture
def world():
    settings = Settings(leads=20, activities=0, **DATES)
    with Simulator(settings, clock=ManualClock()) as simulator:
        yield World(simulator)


@pytest.mark.parametrize(
    "manner",
    [
        {"page": 3},
        {"exact": False},
        {"joined_links": True, "page": 3},
        {"wrapping": "mixed", "ids": "old", "odd": True, "page": 4},
        {"retry_after": "date"},
        {"retry_after": "none"},
    ],
)
def test_all_pages_are_read_to_the_end_and_reading_continues_from_there(world, manner):
    world.sim.journal.behave(**manner)
    world.happen(10)
    reader, first = world.read()
    assert len(first) == len(set(first)) == 10
    assert reader.pause == 10.0
    world.happen(2)
    again, second = world.read(reader.link)
    assert len(second) == 2
    assert not set(first) & set(second)
    assert world.read(again.link)[1] == []


def test_the_next_page_is_on_its_way_while_a_page_is_worked_on(world):
    world.sim.journal.behave(page=4)
    world.happen(10)
    pages = JournalReader(world.client, world.client.address.oldest(), INSTANCE, ACTIVITY).pages()
    found = [event.body["id"] for event in next(pages)]
    deadline = time.monotonic() + 60
    while world.sim.report().calls["journal.read"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found += [event.body["id"] for page in pages for event in page]
    assert len(found) == len(set(found)) == 10
    assert world.sim.report().calls["journal.read"] == 4


def test_latest_begins_at_the_end(world):
    world.happen(3)
    reader, found = world.read(world.client.address.latest())
    assert found == []
    world.happen(1)
    assert len(world.read(reader.link)[1]) == 1


def test_seek_begins_near_a_time_and_since_behind_a_position(world):
    world.happen(5)
    world.sim.clock.advance(7200)
    world.happen(2)
    _, late = world.read(world.client.address.seek(timedelta(hours=1)))
    assert 2 <= len(late) < 7
    reader, everything = world.read()
    world.happen(1)
    assert len(world.read(world.client.address.since(reader.last))[1]) == 1
    assert set(late) < set(everything)


def test_a_range_is_read_again_to_its_last_position_whatever_came_since(world):
    world.sim.journal.behave(page=4)
    world.happen(6)
    start = world.client.address.relative(world.client.address.oldest())
    reader, first = world.read()
    world.happen(6)
    world.sim.journal.behave(page=5)
    assert world.read(start, until=reader.last)[1] == first
    assert world.read(start, until="")[1] == []


def test_events_of_another_instance_and_of_another_kind_are_counted_and_left_out(world):
    world.sim.journal.behave(others=1.0)
    world.happen(4)
    world.sim.journal.audit("smart_campaigns.activate", 2001, "ops@example.org")
    reader, found = world.read()
    assert len(found) == 4
    assert reader.others == {OTHER_INSTANCE: 5}
    assert (reader.events, reader.ours) == (10, 5)


def test_a_position_that_is_forgotten_is_an_error_of_its_own(world):
    world.happen(2)
    reader, _ = world.read()
    world.sim.clock.advance(8 * 86_400)
    world.happen(1)
    with pytest.raises(MarketoJournalExpiredError):
        world.read(reader.link)
    assert len(world.read()[1]) == 1


def test_an_older_journal_answers_204_and_is_asked_whether_the_position_is_valid(world):
    world.sim.journal.behave(forgets_silently=True)
    world.happen(2)
    reader, _ = world.read()
    stored = world.now()
    assert world.read(reader.link, stored=stored)[1] == []
    world.sim.clock.advance(8 * 86_400)
    with pytest.raises(MarketoJournalExpiredError):
        world.read(reader.link, stored=stored)


def test_a_next_link_to_another_host_stops_the_reading_before_anything_is_sent_there(world):
    world.sim.journal.behave(next_host="https://evil.example.com", page=1)
    world.happen(2)
    with pytest.raises(MarketoDataError, match=r"evil\.example\.com, which must not see the token"):
        world.read()
    assert world.sim.report().calls["journal.read"] == 1


@pytest.mark.parametrize("pages", [1, 3])
def test_links_that_lead_back_do_not_end_in_a_loop(world, monkeypatch, pages):
    world.sim.journal.behave(page=1)
    world.happen(pages)
    page = world.client.page
    oldest = world.client.address.oldest()

    def lead_back(link):
        found = page(link)
        return found if world.sim.report().calls["journal.read"] < pages else replace(found, links={"next": oldest})

    monkeypatch.setattr(world.client, "page", lead_back)
    with pytest.raises(MarketoDataError, match="would never end"):
        world.read()
    assert world.sim.report().calls["journal.read"] == pages


def test_names_that_are_not_instances_are_counted_together(world, monkeypatch):
    world.happen(1)
    page = world.client.page
    strangers = [{"event": {"data": {"munchkinId": f"Jane Doe {number}"}}} for number in range(500)]

    def with_strangers(link):
        found = page(link)
        return replace(found, entries=[*found.entries, *strangers]) if found.entries else found

    monkeypatch.setattr(world.client, "page", with_strangers)
    reader, read = world.read()
    assert (len(read), reader.others) == (1, {"": 500})


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 500}, {"drop": True}, {"truncate": 700}, {"status": 429}, {"status": 401}]
)
def test_what_passes_with_time_is_waited_out_without_loss(world, fault):
    world.sim.journal.behave(page=4)
    world.happen(10)
    world.sim.fail("journal.read", skip=1, **fault)
    assert len(world.read()[1]) == 10


def test_a_token_that_expires_under_way_is_renewed_once(world):
    world.sim.journal.behave(page=4)
    world.happen(10)
    reader = JournalReader(world.client, world.client.address.oldest(), INSTANCE, ACTIVITY)
    pages = reader.pages()
    found = len(next(pages))
    world.sim.expire_adobe_tokens()
    assert found + sum(map(len, pages)) == 10
    assert world.sim.report().calls["ims.token"] == 2


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"secret": "wrong"}, MarketoAuthError, "invalid_client"),
        ({"client_id": "wrong"}, MarketoAuthError, "invalid_client"),
        (
            {"ims_org": "OTHER@AdobeOrg"},
            MarketoPermissionError,
            "Check that the connection's ims_org is the organization of the journal",
        ),
        ({"scopes": ("openid",)}, MarketoPermissionError, "Add the I/O Management API"),
        ({"scopes": ("nonsense",)}, MarketoPermissionError, "invalid_scope"),
    ],
)
def test_a_wrong_credential_is_told_apart_and_says_what_to_do(world, changes, error, words):
    world.client = world.connect(**changes)
    with pytest.raises(error) as failure:
        world.read()
    assert words in str(failure.value)
    assert CLIENT_SECRET not in str(failure.value)


def test_a_project_without_the_management_api_names_the_forgotten_step(world):
    world.sim.journal.behave(management_api=False)
    with pytest.raises(MarketoPermissionError, match=r"Add the I/O Management API.*easily missed"):
        world.read()


def test_a_registration_that_was_made_again_has_another_address(world):
    world.happen(3)
    world.sim.journal.register_again()
    with pytest.raises(MarketoNotFoundError, match="Copy it from Adobe's Developer Console"):
        world.read()
    world.client = world.connect()
    assert world.read()[1] == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 302}, MarketoError),
        ({"status": 400}, MarketoInvalidRequestError),
        ({"status": 200, "body": "<html>login</html>"}, MarketoTransientError),
        ({"status": 200, "body": '{"events": "none"}'}, MarketoTransientError),
        ({"status": 200, "body": '{"events": [7]}'}, MarketoTransientError),
        ({"status": 200, "body": '{"events": [{"event": {}}]}'}, MarketoDataError),
        ({"status": 429}, MarketoThrottledError),
    ],
)
def test_odd_answers_are_typed_errors(world, fault, error):
    world.sim.fail("journal.read", times=None, **fault)
    with pytest.raises(error) as failure:
        world.read()
    assert failure.value.operation == "journal.read"


@pytest.mark.parametrize("body", ["{}", "[]", '{"access_token": 7}', '{"access_token": "a"}', "<html>"])
def test_an_odd_answer_of_ims_is_a_typed_error(world, body):
    world.sim.fail("ims.token", status=200, body=body, times=None)
    with pytest.raises(MarketoError):
        world.read()
