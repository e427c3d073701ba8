"""The simulator as a command, as a pytest fixture, and with faster time."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.__main__ import connections_add, main
from tests.simulator.support import JANUARY, Api, Export

pytest_plugins = ["airflow_provider_marketo.simulator.pytest_plugin"]
COMMAND = [sys.executable, "-m", "airflow_provider_marketo.simulator"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    options = ["--leads", "50", "--activities", "100", "--end", "2026-03-01", "--no-limits", "--url-file"]
    with subprocess.Popen([*COMMAND, *options, str(tmp_path / "url")], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started, json.loads(started.stdout.readline())
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_address_and_ends_with_a_report(
    process: tuple[subprocess.Popen[str], dict[str, Any]], tmp_path: Path, number: signal.Signals
):
    started, where = process
    query = {
        "grant_type": "client_credentials",
        "client_id": where["client_id"],
        "client_secret": where["client_secret"],
    }
    token = requests.post(f"{where['url']}/identity/oauth/token", params=query, timeout=10).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{where['url']}/rest/v1/leads/partitions.json", headers=bearer, timeout=10).json()["success"]
    started.send_signal(number)
    output, _ = started.communicate(timeout=60)

    assert json.loads((tmp_path / "url").read_text()) == where
    assert started.returncode == 0
    assert "1 API call, at most 1 at once and 1 in a window" in output
    assert "leads.get_partitions" in output
    assert token not in output


def test_the_second_line_adds_the_connection_to_an_airflow(process: tuple[subprocess.Popen[str], dict[str, Any]]):
    started, where = process
    assert started.stdout is not None
    words = shlex.split(started.stdout.readline())
    options = dict(zip(words[4::2], words[5::2], strict=True))

    assert words[:4] == ["airflow", "connections", "add", "marketo_default"]
    assert options["--conn-type"] == "marketo"
    assert (options["--conn-host"], options["--conn-login"]) == (where["url"], where["client_id"])
    assert options["--conn-password"] == where["client_secret"]
    assert json.loads(options["--conn-extra"]) == {"poll_interval": 5}  # a first try waits only for its job
    assert "--time-scale 60" in started.stdout.readline()


def test_the_connection_polls_as_often_as_airflow_allows_when_time_is_short():
    with Simulator(Settings(leads=10, activities=0, time_scale=60)) as simulator:
        assert '{"poll_interval": 5}' in connections_add(simulator)


def test_other_commands_steer_a_running_simulator(capsys: pytest.CaptureFixture[str]):
    with Simulator(Settings(leads=10, activities=0)) as simulator:
        assert main(["fail", simulator.url, "activities.get_types", "--code", "611", "--times", "1"]) == 0
        assert not Api(simulator).get("/rest/v1/activities/types.json")["success"]
        capsys.readouterr()
        assert main(["report", simulator.url]) == 0

    assert json.loads(capsys.readouterr().out)["rejected"] == {"611": 1}


def test_steering_names_the_address_at_which_no_simulator_answers(capsys: pytest.CaptureFixture[str]):
    assert main(["report", "http://127.0.0.1:1"]) == 1
    assert "No simulator answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_the_help_fits_a_screen(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_the_long_help_explains_every_setting(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help-all"])
    text = " ".join(capsys.readouterr().out.split())

    assert "--export-daily-bytes N bytes of exported files per day" in text
    assert "--no-updated-at-filter" in text
    assert "--users" not in text


def test_a_day_has_one_spelling(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["--end", "20260131"])

    assert "argument --end: '20260131' is not a day such as 2026-01-31" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [{"start": date(2027, 1, 1)}, {"attributes_style": "xml"}, {"users": ()}],
)
def test_contradictory_settings_are_refused_by_name(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"end=\S+ is not after|attributes_style|at least one"):
        Settings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_scale": 0.0},
        {"time_scale": float("nan")},
        {"leads": -1},
        {"daily_quota": -1},
        {"rate": 0},
        {"late_by": float("inf")},
        {"reset_zone": "Mars/Olympus"},
        {"reset_zone": "../etc/passwd"},
    ],
)
def test_settings_that_no_instance_can_have_are_refused_by_name(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}="):
        Settings(**wrong)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "65536"], "--port: 65536 is not a port"),
        (["--port", "-1"], "-1"),
        (["--host", "203.0.113.1"], "cannot listen on 203.0.113.1"),
        (["--url-file", "/does/not/exist/url"], "--url-file"),
        (["--time-scale", "nan"], "time_scale=nan"),
        (["--leads", "-5"], "leads=-5"),
    ],
)
def test_a_command_that_cannot_start_is_one_sentence(arguments: list[str], said: str):
    command = [*COMMAND, "--leads", "5", "--activities", "5", *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 2
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "leads.sink", "code": "611"},
        {"operation": 5, "code": "611"},
        {"operation": "leads.sync", "code": "611", "times": "many"},
        {"operation": "leads.sync", "status": "502"},
        {"operation": "leads.sync", "drop": 1},
        {"operation": "leads.sync", "delay": True},
    ],
)
def test_a_fault_that_could_not_happen_is_refused(api: Api, wrong: dict[str, Any]):
    reply = api.send("POST", "/simulator/fault", json=wrong)

    assert reply.status_code == 400
    assert next(name for name in reversed(wrong)) in reply.json()["error"] or "operation" in reply.json()["error"]


def test_a_simulator_that_is_not_running_has_no_address():
    with pytest.raises(RuntimeError, match="not running"):
        _ = Simulator().url


def test_the_fixture_gives_a_simulator_whose_minutes_are_seconds(marketo_simulator: Simulator):
    leads = Export(Api(marketo_simulator), "leads")
    export_id = leads.created(["id"], {"createdAt": JANUARY})
    leads.enqueue(export_id)
    deadline = time.monotonic() + 60
    while leads.status(export_id)["status"] != "Completed":
        assert time.monotonic() < deadline
        time.sleep(0.1)

    connection = json.loads(marketo_simulator.connection(pool="marketo"))
    assert connection["host"] == marketo_simulator.url
    assert connection["extra"] == {"poll_interval": 1.0, "pool": "marketo"}
    assert leads.file(export_id).text.startswith("id\n")


def test_export_files_are_removed_at_the_end_unless_a_setting_names_their_folder(tmp_path: Path):
    settings = Settings(leads=10, activities=0, spool=tmp_path / "spool")
    with Simulator(settings, clock=ManualClock()) as simulator:
        Export(Api(simulator), "leads").run(["id"], {"createdAt": JANUARY})

    assert [file.suffix for file in (tmp_path / "spool").iterdir()] == [".csv"]
