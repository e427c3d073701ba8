"""Check that Airflow sees the installed package as a provider. Runs in an environment that has nothing else."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile

from airflow_provider_marketo.provider_info import get_provider_info

PACKAGE = "airflow-provider-marketo"
NOT_LISTED = ("airflow_provider_marketo.simulator", "airflow_provider_marketo.cli.definition")


def main() -> None:
    """
    Import every module that the provider lists, and compare the provider's metadata with what Airflow's commands show.

    :raises AssertionError: a command fails, or does not show what it should.
    """
    info = get_provider_info()
    listed = [
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for group in info.get(kind, ())
        for module in group["python-modules"]
    ]
    listed += [transfer["python-module"] for transfer in info.get("transfers", ())]
    for module in (*listed, *NOT_LISTED):
        importlib.import_module(module)
    print(f"{len(listed)} modules that the provider lists can be imported")
    _shows(f"airflow providers get {PACKAGE} --full", PACKAGE, info["versions"][0], "hook-class-name")
    _shows("airflow providers hooks", "marketo", "airflow_provider_marketo.hooks.marketo.MarketoHook")
    _shows(
        "airflow config get-value marketo jobs_in_flight",
        info["config"]["marketo"]["options"]["jobs_in_flight"]["default"],
    )


def _shows(command: str, *expected: str) -> None:
    with tempfile.TemporaryDirectory(prefix="marketo-airflow-") as home:
        done = subprocess.run(
            [sys.executable, "-m", *command.split(), *(["--output", "json"] if "providers" in command else [])],
            env={**os.environ, "AIRFLOW_HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{command} failed:\n{said}"
    missing = [text for text in expected if text not in done.stdout]
    assert not missing, f"{command} does not show {missing}:\n{said}"
    assert "Error when importing" not in said, f"{command}:\n{said}"
    print(f"{command}: correct")


if __name__ == "__main__":
    main()
