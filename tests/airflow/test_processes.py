"""The modules of this package that Airflow's own processes import while no DAG uses it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.plugin.test_plugin import LOADED_BY_AIRFLOW
from tools.real_airflow import COMPONENTS, RealAirflow

NOTE_IMPORTS = """
import os, sys

class Notes:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("airflow_provider_marketo."):
            with open(f"{os.environ['IMPORTED']}/{os.getpid()}", "a") as file:
                print(" ".join(sys.orig_argv[3:]), name, sep="\\t", file=file)

sys.meta_path.insert(0, Notes())
"""
DAG = """
from datetime import timedelta
from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, task

with DAG("without_marketo", schedule=None):

    @task
    def plain(): ...

    plain() >> TimeDeltaSensor(task_id="waits", delta=timedelta(seconds=1), deferrable=True)
"""
COMMAND_LINE = {"cli", "cli.definition", "cli.api_commands", "choices"}
"""The modules that define ``airflow marketo``: each process loads all commands of Airflow and of its providers."""

COMMANDS = (("version",), ("dags", "list"), ("pools", "list"), ("providers", "list"), ("config", "list"))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, set[str]]]:
    """Our modules by the command of the process that imported them, after a run with a task and a trigger."""
    folder = tmp_path_factory.mktemp("processes")
    for name, text in {"noting/sitecustomize.py": NOTE_IMPORTS, "dags/without_marketo.py": DAG}.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    notes = folder / "notes"
    notes.mkdir()
    path = os.pathsep.join(filter(None, (str(folder / "noting"), os.environ.get("PYTHONPATH"))))
    with RealAirflow(folder / "home", folder / "dags", {"PYTHONPATH": path, "IMPORTED": str(notes)}) as airflow:
        airflow.migrate()
        for command in COMMANDS:
            airflow.cli(*command)
        airflow.start()
        airflow.wait_until_ready(["without_marketo"])
        airflow.trigger("without_marketo").wait_for("waits", "success", within=60)
        yield _by_command(notes)


def _by_command(notes: Path) -> Mapping[str, set[str]]:
    found = defaultdict(set)
    for line in "".join(file.read_text() for file in notes.iterdir()).splitlines():
        command, module = line.split("\t")
        found[command].add(module.removeprefix("airflow_provider_marketo."))
    return found


@pytest.mark.parametrize(
    "command", [*COMMANDS, *(command for name, command in COMPONENTS.items() if name != "api-server")], ids=" ".join
)
def test_a_process_imports_the_plugin_file_and_what_airflow_loads_of_every_provider(imported, command) -> None:
    """The scheduler's command line is also that of the workers and the tasks that it forks."""
    found = imported[" ".join(command)]
    assert "provider_info" in found or "plugin" in found
    assert found <= LOADED_BY_AIRFLOW | COMMAND_LINE


def test_the_api_server_has_the_page(imported) -> None:
    (served,) = (found for command, found in imported.items() if command.startswith("api-server"))
    assert {"plugin", "plugin.app", "status.facts"} <= served
