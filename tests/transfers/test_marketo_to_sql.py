"""Load Marketo's data into the tables of a database, with the tasks that authors write."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import duckdb
import pytest
from airflow.sdk import Asset, AssetAlias

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.hooks.databases import MarketoDatabaseError
from airflow_provider_marketo.hooks.failure import MarketoTaskError
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from tests.warehouse.published import published

LEADS = [(1, "a@x.y", 5, "2026-01-01T00:00:00Z")]


class Events:
    """Airflow's outlet events, as far as the operator uses them. An outlet has no hash before Airflow 3.2."""

    def __init__(self):
        self._events = {}

    def __getitem__(self, outlet):
        if outlet.name not in self._events:
            event = self._events[outlet.name] = SimpleNamespace(extra={}, added={})
            event.add = lambda asset, extra: event.added.update({asset.uri: extra})
        return self._events[outlet.name]


@pytest.fixture
def database(tmp_path, monkeypatch):
    path = tmp_path / "wh.db"
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "duckdb", "host": str(path)}))
    return path


def run(operator, events=None):
    ti = SimpleNamespace(dag_id="d", task_id=operator.task_id, run_id="r", task=operator, map_index=-1)
    return operator.execute({"ti": ti, "outlet_events": events})


def load(manifest, **arguments):
    given = {"schema": "marketo", **arguments}
    return MarketoToSqlOperator(task_id="load", manifest=manifest, sql_conn_id="wh", **given)


def query(path, sql):
    with closing(duckdb.connect(str(path))) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("form", ["xcom", "text of a template", "url"])
def test_a_manifest_is_loaded_in_every_form_in_which_tasks_pass_it_on(database, tmp_path, form):
    manifest = published(tmp_path / "out", LEADS)
    given = {
        "xcom": manifest.to_xcom(),
        "text of a template": str(manifest.to_xcom()),
        "url": manifest.manifest,
    }[form]
    result = run(load(given))
    assert (result["tables"]["leads"]["inserted"], result["skipped"]) == (1, {})
    assert query(database, "SELECT id, email, score FROM marketo.leads") == [(1, "a@x.y", 5)]
    assert query(database, "SELECT dag_id, task_id, run_id FROM marketo._marketo_loads") == [("d", "load", "r")]


def test_airflow_hears_of_each_table_once_it_is_committed(database, tmp_path):
    events, alias, asset = Events(), AssetAlias("tables"), Asset("x://everything")
    operator = load(published(tmp_path / "out", LEADS).to_xcom(), outlets=[alias, asset])
    run(operator, events)
    (uri,) = events[alias].added
    assert uri.endswith("/marketo/leads")
    assert events[alias].added[uri]["inserted"] == 1
    assert events[asset].extra["tables"]["leads"]["read"] == 1


def test_openlineage_is_told_of_each_table_once_it_is_committed(database, tmp_path):
    pytest.importorskip("airflow.providers.openlineage.extractors")  # the other lines of Airflow are tested without it
    operator = load(published(tmp_path / "out", LEADS).to_xcom())
    run(operator, Events())
    (output,) = operator.get_openlineage_facets_on_complete(None).outputs
    assert output.name.endswith("marketo.leads")


def test_a_load_that_fails_tells_airflow_of_no_table(database, tmp_path):
    manifest = published(tmp_path / "out", LEADS)
    (tmp_path / "out" / manifest.files[0].name).unlink()
    events, alias = Events(), AssetAlias("tables")
    with pytest.raises(Exception, match="does not exist"):
        run(load(manifest.to_xcom(), outlets=[alias]), events)
    assert events[alias].added == {}


