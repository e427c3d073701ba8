"""
Recipes that no real Airflow runs in the tests, because they need an account or dbt: some of their tasks run here.

A recipe names a connection, not a database. So each of them runs on DuckDB, and those of previews also on an emulator.
"""

from __future__ import annotations

import os
import runpy
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.warehouse.engines import connect
from tests.operators.importing import governed
from tests.simulated import marketo
from tests.task_groups.test_warehouse import Run
from tests.warehouse.conftest import DATABASES, drop_schema

__all__ = ["governed", "marketo"]

RECIPES = Path(__file__).parents[2] / "example_dags"
LEADS = ("ranges", "extract_leads", "load_leads")
STEPS = {"marketo_to_bigquery": (*LEADS, "extract_activities", "load_activities")}
"""The tasks that run; the first three if a recipe is not listed."""

FIRST = "2025-11-01"
PREVIEWS = ("snowflake", "bigquery")


def on(name: str, kind: str):
    return pytest.param(name, kind, id=f"{name} on {kind}", marks=DATABASES[kind].marks)


def recipe(name: str) -> dict:
    return runpy.run_path(str(RECIPES / f"{name}.py"))


@pytest.fixture
def database(monkeypatch, tmp_path, request):
    """Return a function that points a connection to an empty database of a kind."""
    monkeypatch.setattr(variables, "read_json", lambda *_, **__: None)
    monkeypatch.setattr(variables, "write_json", lambda *_, **__: None)

    def make(kind: str, conn_id: str):
        if DATABASES[kind].server:
            request.getfixturevalue(DATABASES[kind].server)
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", DATABASES[kind].connection(tmp_path))
        for schema in ("marketo", "marketo_fivetran") if DATABASES[kind].shared else ():
            with closing(connect(conn_id, schema)) as engine:
                drop_schema(engine)
        return connect(conn_id, "marketo")

    return make


@pytest.mark.skipif("MARKETO_WAREHOUSE" in os.environ, reason="the schema of a recipe is not one of the tests")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        on("marketo_to_dbt", "duckdb"),
        *(on(f"marketo_to_{preview}", kind) for preview in PREVIEWS for kind in ("duckdb", preview)),
    ],
)
def test_the_tasks_of_a_recipe_load_their_tables(marketo, governed, database, tmp_path, monkeypatch, name, kind):
    instance = marketo(leads=100, activities=100, limits=False)
    group = recipe(name)["tables"]
    steps = STEPS.get(name, LEADS)
    run = Run(group.dag.tasks, "r")
    run.variables, run.params = {"marketo_lake": str(tmp_path / "lake")}, {"first_lead": FIRST}
    assert len(run.tasks) == 13
    for step in steps:
        run.tasks[step].poll_interval = 0.05
    with closing(database(kind, run.tasks["load_leads"].sql_conn_id)) as engine:
        for step in steps:
            run.one(step)
        ((leads,),) = engine.query(f"SELECT COUNT(*) FROM {engine.table('leads')}")
        assert leads == instance.leads("createdAt", FIRST, "2027-01-01") > 0
        if check := run.tasks.get("fresh"):
            assert "leads" in check.python_callable()


def test_a_recipe_of_a_preview_says_so():
    for preview in PREVIEWS:
        text = recipe(f"marketo_to_{preview}")["__doc__"]
        assert "is a preview: its loads were tested on an emulator, and this recipe has not yet run on a real" in text
        assert "*Experimental" in text


def test_dbt_begins_after_all_loads_in_the_folder_of_its_project(tmp_path, monkeypatch):
    found = recipe("marketo_to_dbt")
    models = found["models"]
    assert {task.task_id for task in found["tables"].get_leaves()} <= models.upstream_task_ids
    program = tmp_path / "bin/dbt"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$PWD $*" >> "$DBT_CALLS"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DBT_CALLS", str(tmp_path / "calls"))
    project = tmp_path / "project"
    project.mkdir()
    context = {"var": {"value": {"marketo_dbt_project": str(project)}}}
    models.render_template_fields(context)
    models.execute(context)
    assert (tmp_path / "calls").read_text() == f"{project} deps\n{project} build\n"
