"""Data ingestion: its own errors, work that is done later, and outcomes that only the report shows."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.simulator.support import Api

MUNCHKIN_ID = "123-ABC-456"
PERSON = {"email": "new@example.com", "firstName": "Ada"}


class Ingestion:
    """A caller of the service."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.token = api.token()["access_token"]

    def post(self, what: str, body: Any, munchkin_id: str = MUNCHKIN_ID, **headers: str | None) -> requests.Response:
        given = {"X-Mkto-User-Token": self.token} | {name.replace("_", "-"): text for name, text in headers.items()}
        url = f"{self.api.url}/subscriptions/{munchkin_id}/{what}"
        return requests.post(url, json=body, headers=given, timeout=10)

    def done(self, what: str, body: Any) -> None:
        """Send a request that is accepted, and let its work be done."""
        reply = self.post(what, body)
        assert reply.status_code == 202, reply.text
        self.api.wait(10)

    def refused(self, what: str, body: Any, **how: Any) -> str:
        """Return the error code of a request that is refused."""
        reply = self.post(what, body, **how)
        assert reply.json().keys() == {"error_code", "message"}
        assert str(reply.status_code) == reply.json()["error_code"][:3]
        return str(reply.json()["error_code"])


@pytest.fixture
def ingestion(api: Api) -> Ingestion:
    return Ingestion(api)


def leads(api: Api, **wanted: str) -> list[dict[str, Any]]:
    ((name, value),) = wanted.items()
    return list(api.result("/rest/v1/leads.json", filterType=name, filterValues=value, fields="email,firstName,city"))


def test_a_request_is_accepted_with_an_empty_reply_and_done_later(ingestion, api):
    reply = ingestion.post("persons", {"persons": [PERSON]}, X_Correlation_Id="run 1", X_Request_Source="tests")
    assert (reply.status_code, reply.content) == (202, b"")
    assert reply.headers["X-Request-Id"]
    assert leads(api, email="new@example.com") == []
    api.wait(10)
    assert [lead["firstName"] for lead in leads(api, email="new@example.com")] == ["Ada"]


def test_it_does_not_use_up_the_limits_of_the_instance(ingestion, api, sim):
    before = sim.report().total_calls
    ingestion.done("persons", {"persons": [PERSON]})
    assert sim.report().total_calls == before
    assert sim.report().executed["data_ingestion.sync_persons"] == 1


def test_two_fields_together_identify_a_person(ingestion, api):
    for person in (PERSON, {**PERSON, "firstName": "Bea"}, {**PERSON, "city": "Bern"}):
        ingestion.done("persons", {"dedupeFields": {"field1": "email", "field2": "firstName"}, "persons": [person]})
    found = leads(api, email="new@example.com")
    assert sorted((lead["firstName"], lead["city"]) for lead in found) == [("Ada", "Bern"), ("Bea", None)]


def test_custom_objects_and_companies_are_written(ingestion, api):
    ingestion.done("customobjects/car_c", {"customObjects": [{"vin": "NEW", "make": "VW"}]})
    (car,) = api.result("/rest/v1/customobjects/car_c.json", filterType="vin", filterValues="NEW", fields="make")
    assert car["make"] == "VW"
    ingestion.done(
        "customobjects/car_c",
        {"dedupeBy": "marketoGUID", "customObjects": [{"marketoGUID": car["marketoGUID"], "make": "MG"}]},
    )
    (car,) = api.result("/rest/v1/customobjects/car_c.json", filterType="vin", filterValues="NEW", fields="make")
    assert car["make"] == "MG"
    ingestion.done("companies", {"input": [{"externalCompanyId": "N1", "company": "New"}]})
    (company,) = api.result(
        "/rest/v1/companies.json", filterType="externalCompanyId", filterValues="N1", fields="company"
    )
    assert company["company"] == "New"


