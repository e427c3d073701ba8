"""
Clients that other people wrote work against the simulator.

Their dependencies contradict ours, so each client needs its own virtual environment::

    export MARKETO_CLIENTS=~/marketo-clients
    for client in marketorestpython tap-marketo airbyte-source-marketo; do
        python3 -m venv $MARKETO_CLIENTS/$client && $MARKETO_CLIENTS/$client/bin/pip install $client
    done
    pytest tests/interop
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.simulator import Settings, Simulator
from tests.seed import DATES

pytestmark = pytest.mark.slow("starts the client in an interpreter of its own")

HERE = Path(__file__).parent
SETTINGS = Settings(leads=1_000, activities=5_000, time_scale=120, formula_field=False, **DATES)


def run(client: str, subject: str = "") -> tuple[dict[str, Any], Simulator]:
    """Run a client against a simulator; return what it printed, and the simulator."""
    folder = Path(os.environ["MARKETO_CLIENTS"]) / client
    if not folder.is_dir():
        pytest.fail(f"{client} is missing: python3 -m venv {folder} && {folder}/bin/pip install {client}")
    script = HERE / f"{client.replace('-', '_')}{subject}_client.py"
    with Simulator(SETTINGS) as simulator:
        command = [folder / "bin" / "python", script, simulator.url, simulator.client_id, simulator.client_secret]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), simulator


def test_marketorestpython_writes_leads_and_reads_lists_feeds_and_exports():
    found, simulator = run("marketorestpython")

    assert found == {
        "created": "created",
        "title": "Boss",
        "on_list": 200,
        "member": "memberof",
        "activities": 1490,
        "changes": 224,
        "gone": 0,
        "custom": "SIM00000000000003",
        "used": True,
        "rows": 2257,
    }
    assert simulator.report().rejected == {}


def test_marketorestpython_reads_and_writes_assets_of_every_family():
    found, simulator = run("marketorestpython", "_assets")

    assert found == {"done": 85, "failed": {}}
    assert simulator.report().rejected == {}


def test_tap_marketo_discovers_and_exports_in_bulk():
    found, simulator = run("tap-marketo")

    assert found["streams"] > 20
    assert found["records"]["leads"] > 50
    assert found["records"]["activities_visit_webpage"] > 500
    assert simulator.report().rejected == simulator.report().violations == {}


def test_airbyte_source_marketo_exports_in_bulk():
    found, simulator = run("airbyte-source-marketo")

    assert found["ready"]
    assert found["records"]["leads"] > 50
    assert found["records"]["activities_visit_webpage"] > 500
    assert simulator.report().rejected == {}
