"""The files of each kind of task are loaded without an argument that says what they contain."""

from __future__ import annotations

import json
import re
from contextlib import closing

import duckdb
import pytest

from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from tests.simulated import extract
from tests.support import StateStore, run_task, task_context

SPAN = {"start": "2026-01-01", "end": "2026-01-20"}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that loads what tasks returned, and answers queries."""
    path = tmp_path / "wh.db"
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "duckdb", "host": str(path)}))

    def loaded(*manifests, sql):
        for manifest in manifests:
            run_task(
                MarketoToSqlOperator(task_id="load", manifest=manifest, sql_conn_id="wh", schema="marketo"),
                task_context(StateStore()),
            )
        with closing(duckdb.connect(str(path))) as connection:
            return connection.execute(sql).fetchall()

    return loaded


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_leads_of_an_extract_are_loaded_with_their_types(marketo, tmp_path, load, file_format):
    marketo()
    arguments = {"object_type": "leads", "fields": "all", "file_format": file_format, **SPAN}
    manifest = run_task(extract(tmp_path / "leads", **arguments), task_context(StateStore()))
    ((count, typed),) = load(
        manifest, sql="SELECT count(*), count(*) FILTER (created_at < '2026-01-20'::TIMESTAMPTZ) FROM marketo.leads"
    )
    assert count == typed == manifest["rows"] > 5


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
@pytest.mark.parametrize("folds_case", [False, True])
def test_partitions_are_read_as_the_column_that_they_were(
    marketo, tmp_path, load, monkeypatch, file_format, folds_case
):
    monkeypatch.setattr(OutputFolder, "folds_case", folds_case)
    marketo()
    arguments = {"object_type": "leads", "fields": ["id", "lastName"], "file_format": file_format, **SPAN}
    manifest = run_task(extract(tmp_path / "leads", partition_by=["lastName"], **arguments), task_context(StateStore()))
    folders = {file["name"].split("/")[0].removeprefix("lastName=") for file in manifest["files"]}
    assert any(re.search("[A-Z]", re.sub("%..", "", folder)) for folder in folders) is not folds_case
    found = load(manifest, sql="SELECT id, last_name FROM marketo.leads")
    plain = run_task(extract(tmp_path / "plain", **arguments), task_context(StateStore()))
    assert sorted(found) == sorted(load(plain, sql="SELECT id, last_name FROM marketo.leads"))
    assert len({name for _, name in found}) > 3


def test_typed_activities_are_a_table_of_each_type(marketo, tmp_path, load):
    marketo()
    arguments = {"object_type": "activities", "attributes": "typed", "file_format": "parquet", **SPAN}
    manifest = run_task(extract(tmp_path / "activities", **arguments), task_context(StateStore()))
    tables = load(
        manifest,
        sql="SELECT table_name, estimated_size FROM duckdb_tables() WHERE table_name LIKE 'activity%' ORDER BY 1",
    )
    assert len(tables) > 5
    assert sum(size for _, size in tables) == manifest["rows"] > 100


def test_listings_and_what_marketo_refuses(marketo, tmp_path, load):
    marketo()
    operator = MarketoListingOperator(
        task_id="reference",
        object_types=["programs", "smart_campaigns", "emails", "static_lists"],
        output_path=str(tmp_path / "reference"),
    )
    manifest = run_task(operator, task_context(StateStore()))
    loads = load(
        manifest, sql="SELECT table_name, mode, rows_inserted > 0 FROM marketo._marketo_loads ORDER BY table_name"
    )
    assert {name for name, _, _ in loads} >= {"programs", "smart_campaigns", "static_lists"}
    assert ("programs", "snapshot", True) in loads


def test_leads_that_are_erased_in_marketo_leave_the_warehouse_first(marketo, tmp_path, load, monkeypatch):
    marketo()
    looked_up = MarketoGetLeadsOperator(
        task_id="leads", lookup_field="id", lookup_values=[1001, 1002], output_path=str(tmp_path / "found")
    )
    found = run_task(looked_up, task_context(StateStore()))
    ((address,),) = load(found, sql="SELECT email FROM marketo.leads WHERE id = 1001")
    erase = MarketoEraseLeadsOperator(
        task_id="erase",
        evidence=str(tmp_path / "evidence"),
        records=[{"email": address}],
        lookup_field="email",
        confirm=True,
        warehouse={"sql_conn_id": "wh", "schema": "marketo", "output_path": str(tmp_path / "found")},
    )
    result = run_task(erase, task_context(StateStore()))
    assert (result["erased"], result["tables"], result["files_left"]) == (1, {"leads": 1}, [])
    assert result["files"] == [each["name"] for each in found["files"]]
    assert not list((tmp_path / "found").rglob("*.parquet"))
    rows = load(sql="SELECT id, email, first_name, _deleted_at IS NULL FROM marketo.leads ORDER BY id")
    assert rows[0] == (1001, None, None, False)
    assert rows[1][1] is not None
    assert rows[1][3]