def test_people_are_added_to_lists_and_programs_and_removed(ingestion, api):
    list_id = api.result("/rest/v1/lists.json")[0]["id"]
    (lead,) = api.sync({"email": "new@example.com"})
    member = {"leadId": lead["id"]}

    def on_list() -> str:
        return str(api.result(f"/rest/v1/lists/{list_id}/leads/ismember.json", id=lead["id"])[0]["status"])

    def in_programs() -> list[Any]:
        found = api.result(f"/rest/v1/leads/{lead['id']}/programMembership.json")
        return [each["progressionStatus"] for each in found]

    ingestion.done("lists", {"listId": list_id, "input": [member]})
    ingestion.done("programmembers", {"programs": [{"programId": 1001, "status": "Attended", "members": [member]}]})
    assert (on_list(), in_programs()) == ("memberof", ["Attended"])
    ingestion.done("lists/remove", {"listId": list_id, "input": [member]})
    ingestion.done("programmembers/delete", {"programs": [{"programId": 1001, "members": [member]}]})
    assert (on_list(), in_programs()) == ("notmemberof", [])


def test_only_the_report_shows_a_bad_record(ingestion, api, sim):
    ingestion.done("persons", {"persons": [{"email": "none at all"}, PERSON]})
    ingestion.done("lists", {"listId": 77, "input": [{"leadId": 1}]})
    assert leads(api, email="new@example.com")
    assert sim.report().skipped == {"1003": 1, "1013": 1}


COMPANY, MEMBERS = {"externalCompanyId": "N1"}, [{"leadId": number} for number in range(1001)]


@pytest.mark.parametrize(
    ("what", "body", "how", "code"),
    [
        ("persons", {"persons": [PERSON]}, {"X_Mkto_User_Token": None}, "403010"),
        ("persons", {"persons": [PERSON]}, {"X_Mkto_User_Token": "another"}, "401013"),
        ("persons", {"persons": [PERSON]}, {"munchkin_id": "999-XYZ-999"}, "4030801"),
        ("persons", {"persons": [PERSON]}, {"X_Correlation_Id": "x" * 256}, "4000802"),
        ("persons", {"persons": [PERSON]}, {"X_Request_Source": "x" * 51}, "4000802"),
        ("persons", {"persons": [PERSON] * 1001}, {}, "4000802"),
        ("persons", {"persons": []}, {}, "4000802"),
        ("persons", {"people": [PERSON]}, {}, "4000802"),
        ("persons", {"persons": [PERSON], "dedupeFields": {"field1": "nothing"}}, {}, "4000802"),
        ("persons", {"persons": [PERSON], "priority": "urgent"}, {}, "4000802"),
        ("people", {"persons": [PERSON]}, {}, "404040"),
        ("customobjects/boat_c", {"customObjects": [{"name": "A"}]}, {}, "404040"),
        ("companies", {"input": [{**COMPANY, "id": 1}]}, {}, "4000802"),
        ("companies", {"input": [{"id": 1}], "dedupeBy": "idField"}, {}, "4000802"),
        ("programmembers", {"programs": [{"programId": 1, "status": "not in Program", "members": []}]}, {}, "4000802"),
        (
            "programmembers/delete",
            {"programs": [{"programId": 1, "members": MEMBERS[:600]}, {"programId": 2, "members": MEMBERS[600:]}]},
            {},
            "4000802",
        ),
        ("lists", {"listId": 1, "input": MEMBERS}, {}, "4000802"),
    ],
)
def test_refusals_have_a_status_and_a_code_of_the_service(ingestion, sim, what, body, how, code):
    assert ingestion.refused(what, body, **how) == code
    assert sim.report().rejected == {code: 1}


def test_a_day_has_a_quota_of_its_own(make):
    ingestion = Ingestion(make(ingestion_daily_objects=3))
    ingestion.done("persons", {"persons": [PERSON, PERSON]})
    assert ingestion.refused("persons", {"persons": [PERSON, PERSON]}) == "4290801"


@pytest.mark.parametrize(
    ("marketos", "code"), [("601", "401013"), ("606", "429001"), ("607", "4290801"), ("611", "5000801")]
)
def test_faults_have_the_codes_of_the_service(ingestion, sim, marketos, code):
    sim.fail("data_ingestion.sync_persons", code=marketos)
    assert ingestion.refused("persons", {"persons": [PERSON]}) == code


def test_more_than_a_megabyte_is_refused(ingestion):
    assert ingestion.post("persons", {"persons": [{"email": "x" * (1 << 20)}]}).status_code == 413
