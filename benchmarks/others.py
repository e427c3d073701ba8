"""
The speed of other Marketo extractors with the same instance, for orientation.

Each needs a virtual environment of its own, because its dependencies exclude ours. ``MARKETO_CLIENTS`` names their
folder::

    export MARKETO_CLIENTS=~/marketo-clients
    for client in tap-marketo airbyte-source-marketo; do
        python3 -m venv $MARKETO_CLIENTS/$client && $MARKETO_CLIENTS/$client/bin/pip install $client
    done
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.instance import END, START, Export, Instance
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = ("airbyte-source-marketo", "tap-marketo")
STREAM = "activities_visit_webpage"
FORMATS = ("jsonl", "parquet", "csv")
_SCRIPTS = Path(__file__).parent / "clients"


def installed() -> list[str]:
    """Return the clients that are installed."""
    folder = os.environ.get("MARKETO_CLIENTS")
    return [client for client in CLIENTS if folder and (Path(folder) / client / "bin" / "python").exists()]


def measure(instance: Instance, export: Export, folder: Path) -> Iterator[Row]:
    """
    Measure each client beside the provider.

    A client's time goes from its first record of one activity type to its last, without the download before it; the
    provider's time is that of a whole extract.

    :param instance: the instance that serves all of them.
    :param export: the provider's export.
    :param folder: folder for the files.
    """
    clients = installed()
    ours = {name: _ours(instance, export, folder, name) for name in FORMATS if clients}
    for client in clients:
        rows, seconds = _theirs(instance, client)
        for name, speed in ours.items():
            yield Row(
                f"{name} beside {client}",
                f"{export.rows:,} and {rows:,} activities",
                f"{speed:,.0f} rows/s",
                f"{client}: {rows / seconds:,.0f} rows/s",
                speed * seconds / rows,
                None,
            )


def _ours(instance: Instance, export: Export, folder: Path, file_format: str) -> float:
    attributes = None if file_format == "csv" else "json"
    seconds = 0.0
    for _ in range(2):  # the first run imports modules on demand
        with TemporaryDirectory(dir=folder) as output:
            begun = time.perf_counter()
            instance.publish(export, Path(output), file_format=file_format, attributes=attributes)
            seconds = time.perf_counter() - begun
    return export.rows / seconds


def _theirs(instance: Instance, client: str) -> tuple[int, float]:
    python = Path(os.environ["MARKETO_CLIENTS"]) / client / "bin" / "python"
    script = _SCRIPTS / f"{client.replace('-', '_')}_client.py"
    dates = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (START, END)]
    credentials = [instance.url, instance.client_id, instance.client_secret]
    command = [str(part) for part in (python, script, *credentials, STREAM, *dates)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["rows"], found["seconds"]
