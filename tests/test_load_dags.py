"""The DAG files and the arithmetic of the load benchmark."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.governor.rules import Limits
from benchmarks.load import Sample, use_of_limit
from benchmarks.load_dags import Load, plain_id

LIMITS = Limits(rate=90, parallel=8)
SPAN = LIMITS.span


def test_dags_with_and_without_the_provider_have_the_same_tasks(tmp_path):
    load = Load(dags=10, tasks=3, calls=2, lake=tmp_path)
    files = load.files()
    for dag_id in load.dag_ids():
        ours, without = (_dag(files[each]) for each in (dag_id, plain_id(dag_id)))
        (task,), (plain,) = ours.tasks, without.tasks
        assert task.task_id == plain.task_id
        assert len(task.expand_input.value) == 3
        assert task.expand_input.value == plain.expand_input.value
        assert "airflow_provider_marketo" in task.operator_class.__module__
        assert "airflow_provider_marketo" not in files[plain_id(dag_id)]


def test_each_task_has_keys_of_its_own(tmp_path):
    load = Load(dags=20, tasks=3, calls=2, lake=tmp_path)
    files = load.files()
    mapped = [each for dag_id in load.dag_ids() for each in _dag(files[dag_id]).tasks[0].expand_input.value]
    for name, kind in (("source", "write"), ("output_path", "extract"), ("lead_ids", "campaign")):
        values = [str(each[name]) for each in mapped if name in each]
        assert len(set(values)) == len(values) == load.count(kind) > 0
    rows = [line for file in (tmp_path / "rows").iterdir() for line in file.read_text().splitlines()]
    assert len(set(rows)) == len(rows) == load.count("write") * 600


def test_sensors_wait_for_leads_that_another_task_writes(tmp_path):
    load = Load(dags=10, tasks=3, calls=1, lake=tmp_path)
    files = load.files()
    written = "".join(file.read_text() for file in (tmp_path / "rows").iterdir())
    waited_for = [
        each["lookup_values"][0]
        for dag_id in load.dag_ids()
        for each in _dag(files[dag_id]).tasks[0].expand_input.value
        if _dag(files[dag_id]).tasks[0].task_id == "wait"
    ]
    assert len(set(waited_for)) == 3
    assert all(f'"{email}"' in written for email in waited_for)


@pytest.mark.parametrize(("calls_of_a_window", "used"), [(90, 90 / SPAN * 20 / 90), (45, 45 / SPAN * 20 / 90)])
def test_use_of_the_limit_counts_whole_windows_in_which_tasks_wait(calls_of_a_window, used):
    bursts = [Sample(1_000 + 0.5 * n, calls_of_a_window * (int(0.5 * n / SPAN) + 1), 5) for n in range(400)]
    idle = [Sample(1_200 + n, bursts[-1].calls, 0) for n in range(100)]
    row = use_of_limit("a load", LIMITS, [*bursts, *idle])
    assert row.value == pytest.approx(used, abs=0.02)
    assert row.passed is (calls_of_a_window == 90)


def test_a_load_that_is_too_short_fails():
    assert not use_of_limit("a load", LIMITS, [Sample(n, n, 1) for n in range(30)]).passed


def _dag(text):
    """Return the DAG that a file defines."""
    names = {"__name__": "load"}
    exec(text, names)
    return names["dag"]
