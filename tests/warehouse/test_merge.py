"""A load merges by key. Whatever happens on the way, the table is the same in the end."""

from __future__ import annotations

import itertools
import re
import threading
from datetime import datetime, timezone
from functools import partial

import pytest

from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.output.manifest import Removal
from airflow_provider_marketo.warehouse.erase import erase_leads
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from tests.warehouse.conftest import databases
from tests.warehouse.published import DAY


def lead(number, email="a@x.y", score=1, day=1):
    return (number, email, score, DAY(day))


def test_rows_are_inserted_and_updated_by_key_and_the_log_says_so(warehouse, publish):
    warehouse.load(publish([lead(1), lead(2)], as_of=DAY(2), start=DAY(1), end=DAY(2)))
    found = warehouse.load(publish([lead(2, score=5, day=3), lead(3), lead(1)], as_of=DAY(4)))
    assert warehouse.rows("leads", "id", "email", "score") == [(1, "a@x.y", 1), (2, "a@x.y", 5), (3, "a@x.y", 1)]
    assert found["tables"]["leads"] == {
        "read": 3,
        "inserted": 1,
        "updated": 1,
        "unchanged": 1,
        "older": 0,
        "deleted": 0,
        "rejected": 0,
        "repeated": False,
        "until": DAY(4),
    }
    counts = "rows_read", "rows_inserted", "rows_updated", "rows_deleted", "rows_unchanged"
    assert warehouse.loads("table_name", "mode", *counts) == [
        ("leads", "upsert", 2, 2, 0, 0, 0),
        ("leads", "upsert", 3, 1, 1, 0, 1),
    ]


def test_a_load_that_has_run_does_nothing(warehouse, publish):
    manifest = publish([lead(1)])
    warehouse.load(manifest)
    before = warehouse.everything()
    again = warehouse.load(manifest)
    assert again["tables"]["leads"]["repeated"]
    assert (warehouse.everything(), len(warehouse.loads("load_id"))) == (before, 1)


MEMBERS = {"programId": "integer", "leadId": "integer"}


def removal_of(publish, lead_id, day, as_of):
    columns = {"marketoGUID": "string", "leadId": "integer", "activityDate": "datetime"}
    removal = Removal("leads", {"id": "leadId"}, "activityDate")
    facts = {"name": "deleted_leads", "key": ("marketoGUID",), "kind": "deletes", "as_of": as_of, "removal": removal}
    return publish([(f"g{lead_id}", lead_id, day)], columns=columns, **facts)


def members(publish, rows, as_of, programs):
    columns = {"leadId": "integer", "programId": "integer", "status": "string"}
    facts = {"name": "program_members", "key": ("leadId", "programId"), "kind": "full"}
    return publish(rows, columns=columns, as_of=as_of, scope={"programId": programs}, **facts)


ORDERS = {
    "changes": lambda publish: [
        publish([lead(1, score=1, day=1), lead(2)], as_of=DAY(2)),
        publish([lead(1, score=2, day=3)], as_of=DAY(4)),
        publish([lead(1, score=3, day=5), lead(3)], as_of=DAY(6)),
    ],
    # The job that was planned first read last, so updatedAt decides.
    "changes whose reading took long": lambda publish: [
        publish([lead(1, score=9, day=5)], as_of=DAY(2)),
        publish([lead(1, score=2, day=3)], as_of=DAY(4)),
    ],
    "deletes": lambda publish: [
        publish([lead(1), lead(2)], as_of=DAY(2)),
        removal_of(publish, 1, DAY(3), DAY(4)),
        publish([lead(2, score=7, day=4)], as_of=DAY(5)),
    ],
    "full lists": lambda publish: [
        members(publish, [(1, 10, "a"), (2, 10, "a"), (3, 11, "a")], DAY(2), (10, 11)),
        members(publish, [(2, 10, "b")], DAY(4), (10,)),
        members(publish, [(1, 10, "c"), (2, 10, "c")], DAY(6), (10,)),
    ],
}


