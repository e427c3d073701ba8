"""Lists of named accounts, field metadata of CRM objects, and forms that a server submits."""

from __future__ import annotations

import pytest

from tests.simulator.support import Api, codes, skipped

LISTS = "/rest/v1/namedAccountLists"


def test_a_list_is_made_found_filled_renamed_and_deleted(api):
    (made,) = api.done(f"{LISTS}.json", {"action": "createOnly", "input": [{"name": "Top"}]})
    assert skipped(api.done(f"{LISTS}.json", {"action": "createOnly", "input": [{"name": "top"}]})) == ["1017"]
    (account,) = api.done("/rest/v1/namedaccounts.json", {"action": "createOnly", "input": [{"name": "Acme"}]})
    members = f"/rest/v1/namedAccountList/{made['marketoGUID']}/namedAccounts"
    one = {"input": [{"marketoGUID": account["marketoGUID"]}]}
    assert api.done(f"{members}.json", one)[0]["status"] == "added"
    assert [each["name"] for each in api.pages(f"{members}.json")] == ["Acme"]
    assert api.done(f"{members}/remove.json", one)[0]["status"] == "removed"
    assert skipped(api.done(f"{members}/remove.json", one)) == ["1013"]
    best = [{"marketoGUID": made["marketoGUID"], "name": "Best"}]
    api.done(f"{LISTS}.json", {"action": "updateOnly", "dedupeBy": "idField", "input": best})
    found = api.result(f"{LISTS}.json", filterType="dedupeFields", filterValues="best")
    assert [each["marketoGUID"] for each in found] == [made["marketoGUID"]]
    api.done(f"{LISTS}/delete.json", {"input": [{"name": "Best"}]})
    assert codes(api.get(f"{members}.json")) == ["1013"]


def test_a_list_is_made_without_an_action_and_found_in_both_of_adobes_spellings(api):
    (made,) = api.done(f"{LISTS}.json", {"input": [{"name": "Top"}]})
    assert made["status"] == "created"
    for word in ("idField", "idFields", "marketoGUID"):
        found = api.result(f"{LISTS}.json", filterType=word, filterValues=made["marketoGUID"])
        assert [each["name"] for each in found] == ["Top"]


@pytest.mark.parametrize("family", ["companies", "opportunities", "namedaccounts"])
def test_fields_of_crm_objects_are_described_one_by_one(api, family):
    path = f"/rest/v1/{family}/schema/fields"
    first = api.pages(f"{path}.json")[0]
    assert api.result(f"{path}/{first['name']}.json") == [first]
    assert codes(api.get(f"{path}/nothing.json")) == ["1006"]


def submit(api: Api, form: int = 7001, **fields: str) -> list[dict[str, object]]:
    body = {"formId": form, "programId": 1001, "input": [{"leadFormFields": fields}]}
    return list(api.done("/rest/v1/leads/submitForm.json", body))


def test_a_form_makes_a_lead_a_member_and_leaves_an_activity(make):
    api = make(assets=1)
    since = api.simulator.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    (entry,) = submit(api, email="new.lead@example.org", firstName="New")
    assert entry["status"] == "created"
    (filled,) = api.feed("/rest/v1/activities.json", since, activityTypeIds="2", leadIds=entry["id"])
    assert filled["primaryAttributeValueId"] == 7001
    assert api.result(f"/rest/v1/leads/{entry['id']}/programMembership.json")[0]["id"] == 1001
    assert skipped(submit(api, email="a@example.org", shoeSize="43")) == ["1006"]
    unknown = {"formId": 1, "input": [{"leadFormFields": {"email": "a@example.org"}}]}
    assert codes(api.post("/rest/v1/leads/submitForm.json", unknown)) == ["1013"]