def test_one_table_that_fails_does_not_stop_the_others(database, tmp_path):
    bad, good = (published(tmp_path / "out" / name, LEADS, name=name) for name in ("programs", "leads"))
    datasets = [replace(each.datasets[0], folder=name) for each, name in ((bad, "programs"), (good, "leads"))]
    files = [
        replace(each.files[0], name=f"{name}/{each.files[0].name}")
        for each, name in ((bad, "programs"), (good, "leads"))
    ]
    both = replace(good, output=str(tmp_path / "out"), datasets=tuple(datasets), files=tuple(files))
    (tmp_path / "out" / files[0].name).unlink()
    with pytest.raises(Exception, match=r"1 of 2 datasets is not loaded\. programs: ") as caught:
        run(load(both.to_dict()))
    assert "does not exist. Clear the task that wrote the manifest" in str(caught.value)
    assert query(database, "SELECT id FROM marketo.leads") == [(1,)]
    assert query(database, "SELECT table_name FROM marketo._marketo_loads") == [("leads",)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"^manifest: the manifest cannot be read \(FileNotFoundError: .*Give what the task returned"),
        ("email\n", r"is not a manifest\. Give what a task returned"),
        ('{"nodes": {}}', r"has no schema_version\. Give what a task returned"),
        ("[" * 100_000, "is not a manifest"),
        ("[]", "is not a manifest"),
    ],
)
def test_what_is_not_a_manifest_is_refused(database, tmp_path, content, said):
    if content is not None:
        (tmp_path / "m.json").write_text(content)
    with pytest.raises((MarketoTaskError, MarketoDataError), match=said):
        run(load(str(tmp_path / "m.json")))


def test_a_database_that_cannot_be_reached_is_one_sentence(tmp_path, monkeypatch):
    connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "login": "a", "password": "a-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps(connection))
    with pytest.raises(MarketoDatabaseError, match=r"^sql_conn_id: the database cannot be reached ") as failed:
        run(load(published(tmp_path / "out", LEADS).to_xcom()))
    assert "a-secret" not in str(failed.value)
    assert str(failed.value).endswith("The next try connects again.")


def test_a_database_without_an_engine_is_refused_with_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "oracle", "host": "h"}))
    with pytest.raises(MarketoTaskError, match="the type 'oracle', for which there is no engine") as caught:
        run(load(published(tmp_path / "out", LEADS).to_xcom()))
    assert "DuckDB (type duckdb, pip extra duckdb), PostgreSQL (type postgres, pip extra postgres), SQLite" in str(
        caught.value
    )


def test_a_schema_with_the_name_of_the_file_is_refused_by_duckdb(tmp_path, monkeypatch):
    path = tmp_path / "marketo.duckdb"
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "duckdb", "host": str(path)}))
    with pytest.raises(MarketoTaskError, match=r"the name of the database's file.*another name"):
        run(load(published(tmp_path / "out", LEADS).to_xcom()))


def test_a_schema_of_duckdb_is_one_in_any_case(database, tmp_path):
    manifest = published(tmp_path / "out", LEADS).to_xcom()
    run(load(manifest, schema="Marketo"))
    again = run(load(manifest, schema="MARKETO"))
    assert again["tables"]["leads"]["repeated"]
    with pytest.raises(MarketoTaskError, match="the tables are in marketo"):
        run(load(manifest, schema="Marketo", fivetran_schema="marketo"))


def test_a_table_must_have_a_name_in_ascii(database, tmp_path):
    with pytest.raises(MarketoTaskError, match=r"table='客户' has no ASCII letter or digit"):
        run(load(published(tmp_path / "out", LEADS).to_xcom(), table="客户"))


def test_views_are_refused_where_there_are_no_schemas(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "wh.db")}))
    with pytest.raises(MarketoTaskError, match=r"sqlite has no schemas.*Leave fivetran_schema out"):
        run(load(published(tmp_path / "out", LEADS).to_xcom(), fivetran_schema="marketo_fivetran"))


def test_an_engine_that_is_not_installed_names_the_extra(database, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.delitem(sys.modules, "airflow_provider_marketo.warehouse.engines.duckdb", raising=False)
    with pytest.raises(MarketoTaskError, match=r"Install airflow-provider-marketo\[duckdb\] on every worker"):
        run(load(published(tmp_path / "out", LEADS).to_xcom()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "merge"}, "mode='merge'"),
        ({"on_delete": "drop"}, "on_delete='drop'"),
        ({"max_deletes": 0}, "max_deletes=0"),
        ({"manifest": 7}, "manifest is an int"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(arguments, message):
    given = {"manifest": "/x.json", "sql_conn_id": "wh", **arguments}
    with pytest.raises(MarketoInvalidRequestError, match=message):
        MarketoToSqlOperator(task_id="load", **given)
