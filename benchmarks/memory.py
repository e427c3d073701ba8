"""
Peak memory of one extract, measured in a process of its own: ``python -m benchmarks.memory <facts as JSON>``.

The figure is the highest resident size of the process minus its resident size before the extract, after the imports of
an extract (Airflow's SDK, pyarrow, this provider).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.bulk.jobs import ExportJob
from airflow_provider_marketo.client.tabular import typed  # noqa: F401 - imported before memory is measured
from airflow_provider_marketo.extract.request import ExtractRequest
from benchmarks.instance import Export, Instance
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 200.0
"""Megabytes that an extract may take."""

FORMATS: dict[str, dict[str, Any]] = {
    "csv": {"file_format": "csv"},
    "jsonl": {"file_format": "jsonl"},
    "parquet, attributes=map": {"file_format": "parquet"},
    "parquet by activity type and date": {"file_format": "parquet", "partition_by": ["activityTypeId", "date"]},
}


def measure(instance: Instance, exports: tuple[Export, ...], folder: Path) -> Iterator[Row]:
    """
    Measure each format at each size.

    :param instance: the instance that serves the files.
    :param exports: a small and a large export.
    :param folder: folder for the files.
    """
    for name, wanted in FORMATS.items():
        peaks = [_peak(instance, export, folder, wanted) for export in exports]
        sizes = " and ".join(f"{export.megabytes:.0f} MB" for export in exports)
        reached = " and ".join(f"{peak:.0f} MB" for peak in peaks)
        yield Row(f"memory: {name}", sizes, reached, "above the imports", max(peaks), MOST, at_most=True)


def _peak(instance: Instance, export: Export, folder: Path, wanted: dict[str, Any]) -> float:
    facts = {
        "url": instance.url,
        "client_id": instance.client_id,
        "client_secret": instance.client_secret,
        "request": export.request.to_dict() | wanted,
        "job": asdict(export.job),
        "folder": str(folder),
    }
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps(facts)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main(facts: dict[str, Any]) -> float:
    """Run one extract; print the megabytes that it took."""
    instance = Instance.running(facts["url"], facts["client_id"], facts["client_secret"])
    export = Export(ExtractRequest.from_dict(facts["request"]), ExportJob(**facts["job"]), Path(), "", "")
    before = megabytes("VmRSS")
    with tempfile.TemporaryDirectory(dir=facts["folder"]) as output:
        instance.publish(export, Path(output))
    return megabytes("VmHWM") - before


def megabytes(name: str) -> float:
    """Return a size of this process. The kernel's ``ru_maxrss`` would include the parent's size at the start."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6


if __name__ == "__main__":
    print(main(json.loads(sys.argv[1])))
