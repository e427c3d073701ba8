"""Tables that a person has dropped: their loads can run again, and loads of other tables go on."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.output.manifest import Removal
from airflow_provider_marketo.warehouse.erase import erase_leads
from tests.warehouse.published import DAY

LEADS = {"id": "integer", "score": "integer", "updatedAt": "datetime"}
PROGRAMS = {"name": "programs", "kind": "full", "columns": {"id": "integer", "name": "string"}}
MEMBERS = {
    "name": "program_members",
    "kind": "full",
    "columns": {"programId": "integer", "leadId": "integer"},
    "key": ("programId", "leadId"),
    "scope": {"programId": (1, 2)},
}
MERGES = {
    "columns": {"marketoGUID": "string", "activityDate": "datetime", "winnerId": "integer", "loserId": "integer"},
    "key": ("marketoGUID", "loserId"),
    "name": "merged_leads",
    "kind": "deletes",
    "removal": Removal("leads", {"id": "loserId"}, "activityDate"),
}
DELETIONS = {
    "columns": {"marketoGUID": "string", "leadId": "integer", "activityDate": "datetime"},
    "key": ("marketoGUID",),
    "name": "deleted_leads",
    "kind": "deletes",
    "removal": Removal("leads", {"id": "leadId"}, "activityDate"),
}


def lead(number, score=1, day=1):
    return (number, score, DAY(day))


@pytest.fixture
def two(publish):
    """Return two manifests: the second changes a lead of the first and has another lead."""
    facts = {"columns": LEADS}
    return [
        publish([lead(1), lead(2)], as_of=DAY(2), **facts),
        publish([lead(1, 5, 3), lead(3, 5, 3)], as_of=DAY(4), **facts),
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_every_load_of_a_dropped_table_runs_again_in_any_order_and_has_one_row_in_the_log(
    warehouse, two, caplog, order
):
    for manifest in two:
        warehouse.load(manifest)
    before, loads = warehouse.everything(), sorted(warehouse.loads("load_id"))
    warehouse.execute("DROP TABLE {leads}")
    for number in order:
        assert not warehouse.load(two[number])["tables"]["leads"]["repeated"]
    assert (
        "leads does not exist any more, so this load creates it again. To restore its earlier rows, clear the tasks"
        in caplog.text
    )
    assert warehouse.everything() == before
    assert sorted(warehouse.loads("load_id")) == loads
    assert warehouse.load(two[1])["tables"]["leads"]["repeated"]


def test_a_dry_run_does_not_count_as_the_load_of_a_dropped_table(warehouse, two):
    warehouse.load(two[0])
    warehouse.execute("DROP TABLE {leads}")
    assert warehouse.load(two[0], dry_run=True)["tables"]["leads"]["inserted"] == 2
    warehouse.load(two[0])
    assert warehouse.rows("leads", "id", "score") == [(1, 1), (2, 1)]


def test_one_of_two_loads_at_once_creates_a_dropped_table(warehouse, two):
    warehouse.load(two[0])
    warehouse.execute("DROP TABLE {leads}")
    repeated = []

    def load():
        repeated.append(warehouse.load(two[0])["tables"]["leads"]["repeated"])

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(repeated) == [False, True]
    assert (warehouse.rows("leads", "id"), len(warehouse.loads("load_id"))) == ([(1,), (2,)], 1)


def test_a_full_list_that_was_in_a_dropped_table_marks_no_rows_of_the_new_one(warehouse, publish):
    old, new = publish([(1, "a"), (2, "b")], as_of=DAY(2), **PROGRAMS), publish([(1, "a")], as_of=DAY(4), **PROGRAMS)
    warehouse.load(old)
    warehouse.load(new)
    warehouse.execute("DROP TABLE {programs}")
    warehouse.load(old)
    assert warehouse.rows("programs", "id", "_deleted_at") == [(1, None), (2, None)]
    warehouse.load(new)
    assert warehouse.query('SELECT "id" FROM {programs} WHERE "_deleted_at" IS NULL') == [(1,)]


def test_a_dropped_table_may_come_back_with_another_key_and_without_some_columns(warehouse, publish):
    warehouse.load(publish([(1, "a")], name="programs", columns=PROGRAMS["columns"], as_of=DAY(2)))
    warehouse.execute("DROP TABLE {programs}")
    for day in (4, 5):
        warehouse.load(publish([("a",)], name="programs", columns={"name": "string"}, key=("name",), as_of=DAY(day)))
    assert warehouse.rows("programs", "name") == [("a",)]
    known = warehouse.query("SELECT source FROM {_marketo_columns} WHERE table_name = 'programs'")
    assert known == [("name",)]


def versions(warehouse):
    found = warehouse.query('SELECT "id", "score", "_valid_from", "_valid_to" FROM {leads_history} ORDER BY 1, 3')
    return [(number, score, str(start)[8:10], end and str(end)[8:10]) for number, score, start, end in found]


def test_versions_that_were_not_dropped_are_continued(warehouse, publish, two):
    for manifest in two:
        warehouse.load(manifest, history=True)
    before = versions(warehouse)
    warehouse.execute("DROP TABLE {leads}")
    with pytest.raises(MarketoInvalidRequestError, match="and leads_history holds rows of 2026-01-04") as caught:
        warehouse.load(two[0], history=True)
    assert caught.value.parameter == "history"
    warehouse.load(two[1], history=True)
    assert versions(warehouse) == before
    warehouse.execute("DROP TABLE {leads}")
    warehouse.load(publish([lead(1, 5, 3), lead(3, 9, 7)], columns=LEADS, as_of=DAY(8)), history=True)
    assert versions(warehouse) == [
        (1, 1, "02", "04"),
        (1, 5, "04", None),
        (2, 1, "02", None),
        (3, 5, "04", "08"),
        (3, 9, "08", None),
    ]


def test_versions_that_were_dropped_begin_again_with_the_rows_of_the_table(warehouse, two, caplog):
    for manifest in two:
        warehouse.load(manifest, history=True)
    loads = warehouse.loads("load_id", "finished_at")
    warehouse.execute("DROP TABLE {leads_history}")
    assert warehouse.load(two[0], history=True)["tables"]["leads"]["repeated"]
    assert "leads_history does not exist: it is created, with a version for each live row" in caplog.text
    assert versions(warehouse) == [(1, 5, "04", None), (2, 1, "02", None), (3, 5, "04", None)]
    assert warehouse.loads("load_id", "finished_at") == loads


@pytest.mark.parametrize("dropped", ["programs", "program_members"])
def test_memberships_and_programs_are_loaded_after_the_other_table_was_dropped(warehouse, publish, dropped):
    programs, members = {**PROGRAMS}, {**MEMBERS}
    warehouse.load(publish([(1, "a"), (2, "b")], as_of=DAY(2), **programs))
    warehouse.load(publish([(1, 7), (2, 7)], as_of=DAY(2), **members))
    warehouse.execute(f"DROP TABLE {{{dropped}}}")
    if dropped == "programs":
        warehouse.load(publish([(1, 7), (1, 8), (2, 7)], as_of=DAY(4), **members))
        warehouse.load(publish([(1, "a")], as_of=DAY(5), **programs))
        assert warehouse.rows("programs", "id") == [(1,)]
    else:
        warehouse.load(publish([(1, "a")], as_of=DAY(4), **programs), max_deletes=1)
        warehouse.load(publish([(1, 7), (2, 7)], as_of=DAY(2), **members))
        assert warehouse.query('SELECT "program_id" FROM {program_members} WHERE "_deleted_at" IS NULL') == [(1,)]


def test_deletions_and_erasures_go_on_after_their_tables_were_dropped(warehouse, publish, two):
    warehouse.load(two[0])
    warehouse.load(publish([("a", DAY(3), 1, 2)], as_of=DAY(4), **MERGES))
    warehouse.execute("DROP TABLE {merged_leads}")
    assert erase_leads("wh", warehouse.schema, [1]) == {"leads": 1}
    warehouse.execute("DROP TABLE {leads}")
    warehouse.load(publish([("b", 2, DAY(5))], as_of=DAY(6), **DELETIONS))
    warehouse.load(two[0])
    assert [(number, str(at)[:10]) for number, at in warehouse.rows("leads", "id", "_deleted_at") if at] == [
        (1, str(warehouse.query("SELECT MAX(erased_at) FROM {_marketo_erased}")[0][0])[:10]),
        (2, "2026-01-05"),
    ]
