"""Send rows of real databases to Marketo."""

from __future__ import annotations

import os
import re
import runpy
import sqlite3
import tracemalloc
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests_mock
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk import BaseHook

from airflow_provider_marketo.hooks.databases import MarketoDatabaseError
from airflow_provider_marketo.imports import plan, transport
from airflow_provider_marketo.imports.database import from_query
from airflow_provider_marketo.transfers.sql_to_marketo import SqlToMarketoOperator
from tests.operators.importing import DeadError, DyingStore, counts, fails, lead, run_import, table
from tests.support import StateStore, run_task, task_context

EXAMPLE = Path(__file__).parents[2] / "example_dags/marketo_warehouse_to_leads.py"


class SqliteHook(DbApiHook):
    """A stand-in for the hook of the SQLite provider, which these tests do not need."""

    conn_name_attr = "sqlite_conn_id"
    queries = 0

    def __init__(self, path: Any) -> None:
        super().__init__()
        self._path = path

    def get_conn(self) -> sqlite3.Connection:
        type(self).queries += 1
        return sqlite3.connect(self._path)


@pytest.fixture
def warehouse(tmp_path, monkeypatch):
    """A connection ``warehouse`` to an SQLite database with a table ``people``."""
    path = tmp_path / "warehouse.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (id INTEGER, email TEXT, name TEXT, score REAL, optin BOOLEAN)")
        rows = ((n, f"sql{n}@example.com", f"Näme {n}", n / 2, n % 2) for n in range(1_000))
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", rows)
    monkeypatch.setattr(SqliteHook, "queries", 0)
    monkeypatch.setattr(BaseHook, "get_hook", classmethod(lambda cls, conn_id, hook_params=None: SqliteHook(path)))
    return path


SQL = 'SELECT email, name AS lastName, optin AS "newsletterOptIn" FROM people'


def run(folder, store: StateStore | None = None, **arguments):
    return run_import(SqlToMarketoOperator, folder, store, **{"sql": SQL, "sql_conn_id": "warehouse", **arguments})


def test_a_few_rows_go_by_sync(marketo, warehouse, tmp_path, caplog):
    instance = marketo()
    result = run(tmp_path)
    assert counts(result) == {"accepted": 1_000}
    assert (result["transport"], result["calls"]) == ("sync", 4)
    assert "transport=auto uses sync: 1000 rows would cost 4 calls" in caplog.text
    loaded = lead(instance, "sql7@example.com")
    assert (loaded["lastName"], loaded["newsletterOptIn"]) == ("Näme 7", True)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT emial FROM people", "sql: the query failed (OperationalError: no such column: emial)"),
        ("SELECT email FROM peple", "sql: the query failed (OperationalError: no such table: peple)"),
        ("SELECT 'Ada Lovelace", 'sql: the query failed (OperationalError: unrecognized token: "***")'),
    ],
)
def test_what_the_database_refuses_is_one_sentence(marketo, warehouse, tmp_path, sql, said):
    marketo()
    with pytest.raises(MarketoDatabaseError) as failed:
        run(tmp_path, sql=sql)
    assert str(failed.value).startswith(said)


def test_many_rows_go_by_bulk(marketo, warehouse, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(transport, "SYNC_CALLS", 3)
    marketo()
    result = run(tmp_path)
    assert counts(result) == {"accepted": 1_000}
    assert result["transport"] == "bulk"
    assert "transport=auto uses bulk: more than 900 rows would cost more than 3 sync calls" in caplog.text


def test_many_rows_in_a_hurry_go_by_sync(marketo, warehouse, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(transport, "SYNC_CALLS", 3)
    marketo()
    assert run(tmp_path, latency=timedelta(minutes=2))["transport"] == "sync"
    assert "a bulk import may take longer than latency=2 minutes" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "way"),
    [
        ({"list_id": 1001}, "bulk"),
        ({"action": "createOnly"}, "sync"),
        ({"transport": "bulk"}, "bulk"),
        ({"transport": "sync"}, "sync"),
        (
            {
                "object_type": "program_members",
                "program_id": 1001,
                "program_member_status": "Attended",
                "sql": "SELECT email FROM people",
            },
            "bulk",
        ),
        (
            {"object_type": "companies", "sql": "SELECT id AS externalCompanyId, name AS company FROM people"},
            "sync",
        ),
    ],
)
def test_some_loads_have_one_way_only(marketo, warehouse, tmp_path, arguments, way):
    marketo()
    result = run(tmp_path, **arguments)
    assert counts(result) == {"accepted": 1_000}
    assert result["transport"] == way


