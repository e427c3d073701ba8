"""A task asks a person in Airflow's Required Actions whether its request ran, and continues with the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from airflow_provider_marketo.simulator import Simulator
from tests.airflow.browser import find_browser, open_page
from tests.airflow.conftest import POLL_INTERVAL, WAITING
from tools.real_airflow import DagRun, RealAirflow

MAPPED = ("mapped/0", "mapped/1", "mapped/2")


def sent_by(marketo: Simulator) -> int:
    with marketo.instance.lock:
        return sum(each.operation == "campaigns.request" for each in marketo.instance.store.assets.sendings)


def details(run: DagRun, task_id: str) -> str:
    """Return the path of a task's question; a mapped task is named as ``task/2``."""
    return f"{run.path}/taskInstances/{task_id if '/' in task_id else f'{task_id}/-1'}/hitlDetails"


def question(run: DagRun, task_id: str) -> dict:
    return dict(run.airflow.api("GET", details(run, task_id)))


def answer(run: DagRun, task_id: str, option: str) -> None:
    time.sleep(POLL_INTERVAL)
    run.airflow.api("PATCH", details(run, task_id), chosen_options=[option], params_input={})


@pytest.fixture(scope="module")
def run(airflow: RealAirflow, marketo: Simulator) -> Iterator[DagRun]:
    marketo.fail("campaigns.request", drop=True, executed=True, times=None)
    run = airflow.trigger("asking")
    for task_id in ("sent", "not_sent", "by_command", "again", "without_triggerer", "twice", *MAPPED):
        run.wait_for(task_id, *WAITING, within=120)
    for moment, try_number in (("asked", 2), ("answered", 1), ("recorded", 1)):
        run.wait_for(f"killed_when_{moment}", *WAITING, try_number=try_number, within=120)
    run.wait_for("failing", "failed", within=120)
    marketo.clear_faults()
    yield run
    marketo.clear_faults()


def test_the_question_says_what_was_to_be_sent_to_how_many_and_how_to_check(run: DagRun) -> None:
    asked = question(run, "sent")
    assert (asked["subject"], asked["options"]) == ("Did Marketo run this request?", ["Sent", "Not sent"])
    for part in ("campaign 2001", "2 leads", "asking.sent", "How to check", "Results tab"):
        assert part in asked["body"]
    assert any("Waiting for a person in Airflow's Required Actions" in line for line in run.log("sent"))


def test_the_address_to_which_the_page_leads_shows_the_question(run: DagRun, airflow: RealAirflow) -> None:
    program = find_browser()
    if program is None:
        pytest.skip("Chromium is not installed")
    # After a login, Airflow 3.1 redirects to its first page.
    cookie = {"name": "_token", "value": airflow.token, "domain": "127.0.0.1", "path": "/"}
    with open_page(program, [cookie]) as page:
        page.open(f"{airflow.url}/dags/asking/runs/{quote(run.run_id, safe='')}/tasks/sent/required_actions")
        page.wait_for("document.body.innerText.includes('Did Marketo run this request?')")
        page.wait_for("document.body.innerText.includes('trigger campaign 2001 for 2 leads')")


def test_what_was_sent_is_not_sent_again(run: DagRun, marketo: Simulator) -> None:
    before = sent_by(marketo)
    answer(run, "sent", "Sent")
    run.wait_for("sent", "success", within=90)
    assert sent_by(marketo) == before
    assert run.xcom("sent")["groups_sent_earlier"] == 1
    with pytest.raises(requests.HTTPError, match=r": 409 "):
        answer(run, "sent", "Not sent")


def test_what_was_not_sent_is_sent_once(run: DagRun, marketo: Simulator) -> None:
    before = sent_by(marketo)
    answer(run, "not_sent", "Not sent")
    run.wait_for("not_sent", "success", within=90)
    assert sent_by(marketo) == before + 1
    assert run.xcom("not_sent")["groups_sent"] == 1


def test_the_command_settles_what_waits_and_status_names_the_place_to_answer(
    run: DagRun, airflow: RealAirflow, marketo: Simulator
) -> None:
    said = airflow.cli("status", "-o", "json", module="airflow_provider_marketo")
    facts = json.loads(said[said.index("{\n") :])
    waiting = {each["task_id"]: each for each in facts["needs"]["decisions"]}
    assert waiting["by_command"]["asks"]
    assert not waiting["failing"]["asks"]
    before = sent_by(marketo)
    airflow.cli("ledger", "settle", waiting["by_command"]["key"], "--sent", module="airflow_provider_marketo")
    answer(run, "by_command", "Not sent")  # comes too late, and sends nothing
    run.wait_for("by_command", "success", within=90)
    assert sent_by(marketo) == before