@pytest.mark.parametrize("what", ORDERS)
def test_the_order_of_loads_changes_nothing(make_warehouse, publish, what):
    manifests = ORDERS[what](publish)
    results = []
    for order in itertools.permutations(manifests):
        warehouse = make_warehouse()
        for manifest in order:
            warehouse.load(manifest, max_deletes=1000)
        results.append({name: rows for name, rows in warehouse.everything().items() if name != "_marketo_columns"})
    for result in results:
        assert result == results[0]


def test_a_load_that_breaks_off_at_any_statement_changes_nothing_and_its_repetition_all(
    warehouse, publish, monkeypatch
):
    first = publish([lead(1), lead(2)], as_of=DAY(2))
    with_new = [(*row, "new") for row in (lead(1, "b@x.y", day=3), lead(4))]
    second = publish(with_new, columns=COLUMNS_WITH_NEW, as_of=DAY(4))
    warehouse.load(first, history=True)
    before = warehouse.contents()
    engine_class = type(warehouse.connect())
    execute = engine_class._execute
    broken = 0
    for number in itertools.count():
        countdown = itertools.count(-number)

        def breaking(engine, sql, countdown=countdown):
            if not sql.startswith(("SET", "ROLLBACK")) and next(countdown) == 0:
                raise ConnectionError("the connection is gone")
            execute(engine, sql)

        monkeypatch.setattr(engine_class, "_execute", breaking)
        found = _error_of(lambda: warehouse.load(second, history=True))
        monkeypatch.setattr(engine_class, "_execute", execute)
        if found is None:
            break
        assert isinstance(found, MarketoWarehouseError)
        assert "the connection is gone" in str(found)
        assert warehouse.contents() == before
        broken += 1
    assert broken > 10
    assert warehouse.rows("leads", "id", "email") == [(1, "b@x.y"), (2, "a@x.y"), (4, "a@x.y")]
    assert len(warehouse.loads("load_id")) == 2


def _error_of(load):
    try:
        load()
    except MarketoError as error:
        return error
    return None


COLUMNS_WITH_NEW = {"id": "integer", "email": "string", "score": "integer", "updatedAt": "datetime", "new": "string"}


