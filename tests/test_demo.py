"""The demo compares what its DAGs wrote with what the simulator holds: right output passes, wrong output fails."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import date, timedelta

import duckdb
import pytest

from tests.operators.importing import governed
from tests.simulated import extract, marketo
from tests.support import run_task, task_context
from tests.task_groups.test_warehouse import Run, database, group
from tools.demo_flows import TABLES, TODAY, FileFlow, WarehouseFlow, jsonl_keys

__all__ = ["database", "governed", "marketo"]

SINCE = TODAY - timedelta(days=28)
INSTANCE = {
    "leads": 400,
    "activities": 1000,
    "leads_since": TODAY - timedelta(days=60),
    "start": TODAY - timedelta(days=40),
    "end": TODAY,
    "limits": False,
}
SOURCES = ("leads", "activities", "reference", "program_members")


@pytest.fixture
def loaded(marketo, governed, database, tmp_path):
    """An instance, and the flow whose tables hold it."""
    instance = marketo(**INSTANCE)
    run = Run(group(tmp_path, start=str(SINCE)), "r")
    extracts = [f"extract_{source}" for source in (*SOURCES, "custom_objects")]
    for name in ("ranges", *extracts, *(f"load_{source}" for source in SOURCES)):
        run.one(name)
    return instance, WarehouseFlow("d", "warehouse", "the tables", {}, database, SINCE)


@pytest.mark.slow(reason="it loads the tables of an instance")
def test_tables_of_the_instance_pass_and_each_difference_is_found(loaded):
    instance, flow = loaded
    assert flow.problems(instance) == []
    tables, rows = flow.loaded()
    assert tables > 20
    assert rows > INSTANCE["leads"]
    best = flow.answer()[0]
    assert best[1] > 0
    assert best[2] > 0
    of_the_best = f"(SELECT min(id) FROM marketo.leads WHERE country = '{best[0]}')"
    visited = "activity_visit_webpage"
    for sql, said in (
        (f"DELETE FROM marketo.{visited}", [f"in {visited}", "the tables answer"]),
        (f"UPDATE marketo.leads SET country = NULL WHERE id = {of_the_best}", ["the tables answer"]),
        (f"DELETE FROM marketo.leads WHERE id = {of_the_best}", ["in leads", "the tables answer"]),
        ("UPDATE marketo.program_members SET _deleted_at = now() WHERE lead_id = 1001", ["in program_members"]),
        ("DELETE FROM marketo.programs WHERE id = 1001", ["in programs"]),
    ):
        assert_found(instance, flow, sql, said)


def assert_found(instance, flow, sql, said):
    """Change a copy of the tables: exactly these differences are named."""
    copy = flow.file.with_name("copy.duckdb")
    shutil.copy(flow.file, copy)
    with closing(duckdb.connect(str(copy))) as tables:
        tables.execute(sql)
    problems = WarehouseFlow("d", "warehouse", "the tables", {}, copy, flow.since).problems(instance)
    assert len(problems) == len(said), problems
    assert all(word in problem for word, problem in zip(said, problems, strict=True)), problems


def test_files_of_the_instance_pass_and_a_missing_or_repeated_row_is_found(marketo, governed, tmp_path):
    instance = marketo(leads=30, activities=0, leads_since=date(2026, 2, 20), limits=False)
    leads = extract(tmp_path, object_type="leads", start="2026-02-20", fields=["id"], file_format="jsonl")
    run_task(leads, task_context())
    flow = FileFlow("d", "leads", "the files", {}, tmp_path, "id", jsonl_keys, lambda it: it.settings.leads)
    assert flow.problems(instance) == []
    file = flow.files[0]
    _first, *others = file.read_text().splitlines(keepends=True)
    file.write_text("".join(others))
    assert flow.problems(instance) == [
        "the files: 29 rows in the files, but the simulated Marketo holds 30",
        "the files: 29 rows different, but the simulated Marketo holds 30",
    ]
    file.write_text("".join([others[0], *others]))
    assert flow.problems(instance) == ["the files: 29 rows different, but the simulated Marketo holds 30"]


def test_the_progress_of_the_warehouse_is_one_line_for_each_phase():
    names = ["ranges", "extract_leads", "extract_activities", "load_leads", "load_activities"]
    said = [TABLES.phase(tasks(names, done)) for done in range(len(names) + 1)]
    assert [phase for phase, _ in said] == [0, 1, 1, 1, 2, 3]
    assert len({line for _, line in said}) == 4
    assert "(leads)" in said[4][1]


def tasks(names, done):
    states = ["success"] * done + ["running"] * (len(names) - done)
    return [{"task_id": f"marketo.{name}", "state": state} for name, state in zip(names, states, strict=True)]


def test_a_file_flow_that_has_not_begun_says_so(tmp_path):
    flow = FileFlow("d", "leads", "the files", {}, tmp_path, "id", jsonl_keys, lambda _: 0)
    assert flow.phase([{"task_id": "leads", "state": "queued"}])[0] == 0
    assert flow.phase([{"task_id": "leads", "state": "deferred"}])[0] == 1