def test_a_second_unknown_request_of_a_task_fails_and_is_settled_by_the_command(
    run: DagRun, airflow: RealAirflow, marketo: Simulator
) -> None:
    first = question(run, "twice")["body"]
    marketo.fail("campaigns.request", drop=True, executed=True, times=None)
    answer(run, "twice", "Sent")
    run.wait_for("twice", "failed", within=90)
    marketo.clear_faults()
    assert any("an earlier try asked about another request" in line for line in run.log("twice"))
    assert question(run, "twice")["body"] == first
    said = airflow.cli("ledger", "list", "-o", "json", module="airflow_provider_marketo")
    entries = json.loads(said.splitlines()[-1])
    (waiting,) = (each["key"] for each in entries if each["task"] == "asking.twice" and each["state"] == "unresolved")
    airflow.cli("ledger", "settle", waiting, "--sent", module="airflow_provider_marketo")
    run.clear("twice")
    run.wait_for("twice", "success", try_number=2, within=90)
    assert (run.xcom("twice")["groups_sent"], run.xcom("twice")["groups_sent_earlier"]) == (1, 2)


def test_a_cleared_task_asks_the_same_question_again(run: DagRun, marketo: Simulator) -> None:
    before = sent_by(marketo)
    run.clear("again")
    run.wait_for("again", *WAITING, try_number=2, within=90)
    answer(run, "again", "Not sent")
    run.wait_for("again", "success", try_number=2, within=90)
    assert sent_by(marketo) == before + 1


def test_each_mapped_task_asks_its_own_question_and_takes_its_own_answer(run: DagRun, marketo: Simulator) -> None:
    for index, task_id in enumerate(MAPPED):
        body = question(run, task_id)["body"]
        assert f"for {index + 1} lead{'s' if index else ''}" in body
        assert f"asking.mapped[{index}]" in body
    before = sent_by(marketo)
    answer(run, "mapped/1", "Not sent")
    run.wait_for("mapped/1", "success", within=90)
    assert sent_by(marketo) == before + 1
    answer(run, "mapped/0", "Sent")
    run.wait_for("mapped/0", "success", within=90)
    assert sent_by(marketo) == before + 1
    assert run.task("mapped/2")["state"] in WAITING
    answer(run, "mapped/2", "Sent")
    run.wait_for("mapped/2", "success", within=90)


def test_a_task_that_is_killed_before_it_waits_asks_the_same_question_again(run: DagRun, marketo: Simulator) -> None:
    before = sent_by(marketo)
    assert "for 1 lead" in question(run, "killed_when_asked")["body"]
    answer(run, "killed_when_asked", "Sent")
    run.wait_for("killed_when_asked", "success", try_number=2, within=90)
    assert sent_by(marketo) == before


def test_a_task_that_is_killed_before_it_records_the_answer_asks_again(run: DagRun, marketo: Simulator) -> None:
    before = sent_by(marketo)
    answer(run, "killed_when_answered", "Not sent")
    run.wait_for("killed_when_answered", *WAITING, try_number=2, within=90)
    assert sent_by(marketo) == before
    answer(run, "killed_when_answered", "Not sent")
    run.wait_for("killed_when_answered", "success", try_number=2, within=90)
    assert sent_by(marketo) == before + 1


def test_a_task_that_is_killed_after_it_recorded_the_answer_keeps_to_it(run: DagRun, marketo: Simulator) -> None:
    before = sent_by(marketo)
    answer(run, "killed_when_recorded", "Not sent")
    run.wait_for("killed_when_recorded", "success", try_number=2, within=90)
    assert sent_by(marketo) == before + 1


def test_the_triggerer_may_die_while_a_person_thinks(run: DagRun, airflow: RealAirflow, marketo: Simulator) -> None:
    before = sent_by(marketo)
    airflow.kill_component("triggerer")
    try:
        answer(run, "without_triggerer", "Not sent")
    finally:
        airflow.start_component("triggerer")
    run.wait_for("without_triggerer", "success", within=120)
    assert sent_by(marketo) == before + 1
