"""The history of leads, made from their changes, on every engine."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from tests.warehouse.conftest import WIDENING

LEADS = {"id": "integer", "score": "integer", "createdAt": "datetime", "updatedAt": "datetime"}
CHANGE = {
    "marketoGUID": "string",
    "leadId": "integer",
    "activityDate": "datetime",
    "primaryAttributeValueId": "integer",
    "primaryAttributeValue": "string",
    "old_value": "string",
    "new_value": "string",
}


def load(warehouse, publish, leads, changes=(), *, columns=LEADS, as_of="2026-01-10T00:00:00Z"):
    warehouse.load(publish(leads, columns=columns, as_of=as_of))
    fields = {"id": "integer", "restName": "string", "displayName": "string"}
    warehouse.load(publish([(7, "score", "Score")], columns=fields, name="lead_fields", kind="full"))
    for name in ("activity_change_data_value", "activity_change_score"):
        warehouse.load(publish(list(changes), columns=CHANGE, key=("marketoGUID",), name=name))


def versions(warehouse, lead: int):
    return warehouse.query(
        "SELECT value, CAST(valid_from AS text), CAST(valid_to AS text) FROM {lead_field_history}"
        f" WHERE lead_id = {lead} AND field = 'score' ORDER BY valid_from"
    )


def test_a_field_has_a_version_before_between_and_after_its_changes(warehouse, publish):
    changes = [
        ("9", 1, "2026-01-05T10:00:00Z", 7, "Score", "1", "2"),
        ("10", 1, "2026-01-05T10:00:00Z", 7, "Score", "2", "3"),
    ]
    created = "2026-01-01T00:00:00Z"
    load(warehouse, publish, [(1, 3, created, created), (2, 8, created, created)])
    assert [value for value, _, _ in versions(warehouse, 1)] == ["3"], "nothing has changed"
    warehouse.load(publish(changes, columns=CHANGE, key=("marketoGUID",), name="activity_change_score"))
    found = versions(warehouse, 1)
    lasting = [(value, start[:10], end and end[:10]) for value, start, end in found if start != end]
    assert lasting == [("1", "2026-01-01", "2026-01-05"), ("3", "2026-01-05", None)]
    assert [value for value, _, _ in versions(warehouse, 2)] == ["8"]


def test_a_table_with_the_views_name_is_left_alone(warehouse, publish):
    warehouse.load(publish([(1, 5, "2026-01-01T00:00:00Z", None)], columns=LEADS))
    warehouse.engine.create_table("lead_field_history", {"id": "int"}, ("id",))
    with pytest.raises(MarketoInvalidRequestError, match="Load into another schema, or rename what is there"):
        load(warehouse, publish, [(1, 5, "2026-01-01T00:00:00Z", None)])


def test_the_view_does_not_block_a_load(warehouse, publish):
    created = "2026-01-01T00:00:00Z"
    load(warehouse, publish, [(1, 3, created, created)])
    wider = LEADS | {"score": "string", "city": "string"}
    load(
        warehouse,
        publish,
        [(2, "high", created, created, "Oslo")],
        columns={**{name: wider[name] for name in LEADS}, "city": "string"},
        as_of="2026-01-11T00:00:00Z",
    )
    column = "score" if warehouse.kind in WIDENING else "score__text"
    assert warehouse.types("leads")[column] == "text"
    rows = warehouse.query("SELECT lead_id, value FROM {lead_field_history} WHERE field = 'city' ORDER BY 1")
    assert rows == [(1, None), (2, "Oslo")]