def test_two_loaders_at_once_are_as_good_as_one(warehouse, publish):
    manifests = [publish([lead(1, score=day, day=day), lead(day + 10)], as_of=DAY(day)) for day in range(2, 8)]
    warehouse.load(publish([lead(1)], as_of=DAY(1)))
    start, errors = threading.Barrier(3), []

    def loader(mine):
        start.wait()
        for manifest in mine:
            errors.append(_error_of(partial(warehouse.load, manifest)))

    threads = [threading.Thread(target=loader, args=[mine]) for mine in (manifests, manifests[::-1], manifests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error for error in errors if error] == []
    assert warehouse.rows("leads", "id", "score") == sorted(
        [(1, 7), *((number, 1) for number in range(12, 18))], key=repr
    )
    assert len(warehouse.loads("load_id")) == 7


def test_of_two_rows_with_one_key_the_newer_is_taken(warehouse, publish):
    found = warehouse.load(publish([lead(1, "old@x.y", day=1), lead(1, "new@x.y", day=2), lead(1, "old@x.y")], files=3))
    assert warehouse.rows("leads", "email") == [("new@x.y",)]
    assert (found["tables"]["leads"]["inserted"], found["tables"]["leads"]["older"]) == (1, 2)


@pytest.mark.parametrize("make_warehouse", databases("sqlite", "postgres", "postgres18"), indirect=True)
@pytest.mark.parametrize("emails", [["a@x.y", "b@x.y"], ["a@x.y", "a@x.y"]], ids=["each key once", "a key twice"])
def test_a_new_table_has_the_key_of_its_rows(warehouse, publish, emails):
    leads = [lead(number if len(set(emails)) > 1 else 1, email) for number, email in enumerate(emails, 1)]
    warehouse.load(publish(leads))
    with pytest.raises(Exception, match=r"(?i)unique"):
        warehouse.execute('INSERT INTO {leads} SELECT * FROM {leads} WHERE "id" = 1')


def test_a_full_list_marks_what_it_no_longer_names_and_takes_the_mark_away_when_it_is_back(warehouse, publish):
    facts = {"kind": "full", "name": "programs", "columns": {"id": "integer", "name": "string"}}
    warehouse.load(publish([(1, "a"), (2, "b")], as_of=DAY(2), **facts))
    gone = warehouse.load(publish([(1, "a")], as_of=DAY(4), **facts))
    deleted = 'SELECT "id" FROM {programs} WHERE "_deleted_at" IS NOT NULL'
    assert (warehouse.query(deleted), gone["tables"]["programs"]["deleted"]) == ([(2,)], 1)
    warehouse.load(publish([(1, "a"), (2, "b")], as_of=DAY(5), **facts))
    assert warehouse.query(deleted) == []


def test_an_older_full_list_deletes_nothing(warehouse, publish):
    facts = {"kind": "full", "name": "programs", "columns": {"id": "integer", "name": "string"}}
    warehouse.load(publish([(1, "a"), (2, "b")], as_of=DAY(4), **facts))
    found = warehouse.load(publish([(1, "a")], as_of=DAY(2), **facts))
    assert found["tables"]["programs"]["deleted"] == 0


@pytest.mark.parametrize(
    ("left", "max_deletes", "refused"), [(60, 0.2, True), (60, 0.5, False), (60, 40, False), (0, 0.9, True)]
)
def test_too_many_deletes_are_refused(warehouse, publish, left, max_deletes, refused):
    facts = {"kind": "full", "name": "programs", "columns": {"id": "integer", "name": "string"}}
    warehouse.load(publish([(number, "a") for number in range(100)], as_of=DAY(2), **facts))
    short = publish([(number, "b") for number in range(left)], as_of=DAY(4), **facts)
    if not refused:
        warehouse.load(short, max_deletes=max_deletes)
        return
    before = warehouse.everything()
    with pytest.raises(MarketoInvalidRequestError, match=f"would delete {100 - left} rows of the 100") as caught:
        warehouse.load(short, max_deletes=max_deletes)
    assert caught.value.parameter == "max_deletes"
    assert warehouse.everything() == before


def test_a_list_of_some_members_is_measured_by_the_whole_table(warehouse, publish):
    facts = {"kind": "full", "name": "program_members", "columns": MEMBERS, "key": ("programId", "leadId")}
    everyone = [(1, lead) for lead in range(30)] + [(2, lead) for lead in range(970)]
    warehouse.load(publish(everyone, as_of=DAY(2), scope={"programId": (1, 2)}, **facts))
    found = warehouse.load(publish([], as_of=DAY(4), scope={"programId": (1,)}, **facts))
    assert found["tables"]["program_members"]["deleted"] == 30


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1)])
def test_memberships_end_with_their_lead_and_their_program_in_any_order(warehouse, publish, order):
    programs = {"kind": "full", "name": "programs", "columns": {"id": "integer", "name": "string"}}
    everyone = [(program, lead) for program in (1, 2) for lead in (1, 2)]
    loads = [
        publish([(1, "a"), (2, "b")], as_of=DAY(2), **programs),
        publish(
            everyone,
            as_of=DAY(2),
            kind="full",
            name="program_members",
            columns=MEMBERS,
            key=("programId", "leadId"),
            scope={"programId": (1, 2)},
        ),
        publish([(1, "a")], as_of=DAY(6), **programs),
        removal_of(publish, 1, DAY(3), DAY(4)),
    ]
    for number in order:
        warehouse.load(loads[number])
    found = warehouse.query('SELECT "program_id", "lead_id", "_deleted_at" FROM {program_members} ORDER BY 1, 2')
    assert [(program, lead, str(at)[:10] if at else None) for program, lead, at in found] == [
        (1, 1, "2026-01-03"),
        (1, 2, None),
        (2, 1, "2026-01-03"),
        (2, 2, "2026-01-06"),
    ]


