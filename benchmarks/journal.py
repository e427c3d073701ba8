"""
Read, type and write the events of a journal: ``python -m benchmarks.journal [--events 1000000]``.

The simulator runs in this process, and the run of the stream in another one, so the two cores of a small machine are
busy. Memory is the highest resident size of that process minus its size after the imports.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.simulator.journal import CLIENT_ID, CLIENT_SECRET, IMS_ORG
from benchmarks.table import Row, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = 1_000_000
SECONDS, MEGABYTES = 90.0, 200.0
"""The most that a million events may take."""

DAYS = 6
PAGE = 2_000

_RUN = """
import json, sys
from benchmarks.journal_run import run
print(json.dumps(run(json.loads(sys.argv[1]))))
"""


def measure(events: int, folder: Path) -> Iterator[Row]:
    """
    Measure one run that reads all events of a journal.

    :param events: how many there are.
    :param folder: folder for the files.
    """
    today = datetime.now(timezone.utc).date()
    settings = Settings(leads=1_000, activities=events, start=today - timedelta(days=DAYS), end=today)
    with Simulator(settings) as simulator:
        simulator.journal.behave(page=PAGE)
        facts = {
            "url": simulator.url,
            "journal": simulator.journal_url,
            "client_id": CLIENT_ID,
            "marketo_id": simulator.client_id,
            "marketo_secret": simulator.client_secret,
            "client_secret": CLIENT_SECRET,
            "ims_org": IMS_ORG,
            "instance": settings.munchkin_id,
            "since": f"{today - timedelta(days=DAYS)}T00:00:00Z",
            "folder": str(folder / "journal"),
        }
        done = subprocess.run([sys.executable, "-c", _RUN, json.dumps(facts)], check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    rows, seconds, share = found["rows"], found["seconds"], found["rows"] / EVENTS
    on = f"{rows:,} events as typed Parquet"
    reached = f"{seconds:.1f} s, {rows / seconds:,.0f} rows/s, {found['cpu']:.1f} s of CPU"
    yield Row("journal: seconds", on, reached, "", seconds, SECONDS * share, at_most=True)
    peak = found["megabytes"]
    yield Row("journal: memory", on, f"{peak:.0f} MB", "above the imports", peak, MEGABYTES, at_most=True)


def main() -> int:
    """Run the command; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"events in the journal (default: {EVENTS:,})")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marketo-journal-") as name:
        os.environ["AIRFLOW_HOME"] = str(Path(name) / "airflow")  # before the run imports Airflow
        rows = list(measure(options.events, Path(name)))
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
