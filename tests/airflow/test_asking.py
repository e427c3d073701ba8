"""A task asks a person in Airflow's Required Actions whether its request ran, and goes on with the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_marketo.simulator import Simulator
from tools.real_airflow import DagRun, RealAirflow, RealAirflowError

WAITING = ("awaiting_input", "deferred")
"""How a task waits for a person: from Airflow 3.3 on, and before."""


def requests(marketo: Simulator) -> int:
    with marketo.instance.lock:
        return sum(each.operation == "campaigns.request" for each in marketo.instance.store.assets.sendings)


def question(run: DagRun, task_id: str) -> dict:
    return dict(run.airflow.api("GET", f"{run.path}/taskInstances/{task_id}/-1/hitlDetails"))


def answer(run: DagRun, task_id: str, option: str) -> None:
    run.airflow.api(
        "PATCH", f"{run.path}/taskInstances/{task_id}/-1/hitlDetails", chosen_options=[option], params_input={}
    )


@pytest.fixture(scope="module")
def run(airflow: RealAirflow, marketo: Simulator) -> Iterator[DagRun]:
    marketo.fail("campaigns.request", drop=True, executed=True, times=None)
    run = airflow.trigger("asking")
    for task_id in ("sent", "not_sent", "by_command", "twice"):
        run.wait_for(task_id, *WAITING, within=120)
    run.wait_for("failing", "failed", within=120)
    marketo.clear_faults()
    yield run
    marketo.clear_faults()


def test_the_question_says_what_was_to_be_sent_to_how_many_and_how_to_check(run: DagRun) -> None:
    asked = question(run, "sent")
    assert (asked["subject"], asked["options"]) == ("Did Marketo run this request?", ["Sent", "Not sent"])
    for part in ("campaign 2001", "2 leads", "asking.sent", "How to check", "Results tab", "Why it is unknown"):
        assert part in asked["body"]
    assert any("Waiting for a person in Airflow's Required Actions" in line for line in run.log("sent"))


def test_what_was_sent_is_not_sent_again(run: DagRun, marketo: Simulator) -> None:
    before = requests(marketo)
    answer(run, "sent", "Sent")
    run.wait_for("sent", "success", within=90)
    assert requests(marketo) == before
    assert run.xcom("sent")["groups_sent_earlier"] == 1
    with pytest.raises(RealAirflowError, match="409"):
        answer(run, "sent", "Not sent")


def test_what_was_not_sent_is_sent_once(run: DagRun, marketo: Simulator) -> None:
    before = requests(marketo)
    answer(run, "not_sent", "Not sent")
    run.wait_for("not_sent", "success", within=90)
    assert requests(marketo) == before + 1
    assert run.xcom("not_sent")["groups_sent"] == 1


def test_the_command_settles_what_waits_and_status_names_the_place_to_answer(
    run: DagRun, airflow: RealAirflow, marketo: Simulator
) -> None:
    said = airflow.cli("status", "-o", "json", module="airflow_provider_marketo")
    facts = json.loads(said[said.index("{\n") :])
    waiting = {each["task_id"]: each for each in facts["needs"]["decisions"]}
    assert waiting["by_command"]["asks"]
    assert not waiting["failing"]["asks"]
    before = requests(marketo)
    airflow.cli("ledger", "settle", waiting["by_command"]["key"], "--sent", module="airflow_provider_marketo")
    answer(run, "by_command", "Not sent")  # comes too late, and sends nothing
    run.wait_for("by_command", "success", within=90)
    assert requests(marketo) == before


def test_a_second_unknown_request_of_a_try_fails_and_a_clear_asks_about_it(run: DagRun, marketo: Simulator) -> None:
    first = question(run, "twice")["body"]
    marketo.fail("campaigns.request", drop=True, executed=True, times=None)
    answer(run, "twice", "Sent")
    run.wait_for("twice", "failed", within=90)
    assert any("asked about another request already" in line for line in run.log("twice"))
    run.clear("twice")
    run.wait_for("twice", *WAITING, try_number=2, within=90)
    marketo.clear_faults()
    assert question(run, "twice")["body"] != first
    answer(run, "twice", "Sent")
    run.wait_for("twice", "success", try_number=2, within=90)
    assert run.xcom("twice")["groups_sent_earlier"] == 2
