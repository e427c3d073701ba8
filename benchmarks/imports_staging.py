"""Stage an input and print time and memory; :mod:`benchmarks.imports` runs this in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.imports.database import from_query
from airflow_provider_marketo.imports.fields import Description, Field, header
from airflow_provider_marketo.imports.plan import ImportPlan
from airflow_provider_marketo.imports.request import ImportRequest
from airflow_provider_marketo.imports.source import from_files
from airflow_provider_marketo.imports.staging import BULK, Stager
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from airflow_provider_marketo.imports.rows import Rows

SQL = "SELECT * FROM people"
TYPES = {"email": "email", "leadScore": "score", "newsletterOptIn": "boolean", "contractStart": "date",
         "comments": "text"}  # fmt: skip
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Peak:
    """Samples of the resident memory: the maximum that Linux reports includes the parent's memory."""

    def __init__(self) -> None:
        self.pages = self.now()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @staticmethod
    def now() -> int:
        """Return the resident pages now."""
        return int(Path("/proc/self/statm").read_text().split()[1])

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.pages = max(self.pages, self.now())

    def stop(self) -> int:
        """Stop sampling; return the largest number of pages."""
        self._done.set()
        self._thread.join()
        return self.pages


def opened(kind: str, source: str) -> Rows:
    """Open the input."""
    if kind == "parquet":
        return from_files(source)
    if kind == "sqlite":
        return from_query(SimpleNamespace(get_conn=lambda: sqlite3.connect(source)), SQL)
    import psycopg2

    return from_query(SimpleNamespace(get_conn=lambda: psycopg2.connect(source)), SQL)


def main(kind: str, source: str, folder: str) -> dict[str, Any]:
    """Stage the input; return rows, seconds and memory."""
    if kind == "parquet":
        import pyarrow.parquet  # noqa: F401 - imported before memory is measured
    request = ImportRequest("leads", "bulk")
    output = OutputFolder(folder)
    before, watch = Peak.now(), Peak()
    started, computing = time.perf_counter(), time.process_time()
    rows = opened(kind, source)
    fields = {name: Field(name, TYPES.get(name, "string"), None if name in TYPES else 255) for name in rows.columns}
    mapping = request.mapping(rows.columns)
    order = header(rows.columns, Description(fields), mapping=mapping, constants={}, key=("email",))
    plan = ImportPlan(
        request.to_dict(), "bulk", tuple(field.name for _, field in order), ("email",), {n: n for n in rows.columns}
    )
    with output.staging() as area:
        stager = Stager(area, rows, order, {}, plan, limits=BULK)
        plan = stager.stage("last")
        area.publish([*stager.given_files(plan), *(chunk.name for chunk in plan.chunks)])
    return {
        "rows": plan.rows,
        "superseded": plan.superseded,
        "chunks": len(plan.chunks),
        "megabytes": sum(chunk.size for chunk in plan.chunks) / 1e6,
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - computing,
        "peak": (watch.stop() - before) * _PAGE / 1e6,
        "maximum": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