def test_a_named_upsert_by_bulk_continues_after_a_deferral(marketo, warehouse, tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "SYNC_CALLS", 1)
    instance = marketo()
    assert counts(run(tmp_path, action="createOrUpdate")) == {"accepted": 1_000}
    assert (SqliteHook.queries, len(instance.instance.imports.all())) == (1, 1)


def test_parameters_reach_the_statement(marketo, warehouse, tmp_path):
    marketo()
    assert run(tmp_path, sql=f"{SQL} WHERE id < ?", parameters=(10,))["rows"] == 10


def test_a_statement_without_rows_is_a_success(marketo, warehouse, tmp_path):
    marketo()
    assert counts(run(tmp_path, sql=f"{SQL} WHERE 0")) == {}


def test_a_killed_task_never_queries_again(marketo, warehouse, tmp_path, governed):
    instance = marketo()
    store = DyingStore(2, written=True)
    with pytest.raises(DeadError):
        run(tmp_path, store, transport="bulk")
    with sqlite3.connect(warehouse) as connection:
        connection.execute("DELETE FROM people")
    assert counts(run(tmp_path, store.survivor(), transport="bulk")) == {"accepted": 1_000}
    assert SqliteHook.queries == 1
    assert len(instance.instance.imports.all()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transport": "rest"}, "transport='rest' is not one of 'auto', 'sync', 'bulk', 'ingestion'"),
        ({"transport": "bulk", "action": "updateOnly"}, "bulk imports only create or update"),
        ({"transport": "ingestion", "object_type": "companies"}, "cannot be imported with transport 'ingestion'"),
        ({"sql": "SELECT email, name FROM people"}, "Marketo has no field 'name'"),
        ({"sql": "CREATE TABLE t (x)"}, "the statement is not a query"),
    ],
)
def test_what_is_wrong_is_refused_before_a_row_is_sent(marketo, warehouse, tmp_path, arguments, message):
    instance = marketo()
    text, _ = fails(SqlToMarketoOperator, tmp_path, **{"sql": SQL, "sql_conn_id": "warehouse", **arguments})
    assert message in text
    assert not any(name.endswith((".sync", ".import")) for name in instance.report().calls)


def test_a_connection_that_is_not_a_database_is_refused(marketo, tmp_path, monkeypatch):
    marketo()
    monkeypatch.setattr(BaseHook, "get_hook", classmethod(lambda cls, conn_id, hook_params=None: object()))
    text, _ = fails(SqlToMarketoOperator, tmp_path, sql=SQL, sql_conn_id="warehouse")
    assert "connection warehouse does not lead to a database" in text


def test_the_recipe_imports_the_changed_rows_of_its_interval(marketo, warehouse, tmp_path):
    """``example_dags/marketo_warehouse_to_leads.py``, its templates rendered for one day."""
    instance = marketo()
    with sqlite3.connect(warehouse) as connection:
        connection.execute("CREATE TABLE lead_scores (email TEXT, score INTEGER, opted_in BOOLEAN, changed_at TEXT)")
        rows = [(f"scored{n}@example.com", n, n % 2, f"2026-01-{n:02}T12:00:00+00:00") for n in range(1, 30)]
        connection.executemany("INSERT INTO lead_scores VALUES (?, ?, ?, ?)", rows)
    task = runpy.run_path(str(EXAMPLE))["dag"].get_task("scores")
    day = {"data_interval_start": datetime(2026, 1, 7, tzinfo=timezone.utc)}
    context = task_context(StateStore(), **day, data_interval_end=day["data_interval_start"] + timedelta(days=2))
    task.render_template_fields({**context, "var": {"value": {"marketo_lake": str(tmp_path)}}})
    assert counts(run_task(task, context)) == {"accepted": 2}
    loaded = lead(instance, "scored8@example.com")
    assert (loaded["leadScore"], loaded["newsletterOptIn"], loaded["leadSource"]) == (8, False, "Warehouse")


