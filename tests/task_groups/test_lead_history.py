"""A lead's fields on any past day, compared with what the simulator held at that time."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from tests.support import run_task, task_context

FIELDS = {"email": "email", "firstName": "first_name", "leadStatus": "lead_status", "leadScore": "lead_score"}
CHANGES: list[dict[str, Any]] = [
    {"leadStatus": "New", "leadScore": 5},
    {"leadStatus": "Qualified", "leadScore": 15},
    {"leadStatus": None},
    {"firstName": "Zoë", "leadStatus": "Won"},
    {"leadScore": 10},
]


@pytest.fixture
def database(tmp_path, monkeypatch):
    path = tmp_path / "wh.db"
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "duckdb", "host": str(path)}))
    return path


def query(path, sql):
    with closing(duckdb.connect(str(path))) as connection:
        return connection.execute(sql).fetchall()


def run(task):
    return run_task(task, task_context())


def to_database(tmp_path, begin, end) -> None:
    span = {"start": iso(begin), "end": iso(end)}
    extracts = [
        MarketoBulkExtractOperator(
            task_id="leads", object_type="leads", output_path=f"{tmp_path}/l", poll_interval=0.05, **span
        ),
        MarketoBulkExtractOperator(
            task_id="changes",
            object_type="activities",
            activity_types=["Change Data Value", "Change Score"],
            attributes="typed",
            output_path=f"{tmp_path}/a",
            poll_interval=0.05,
            **span,
        ),
        MarketoListingOperator(task_id="fields", object_types=["lead_fields"], output_path=f"{tmp_path}/f"),
    ]
    for extract in extracts:
        run(MarketoToSqlOperator(task_id="load", manifest=run(extract), sql_conn_id="wh", schema="marketo"))


def test_every_value_of_every_moment_is_known(marketo, governed, database, tmp_path):
    instance = marketo(leads=0, activities=0, limits=False)
    client = MarketoClient(instance.url, instance.client_id, instance.client_secret)
    begin = client.marketo_time() - timedelta(minutes=1)
    records = [{"email": f"{name}@x.example", "firstName": name} for name in ("Ann", "Bob")]
    ann, bob = (each["id"] for each in client.call("leads.sync", input=records).result)
    truth = []
    for change in [{}, *CHANGES]:
        instance.clock.sleep(60)
        if change:
            client.call("leads.sync", action="updateOnly", lookupField="id", input=[{"id": ann, **change}])
        instance.clock.sleep(60)
        found = client.call("leads.get_by_filter_type", filterType="id", filterValues=[ann, bob], fields=list(FIELDS))
        truth.append((client.marketo_time(), {lead["id"]: lead for lead in found.result}))
    instance.clock.sleep(60)
    to_database(tmp_path, begin, client.marketo_time())
    for moment, leads in truth:
        on = f"valid_from <= '{iso(moment)}' AND (valid_to IS NULL OR valid_to > '{iso(moment)}')"
        rows = query(database, f"SELECT lead_id, field, value FROM marketo.lead_field_history WHERE {on}")
        assert len(rows) == len({row[:2] for row in rows}), "a field has one value at a time"
        known = {(lead, field): value for lead, field, value in rows}
        for lead, values in leads.items():
            for name, column in FIELDS.items():
                value = values.get(name)
                assert known[lead, column] == (None if value is None else str(value)), (iso(moment), lead, column)


@pytest.mark.slow
def test_a_new_column_of_leads_has_a_history(marketo, governed, database, tmp_path):
    instance = marketo(leads=5, activities=60, limits=False)
    begin, end = instance.instance.settings.dates.start, instance.instance.settings.dates.end
    span = {"start": f"{begin}", "end": f"{end}"}
    for number, fields in enumerate((["id", "createdAt", "leadStatus"], ["id", "createdAt", "leadStatus", "city"])):
        leads = MarketoBulkExtractOperator(
            task_id="leads",
            object_type="leads",
            fields=fields,
            output_path=f"{tmp_path}/{number}",
            poll_interval=0.05,
            start="2024-03-12",
            end=str(end),
        )
        changes = MarketoBulkExtractOperator(
            task_id="changes",
            object_type="activities",
            activity_types=["Change Data Value"],
            attributes="typed",
            output_path=f"{tmp_path}/a{number}",
            poll_interval=0.05,
            **span,
        )
        listed = MarketoListingOperator(
            task_id="fields", object_types=["lead_fields"], output_path=f"{tmp_path}/f{number}"
        )
        for extract in (leads, changes, listed):
            run(MarketoToSqlOperator(task_id="load", manifest=run(extract), sql_conn_id="wh", schema="marketo"))
    known = {name for (name,) in query(database, "SELECT DISTINCT field FROM marketo.lead_field_history")}
    assert known == {"created_at", "lead_status", "city"}
    assert query(database, "SELECT count(DISTINCT lead_id) FROM marketo.lead_field_history") == [(5,)]
