"""
How long it takes from an export job to a merged table in DuckDB, beside what `airbyte-source-marketo` needs to print.

Both ask the same instance for the same leads, and both wait for the job. What the connector prints goes nowhere; its
imports do not count, nor do ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import duckdb

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from benchmarks.alone import CONN_ID, connect, execute
from benchmarks.instance import END, START, Instance
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = "airbyte-source-marketo"
TARGET = 0.5
"""Our time may be this part of the connector's."""
POLL_INTERVAL = 0.5
"""Seconds, of both. With shorter ones, both would wait for Marketo's rate limit."""


def measure(instance: Instance, folder: Path, repeats: int) -> Iterator[Row]:
    """
    Measure both in turn; the median of the ratios of neighbours counts.

    :param instance: the instance that has the leads.
    :param folder: folder for files and databases.
    :param repeats: pairs of measurements.
    """
    connect(instance, POLL_INTERVAL)
    fields = instance.lead_fields()
    _ours(folder / "first_run", fields)  # the first run imports modules on demand
    ours, theirs, rows = [], [], 0
    for number in range(repeats):
        printed, seconds = _theirs(instance, folder, fields)
        theirs.append(seconds)
        rows, seconds = _ours(folder / f"run{number}", fields)
        ours.append(seconds)
        assert rows == printed, f"{rows} rows are in the table, and {CLIENT} has printed {printed}"
    yield Row(
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
        marketo_conn_id=CONN_ID,
        deferrable=False,
    )
    begun = time.perf_counter()
    manifest = execute(extract)
    load = MarketoToSqlOperator(task_id="load", manifest=manifest, sql_conn_id="wh", schema="marketo")
    execute(load)
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
