"""
Loads: rows a second into staged chunks, memory, and how much of what Marketo allows is used.

``python -m benchmarks.load`` measures a million rows; ``--rows 10000000`` ten. PostgreSQL is measured if
``TEST_POSTGRES`` names a server. Times of Marketo are shortened by ``--scale``, rate window and latency alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.table import Row, markdown

COLUMNS = ("email", "firstName", "lastName", "company", "city", "country", "leadScore", "newsletterOptIn",
           "contractStart", "comments")  # fmt: skip
COMMENT = "a comment of some length that a person may have written"
STAGING = {"sqlite": 150_000, "parquet": 150_000, "postgres": 100_000}
"""Rows a second, at least."""

MEGABYTES = 200
"""Memory above the interpreter's, at most, for any number of rows."""

CALLS, RATE, WINDOW, LATENCY = 1_000, 90, 20.0, 0.3
SLOTS = 4
JOB_SECONDS = 40.0
POLL = 5.0


def make_input(kind: str, folder: Path, rows: int, comment: str = COMMENT) -> str:
    """A table of ten columns; every hundredth row is superseded by the next one."""
    values = (
        (
            f"person{n - (n % 100 == 1)}@example.com",
            f"First {n % 997}",
            f"Last Ünï {n % 1009}",
            f"Company, Inc. {n % 503}",
            "Bonn",
            "Germany",
            n % 100,
            n % 2 == 0,
            "2026-01-31",
            comment,
        )
        for n in range(rows)
    )
    if kind == "sqlite":
        path = folder / "input.db"
        with sqlite3.connect(path) as connection:
            connection.execute(f"CREATE TABLE people ({', '.join(COLUMNS)})")
            connection.executemany(f"INSERT INTO people VALUES ({', '.join('?' * len(COLUMNS))})", values)
        return str(path)
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = folder / "input.parquet"
        writer = None
        while batch := [row for _, row in zip(range(50_000), values, strict=False)]:
            table = pa.table(dict(zip(COLUMNS, map(list, zip(*batch, strict=True)), strict=True)))
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()
        return str(path)
    import psycopg2
    from psycopg2.extras import execute_values

    with psycopg2.connect(os.environ["TEST_POSTGRES"]) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS people")
        types = ["text"] * 6 + ["int", "bool", "date", "text"]
        names = ", ".join(f'"{name}" {kind}' for name, kind in zip(COLUMNS, types, strict=True))
        cursor.execute(f"CREATE TABLE people ({names})")
        execute_values(cursor, "INSERT INTO people VALUES %s", values, page_size=5_000)
    return os.environ["TEST_POSTGRES"]


def staging(kind: str, source: str, rows: int) -> Iterator[Row]:
    """In a process of its own, so that its memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load_staging", kind, source, folder],
            check=True,
            capture_output=True,
            text=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == rows
    how = f"{rows:,} rows of ten columns from {kind}, {found['megabytes']:.0f} MB in {found['chunks']} chunks"
    reached = f"{found['seconds']:.1f} s, {found['cpu']:.1f} s of it computing"
    yield Row("staging, rows/s", how, reached, "", rows / found["seconds"], STAGING[kind])
    yield Row("staging, rows/s of computing", how, reached, "", rows / found["cpu"], STAGING[kind])
    yield Row("staging, memory in MB", how, f"{found['peak']:.0f} MB", "", found["peak"], MEGABYTES, at_most=True)


def flow(what: str, scale: float) -> dict[str, Any]:
    """Run one of the loads against a simulator in another process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load_flow", what, str(scale)], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def sync(scale: float) -> Row:
    """A thousand calls, held against what the rate window allows."""
    found = flow("sync", scale)
    bound = (CALLS - RATE) / RATE * WINDOW / scale
    assert found["rejected"] == {}, found
    how = f"{CALLS * 300:,} leads, {LATENCY * 1000:.0f} ms a call, pool_slots={SLOTS}, time / {scale:g}"
    reached = f"{found['seconds']:.1f} s, no 606 and no 615"
    return Row("sync, part of what the window allows", how, reached, f"{bound:.1f} s", bound / found["seconds"], 0.9)


def bulk(scale: float) -> Row:
    """Eight files, held against two jobs at a time."""
    found = flow("bulk", scale)
    bound = found["jobs"] / 2 * found["job_seconds"]
    how = f"{found['rows']:,} rows in {found['jobs']} imports of {found['job_seconds']:.1f} s, staging included"
    reached = f"{found['seconds']:.1f} s"
    return Row("bulk, part of what two jobs allow", how, reached, f"{bound:.1f} s", bound / found["seconds"], 0.9)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--only", choices=["staging", "sync", "bulk"])
    arguments = parser.parse_args()
    rows: list[Row] = []
    if arguments.only in (None, "staging"):
        for kind in STAGING:
            if kind == "postgres" and "TEST_POSTGRES" not in os.environ:
                continue
            with tempfile.TemporaryDirectory() as folder:
                rows += staging(kind, make_input(kind, Path(folder), arguments.rows), arguments.rows)
    if arguments.only in (None, "sync"):
        rows.append(sync(arguments.scale))
    if arguments.only in (None, "bulk"):
        rows.append(bulk(arguments.scale))
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
