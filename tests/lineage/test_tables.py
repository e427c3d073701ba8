"""The Variable that shows people how new the tables of a task are."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.lineage.publish import keep_tables
from tests.variables import airflow_variables

__all__ = ["airflow_variables"]

NAME = "marketo_tables_a_dag.load"


def keep(monkeypatch: pytest.MonkeyPatch, **tables: str) -> None:
    ti = SimpleNamespace(dag_id="a_dag", task_id="load")
    monkeypatch.setattr(runtime(), "find_task", lambda: ti)
    keep_tables({"ti": ti}, "duckdb://a/main", {name: {"until": until} for name, until in tables.items()})


def test_the_tables_of_earlier_runs_stay(airflow_variables, monkeypatch):
    keep(monkeypatch, leads="2026-01-01T00:00:00Z")
    keep(monkeypatch, activities="2026-01-02T00:00:00Z")
    assert set(json.loads(airflow_variables[NAME])["tables"]) == {"leads", "activities"}


@pytest.mark.parametrize(
    "text", ["", '{"tables": {"le', "[]", "null", "5", "{}", '{"tables": 5}', pytest.param("[" * 100_000, id="deep")]
)
def test_a_damaged_note_does_not_fail_a_load_that_succeeded(text, airflow_variables, monkeypatch):
    airflow_variables[NAME] = text
    keep(monkeypatch, leads="2026-01-01T00:00:00Z")
    assert set(json.loads(airflow_variables[NAME])["tables"]) == {"leads"}
