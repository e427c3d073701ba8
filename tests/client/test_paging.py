"""Each way of paging: which pages are asked for, and where the reading ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from airflow_provider_marketo.client import paging
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from tests.support import ManualClock

HOST = "https://123-abc-456.mktorest.com"
ASSETS = f"{HOST}/rest/asset/v2/email/filter"
USERS = f"{HOST}/userservice/management/v1/users/allusers.json"
LEADS = f"{HOST}/rest/v1/leads.json"
FOLDERS = f"{HOST}/rest/asset/v1/folders.json"


@pytest.fixture
def marketo(requests_mock):
    requests_mock.post(f"{HOST}/identity/oauth/token", json={"access_token": "a-token", "expires_in": 3599})
    return requests_mock


@pytest.fixture
def client() -> MarketoClient:
    clock = ManualClock()
    return MarketoClient(
        "123-ABC-456", "an-id", "a-secret", clock=clock, governor=LocalGovernor(parallel=4, clock=clock)
    )


def answers(marketo, url: str, *bodies: Any) -> None:
    marketo.register_uri("GET", url, [{"json": body} for body in bodies])


def asked(marketo, name: str) -> list[str | None]:
    """Return what each call asked for; None where it did not name the parameter."""
    calls = [request for request in marketo.request_history if request.method == "GET"]
    return [next(iter(request.qs.get(name.lower(), [])), None) for request in calls]


def ids(pages: Iterable[Any]) -> list[list[int]]:
    return [[record["id"] for record in page.records] for page in pages]


def rows(*numbers: int) -> list[dict[str, int]]:
    return [{"id": number} for number in numbers]


def page(records: list[dict[str, int]], **details: Any) -> dict[str, Any]:
    return {"success": True, "requestId": "a#1", "result": records, "pageDetails": details}


def found(records: list[dict[str, int]], **envelope: Any) -> dict[str, Any]:
    return {"success": True, "requestId": "a#1", "result": records, **envelope}


def test_numbered_pages_end_where_the_total_is_reached(client, marketo):
    answers(
        marketo,
        ASSETS,
        page(rows(1, 2), totalItems=5, pageSize=2),
        page(rows(3, 4), totalItems=5, pageSize=2),
        page(rows(5), totalItems=5, pageSize=2),
    )
    assert ids(client.pages("emails_v2.list", workspaceId=1)) == [[1, 2], [3, 4], [5]]
    assert asked(marketo, "pageIndex") == [None, "1", "2"]


def test_no_call_is_spent_on_the_page_after_a_total_that_fills_the_last_one(client, marketo):
    answers(marketo, ASSETS, page(rows(1, 2), totalItems=4, pageSize=2), page(rows(3, 4), totalItems=4, pageSize=2))
    assert ids(client.pages("emails_v2.list", workspaceId=1)) == [[1, 2], [3, 4]]
    assert asked(marketo, "pageIndex") == [None, "1"]


def test_a_total_that_is_too_high_ends_with_an_empty_page(client, marketo):
    answers(marketo, ASSETS, page(rows(1, 2), totalItems=9, pageSize=2), page([], totalItems=9, pageSize=2))
    assert ids(client.pages("emails_v2.list", workspaceId=1)) == [[1, 2], []]


def test_numbered_pages_without_a_total_end_with_an_empty_page(client, marketo):
    answers(marketo, ASSETS, page(rows(1, 2)), page(rows(3)), page([]))
    assert ids(client.pages("emails_v2.list", workspaceId=1)) == [[1, 2], [3], []]


def test_counters_may_be_texts(client, marketo):
    answers(
        marketo, ASSETS, page(rows(1, 2), totalItems="3", pageSize="2"), page(rows(3), totalItems="3", pageSize="2")
    )
    assert ids(client.pages("emails_v2.list", workspaceId=1)) == [[1, 2], [3]]


def test_the_size_of_a_page_is_that_of_its_records_if_marketo_does_not_say_it(client, marketo):
    answers(marketo, ASSETS, page(rows(1, 2), totalItems=4), page(rows(3, 4), totalItems=4))
    assert ids(client.pages("emails_v2.list", workspaceId=1)) == [[1, 2], [3, 4]]


def test_reading_continues_from_the_page_that_the_caller_names(client, marketo):
    answers(marketo, ASSETS, page(rows(5, 6), totalItems=7, pageSize=2), page(rows(7), totalItems=7, pageSize=2))
    assert ids(client.pages("emails_v2.list", workspaceId=1, pageIndex=2)) == [[5, 6], [7]]
    assert asked(marketo, "pageIndex") == ["2", "3"]


def test_users_are_read_by_an_offset_that_counts_users(client, marketo):
    answers(marketo, USERS, rows(1, 2, 3), rows(4), [])
    assert ids(client.pages("user_management.get_users")) == [[1, 2, 3], [4], []]
    assert asked(marketo, "pageOffset") == [None, "3", "4"]


def test_assets_are_read_by_an_offset_that_counts_records_until_a_page_is_empty(client, marketo):
    answers(marketo, FOLDERS, found(rows(1, 2)), found(rows(3)), found([]))
    assert ids(client.pages("folders.get")) == [[1, 2], [3], []]
    assert asked(marketo, "offset") == [None, "2", "3"]


@pytest.mark.parametrize(
    ("operation", "parameters", "url", "body"),
    [
        ("emails_v2.list", {"workspaceId": 1}, ASSETS, page(rows(1, 2), totalItems=900, pageSize=2)),
        ("user_management.get_users", {}, USERS, rows(1, 2)),
        ("folders.get", {}, FOLDERS, found(rows(1, 2))),
    ],
)
def test_a_server_that_repeats_its_page_does_not_keep_a_task_for_ever(
    client, marketo, operation, parameters, url, body
):
    answers(marketo, url, body)
    with pytest.raises(MarketoDataError, match="the same page again and again"):
        list(client.pages(operation, **parameters))
    assert len(asked(marketo, "offset")) == 2


def leads(client: MarketoClient) -> list[list[int]]:
    return ids(client.pages("leads.get_by_filter_type", filterType="email", filterValues=["a@example.com"]))


def test_a_token_that_marketo_repeats_without_promising_more_is_the_end(client, marketo):
    answers(marketo, LEADS, found(rows(1), nextPageToken="one"), found(rows(2), nextPageToken="one"))
    assert leads(client) == [[1], [2]]


def test_more_result_that_is_false_is_the_end_although_there_is_a_token(client, marketo):
    answers(marketo, LEADS, found(rows(1), nextPageToken="one", moreResult=False))
    assert leads(client) == [[1]]


@pytest.mark.parametrize("token", [{}, {"nextPageToken": "one"}], ids=["no token", "the same token"])
def test_leads_that_are_promised_without_a_new_token_are_not_taken_for_the_end(client, marketo, token):
    answers(
        marketo,
        LEADS,
        found(rows(1), nextPageToken="one", moreResult=True),
        found(rows(2), moreResult=True, **token),
    )
    with pytest.raises(MarketoDataError, match="says that more records follow but gives no new paging token"):
        leads(client)


def test_empty_pages_in_a_row_are_read_up_to_a_limit_and_counted_from_each_record_on(client, marketo, monkeypatch):
    monkeypatch.setattr(paging, "MOST_EMPTY_PAGES", 3)
    promises = iter(range(100))

    def empty(count: int) -> list[dict[str, Any]]:
        return [found([], nextPageToken=f"t{next(promises)}", moreResult=True) for _ in range(count)]

    some = found(rows(1), nextPageToken="some", moreResult=True)
    answers(marketo, LEADS, *empty(3), some, *empty(3), found(rows(2), moreResult=False))
    assert leads(client) == [[], [], [], [1], [], [], [], [2]]
    answers(marketo, LEADS, *empty(9))
    with pytest.raises(MarketoDataError, match="3 empty pages in a row"):
        leads(client)
    assert len(asked(marketo, "nextPageToken")) == 8 + 4
