"""Companies, opportunities and their roles, sales persons, named accounts."""

from __future__ import annotations

import pytest

PATHS = {
    "companies": ("externalCompanyId", "id"),
    "opportunities": ("externalOpportunityId", "marketoGUID"),
    "salespersons": ("externalSalesPersonId", "id"),
    "namedaccounts": ("name", "marketoGUID"),
}


@pytest.mark.parametrize(("path", "keys"), PATHS.items())
def test_records_are_described_created_found_updated_and_deleted(api, path, keys):
    key, id_field = keys
    (described,) = api.result(f"/rest/v1/{path}/describe.json")
    assert (described["dedupeFields"], described["idField"]) == ([key], id_field)
    record = {key: "k1", **({"name": "Deal"} if path == "opportunities" else {})}
    (created,) = api.done(f"/rest/v1/{path}.json", {"input": [record]})
    assert (created["seq"], created["status"]) == (0, "created")
    (found,) = api.result(f"/rest/v1/{path}.json", filterType="dedupeFields", filterValues="K1")
    assert found[id_field] == created[id_field]
    (updated,) = api.done(f"/rest/v1/{path}.json", {"action": "updateOnly", "input": [{key: "k1"}]})
    assert (updated["status"], updated[id_field]) == ("updated", created[id_field])
    body = {"deleteBy": "idField", "input": [{id_field: created[id_field]}]}
    assert api.done(f"/rest/v1/{path}/delete.json", body)[0]["status"] == "deleted"
    assert api.result(f"/rest/v1/{path}.json", filterType=key, filterValues="k1") == []


def skipped(api, path, *records, **how):
    result = api.done(f"/rest/v1/{path}.json", {**how, "input": list(records)})
    return [entry["reasons"][0]["code"] if entry["status"] == "skipped" else entry["status"] for entry in result]


def test_records_that_do_not_fit_are_skipped_one_by_one(api):
    assert skipped(
        api,
        "companies",
        {"externalCompanyId": "c1"},
        {"externalCompanyId": "C1"},
        {"company": "no key"},
        {"externalCompanyId": "c2", "wheels": 4},
        {"externalCompanyId": "c3", "numberOfEmployees": "many"},
        {"externalCompanyId": "c4", "externalSalesPersonId": "nobody"},
    ) == ["created", "1036", "1002", "1006", "1001", "718"]


def test_an_opportunity_needs_a_name_and_its_role_needs_both_ends(api):
    assert skipped(api, "opportunities", {"externalOpportunityId": "o1"}) == ["1002"]
    assert skipped(api, "opportunities", {"externalOpportunityId": "o1", "name": "Deal"}) == ["created"]
    role = {"externalOpportunityId": "o1", "leadId": 1001, "role": "Buyer"}
    assert skipped(api, "opportunities/roles", role, {**role, "leadId": 7}, {**role, "externalOpportunityId": "?"}) == [
        "created",
        "1004",
        "1013",
    ]
    body = {"filterType": "dedupeFields", "fields": ["role"], "input": [role]}
    found = api.send("POST", "/rest/v1/opportunities/roles.json", params={"_method": "GET"}, json=body).json()
    assert found["result"][0]["role"] == "Buyer"


def test_records_that_the_action_rules_out_are_skipped_with_marketos_code(api):
    record = {"externalCompanyId": "c1"}
    assert skipped(api, "companies", record, action="updateOnly") == ["1013"]
    assert skipped(api, "companies", record, action="createOnly") == ["created"]
    assert skipped(api, "companies", record, action="createOnly") == ["1017"]
    answer = api.post("/rest/v1/companies.json", {"dedupeBy": "idField", "input": [{"id": 1}]})
    assert answer["errors"][0]["code"] == "1003"
