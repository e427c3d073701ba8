"""How a process knows that the scheduler surely runs on its host: its ancestors or a mark on the host show it."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.hooks import host
from airflow_provider_marketo.hooks.host import reason_for_host

TASK = ["airflow worker -- 0199-a-task"]
LOCAL_WORKER = ["airflow worker -- LocalExecutor: a_dag a_task"]
SCHEDULER = ["/usr/bin/python3", "/usr/local/bin/airflow", "scheduler", "--skip-serve-logs"]
POD = [
    "/usr/bin/python3",
    "-m",
    "airflow.sdk.execution_time.execute_workload",
    "--json-path",
    "/tmp/execute/input.json",
]
CELERY = ["/usr/bin/python3", "/usr/local/bin/airflow", "celery", "worker"]
STANDALONE = ["/usr/bin/python3", "/usr/local/bin/airflow", "standalone"]
TRIGGERER = ["/usr/bin/python3", "/usr/local/bin/airflow", "triggerer"]
SHELL = ["bash", "-c", "echo airflow scheduler"]


@pytest.fixture
def ancestry(monkeypatch, tmp_path):
    """Return a function that calls ``reason_for_host`` for given command lines: of the process and of its ancestors."""

    def ask(*commands, is_task: bool = True, supervised: bool = True) -> str | None:
        monkeypatch.setattr(host, "_commands", lambda: iter(commands))
        monkeypatch.setattr(airflow_compat, "is_supervised", lambda: supervised)
        monkeypatch.setattr(airflow_compat, "supervisor", SimpleNamespace)
        return reason_for_host(tmp_path, is_task=is_task)

    return ask


@pytest.mark.parametrize(
    "commands",
    [
        (TASK, LOCAL_WORKER, SCHEDULER, ["systemd"]),
        (TASK, LOCAL_WORKER, ["init"]),
        (TASK, ["python", "-m", "airflow", "scheduler"]),
        (TASK, ["python", "/opt/airflow/__main__.py", "scheduler", "-D"]),
        (TASK, ["/usr/bin/python3 /usr/local/bin/airflow scheduler"]),
    ],
)
def test_a_task_that_the_scheduler_has_started_is_on_its_host(ancestry, commands):
    assert ancestry(*commands) == "the scheduler on this host has started this task"


@pytest.mark.parametrize("ancestors", [(POD, ["tini"]), (CELERY, ["init"]), (SHELL,), (TRIGGERER,), (), ([""],)])
def test_any_other_task_may_be_on_another_host(ancestry, ancestors):
    assert ancestry(TASK, *ancestors) is None


@pytest.mark.parametrize("name", ["AIRFLOW_IS_K8S_EXECUTOR_POD", "AIRFLOW_IS_EXECUTOR_CONTAINER"])
def test_a_pod_is_never_the_schedulers_host(ancestry, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert ancestry(TASK, LOCAL_WORKER, SCHEDULER, STANDALONE) is None


@pytest.mark.parametrize("is_task", [True, False])
def test_standalone_is_one_host(ancestry, is_task):
    assert ancestry(TASK, TRIGGERER, STANDALONE, is_task=is_task) == "airflow standalone runs everything on this host"


def test_a_task_of_a_test_command_is_on_this_host(ancestry, monkeypatch):
    monkeypatch.setattr(airflow_compat, "runs_in_process", lambda: True)
    assert ancestry(["python", "airflow", "dags", "test"]) == "a test command runs the task in its own process"


def test_a_triggerer_is_on_the_host_where_the_scheduler_has_started_tasks(ancestry):
    assert ancestry(TRIGGERER, is_task=False) is None
    ancestry(TASK, LOCAL_WORKER, SCHEDULER)
    assert ancestry(TRIGGERER, is_task=False) == "the scheduler has started tasks on this host"


def test_a_task_does_not_go_by_the_mark_of_another(ancestry):
    ancestry(TASK, LOCAL_WORKER, SCHEDULER)
    assert ancestry(TASK, POD) is None


@pytest.mark.parametrize("other", ["another host", "an old mark", "no mark"])
def test_a_mark_of_another_host_or_another_time_does_not_count(ancestry, tmp_path, monkeypatch, other):
    ancestry(TASK, LOCAL_WORKER, SCHEDULER)
    if other == "another host":
        monkeypatch.setattr(host, "_this_host", lambda: "another boot")
    elif other == "an old mark":
        os.utime(tmp_path / "scheduler-host", (time.time() - 8 * 24 * 3600,) * 2)
    else:
        (tmp_path / "scheduler-host").write_bytes(b"\xff")
    assert ancestry(TRIGGERER, is_task=False) is None


@pytest.mark.parametrize(("supervised", "sure"), [(False, True), (True, False)])
def test_a_script_or_a_command_uses_the_hosts_limits_and_a_triggerer_does_not(ancestry, supervised, sure):
    assert bool(ancestry(SHELL, is_task=False, supervised=supervised)) is sure


def test_the_commands_of_this_process_are_read():
    assert any("pytest" in word for command in host._commands() for word in command)