def test_deleted_leads_are_marked_with_the_time_and_kept_in_a_table_of_their_own(warehouse, publish):
    warehouse.load(publish([lead(1), lead(2)], as_of=DAY(2)))
    found = warehouse.load(removal_of(publish, 1, DAY(3), DAY(4)))
    assert found["tables"]["deleted_leads"]["deleted"] == 1
    assert warehouse.query('SELECT "id" FROM {leads} WHERE "_deleted_at" IS NULL') == [(2,)]
    assert warehouse.rows("deleted_leads", "lead_id") == [(1,)]


def test_history_keeps_the_versions(warehouse, publish):
    warehouse.load(publish([lead(1, score=1), lead(2)], as_of=DAY(2)), history=True)
    warehouse.load(publish([lead(1, score=2, day=3), lead(2)], as_of=DAY(4)), history=True)
    warehouse.load(removal_of(publish, 2, DAY(5), DAY(6)))
    ((closed,),) = warehouse.query('SELECT "_valid_to" FROM {leads_history} WHERE "id" = 2')
    assert _day(closed) == 5  # by the load that marks the lead, not by the next one of leads
    warehouse.load(publish([lead(1, score=3, day=7)], as_of=DAY(8)), history=True)
    versions = warehouse.query('SELECT "id", "score", "_valid_from", "_valid_to" FROM {leads_history} ORDER BY 1, 3')
    assert [(number, score, _day(start), _day(end)) for number, score, start, end in versions] == [
        (1, 1, 2, 4),
        (1, 2, 4, 8),
        (1, 3, 8, None),
        (2, 1, 2, 5),
    ]
    with pytest.raises(
        MarketoInvalidRequestError, match=r"in the order in which its rows were read.*without history"
    ) as caught:
        warehouse.load(publish([lead(1)], as_of=DAY(3)), history=True)
    assert caught.value.parameter == "history"


def _day(value):
    if value is None:
        return None
    return (datetime.fromisoformat(value[:10]) if isinstance(value, str) else value.astimezone(timezone.utc)).day


def test_erasing_empties_every_table_and_no_later_load_brings_it_back(warehouse, publish):
    activity = {"marketoGUID": "string", "leadId": "integer", "newValue": "string"}
    facts = {"columns": activity, "key": ("marketoGUID",), "name": "lead_changes"}
    leads = publish([lead(1, "secret@x.y"), lead(2)], as_of=DAY(2))
    warehouse.load(leads, history=True)
    warehouse.load(publish([("a", 1, "secret@x.y"), ("b", 2, "z")], as_of=DAY(2), **facts))
    warehouse.load(removal_of(publish, 1, DAY(3), DAY(4)), on_delete="erase")
    warehouse.load(publish([("c", 1, "secret@x.y")], as_of=DAY(2), **facts))
    warehouse.load(publish([lead(1, "secret@x.y", score=2)], as_of=DAY(1)))
    assert "secret" not in repr({table: warehouse.rows(table) for table in warehouse.tables()})
    assert warehouse.rows("leads", "id", "email") == [(1, None), (2, "a@x.y")]
    assert warehouse.rows("lead_changes", "marketo_guid", "new_value") == [("a", None), ("b", "z"), ("c", None)]


ACTIVITIES = {"marketoGUID": "string", "note": "string", "activityDate": "datetime", "leadId": "integer"}
CLICKS = {"columns": ACTIVITIES, "key": ("marketoGUID",), "name": "activity_click_link"}


