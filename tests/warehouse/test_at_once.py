"""Loads at the same time: none disturbs the others, and one that has to wait says for whom."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import datetime, timezone

import pytest

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.output.manifest import Removal
from airflow_provider_marketo.warehouse import transactions
from airflow_provider_marketo.warehouse.erase import erase_leads
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.names import LOADS
from airflow_provider_marketo.warehouse.watermarks import WATERMARKS, move_watermarks, read_watermarks
from tests.warehouse.conftest import POSTGRES
from tests.warehouse.published import DAY

NAMES = {"id": "integer", "name": "string"}
TABLES = ("leads", "programs", "emails")
SEVERAL_WRITERS = ["duckdb", *POSTGRES]


def rows_of(publish, name, *rows, day=2):
    return publish(list(rows), columns=NAMES, name=name, as_of=DAY(day))


def together(warehouse, manifests):
    """Load each manifest in a thread of its own, all from the same moment on; return their errors."""
    start, errors = threading.Barrier(len(manifests)), []

    def load(manifest):
        start.wait()
        try:
            warehouse.load(manifest)
        except MarketoError as error:
            errors.append(error)

    threads = [threading.Thread(target=load, args=[manifest]) for manifest in manifests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_first_loads_of_several_tables_at_once_all_succeed(warehouse, publish):
    assert together(warehouse, [rows_of(publish, name, (1, name)) for name in TABLES]) == []
    for name in TABLES:
        assert warehouse.rows(name, "id", "name") == [(1, name)]
    assert sorted(warehouse.loads("table_name")) == [(name,) for name in sorted(TABLES)]


def test_several_first_loads_of_one_table_at_once_are_as_good_as_one_after_the_other(warehouse, publish):
    manifests = [rows_of(publish, "leads", (1, f"of day {day}"), (day, "new"), day=day) for day in range(2, 5)]
    assert together(warehouse, [*manifests, manifests[0]]) == []
    assert warehouse.rows("leads", "id", "name") == [(1, "of day 4"), *((day, "new") for day in range(2, 5))]
    assert len(warehouse.loads("load_id")) == len(manifests)


@pytest.mark.parametrize("make_warehouse", SEVERAL_WRITERS, indirect=True)
def test_neither_readers_nor_other_first_loads_wait_for_a_long_first_load(warehouse, publish, monkeypatch):
    engine_class = type(warehouse.engine)
    reached, released = threading.Event(), threading.Event()
    append = engine_class.append

    def slow(engine, table, *arguments):
        done = append(engine, table, *arguments)
        if table == "leads":
            reached.set()
            assert released.wait(60)
        return done

    monkeypatch.setattr(engine_class, "append", slow)
    monkeypatch.setattr(transactions, "TRIES", 1)
    long = threading.Thread(target=warehouse.load, args=[rows_of(publish, "leads", (1, "a"))])
    long.start()
    assert reached.wait(60)
    try:
        warehouse.load(rows_of(publish, "programs", (1, "b")))
        assert "leads" not in warehouse.tables()
        assert warehouse.loads("table_name") == [("programs",)]
    finally:
        released.set()
        long.join()
    assert warehouse.rows("leads", "name") == [("a",)]


CHANGES = {
    "name": "lead_changes",
    "columns": {"marketoGUID": "string", "leadId": "integer", "newValue": "string"},
    "key": ("marketoGUID",),
}
DELETIONS = {
    "name": "deleted_leads",
    "columns": {"marketoGUID": "string", "leadId": "integer", "activityDate": "datetime"},
    "key": ("marketoGUID",),
    "kind": "deletes",
    "removal": Removal("leads", {"id": "leadId"}, "activityDate"),
}


def erase(warehouse, publish, how):
    """Erase lead 1: by the operator's function, or by the load of its deletion."""
    if how == "operator":
        return lambda: erase_leads("wh", warehouse.schema, [1])
    deletion = publish([("d", 1, DAY(5))], as_of=DAY(6), **DELETIONS)
    return lambda: warehouse.load(deletion, on_delete="erase")


HOW = pytest.mark.parametrize("how", ["operator", "load"])


