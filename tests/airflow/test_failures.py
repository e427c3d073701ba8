"""What a person sees in the log of a failed task: the sentence at the end, and one frame of this package."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_marketo.simulator import Simulator
from tools.real_airflow import DagRun, RealAirflow

SENTENCES = {
    "wrong_secret": r"service refuses this client id and secret \(HTTP 401 from identity\)\. Check the connection's",
    "unknown_campaign": r"campaign_id: .*99999",
    "wrong_field": r"fields: .*Did you mean 'firstName'",
    "wrong_field_of_a_sensor": r"field: .*Did you mean 'leadStatus'",
}


@pytest.fixture(scope="module")
def failed(airflow: RealAirflow, marketo: Simulator) -> DagRun:
    marketo.clear_faults()
    run = airflow.trigger("failing", logical_date=None)
    for task in SENTENCES:
        run.wait_for(task, "failed", within=100)
    return run


def lines_of(run: DagRun, task: str) -> list[Any]:
    path = f"{run.path}/taskInstances/{task}/logs/1"
    return [line for line in run.airflow.api("GET", path)["content"] if isinstance(line, dict)]


@pytest.mark.parametrize("task", SENTENCES)
def test_the_last_error_of_the_log_is_the_sentence(failed: DagRun, task: str) -> None:
    lines = lines_of(failed, task)
    errors = [line for line in lines if line.get("level") == "error"]
    assert re.search(SENTENCES[task], errors[-1]["event"])
    assert "error_detail" not in errors[-1]
    assert not any(line.get("level") in ("warning", "critical") for line in lines[lines.index(errors[-1]) :])


@pytest.mark.parametrize("task", SENTENCES)
def test_there_is_one_error_without_a_cause_and_with_one_frame_of_the_package(failed: DagRun, task: str) -> None:
    detailed = [line for line in lines_of(failed, task) if line.get("error_detail")]
    (chain,) = [line["error_detail"] for line in detailed]
    (shown,) = chain
    ours = [frame["filename"] for frame in shown["frames"] if "airflow_provider_marketo" in frame["filename"]]
    assert [name.rsplit("/", 1)[-1] for name in ours] == ["failures.py"], ours
    assert not [frame for frame in shown["frames"] if "tenacity" in frame["filename"]]