def test_max_columns_leaves_a_column_to_the_ids_by_which_leads_are_erased(warehouse, publish):
    merged = {"marketoGUID": "string", "loserId": "integer", "activityDate": "datetime", "winnerId": "integer"}
    removal = Removal("leads", {"id": "loserId"}, "activityDate")
    facts = {"name": "merged_leads", "key": ("marketoGUID",), "kind": "deletes", "columns": merged, "removal": removal}
    warehouse.load(publish([lead(1), lead(2, "secret@x.y"), lead(3)], as_of=DAY(2)))
    warehouse.load(publish([("a", "secret", DAY(1), 1)], as_of=DAY(2), **CLICKS), max_columns=2)
    warehouse.load(publish([("g", 2, DAY(3), 1)], as_of=DAY(4), **facts), max_columns=2)
    assert erase_leads("wh", warehouse.schema, [1]) == {"activity_click_link": 1, "leads": 2}
    assert "secret" not in repr({table: warehouse.rows(table) for table in warehouse.tables()})


def test_an_id_of_a_lead_that_is_a_text_stops_no_erasure(warehouse, publish):
    facts = {**CLICKS, "columns": {**ACTIVITIES, "leadId": "string"}}
    warehouse.load(publish([lead(1, "secret@x.y")], as_of=DAY(2)))
    warehouse.load(publish([("a", "hidden", DAY(1), "d0c3"), ("b", "secret", DAY(1), "1")], as_of=DAY(2), **facts))
    assert erase_leads("wh", warehouse.schema, [1]) == {"activity_click_link": 1, "leads": 1}
    warehouse.load(publish([("c", "hidden", DAY(3), "d0c3")], as_of=DAY(4), **facts))
    assert warehouse.rows("activity_click_link", "marketo_guid", "note") == [
        ("a", "hidden"),
        ("b", None),
        ("c", "hidden"),
    ]


def test_merges_without_the_winner_stop_no_erasure(warehouse, publish):
    columns = {"marketoGUID": "string", "loserId": "integer", "activityDate": "datetime"}
    removal = Removal("leads", {"id": "loserId"}, "activityDate")
    facts = {"name": "merged_leads", "key": ("marketoGUID",), "kind": "deletes", "columns": columns, "removal": removal}
    warehouse.load(publish([lead(1), lead(2)], as_of=DAY(2)))
    warehouse.load(publish([("g", 2, DAY(3))], as_of=DAY(4), **facts))
    assert erase_leads("wh", warehouse.schema, [1]) == {"leads": 1}


def test_a_dry_run_says_every_statement_and_changes_nothing(warehouse, publish, caplog):
    with caplog.at_level("INFO"):
        found = warehouse.load(publish([lead(1)]), dry_run=True)
    assert found["tables"]["leads"]["inserted"] == 1
    assert "INSERT INTO" in caplog.text
    assert warehouse.contents() == {}
    assert warehouse.tables() == [] or warehouse.engine.definitions_commit


def test_rows_whose_keys_do_not_repeat_are_not_sorted(warehouse, publish, monkeypatch):
    warehouse.load(publish([lead(1)], as_of=DAY(2)))
    kind, statements = type(warehouse.engine), []
    execute = kind._execute

    def noted(engine, sql):
        statements.append(sql)
        execute(engine, sql)

    monkeypatch.setattr(kind, "_execute", noted)
    warehouse.load(publish([lead(1, score=2, day=3), lead(2)], as_of=DAY(4)))
    assert [each for each in statements if "_marketo_merge" in each or "MERGE" in each or "INSERT" in each]
    assert not [each for each in statements if "ROW_NUMBER" in each]


@pytest.mark.parametrize("make_warehouse", databases("duckdb", "postgres", "postgres18"), indirect=True)
def test_rows_of_a_new_table_are_not_staged(warehouse, publish, caplog):
    with caplog.at_level("INFO"):
        warehouse.load(publish([lead(1), lead(2)]), dry_run=True)
    statements = [message for message in caplog.messages if not message.startswith("DROP")]
    assert [each for each in statements if re.match(r'(INSERT INTO|COPY) \S+"?leads"? ', each)]
    assert not [each for each in statements if "_marketo_stage" in each]
