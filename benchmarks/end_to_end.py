"""
How long it takes from an export job to a merged table in DuckDB, beside what `airbyte-source-marketo` needs to print.

::

    python -m benchmarks.end_to_end                 200,000 leads of 60 columns
    python -m benchmarks.end_to_end --leads 20000   half a minute

Both ask the same instance for the same leads, and both wait for the job. The connector must be installed in the folder
that ``MARKETO_CLIENTS`` names (:mod:`benchmarks.others`). What it prints goes nowhere; its imports do not count, nor do
ours.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import duckdb

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from benchmarks.instance import END, START, Instance
from benchmarks.table import Row, markdown

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

CLIENT = "airbyte-source-marketo"
TARGET = 0.5
"""Our time may be this part of the connector's."""
POLL_INTERVAL = 0.5
"""Seconds, of both. With shorter ones, both would wait for Marketo's rate limit."""
REPEATS = 3


def measure(instance: Instance, folder: Path) -> Row:
    """
    Measure both in turn; the median of the ratios of neighbours counts.

    :param instance: the instance that has the leads.
    :param folder: folder for files and databases.
    """
    connection = {
        "conn_type": "marketo",
        "host": instance.url,
        "login": instance.client_id,
        "password": instance.client_secret,
        "extra": {"poll_interval": POLL_INTERVAL},
    }
    os.environ["AIRFLOW_CONN_MARKETO_BENCHMARK"] = json.dumps(connection)
    fields = instance.lead_fields()
    _ours(folder / "first", fields)  # the first run imports modules on demand
    ours, theirs, rows = [], [], 0
    for number in range(REPEATS):
        printed, seconds = _theirs(instance, folder, fields)
        theirs.append(seconds)
        rows, seconds = _ours(folder / str(number), fields)
        ours.append(seconds)
        assert rows == printed, f"{rows} rows are in the table, and {CLIENT} has printed {printed}"
    return Row(
        "From an export job to a merged table in DuckDB",
        f"{rows:,} leads of {len(fields)} columns",
        f"{median(ours):.1f} s",
        f"{CLIENT} prints them in {median(theirs):.1f} s",
        median(our / their for our, their in zip(ours, theirs, strict=True)),
        TARGET,
        at_most=True,
    )


def _ours(folder: Path, fields: list[str]) -> tuple[int, float]:
    """Extract the leads and load them; return the rows of the table, and the seconds."""
    folder.mkdir()
    database = folder / "warehouse.db"
    os.environ["AIRFLOW_CONN_WH"] = json.dumps({"conn_type": "duckdb", "host": str(database)})
    extract = MarketoBulkExtractOperator(
        task_id="extract",
        object_type="leads",
        date_field="updatedAt",
        fields=fields,
        start=START,
        end=END,
        output_path=str(folder / "files"),
        marketo_conn_id="marketo_benchmark",
        deferrable=False,
    )
    begun = time.perf_counter()
    manifest = extract.execute(_context(extract))
    load = MarketoToSqlOperator(task_id="load", manifest=manifest, sql_conn_id="wh", schema="marketo")
    load.execute(_context(load))
    seconds = time.perf_counter() - begun
    with duckdb.connect(str(database), read_only=True) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM marketo.leads").fetchall()
    return rows, seconds


def _theirs(instance: Instance, folder: Path, fields: list[str]) -> tuple[int, float]:
    """Let the connector print the leads; return how many it printed, and its seconds."""
    python = Path(os.environ["MARKETO_CLIENTS"]) / CLIENT / "bin" / "python"
    script = Path(__file__).parent / "clients" / "airbyte_source_marketo_leads_client.py"
    dates = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (START, END)]
    given = [instance.url, instance.client_id, instance.client_secret, *dates, folder, *fields]
    command = [str(part) for part in (python, script, *given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        printed = sum('"type":"RECORD"' in line for line in process.stdout)
        said = process.stderr.read()
    if process.returncode != 0:
        raise RuntimeError(f"{CLIENT} failed: {said[-2000:]}")
    return printed, float(said.splitlines()[-1])


def _context(operator: BaseOperator) -> Context:
    task: Any = SimpleNamespace(dag_id="benchmark", task_id=operator.task_id, run_id="run", map_index=-1)
    task.task, task.try_number, task.max_tries, task.xcom_push = operator, 1, 0, lambda **_: None
    return cast("Context", {"ti": task})


def main() -> int:
    """Run the command; the exit code is 1 if the target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.end_to_end", description=__doc__.split("::")[0])
    parser.add_argument("--leads", type=int, default=200_000, help="how many leads; default 200,000")
    options = parser.parse_args()
    if "MARKETO_CLIENTS" not in os.environ:
        parser.error(f"MARKETO_CLIENTS does not name the folder in which {CLIENT} is installed")
    with tempfile.TemporaryDirectory(prefix="marketo-benchmarks-") as name:
        folder = Path(name)
        os.environ["AIRFLOW_HOME"] = str(folder / "airflow")
        logging.disable(logging.INFO)
        spool = folder / "spool"
        spool.mkdir()
        with Instance(spool, leads=options.leads, activities=1000, leads_since="2026-01-01") as instance:
            row = measure(instance, folder)
    print(markdown([row]))
    return 0 if row.passed else 1


if __name__ == "__main__":
    sys.exit(main())
