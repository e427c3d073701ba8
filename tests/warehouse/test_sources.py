"""Rows of a journal and extracted rows in one table: the same in the end, whatever comes first."""

from __future__ import annotations

import itertools

import pytest

from tests.warehouse.published import DAY

COLUMNS = {"marketoGUID": "string", "leadId": "integer", "webpage": "string", "device": "string"}


@pytest.fixture
def publish_activities(publish):
    """Returns a function that publishes activities as a stream of the journal does, or as an extract."""

    def make(rows, *, source=None, day=1):
        more = {} if source is None else {"_source": source, "_raw": "{}"}
        columns = {**COLUMNS, **dict.fromkeys(more, "string")}
        listed = [(*row, *more.values()) for row in rows]
        return publish(listed, columns=columns, key=("marketoGUID",), name="activities", as_of=DAY(day))

    return make


JOURNAL = ("g1", 7, "from the journal", None)
EXTRACTED = ("g1", 7, "extracted", "phone")


@pytest.mark.parametrize("days", [(1, 2), (2, 1)])
@pytest.mark.parametrize("names", list(itertools.permutations(["journal", "extract", "journal again"])))
def test_a_row_of_the_journal_never_replaces_an_extracted_one(warehouse, publish_activities, names, days):
    loads = {
        "journal": publish_activities([JOURNAL, ("g2", 8, "only here", "tablet")], source="journal", day=days[0]),
        "journal again": publish_activities([JOURNAL], source="journal", day=3),
        "extract": publish_activities([EXTRACTED, ("g3", 9, None, None)], day=days[1]),
    }
    for name in names:
        warehouse.load(loads[name])
    assert warehouse.rows("activities", "marketo_guid", "webpage", "device", "_source") == [
        ("g1", "extracted", "phone", "extract"),
        ("g2", "only here", "tablet", "journal"),
        ("g3", None, None, "extract"),
    ]


@pytest.mark.parametrize("first", ["journal", "extract"])
def test_a_missing_value_replaces_none_in_either_order(warehouse, publish_activities, first):
    loads = {
        "journal": publish_activities([("g1", 7, "from the journal", "tablet")], source="journal", day=1),
        "extract": publish_activities([("g1", 7, "extracted", None)], day=2),
    }
    for name in (first, *(loads.keys() - {first})):
        warehouse.load(loads[name])
    columns = "marketo_guid", "webpage", "device", "_source", "_raw", "_marketo_as_of"
    [(_, webpage, device, source, raw, as_of)] = warehouse.rows("activities", *columns)
    assert (webpage, device, source, raw) == ("extracted", "tablet", "extract", "{}")
    assert str(as_of).startswith("2026-01-02")


def test_later_events_of_the_journal_fill_in_what_is_missing(warehouse, publish_activities):
    warehouse.load(publish_activities([("g1", 7, None, "phone")], source="journal", day=1))
    found = warehouse.load(publish_activities([("g1", 7, "x", None)], source="journal", day=2))
    assert warehouse.rows("activities", "webpage", "device", "_source") == [("x", "phone", "journal")]
    assert found["tables"]["activities"]["updated"] == 1


def test_rows_of_a_table_from_before_are_extracted_ones(warehouse, publish_activities):
    warehouse.load(publish_activities([EXTRACTED], day=1))
    found = warehouse.load(publish_activities([JOURNAL, ("g2", 8, "new", None)], source="journal", day=2))
    assert warehouse.rows("activities", "marketo_guid", "webpage", "_source") == [
        ("g1", "extracted", "extract"),
        ("g2", "new", "journal"),
    ]
    assert found["tables"]["activities"]["inserted"] == 1
