"""The commands about a warehouse: how new its tables are, and leads erased from them."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime, timezone

import duckdb
import pytest

from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from airflow_provider_marketo.warehouse.resync import source_of
from airflow_provider_marketo.warehouse.watermarks import move_watermarks, read_watermarks
from tests.support import StateStore, run_task, task_context
from tests.warehouse.published import published


def query_all(path, text: str) -> list[str]:
    """Return the tables of a database that have a text in any row."""
    with closing(duckdb.connect(str(path))) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        rows = {name: connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall() for schema, name in tables}
    return [name for name, found in rows.items() if text in repr(found)]


WAREHOUSE = ("--sql-conn-id", "wh", "--schema", "marketo")


@pytest.fixture
def warehouse(tmp_path, monkeypatch):
    facts = {"conn_type": "duckdb", "host": str(tmp_path / "wh.db")}
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps(facts))
    manifest = published(tmp_path / "out", [(1001, "a@x.y", 1, "2026-01-01T00:00:00Z")], as_of="2026-01-02T00:00:00Z")
    load = MarketoToSqlOperator(task_id="load", manifest=manifest.to_xcom(), sql_conn_id="wh", schema="marketo")
    run_task(load, task_context(StateStore()))


def test_freshness_says_up_to_when_a_table_has_all_changes(airflow, warehouse):
    said = airflow("freshness", *WAREHOUSE, "--promise", "leads=P9999D", "--output", "json")
    (row,) = json.loads(said[said.index("[{") :])  # after the log lines of DuckDB's hook
    assert (row["table"], row["until"]) == ("leads", "2026-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("promise", "message"),
    [
        ("leads=PT1H", "leads is .* old .* 1 hour is promised"),
        ("emails=P1D", "no load has made the table emails"),
        ("leads", "does not have the form TABLE=AGE. Write the table's maximum age as an ISO 8601 duration"),
    ],
)
def test_a_promise_that_is_not_kept_ends_with_an_error(airflow, warehouse, promise, message):
    with pytest.raises(SystemExit, match=message):
        airflow("freshness", *WAREHOUSE, "--promise", promise)


def test_a_table_is_read_again_by_the_next_run(airflow, warehouse, tmp_path):
    with pytest.raises(SystemExit, match="has loaded no table 'leads'"):
        airflow("resync", *WAREHOUSE, "--table", "leads")
    read_watermarks("wh", "marketo")
    until = datetime(2026, 1, 2, tzinfo=timezone.utc)
    move_watermarks("wh", "marketo", ["leads", "activities"], until, ("d", "r"))
    with pytest.raises(SystemExit, match=r"'leeds' \(did you mean 'leads'"):
        airflow("resync", *WAREHOUSE, "--table", "leeds")
    said = airflow("resync", *WAREHOUSE, "--table", "leads")
    assert "The next run reads all tables of the source leads from the beginning; leads is one of them" in said
    assert read_watermarks("wh", "marketo") == {"activities": until}


@pytest.mark.parametrize(
    ("dataset", "source"),
    [
        ("activity_send_email", "activities"),
        ("activity_types", "reference"),
        ("programs", "reference"),
        ("custom_car_c", "custom_objects"),
        ("custom_object_types", "reference"),
        ("merged_leads", "removals"),
        ("something", None),
    ],
)
def test_each_table_belongs_to_a_source(dataset, source):
    assert source_of(dataset) == source


def test_leads_are_erased_if_that_is_meant(airflow, warehouse):
    with pytest.raises(SystemExit, match="add --yes"):
        airflow("erase-from-warehouse", *WAREHOUSE, "--lead-id", "1001")
    said = airflow("erase-from-warehouse", *WAREHOUSE, "--lead-id", "1001", "--yes")
    assert "leads: 1 row emptied\n1 lead noted as erased" in said


def test_an_erased_address_is_in_no_table_and_no_loaded_file(airflow, warehouse, tmp_path):
    waiting = published(tmp_path / "group/leads", [(1, "b@x.y", 1, None)], name="waiting", file_format="csv")
    said = airflow("erase-from-warehouse", *WAREHOUSE, "--lead-id", "1001", "--folder", f"{tmp_path}", "--yes")
    assert "out/leads_0.parquet: removed" in said
    assert f"group/leads/{waiting.files[0].name}: stays, because it is not loaded yet" in said
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and b"a@x.y" in path.read_bytes()]
    assert [path.suffix for path in holding if path.suffix != ".db"] == []
    assert query_all(tmp_path / "wh.db", "a@x.y") == []
