"""An error names each table that is older than promised, and its age. Erased leads are gone from all tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.output.manifest import Removal
from airflow_provider_marketo.warehouse.erase import erase_leads
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.freshness import check_freshness, freshness
from tests.warehouse.published import DAY

NOW = datetime(2026, 1, 10, tzinfo=timezone.utc)
PROGRAMS = {"kind": "full", "name": "programs", "columns": {"id": "integer", "name": "string"}}


def test_the_age_of_a_table_is_that_of_its_newest_span_or_reading(warehouse, publish):
    assert freshness("wh", warehouse.schema) == {}
    warehouse.load(publish([(1, "a@x.y", 1, DAY(1))], as_of=DAY(9), start=DAY(7), end=DAY(8)))
    warehouse.load(publish([(1, "a@x.y", 1, DAY(1))], as_of=DAY(9), start=DAY(1), end=DAY(2)))
    warehouse.load(publish([(1, "a")], as_of=DAY(5), **PROGRAMS))
    found = freshness("wh", warehouse.schema, now=NOW)
    assert {name: one.age.days for name, one in found.items()} == {"leads": 2, "programs": 5}
    kept = {"leads": timedelta(days=2), "programs": timedelta(days=5)}
    assert check_freshness("wh", warehouse.schema, promises=kept, now=NOW) == found
    late = {**kept, "programs": timedelta(days=1)}
    with pytest.raises(MarketoWarehouseError, match=r"programs is 5 days old .* 1 day is promised"):
        check_freshness("wh", warehouse.schema, promises=late, now=NOW)
    with pytest.raises(MarketoInvalidRequestError, match="no load has made the table emails") as caught:
        check_freshness("wh", warehouse.schema, promises={"emails": timedelta(1)}, now=NOW)
    assert "leads, programs" in caught.value.remedy


def test_a_table_that_marketo_refuses_says_so(warehouse, publish):
    warehouse.load(publish([(1, "a")], as_of=DAY(5), **PROGRAMS))

    def refused(name: str, day: int):
        manifest = publish([], **{**PROGRAMS, "name": name}, as_of=DAY(day))
        skipped = replace(manifest.datasets[0], skipped="603: Access denied")
        return replace(manifest, datasets=(skipped,), files=())

    for manifest in (refused("programs", 8), refused("forms", 8)):
        assert warehouse.load(manifest)["tables"] == {}
        warehouse.load(manifest)
    assert sorted(warehouse.loads("mode")) == [("skipped",), ("skipped",), ("snapshot",)]
    found = freshness("wh", warehouse.schema, now=NOW)
    assert {name: (one.age and one.age.days, one.skipped) for name, one in found.items()} == {
        "forms": (None, "603: Access denied"),
        "programs": (5, "603: Access denied"),
    }
    with pytest.raises(MarketoWarehouseError, match=r"forms was never loaded.*; Marketo refuses it: 603"):
        check_freshness("wh", warehouse.schema, promises={"forms": timedelta(days=9)}, now=NOW)
    warehouse.load(publish([(1, "a")], as_of=DAY(9), **PROGRAMS))
    assert freshness("wh", warehouse.schema, now=NOW)["programs"].skipped is None


def test_given_leads_are_erased_from_all_tables_and_loads_that_come_later_bring_nothing_back(warehouse, publish):
    changes = {"columns": {"marketoGUID": "string", "leadId": "integer", "newValue": "string"}, "name": "lead_changes"}
    leads = publish([(1, "secret@x.y", 1, DAY(1)), (2, "b@x.y", 1, DAY(1))], as_of=DAY(2))
    warehouse.load(leads, history=True)
    warehouse.load(publish([("a", 1, "secret@x.y")], key=("marketoGUID",), as_of=DAY(2), **changes))
    emptied = erase_leads("wh", warehouse.schema, [1, 7])
    assert emptied == {"leads": 1, "leads_history": 1, "lead_changes": 1}
    warehouse.load(publish([("b", 1, "secret@x.y")], key=("marketoGUID",), as_of=DAY(3), **changes))
    assert "secret" not in repr([warehouse.rows(table) for table in warehouse.tables()])
    assert ("b@x.y",) in warehouse.rows("leads", "email")
    assert erase_leads("wh", warehouse.schema, [1, 7]) == {}


@pytest.mark.parametrize("first", ["merges", "erasure"])
def test_leads_that_were_merged_into_an_erased_lead_are_erased_too(warehouse, publish, first):
    warehouse.load(
        publish([(number, "secret@x.y", 1, DAY(1)) for number in (1, 2, 3)] + [(4, "b@x.y", 1, DAY(1))], as_of=DAY(2)),
        history=True,
    )
    merges = publish(
        [("a", DAY(3), 2, 3), ("b", DAY(4), 1, 2)],
        columns={"marketoGUID": "string", "activityDate": "datetime", "winnerId": "integer", "loserId": "integer"},
        key=("marketoGUID", "loserId"),
        name="merged_leads",
        kind="deletes",
        removal=Removal("leads", {"id": "loserId"}, "activityDate"),
        as_of=DAY(5),
    )
    steps = [lambda: warehouse.load(merges), lambda: erase_leads("wh", warehouse.schema, [1])]
    for step in steps if first == "merges" else reversed(steps):
        step()
    assert "secret" not in repr([warehouse.rows(table) for table in warehouse.tables()])
    assert warehouse.query('SELECT "id" FROM {leads} WHERE "_deleted_at" IS NULL') == [(4,)]