@HOW
@pytest.mark.parametrize("make_warehouse", ["sqlite", *SEVERAL_WRITERS], indirect=True)
def test_an_erasure_before_the_end_of_a_first_load_includes_its_table(warehouse, publish, monkeypatch, how):
    warehouse.load(rows_of(publish, "leads", (1, "secret"), (2, "b")))
    erasure = erase(warehouse, publish, how)
    changes = publish([("a", 1, "secret"), ("b", 2, "b")], as_of=DAY(2), **CHANGES)
    write, erasing = Log.write, threading.Thread(target=erasure)

    def late(log, entry, *arguments):
        write(log, entry, *arguments)
        if entry.table == "lead_changes":
            erasing.start()
            erasing.join(0.5 if warehouse.kind == "sqlite" else 60)  # in SQLite the erasure waits for the load

    monkeypatch.setattr(Log, "write", late)
    warehouse.load(changes)
    erasing.join()
    assert warehouse.rows("lead_changes", "marketo_guid", "new_value") == [("a", None), ("b", "b")]
    assert warehouse.rows("leads", "id", "name") == [(1, None), (2, "b")]


@HOW
@pytest.mark.parametrize("make_warehouse", SEVERAL_WRITERS, indirect=True)
def test_a_first_load_before_the_end_of_an_erasure_is_included(warehouse, publish, monkeypatch, how):
    warehouse.load(rows_of(publish, "leads", (1, "secret"), (2, "b")))
    erasure = erase(warehouse, publish, how)
    changes = publish([("a", 1, "secret"), ("b", 2, "b")], as_of=DAY(2), **CHANGES)
    engine_class = type(warehouse.engine)
    commit, loaded = engine_class.commit, []

    def late(engine):
        if not loaded:
            loaded.append(True)
            warehouse.load(changes)
        commit(engine)

    monkeypatch.setattr(engine_class, "commit", late)
    erasure()
    assert loaded
    assert warehouse.rows("lead_changes", "marketo_guid", "new_value") == [("a", None), ("b", "b")]


def made_meanwhile(warehouse, monkeypatch, table, make):
    """Let another connection make a table, in a schema that exists, just before a load does so."""
    warehouse.engine.create_schema()
    warehouse.engine.create_locks()
    engine_class = type(warehouse.engine)
    create, done = engine_class.create_table, []

    def beaten(engine, name, *arguments):
        if name == table and not done:
            done.append(name)
            make()
        create(engine, name, *arguments)

    monkeypatch.setattr(engine_class, "create_table", beaten)
    return done


@pytest.mark.parametrize("make_warehouse", SEVERAL_WRITERS, indirect=True)
def test_a_log_that_another_load_makes_at_the_same_time_is_used(warehouse, publish, monkeypatch):
    with closing(warehouse.connect()) as other:
        done = made_meanwhile(warehouse, monkeypatch, LOADS, Log(other).create_apart)
        warehouse.load(rows_of(publish, "leads", (1, "a")))
    assert done
    assert warehouse.rows("leads", "name") == [("a",)]


@pytest.mark.parametrize("make_warehouse", SEVERAL_WRITERS, indirect=True)
def test_watermarks_of_two_first_runs_at_once_are_kept(warehouse, monkeypatch):
    def other_run():
        read_watermarks("wh", warehouse.schema)
        move_watermarks("wh", warehouse.schema, ["leads"], datetime(2026, 1, 5, tzinfo=timezone.utc), ("d", "r"))

    done = made_meanwhile(warehouse, monkeypatch, WATERMARKS, other_run)
    assert read_watermarks("wh", warehouse.schema) == {"leads": datetime(2026, 1, 5, tzinfo=timezone.utc)}
    assert done


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_the_log_says_for_which_load_another_one_waits_and_so_does_the_error(warehouse, publish, monkeypatch, caplog):
    from airflow_provider_marketo.warehouse.engines import postgres

    monkeypatch.setattr(postgres, "_PATIENCE", "1ms")
    warehouse.load(rows_of(publish, "leads", (1, "a")))
    with closing(warehouse.connect()) as other, caplog.at_level("INFO"):
        other.introduce("a_dag load manual__1")
        other.begin()
        other.lock("leads")
        holder = r"a_dag load manual__1 \(PID \d+, since 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
        with pytest.raises(MarketoWarehouseError, match=f"at work on leads for too long: {holder}") as caught:
            warehouse.load(rows_of(publish, "leads", (1, "b"), day=4))
        other.rollback()
    assert "pg_terminate_backend" in str(caught.value)
    waits = [message for message in caplog.messages if "waiting for a_dag load manual__1" in message]
    assert len(waits) == postgres._WAITS
    assert warehouse.rows("leads", "name") == [("a",)]
