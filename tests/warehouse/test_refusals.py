"""If a database refuses or breaks off a load, the error has a remedy, and nothing of the load remains."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

import pytest

from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.warehouse import transactions
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from tests.warehouse.conftest import POSTGRES
from tests.warehouse.published import DAY

NAMES = {"id": "integer", "name": "string"}


def names(publish, *rows, day):
    return publish(list(rows), columns=NAMES, as_of=DAY(day))


@pytest.mark.parametrize("make_warehouse", ["duckdb", *POSTGRES], indirect=True)
def test_a_column_of_a_type_that_no_load_writes_is_refused_by_name(warehouse, publish):
    warehouse.load(names(publish, (1, "a"), day=2))
    warehouse.execute('ALTER TABLE {leads} ADD COLUMN "score" SMALLINT')
    scores = publish([(1, 5)], columns={"id": "integer", "score": "integer"}, as_of=DAY(4))
    with pytest.raises(MarketoInvalidRequestError, match=r"leads\.score has a type that no load") as caught:
        warehouse.load(scores)
    assert caught.value.parameter == "table"
    assert warehouse.rows("leads", "id", "name", "score") == [(1, "a", None)]


def test_two_objects_whose_names_become_one_table_are_kept_apart(warehouse, publish):
    first = publish([(1, "a")], columns=NAMES, name="custom_carType_c", as_of=DAY(2))
    second = publish([(1, "b")], columns=NAMES, name="custom_car_type_c", as_of=DAY(3))
    warehouse.load(first)
    with pytest.raises(MarketoInvalidRequestError, match="custom_car_type_c holds custom_carType_c") as caught:
        warehouse.load(second)
    assert "Name another table with table=" in str(caught.value)
    warehouse.load(second, table="other_cars")
    assert warehouse.rows("custom_car_type_c", "name") == [("a",)]
    assert warehouse.rows("other_cars", "name") == [("b",)]


@contextmanager
def other_user(warehouse, *grants):
    """Let loads run as a user with these rights alone."""
    url = os.environ["AIRFLOW_CONN_WH"]
    warehouse.execute("CREATE ROLE loader LOGIN")
    for grant in grants:
        warehouse.execute(f"GRANT {grant} TO loader")
    os.environ["AIRFLOW_CONN_WH"] = url.replace("//airflow@", "//loader@")
    try:
        yield
    finally:
        os.environ["AIRFLOW_CONN_WH"] = url
        warehouse.execute("DROP OWNED BY loader")
        warehouse.execute("DROP ROLE loader")


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_a_user_who_may_not_stage_is_told_which_right_is_missing(warehouse, publish):
    warehouse.execute(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.execute("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
    try:
        with other_user(warehouse, f"ALL ON SCHEMA {warehouse.schema}"):
            warehouse.load(names(publish, (1, "a"), day=2))  # rows of a new table are not staged
            with pytest.raises(MarketoWarehouseError, match="TEMPORARY on the database"):
                warehouse.load(names(publish, (1, "b"), day=4))
            assert warehouse.rows("leads", "name") == [("a",)]
    finally:
        warehouse.execute("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_a_session_that_refuses_memory_for_temporary_tables_is_used(warehouse, publish, monkeypatch):
    from airflow_provider_marketo.warehouse.engines import postgres

    monkeypatch.setattr(postgres, "_STAGE_MEMORY", "refused")  # as a pooler's session refuses any size
    warehouse.load(names(publish, (1, "a"), day=2))
    assert warehouse.rows("leads", "name") == [("a",)]


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_a_load_waits_longer_for_another_load_than_for_other_users(warehouse, publish, monkeypatch):
    from airflow_provider_marketo.warehouse.engines import postgres

    monkeypatch.setitem(postgres._SETTINGS, "lock_timeout", "1ms")
    monkeypatch.setattr(transactions, "TRIES", 1)
    warehouse.load(names(publish, (1, "a"), day=2))
    with closing(warehouse.connect()) as other:
        other.begin()
        other.lock("leads")
        waiting = threading.Thread(target=warehouse.load, args=(names(publish, (1, "b"), day=4),))
        waiting.start()
        while not other.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            pass
        waiting.join(0.05)
        other.commit()
    waiting.join()
    assert warehouse.rows("leads", "name") == [("b",)]


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_a_table_that_stays_locked_is_an_error_after_the_last_try(warehouse, publish, monkeypatch):
    from airflow_provider_marketo.warehouse.engines import postgres

    monkeypatch.setitem(postgres._SETTINGS, "lock_timeout", "50ms")
    monkeypatch.setattr(transactions, "TRIES", 2)
    warehouse.load(names(publish, (1, "a"), day=2))
    with closing(warehouse.connect()) as other:
        other.begin()
        other.introduce("a report")
        other.execute(f"LOCK TABLE {other.table('leads')} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(MarketoWarehouseError, match=r"locked by a report \(PID \d+, since .* holds the table"):
            warehouse.load(names(publish, (1, "b"), day=4))
        other.rollback()
    assert warehouse.rows("leads", "name") == [("a",)]


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
@pytest.mark.parametrize(
    ("setting", "message"),
    [("statement_timeout = '2s'", "Raise its statement_timeout"), ("default_transaction_read_only = on", "may write")],
)
def test_a_user_whose_settings_forbid_loads_is_told_which_one(warehouse, publish, setting, message):
    warehouse.load(names(publish, (1, "a"), day=2))
    grants = f"ALL ON SCHEMA {warehouse.schema}", f"ALL ON ALL TABLES IN SCHEMA {warehouse.schema}"
    with closing(warehouse.connect()) as report, other_user(warehouse, *grants):
        warehouse.execute(f"ALTER ROLE loader SET {setting}")
        report.begin()
        report.execute(f"LOCK TABLE {report.table('leads')} IN ACCESS EXCLUSIVE MODE")  # a statement has to wait
        with pytest.raises(MarketoWarehouseError, match=message):
            warehouse.load(names(publish, (1, "b"), day=4))
        report.rollback()
    assert warehouse.rows("leads", "name") == [("a",)]


@pytest.mark.parametrize("make_warehouse", ["duckdb", "sqlite"], indirect=True)
def test_a_database_that_may_only_be_read_is_an_error_with_the_way_out(warehouse, publish, monkeypatch):
    warehouse.load(names(publish, (1, "a"), day=2))
    warehouse.engine.close()
    extra = {"read_only": True} if warehouse.kind == "duckdb" else {"mode": "ro"}
    connection = {"conn_type": warehouse.kind, "host": str(warehouse.folder / "wh.db"), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps(connection))
    with pytest.raises(MarketoWarehouseError, match=r"Take read_only out|Let the user of the worker write"):
        warehouse.load(names(publish, (1, "b"), day=4))


def test_a_database_that_would_end_with_the_task_is_refused(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "duckdb"}))
    with pytest.raises(MarketoInvalidRequestError, match="names no file") as caught:
        connect("wh", None)
    assert caught.value.parameter == "sql_conn_id"


@pytest.mark.parametrize("make_warehouse", ["duckdb"], indirect=True)
def test_too_little_memory_is_an_error_with_the_way_out(warehouse, publish, monkeypatch):
    warehouse.engine.close()
    extra = {"memory_limit": "5MB", "temp_directory": "", "threads": 1}
    connection = {"conn_type": "duckdb", "host": str(warehouse.folder / "small.db"), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps(connection))
    many = publish([(number, f"name {number}") for number in range(200_000)], columns=NAMES)
    with pytest.raises(MarketoWarehouseError, match="Set a larger memory_limit"):
        warehouse.load(many)


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_a_server_that_ends_the_connection_leaves_nothing_and_the_next_try_loads_all(warehouse, publish, monkeypatch):
    engine_class = type(warehouse.engine)
    for day, name, step in ((2, "a", "append"), (4, "b", "stage")):  # into a new table, and into one with rows
        real = getattr(engine_class, step)

        def broken(engine, *arguments, real=real):
            done = real(engine, *arguments)
            ((process,),) = engine.query("SELECT pg_backend_pid()")
            warehouse.engine.query(f"SELECT pg_terminate_backend({process}, 5000)")
            return done

        manifest, before = names(publish, (1, name), day=day), warehouse.contents()
        with monkeypatch.context() as patch:
            patch.setattr(engine_class, step, broken)
            with pytest.raises(MarketoWarehouseError, match="refused the load"):
                warehouse.load(manifest)
        assert warehouse.contents() == before
        warehouse.load(manifest)
        assert warehouse.rows("leads", "name") == [(name,)]


@pytest.mark.parametrize("make_warehouse", ["duckdb"], indirect=True)
def test_a_file_that_another_process_has_open_is_an_error_after_a_while(warehouse, publish, monkeypatch):
    from airflow_provider_marketo.warehouse.engines import duckdb

    monkeypatch.setattr(duckdb, "_PATIENCE", 0.0)
    manifest = names(publish, (1, "a"), day=2)
    warehouse.engine.close()
    holder = (
        f"import duckdb, sys; held = duckdb.connect({str(warehouse.folder / 'wh.db')!r}); print(flush=True); input()"
    )
    command = [sys.executable, "-c", holder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        held = rf"^sql_conn_id: the database cannot be reached: .* \(PID {process.pid}\) .*one pool with one slot"
        with pytest.raises(MarketoError, match=held):
            warehouse.load(manifest)
        process.communicate("\n")
    warehouse.load(manifest)


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
@pytest.mark.parametrize("is_first", [True, False], ids=["into a new table", "into a table with rows"])
def test_a_connection_that_the_server_ends_before_any_statement_loads_nothing(
    warehouse, publish, monkeypatch, is_first
):
    engine_class = type(warehouse.engine)
    execute = engine_class._execute
    first, following = names(publish, (1, "a"), (2, "b"), day=2), names(publish, (1, "c"), (3, "d"), day=4)
    if not is_first:
        warehouse.load(first, history=True)
    before = warehouse.contents()
    ended = 0
    for number in itertools.count():
        countdown = itertools.count(-number)

        def ending(engine, sql, countdown=countdown):
            if engine is not warehouse.engine and next(countdown) == 0:
                ((process,),) = engine.query("SELECT pg_backend_pid()")
                warehouse.engine.query(f"SELECT pg_terminate_backend({process}, 5000)")
            execute(engine, sql)

        with monkeypatch.context() as patch:
            patch.setattr(engine_class, "_execute", ending)
            try:
                warehouse.load(following, history=True)
                break
            except MarketoError as error:
                found = error
        assert re.search("refused the lo|database cannot be reached", str(found))
        assert warehouse.contents() == before
        ended += 1
    assert ended > 10
    assert warehouse.rows("leads", "id", "name") == [(1, "c"), *([] if is_first else [(2, "b")]), (3, "d")]


def load_killed(warehouse, manifest, number: int) -> bool:
    """
    Load in a process of its own, which SIGKILL ends after a statement.

    :param number: the number of the statement, from 0.
    :return: whether it was killed; otherwise the load has fewer statements.
    """
    engine_class = type(warehouse.engine)
    warehouse.engine.close()  # only one process at a time can open a DuckDB file
    try:
        child = os.fork()
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        pytest.skip("this machine has no memory for a second process of the size of this one")
    if child == 0:
        countdown, execute = itertools.count(-number), engine_class._execute

        def dying(engine, sql):
            execute(engine, sql)
            if next(countdown) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        engine_class._execute = dying
        try:
            warehouse.load(manifest, history=True)
        finally:
            os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    warehouse.engine = warehouse.connect()
    return killed


@pytest.mark.slow(reason="it kills processes")
@pytest.mark.parametrize("make_warehouse", ["duckdb", "sqlite"], indirect=True)
@pytest.mark.parametrize("part", range(4))
def test_a_load_that_is_killed_at_a_statement_changes_all_or_nothing_and_is_whole_afterwards(
    make_warehouse, publish, part
):
    first, following = names(publish, (1, "a"), (2, "b"), day=2), names(publish, (1, "c"), (3, "d"), day=4)
    for manifest, earlier in ((first, []), (following, [first])):
        for number in itertools.count(part, 4):
            warehouse = make_warehouse()
            for each in earlier:
                warehouse.load(each, history=True)
            before = warehouse.contents()
            if not load_killed(warehouse, manifest, number):
                break
            left = warehouse.contents()
            result = warehouse.load(manifest, history=True)
            assert left == (warehouse.contents() if result["tables"]["leads"]["repeated"] else before)
            assert len(warehouse.loads("load_id")) == len(earlier) + 1
            wanted = [(1, "c"), (2, "b"), (3, "d")] if earlier else [(1, "a"), (2, "b")]
            assert warehouse.rows("leads", "id", "name") == wanted
            warehouse.engine.close()
        assert number > 10


def test_to_undo_a_transaction_of_a_connection_that_is_gone_is_not_an_error(make_warehouse):
    """The load then ends with the first error, and not with the error of the rollback."""
    engine = make_warehouse().connect()
    engine.begin()
    engine.close()
    with pytest.raises(Exception, match=r"(?i)closed|must call AdbcConnectionInit first|session id"):
        engine.query("SELECT 1")
    engine.rollback()
