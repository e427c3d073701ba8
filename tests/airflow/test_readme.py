"""README's steps to the first rows, typed into a terminal as they are printed."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.airflow.terminal import Terminal
from tests.airflow.test_provider import KNOWS_COMMANDS
from tools import readme
from tools.real_airflow import PATIENCE
from tools.services import free_port

DAG_ID = "marketo_activities"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a person with an empty home, whose ports no other Airflow of this machine uses."""
    port = str(free_port())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))}
    return {
        **inherited,
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
        "NO_PROXY": "127.0.0.1,localhost",
        **readme.environment(),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }


@pytest.fixture
def terminal(tmp_path: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    with Terminal(tmp_path, environment) as opened:
        yield opened


def test_readme_leads_from_nothing_to_rows(tmp_path: Path, terminal: Terminal, environment: dict[str, str]) -> None:
    page = readme.read().replace("8765", str(free_port()))  # another simulator of this machine may listen there
    todo = readme.steps(page)
    home = tmp_path / "marketo-try"

    terminal.run(readme.clone(page))

    # `dev.py build` runs these lines in a clean environment: they need a package registry.
    assert "pip install . -c constraints/airflow-3.3.txt\n" in todo.pop("Install").code
    home.mkdir()

    terminal.run(todo.pop("Create Airflow's database").code, within=120)

    terminal.run(todo.pop("Start the simulator").code)
    (printed,) = re.findall(r"`(airflow connections add marketo_default) \.\.\.`", todo.pop("Add the connection").text)
    terminal.run(terminal.wait_for(rf"^{printed} .*$")[0])

    setup = todo.pop("Create the pool")
    (on_3_1,) = re.findall(r"On Airflow 3\.1 the command is\s+`(.*?)`", setup.text)
    terminal.run(setup.code if KNOWS_COMMANDS else on_3_1)
    assert "Pool marketo: created with 8 slots" in terminal.text

    dag = todo.pop("Write a DAG")
    (file,) = re.findall(r"Save it as `~/(.*?)`", dag.text)
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(dag.code)

    terminal.run(todo.pop("Run it once").code, within=120)
    (extracted,) = re.findall(r"Extracted activities from .*: (\d+) rows", terminal.text)
    assert int(extracted) > 0
    lake = home / "lake" / "activities"
    (manifest,) = (lake / "_marketo" / "manifests").iterdir()
    once = manifest.stat().st_mtime_ns

    schedule = todo.pop("Run it on a schedule")
    terminal.type(schedule.code)
    assert "Open http://localhost:8080 and log in as `admin`" in schedule.text
    (passwords,) = re.findall(r"`~/(.*?passwords\S*)`", schedule.text)
    switch_on(f"http://127.0.0.1:{environment['AIRFLOW__API__PORT']}", tmp_path / passwords)
    terminal.wait_for(rf"DagRun Finished: dag_id={DAG_ID},.* state=success, run_type=scheduled", within=120)
    assert manifest.stat().st_mtime_ns > once, "the scheduled run has not replaced the files of the first"
    assert "Ctrl-C in the terminal ends Airflow" in schedule.text
    assert "if it hangs, press Ctrl-\\" in schedule.text
    terminal.stop()

    (tmp_path / "rows.py").write_text(todo.pop("Look at the rows").code)
    terminal.run(f"python {tmp_path / 'rows.py'}")
    assert f"\n{extracted} activities, and this is one of them: [{{'marketoGUID': " in terminal.text

    stop, _, remove = todo.pop("Clean up").code.splitlines()
    terminal.run(stop)
    terminal.wait_for(r"\bcalls\b", within=10)
    terminal.run(remove)
    assert not home.exists()
    assert todo == {}, "steps that this test does not walk"


def switch_on(url: str, passwords: Path) -> None:
    """Log in when Airflow has started, and switch the DAG on, as its switch in the UI does."""
    deadline = time.monotonic() + 60 * PATIENCE
    while True:
        try:
            login = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
            token = requests.post(f"{url}/auth/token", json=login, timeout=30).json()["access_token"]
            break
        except (OSError, ValueError):  # not started yet
            assert time.monotonic() < deadline, "the API server did not start"
            time.sleep(1)
    reply = requests.patch(
        f"{url}/api/v2/dags/{DAG_ID}",
        json={"is_paused": False},
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
    )
    reply.raise_for_status()


def test_readmes_other_commands_are_run_by_ci() -> None:
    ci = (readme.ROOT / ".ci" / "run").read_text("utf-8")
    commands = set(re.findall(r"^python3 (dev\.py \w+)$", readme.read(), re.MULTILINE))
    assert commands == {"dev.py demo", "dev.py test"}
    assert {command for command in commands if f"python3 {command}" not in ci} == set()
