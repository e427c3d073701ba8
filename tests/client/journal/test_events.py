"""Entries of a journal, in every shape that Adobe documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_marketo.client.journal.events import activity, raw, unwrap, user_audit

CLOUD_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "com.adobe.platform.marketo.activity.standard.filloutform",
    "source": "urn:marketo_activity_stream",
    "id": "5b1e77c2-2222",
    "time": "2026-11-03T09:15:02Z",
    "data": {
        "munchkinId": "999-xyz-000",
        "leadId": "48211",
        "activityDate": "2026-11-03T09:14:58Z",
        "activityTypeId": 2,
        "activityType": "Fill Out Form",
        "activityLogItemId": 730012345,
        "primaryAttributeValueId": 310,
        "primaryAttributeValue": "Demo request",
        "campaignId": "905",
        "attributes": [{"name": "Webpage ID", "dataType": "object", "value": 77}],
    },
}


def with_data(**data):
    return unwrap({"position": "p:1", "event": {**CLOUD_EVENT, "data": {**CLOUD_EVENT["data"], **data}}})


@pytest.mark.parametrize("name", ["eventid", "event_id"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda event, about: {**about, **event, "recipientclientid": "c"},
        lambda event, about: {**about, "header": {"msgId": "m"}, "body": event},
        lambda event, about: {**about, "event": {"body": event}, "recipient_client_id": "c"},
        lambda event, about: {"event": {**about, "body": event}},
    ],
)
def test_every_wrapping_and_both_names_of_the_id_give_the_same_event(wrap, name):
    event = unwrap({"position": "p:1", "event": wrap(CLOUD_EVENT, {name: "7c0f"})})
    assert (event.position, event.event_id, event.instance) == ("p:1", "7c0f", "999-XYZ-000")
    assert event.type == CLOUD_EVENT["type"]
    assert activity(event) == {
        "id": 730012345,
        "marketoGUID": "5b1e77c2-2222",
        "leadId": 48211,
        "activityDate": "2026-11-03T09:14:58Z",
        "activityTypeId": 2,
        "activityType": "Fill Out Form",
        "campaignId": 905,
        "primaryAttributeValueId": 310,
        "primaryAttributeValue": "Demo request",
        "attributes": [{"name": "Webpage ID", "dataType": "object", "value": 77}],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-03 09:14:58.123", "2026-11-03T09:14:58Z"),
        ("2026-11-03T04:14:58-5:00", "2026-11-03T09:14:58Z"),
        ("2026-11-03T14:44:58+05:30", "2026-11-03T09:14:58Z"),
        ("", None),
        (None, None),
        ("yesterday", "yesterday"),
    ],
)
def test_times_in_any_spelling_become_utc_and_others_are_left_to_the_column(text, expected):
    assert activity(with_data(activityDate=text))["activityDate"] == expected


@pytest.mark.parametrize(
    ("given", "expected"), [('"905"', 905), (" 905 ", 905), ("", None), (None, None), (905, 905), ("9e5", "9e5")]
)
def test_numbers_may_come_as_texts_even_quoted_ones(given, expected):
    assert activity(with_data(campaignId=given))["campaignId"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ({"A": 1}, [{"name": "A", "value": 1}]),
        (["odd", {"name": "A", "value": 1}], [{"name": "A", "value": 1}]),
        ("odd", []),
    ],
)
def test_attributes_may_be_missing_an_object_or_odd(given, expected):
    assert activity(with_data(attributes=given))["attributes"] == expected


@pytest.mark.parametrize(
    "entry", [{}, {"event": None}, {"event": []}, {"position": 7, "event": {"body": "text"}}, {"event": {"event": {}}}]
)
def test_an_entry_of_an_unknown_shape_belongs_to_no_instance(entry):
    event = unwrap(entry)
    assert (event.type, event.instance) == ("", "")


def test_without_an_id_the_content_stands_in_for_it_so_that_a_repetition_is_known():
    body = {name: value for name, value in CLOUD_EVENT.items() if name != "id"}
    first, again = (activity(unwrap({"position": place, "event": body})) for place in ("p:1", "p:2"))
    assert first["marketoGUID"] == again["marketoGUID"]
    assert len(first["marketoGUID"]) == 36
    with_event_id = activity(unwrap({"position": "p", "event": {"eventid": "e", **body}}))
    assert with_event_id["marketoGUID"] == "e"


def test_a_user_audit_says_who_did_what_to_which_asset():
    data = {"componentId": 5521, "componentType": "Smart Campaign", "eventAction": "activate", "userId": "ops@x.test"}
    body = {
        "type": "com.adobe.platform.marketo.audit.user.smartcampaign",
        "time": "2026-11-03 09:20:42.755",
        "data": {**data, "munchkinId": "999-XYZ-000", "imsOrgId": "ORG0@AdobeOrg"},
    }
    event = unwrap({"position": "p", "event": {"eventid": "11aa", "event": {"body": body}}})
    assert user_audit(event) == {
        "eventId": "11aa",
        "activityDate": "2026-11-03T09:20:42Z",
        "eventType": "smartcampaign",
        "imsOrgId": "ORG0@AdobeOrg",
        **data,
    }
    assert json.loads(raw(event)) == body
