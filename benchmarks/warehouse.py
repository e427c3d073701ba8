"""
How long loads into DuckDB and PostgreSQL take, compared with the fastest way of each database to take the same rows.

::

    python -m benchmarks.warehouse                   a million rows of 20 columns, and a delta of a tenth: some minutes
    python -m benchmarks.warehouse --rows 100000     half a minute

A load verifies checksums, takes each key once, compares, and writes its log. The references do none of that: CREATE
TABLE AS from the same file in DuckDB, and a client's binary COPY of prepared bytes in PostgreSQL. Half of the
delta's rows are updates. PostgreSQL must be installed; a server is started. dlt is also measured if ``DLT_PYTHON``
names the Python of an environment with ``dlt[duckdb,postgres]`` and ``adbc-driver-postgresql``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pyarrow.parquet

from airflow_provider_marketo.output.manifest import DatasetColumn, Manifest, ManifestDataset, ManifestFile
from benchmarks.table import Row, markdown
from tools.services import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FIRST_POSTGRES, DELTA_POSTGRES = 3.5, 0.7
FIRST_DUCKDB = 2.0
FIRSTS = 3
"""Number of first loads into DuckDB, each into a new file, beside a reference of its own; the median counts."""
DELTAS = 3
"""Number of deltas, each beside its own COPY, since single measurements vary; the median counts."""

_PIECE = 1 << 20
_ARGUMENTS: dict[str, Any] = {"sql_conn_id": "wh", "schema": "marketo", "table": None, "mode": None, "history": False}
_ARGUMENTS |= {"on_delete": "mark", "max_deletes": 0.2, "dry_run": False, "fivetran_schema": None, "max_columns": None}


def measure(folder: Path, rows: int) -> Iterator[Row]:
    """Measure all databases."""
    first, half = rows_of(folder, "first", 0, rows, 0), rows // 20
    deltas = [
        rows_of(folder, f"delta{number}", rows + (number - 1) * half, rows + (number + 1) * half, 3 + number)
        for number in range(DELTAS)
    ]
    what = f"{rows:,} rows of 20 columns"
    paths = [str(folder / f"{name}.parquet") for name in ("first", "delta0")]
    references, firsts = [], []
    for number in range(FIRSTS):
        references.append(created(folder / f"reference{number}.db", paths[0]))
        os.environ["AIRFLOW_CONN_WH"] = json.dumps({"conn_type": "duckdb", "host": str(folder / f"wh{number}.db")})
        firsts.append(load(first))
    reference = median(references)
    taken = [median(firsts), load(deltas[0])]
    yield _row("First load into DuckDB", what, taken[0], ("CREATE TABLE AS", reference), FIRST_DUCKDB)
    yield _row("Delta of a tenth into DuckDB", what, taken[1], ("CREATE TABLE AS", reference), None)
    yield from _beside_dlt("DuckDB", what, taken, ["duckdb", str(folder / "by_dlt.db"), *paths])
    with postgres(folder, Path(sys.executable).parent) as url:
        os.environ["AIRFLOW_CONN_WH"] = url
        taken = [load(first)]
        copies, loads = [], []
        for manifest in deltas:
            copies.append(copied(url))
            loads.append(load(manifest))
        reference, delta = median(copies), median(loads)
        yield _row("First load into PostgreSQL", what, taken[0], ("binary COPY", reference), FIRST_POSTGRES)
        yield _row("Delta of a tenth into PostgreSQL", what, delta, ("binary COPY", reference), DELTA_POSTGRES)
        yield from _beside_dlt("PostgreSQL", what, [*taken, delta], ["postgres", url.replace("@", ":any@"), *paths])


def _beside_dlt(database: str, what: str, taken: Sequence[float], arguments: Sequence[str]) -> Iterator[Row]:
    """Measure dlt with the same files, by its fastest way: Arrow tables, Parquet, upsert."""
    python = os.environ.get("DLT_PYTHON")
    if python is None:
        return
    script = Path(__file__).parent / "clients" / "dlt_client.py"
    done = subprocess.run([python, str(script), *arguments], check=True, stdout=subprocess.PIPE, text=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    for name, ours, seconds_of_dlt in zip(("First load", "Delta"), taken, theirs, strict=True):
        yield _row(f"{name} into {database} beside dlt", what, ours, ("dlt", seconds_of_dlt), 1.0)


def rows_of(folder: Path, name: str, first: int, last: int, day: int) -> Manifest:
    """Write rows with the keys of a range, and return their manifest."""
    path = folder / f"{name}.parquet"
    columns = [
        "i AS id",
        *(f"(hash(i * 7 + {number}) % 1000000000)::BIGINT AS number{number}" for number in range(4)),
        *(f"(hash(i * 11 + {number}) % 1000003) / 1000003.0::DOUBLE AS ratio{number}" for number in range(2)),
        "((hash(i) % 1000000000) / 100)::DECIMAL(20, 4) AS revenue",
        "hash(i) % 2 = 1 AS unsubscribed",
        "(DATE '1980-01-01' + (hash(i) % 10000)::INTEGER)::DATE AS born",
        "TIMESTAMPTZ '2025-01-01 00:00:00+00' + to_seconds((hash(i) % 1000000)::INTEGER) AS \"createdAt\"",
        f"TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_days({day}) AS \"updatedAt\"",
        *(f"'text {number} ' || hash(i + {number}) % 1000000 AS text{number}" for number in range(8)),
    ]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM range({first}, {last}) AS r(i)) TO '{path}' (FORMAT parquet)"
        )
    schema, count = pyarrow.parquet.read_schema(path), pyarrow.parquet.read_metadata(path).num_rows
    as_of = f"2026-01-{day + 2:02}T00:00:00Z"
    listed = tuple(DatasetColumn(field.name, str(field.type)) for field in schema)
    file = ManifestFile(path.name, count, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    return Manifest(
        object_type="leads",
        output=str(folder),
        file_format="parquet",
        manifest=f"{folder}/{name}.json",
        as_of=as_of,
        datasets=(ManifestDataset("leads", listed, ("id",), as_of=as_of),),
        files=(file,),
    )


def load(manifest: Manifest) -> float:
    """Load as the operator does; return the seconds."""
    from airflow_provider_marketo.warehouse.task import load_manifest

    return seconds(lambda: load_manifest(manifest.to_dict(), _ARGUMENTS))


def created(database: Path, source: str) -> float:
    """Return the seconds in which a new database of DuckDB takes the rows of a Parquet file."""
    with duckdb.connect(str(database)) as connection:
        return seconds(lambda: connection.execute(f"CREATE TABLE r AS SELECT * FROM read_parquet('{source}')"))


def copied(url: str) -> float:
    """Return the seconds of a client's binary COPY of the rows that a load has written."""
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM marketo.leads LIMIT 0")
        names = ", ".join(f'"{each.name}"' for each in cursor.description or () if not each.name.startswith("_"))
        with cursor.copy(f"COPY (SELECT {names} FROM marketo.leads) TO STDOUT (FORMAT binary)") as copy:
            data = b"".join(map(bytes, copy))
        cursor.execute("DROP TABLE IF EXISTS reference")
        cursor.execute(f"CREATE TABLE reference AS SELECT {names} FROM marketo.leads LIMIT 0")

        def send() -> None:
            with cursor.copy("COPY reference FROM STDIN (FORMAT binary)") as copy:
                for start in range(0, len(data), _PIECE):
                    copy.write(data[start : start + _PIECE])

        return seconds(send)


def seconds(work: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(what: str, how: str, taken: float, reference: tuple[str, float], target: float | None) -> Row:
    name, fastest = reference
    return Row(what, how, f"{taken:.1f} s", f"{name}: {fastest:.1f} s", taken / fastest, target, at_most=True)


def main() -> int:
    """Run the command; the exit code is 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warehouse", description=__doc__.split("::")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the first load (default: a million)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marketo-benchmarks-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server runs as another user
        os.environ["AIRFLOW_HOME"] = str(folder / "airflow")
        logging.disable(logging.INFO)
        rows = list(measure(folder, options.rows))
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
