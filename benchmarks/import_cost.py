"""The CPU time that a DAG file takes to import each operator, sensor and transfer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from airflow_provider_marketo.provider_info import get_provider_info
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TARGET = 15
"""Milliseconds in addition to the Airflow imports that every DAG file makes."""

_SCRIPT = """
import json, sys, time
start = time.process_time()
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
airflow = time.process_time()
for module in sys.argv[1:]:
    __import__(module)
print(json.dumps([airflow - start, time.process_time() - airflow]))
"""


def modules() -> list[str]:
    """Return the modules that DAG files import, as the provider lists them."""
    info = get_provider_info()
    groups = [*info["operators"], *info["sensors"]]
    listed = [module for group in groups for module in group["python-modules"]]
    return [*listed, *(transfer["python-module"] for transfer in info["transfers"])]


def measure(repeats: int) -> Iterator[Row]:
    """
    Measure the CPU time of each module in new interpreters, beside the import of Airflow in the same interpreter.

    :param repeats: how many interpreters; the fastest counts.
    """
    with tempfile.TemporaryDirectory(prefix="marketo-bytecode-") as folder:
        # An installed package has its bytecode, so the interpreters may store it here.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = folder
        _import(environment, *modules())
        for module in modules():
            measured = [_import(environment, module) for _ in range(repeats)]
            airflow, ours = (min(column) for column in zip(*measured, strict=True))
            name = module.removeprefix("airflow_provider_marketo.")
            yield Row(
                f"import of {name}",
                f"{repeats} interpreter{'s' if repeats > 1 else ''}",
                f"{ours:.1f} ms",
                f"above {airflow:.0f} ms of airflow.sdk",
                ours,
                TARGET,
                at_most=True,
            )


def _import(environment: Mapping[str, str], *modules: str) -> tuple[float, float]:
    """Return the milliseconds of CPU that Airflow's classes and our modules take in a new interpreter."""
    command = [sys.executable, "-c", _SCRIPT, *modules]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    airflow, ours = json.loads(done.stdout.splitlines()[-1])
    return airflow * 1e3, ours * 1e3