# Data ingestion.


def test_data_ingestion_takes_rows_in_and_says_no_more(marketo, warehouse, tmp_path):
    instance = marketo(ingestion_seconds=0)
    result = run(tmp_path, transport="ingestion", lookup_field="email")
    assert counts(result) == {"submitted": 1_000}
    assert result["correlation_id"]
    report = instance.report()
    assert report.executed["data_ingestion.sync_persons"] == 1
    assert report.violations == {}
    assert lead(instance, "sql7@example.com")["lastName"] == "Näme 7"


def test_a_submission_names_the_run_in_its_header(marketo, warehouse, tmp_path):
    """The simulator keeps no headers, so the test looks at the request."""
    instance = marketo()
    with requests_mock.Mocker(real_http=True) as web:
        sent = web.post(re.compile(f"{instance.url}/subscriptions/.*/persons"), status_code=202)
        result = run(tmp_path, transport="ingestion", lookup_field="email")
    (call,) = sent.request_history
    assert call.json()["dedupeFields"] == {"field1": "email"}
    assert call.headers["X-Correlation-Id"] == f"{result['correlation_id']}/chunk-00000.jsonl"
    assert "Authorization" not in call.headers


@pytest.mark.parametrize("executed", [False, True])
def test_a_submission_whose_answer_was_lost_is_unknown(marketo, warehouse, tmp_path, governed, executed):
    instance = marketo()
    instance.fail("data_ingestion.sync_persons", code="611", executed=executed)
    _, account = fails(SqlToMarketoOperator, tmp_path, sql=SQL, sql_conn_id="warehouse", transport="ingestion")
    assert counts(account) == {"unknown": 1_000}
    assert len(table(account["rejects"])) == 1_000
    assert instance.report().calls["data_ingestion.sync_persons"] == 1


# Memory.


def test_ten_times_the_rows_need_no_more_memory(tmp_path, monkeypatch):
    def peak(rows: int) -> int:
        hook = SqliteHook(":memory:")
        sql = (
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
            " SELECT i, 'a' || i FROM n"
        )
        opened = from_query(hook, sql)
        tracemalloc.start()
        for batch in opened.batches:
            plan.encode_rows(plan.CSV, batch)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(200_000) < 1.3 * peak(20_000)


# PostgreSQL.


@pytest.mark.services
def test_postgres_keeps_its_result_on_the_server(marketo, tmp_path, monkeypatch):
    import psycopg2

    class PostgresHook(DbApiHook):
        conn_name_attr = "postgres_conn_id"

        def get_conn(self) -> Any:
            return psycopg2.connect(os.environ["TEST_POSTGRES"])

    monkeypatch.setattr(BaseHook, "get_hook", classmethod(lambda cls, conn_id, hook_params=None: PostgresHook()))
    instance = marketo()
    sql = """
        SELECT 'pg' || n || '@example.com' AS email, n AS "leadScore", n * 0.01::numeric AS "lifetimeValue",
               DATE '2026-01-31' AS "contractStart", TIMESTAMPTZ '2026-01-31 12:00+02' AS "lastPurchaseAt",
               n % 2 = 0 AS "newsletterOptIn", CASE WHEN n > 1 THEN 'null' END AS city
        FROM generate_series(1, %s) AS n
    """
    result = run_import(
        SqlToMarketoOperator,
        tmp_path,
        sql=sql.replace(" % 2", " %% 2"),
        sql_conn_id="warehouse",
        parameters=(12_000,),
        transport="bulk",
    )
    assert counts(result) == {"accepted": 12_000}
    loaded = lead(instance, "pg1@example.com")
    assert loaded["lifetimeValue"] == 0.01
    assert loaded["contractStart"] == "2026-01-31"
    assert loaded["lastPurchaseAt"] == "2026-01-31T10:00:00Z"
    assert (loaded["newsletterOptIn"], loaded["leadScore"], loaded["city"]) == (False, 1, None)
