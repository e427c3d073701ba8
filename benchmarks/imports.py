"""
Imports: rows per second into staged chunks, memory, and the used share of what Marketo allows.

::

    python -m benchmarks.imports                                   about four minutes
    python -m benchmarks.imports --only staging --rows 10000000    ten million rows; five gigabytes of disk
    python -m benchmarks.imports --only sync --scale 1 --rate 100  without shortened times

``--scale`` divides Marketo's times, rate window and latency alike. It does not divide the provider's own time, which
then has more weight. PostgreSQL is measured if it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row, markdown
from tools.services import ServiceMissingError, postgres

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PARTS = ("staging", "sync", "custom_activities", "bulk")

COLUMNS = ("email", "firstName", "lastName", "company", "city", "country", "leadScore", "newsletterOptIn",
           "contractStart", "comments")  # fmt: skip
COMMENT = "a comment of some length that a person may have written"
STAGING = {"sqlite": 150_000, "parquet": 150_000, "postgres": 100_000}
"""Rows a second, at least."""

MEGABYTES = 200
"""Memory above the interpreter's, at most, for any number of rows."""

CALLS, RATE, WINDOW, LATENCY = 1_000, 90, 20.0, 0.3
ACTIVITY_CALLS = 300
SLOTS = 4
JOB_SECONDS = 40.0
POLL = 5.0


def make_input(kind: str, folder: Path, rows: int, stack: ExitStack, comment: str = COMMENT) -> str:
    """
    Create a table of ten columns, in which every hundredth row is superseded by the next one.

    :param kind: ``sqlite``, ``parquet`` or ``postgres``.
    :param folder: folder for files.
    :param stack: the stack that ends the server, if one is started.
    :return: the file, or the server's URL.
    :raises ServiceMissingError: PostgreSQL is not installed.
    """
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

    url = stack.enter_context(postgres(folder, Path(sys.executable).parent))
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS people")
        types = ["text"] * 6 + ["int", "bool", "date", "text"]
        names = ", ".join(f'"{name}" {kind}' for name, kind in zip(COLUMNS, types, strict=True))
        cursor.execute(f"CREATE TABLE people ({names})")
        execute_values(cursor, "INSERT INTO people VALUES %s", values, page_size=5_000)
    return url


def staging(rows: int, folder: Path) -> Iterator[Row]:
    """Stage each kind of input in a process of its own, so that its memory can be measured."""
    for kind, target in STAGING.items():
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
            for each in (folder, place):
                each.chmod(0o755)  # the server's user has to reach its data
            try:
                source = make_input(kind, place, rows, stack)
            except ServiceMissingError as error:
                print(f"{kind} is left out: {error}", file=sys.stderr)
                continue
            found = _apart("benchmarks.imports_staging", kind, source, str(place / "staged"))
        assert found["rows"] == rows
        how = f"{rows:,} rows of ten columns from {kind}, {found['megabytes']:.0f} MB in {found['chunks']} chunks"
        reached = f"{found['seconds']:.1f} s, {found['cpu']:.1f} s of it computing"
        yield Row("staging, rows/s", how, reached, "", rows / found["seconds"], target)
        yield Row("staging, memory in MB", how, "above the imports", "", found["peak"], MEGABYTES, at_most=True)


def sync(scale: float, rate: int) -> Iterator[Row]:
    """
    Measure a thousand calls, compared with the least time that the rate window allows.

    The window allows a burst: a call that has n full windows before it goes n windows after the first call.
    """
    found = _apart("benchmarks.imports_flow", "sync", str(scale), str(rate))
    assert found["rejected"] == {}, found
    windows = (CALLS - 1) // rate
    bound = windows * WINDOW / scale
    how = f"{CALLS * 300:,} leads, {LATENCY * 1000:.0f} ms a call, pool_slots={SLOTS}, rate_limit={rate}"
    reached = f"{found['seconds']:.1f} s, no 606 and no 615"
    reference = f"{windows} windows of {WINDOW / scale:g} s"
    yield Row("sync, part of what the window allows", how, reached, reference, bound / found["seconds"], 0.9)
    evenly = (CALLS - rate) / rate * WINDOW / scale
    yield Row("sync, were calls even", how, reached, f"{evenly:.1f} s", evenly / found["seconds"], None)


def custom_activities(scale: float, rate: int) -> Row:
    """Measure a few hundred calls with custom activities, with the same comparison as :func:`sync`."""
    found = _apart("benchmarks.imports_flow", "custom_activities", str(scale), str(rate))
    assert found["rejected"] == {}, found
    windows = (ACTIVITY_CALLS - 1) // rate
    bound = windows * WINDOW / scale
    how = f"{found['rows']:,} activities, {LATENCY * 1000:.0f} ms a call, pool_slots={SLOTS}, rate_limit={rate}"
    reached = f"{found['seconds']:.1f} s, no 606 and no 615"
    reference = f"{windows} windows of {WINDOW / scale:g} s"
    return Row(
        "custom activities, part of what the window allows", how, reached, reference, bound / found["seconds"], 0.9
    )


def bulk(scale: float) -> Row:
    """Measure eight files, compared with the least time that two running jobs allow."""
    found = _apart("benchmarks.imports_flow", "bulk", str(scale))
    bound = found["jobs"] / 2 * found["job_seconds"]
    how = f"{found['rows']:,} rows in {found['jobs']} imports of {found['job_seconds']:.1f} s, staging included"
    reached = f"{found['seconds']:.1f} s"
    return Row("bulk, part of what two jobs allow", how, reached, f"{bound:.1f} s", bound / found["seconds"], 0.9)


def measure(
    folder: Path, *, rows: int = 1_000_000, scale: float = 4.0, rate: int = RATE, parts: Collection[str] = PARTS
) -> Iterator[Row]:
    """
    Measure imports.

    :param folder: folder for inputs and staged chunks.
    :param rows: rows of each staged input.
    :param scale: divisor of Marketo's times.
    :param rate: calls in a window.
    :param parts: the parts of :data:`PARTS` to measure.
    """
    if "staging" in parts:
        yield from staging(rows, folder)
    if "sync" in parts:
        yield from sync(scale, rate)
    if "custom_activities" in parts:
        yield custom_activities(scale, rate)
    if "bulk" in parts:
        yield bulk(scale)


def _apart(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module in a process of its own; return the JSON of its last line."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=__doc__.split("::")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--rate", type=int, default=RATE, help="the connection's rate_limit (default: %(default)s)")
    parser.add_argument("--only", choices=PARTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marketo-benchmarks-") as folder:
        os.environ["AIRFLOW_HOME"] = f"{folder}/airflow"
        parts = (given.only,) if given.only else PARTS
        rows = list(measure(Path(folder), rows=given.rows, scale=given.scale, rate=given.rate, parts=parts))
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
