"""Airflow keeps no secret, token, salt or lead data of a run with failures."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from airflow_provider_marketo.simulator import Settings, Simulator, server
from airflow_provider_marketo.simulator.call import Call
from tests.seed import DATES
from tools.databases import empty_database
from tools.real_airflow import PATIENCE, RealAirflow

DAG = Path(__file__).parent / "dags" / "secretive.py"
TASKS = {
    "hashed": ("success",),
    "activities": ("failed",),
    "sync": ("success",),
    "imported": ("success",),
    "campaign": ("awaiting_input", "deferred"),  # a person is asked, from Airflow 3.3 on without a trigger
    "wrong_secret": ("failed",),
}
"""The state in which each task ends or waits."""

IDENTITY = "/identity/oauth/token?"
SALT, WRONG_SECRET = "salt-of-the-hashes-81c2", "wrong-secret-5d7e"
ROWS = [(f"quentin.marker{number}@example.com", f"Quentinmarker{number}") for number in range(30)]


class _Watch(threading.Thread):
    """Notes the arguments of all processes of an Airflow, as ``ps`` shows them."""

    def __init__(self, airflow: RealAirflow) -> None:
        super().__init__(daemon=True)
        self._airflow = airflow
        self._ended = threading.Event()
        self.seen: set[str] = set()

    def run(self) -> None:
        while not self._ended.wait(0.3):
            for component in list(self._airflow._processes.values()):
                with suppress(psutil.Error):
                    process = psutil.Process(component.pid)
                    for each in (process, *process.children(recursive=True)):
                        with suppress(psutil.Error):
                            self.seen.add(" ".join(each.cmdline()))

    def end(self) -> None:
        self._ended.set()
        self.join()


@dataclass
class Kept:
    """
    The texts and files that a run leaves behind.

    :param places: texts and bytes, by the names of the places that keep them.
    :param hidden: secrets that must not be in any of the places, by name.
    :param lake: the folder with what the tasks have published.
    """

    places: dict[str, bytes]
    hidden: dict[str, set[str]]
    lake: Path

    def found(self, what: str) -> list[str]:
        """Return the places in which a hidden text can be seen."""
        return [
            f"{place}: {value}"
            for place, content in self.places.items()
            for value in self.hidden[what]
            if value.encode() in content
        ]


def _in_sqlite(home: Path) -> bytes:
    with closing(sqlite3.connect(home / "airflow.db")) as database:  # the newest rows may be in a file beside it
        return "\n".join(database.iterdump()).encode()


def _in_postgres(url: str) -> bytes:
    """Return the rows of all tables as text, including bytes that are text."""
    dump = io.StringIO()
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as database, database.cursor() as cursor:
        cursor.execute("SET bytea_output = 'escape'")
        cursor.execute("SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.copy_expert(f"COPY {table} TO STDOUT", dump)
    return dump.getvalue().encode()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Kept]:
    home, lake = tmp_path_factory.mktemp("secretive"), tmp_path_factory.mktemp("secretive-lake")
    (home / "dags").mkdir()
    shutil.copy(DAG, home / "dags")
    rows = [f"{email},{name}" for email, name in ROWS]
    (lake / "rows.csv").write_text("\n".join(["email,firstName", *rows]) + "\n")
    lines: list[str] = []
    tokens: set[str] = set()

    class NotedCall(Call):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            lines.append(f"{given[0]} {given[1]}")
            tokens.update(given[2].get("authorization", "").split()[1:])

    with (
        pytest.MonkeyPatch.context() as patch,
        Simulator(Settings(leads=300, activities=2_000, time_scale=60, **DATES)) as marketo,
    ):
        patch.setattr(server, "Call", NotedCall)
        connection = json.loads(marketo.connection())
        connection["extra"] = {"poll_interval": 4, "hash_secret": SALT}
        marketo.fail("bulk_export_leads.get_file", truncate=700)
        marketo.fail("bulk_export_leads.enqueue_job", drop=True)
        marketo.fail("activities.get_lead_activities", status=200, body="<html>", skip=1)
        marketo.fail("leads.sync", "611")
        marketo.fail("campaigns.request", status=500, executed=True, times=9)
        settings = {
            "AIRFLOW_CONN_MARKETO_DEFAULT": json.dumps(connection),
            "AIRFLOW_CONN_MARKETO_WRONG_SECRET": json.dumps({**connection, "password": WRONG_SECRET}),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(home / "lineage.jsonl"), "append": True}
            ),
            "SECRETIVE_LAKE": str(lake),
        }
        postgres = os.environ["TEST_POSTGRES"] if pytestconfig.getoption("--services") else None
        database = empty_database(postgres, "_secretive") if postgres else None
        with RealAirflow(home, home / "dags", settings, database) as airflow:
            airflow.migrate()
            airflow.cli("setup", module="airflow_provider_marketo")
            airflow.start()
            airflow.wait_until_ready(["secretive"])
            watch = _Watch(airflow)
            watch.start()
            run = airflow.trigger("secretive", logical_date=None)
            for task, states in TASKS.items():
                run.wait_for(task, *states, within=120 * PATIENCE)
            watch.end()
            shown = [airflow.api("GET", f"{run.path}/taskInstances"), run.facts()]
        places = {
            str(path.relative_to(home)): path.read_bytes()
            for path in home.rglob("*")
            if path.is_file() and path.suffix not in (".py", ".pyc")
        }
        places["database"] = _in_sqlite(home) if database is None else _in_postgres(database)
        places["processes"] = "\n".join(watch.seen).encode()
        # Marketo takes the secret in the query of one call; Airflow keeps that query nowhere.
        places["request lines"] = "\n".join(line for line in lines if IDENTITY not in line).encode()
        places["crash reports"] = (lake / "crashes.txt").read_bytes()
        places["REST API"] = json.dumps(shown).encode()
        leads = [marketo.instance.store.leads.get(1001 + number) for number in range(300)]
        hidden = {
            "secret": {connection["password"], WRONG_SECRET},
            "token": tokens,
            "salt": {SALT},
            "lead": {value for row in ROWS for value in row} | {lead["email"] for lead in leads if lead["email"]},
        }
        yield Kept(places, hidden, lake)


@pytest.mark.parametrize("what", ["secret", "token", "salt", "lead"])
def test_it_is_nowhere(kept: Kept, what: str) -> None:
    assert len(kept.hidden[what]) > 0
    assert kept.found(what) == []


def test_everything_was_there_to_be_found(kept: Kept) -> None:
    """Every component logs at DEBUG; the database has the run; lineage and crashes were reported."""
    logs = {place: content for place, content in kept.places.items() if place.endswith(".log")}
    assert {"scheduler.log", "triggerer.log", "api-server.log", "dag-processor.log"} <= set(logs)
    assert any("task_id=hashed" in place for place in logs)
    assert any(b"debug" in content.lower() for place, content in logs.items() if "task_id=hashed" in place)
    assert b"secretive" in kept.places["database"]
    assert b"/rest/v1/" in kept.places["request lines"]
    assert b"identity service refuses this client id and secret" in kept.places["crash reports"]
    assert b"airflow" in kept.places["processes"]
