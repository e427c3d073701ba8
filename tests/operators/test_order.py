"""
The order of runs does not matter.

Twelve days of a DAG that extracts and loads. However its runs are ordered, repeated or interleaved, readers find the
same files and the same rows of tables as after twelve runs one after another.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.simulator import Settings
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from tests.seed import DATES
from tests.simulated import FAST, POLL, Marketo, data_files
from tests.support import StateStore, run_task, task_context

DAYS = 12
FIRST = datetime(2026, 1, 5, tzinfo=timezone.utc)
EXTRACTS: dict[str, dict[str, Any]] = {
    "leads": {"date_field": "updatedAt", "fields": ["id", "email", "firstName", "updatedAt"], "file_format": "csv"},
    "activities": {"attributes": "typed", "activity_types": ["Visit Webpage", "Send Email"], "file_format": "parquet"},
}
DATABASES = {"leads": "sqlite", "activities": "duckdb"}
CONNECT: dict[str, Any] = {"duckdb": duckdb.connect, "sqlite": sqlite3.connect}
OF_LOADS = {"_marketo_as_of", "_marketo_load", "_synced_at"}
"""Columns that say when a row was read and loaded."""


@dataclass(frozen=True)
class Lake:
    """
    The folder to which the runs of one order publish, and the database that they load.

    :param folder: the folder of both.
    :param object_type: the type of the extracted objects.
    """

    folder: Path
    object_type: str

    def run(self, day: int, run: str = "scheduled", *, killed: bool = False) -> None:
        """
        Run the tasks of a day.

        :param day: from 0.
        :param run: which run of the day it is; a backfill makes another one.
        :param killed: whether the run ends before anything is loaded, and is cleared.
        """
        for _ in range(1 + killed):
            extract = MarketoBulkExtractOperator(
                task_id="extract",
                object_type=self.object_type,
                output_path=str(self.folder / "out"),
                poll_interval=POLL,
                **EXTRACTS[self.object_type],
            )
            manifest = run_task(extract, self._context(day, run))
        with pytest.MonkeyPatch.context() as patch:
            connection = {"conn_type": DATABASES[self.object_type], "host": str(self.folder / "wh.db")}
            patch.setenv("AIRFLOW_CONN_WH", json.dumps(connection))
            load = MarketoToSqlOperator(task_id="load", manifest=manifest, sql_conn_id="wh")
            run_task(load, self._context(day, run))

    def _context(self, day: int, run: str) -> dict[str, Any]:
        start = FIRST + timedelta(days=day)
        context = task_context(StateStore(), data_interval_start=start, data_interval_end=start + timedelta(days=1))
        context["ti"].task = SimpleNamespace(outlets=[])
        context["ti"].run_id = f"{run}__{start:%Y-%m-%d}"
        return context

    def files(self) -> dict[str, bytes]:
        """Return the files that readers see, with their contents."""
        return {name: (self.folder / "out" / name).read_bytes() for name in data_files(self.folder / "out")}

    def tables(self) -> dict[str, list[Any]]:
        """Return the rows of all tables but the log of loads, without what says when they were loaded."""
        database, tables = DATABASES[self.object_type], {}
        catalogue = {
            "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
            "duckdb": "SELECT table_name FROM duckdb_tables()",
        }
        with closing(CONNECT[database](str(self.folder / "wh.db"))) as connection:
            for (table,) in connection.execute(catalogue[database]).fetchall():
                if "_marketo" not in table:
                    rows = connection.execute(f'SELECT * FROM "{table}"')
                    kept = [number for number, column in enumerate(rows.description) if column[0] not in OF_LOADS]
                    tables[table] = sorted(([row[number] for number in kept] for row in rows.fetchall()), key=repr)
        return tables


def forwards(lake: Lake) -> None:
    for day in range(DAYS):
        lake.run(day)


def backwards(lake: Lake) -> None:
    for day in reversed(range(DAYS)):
        lake.run(day)


def in_parallel(lake: Lake) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("fork")) as pool:
        for done in [pool.submit(lake.run, day) for day in range(DAYS)]:
            done.result()


def cleared_at_random(lake: Lake) -> None:
    chance = random.Random(12)
    days = [*range(DAYS), *chance.choices(range(DAYS), k=4)]
    chance.shuffle(days)
    for day in days:
        lake.run(day, killed=chance.random() < 0.3)


def backfilled_over_what_is_there(lake: Lake) -> None:
    for day in range(0, DAYS, 2):
        lake.run(day)
    for day in reversed(range(DAYS)):
        lake.run(day, "backfill")


@pytest.fixture(scope="module")
def marketo() -> Iterator[Marketo]:
    settings = Settings(**{"leads": 2_000, "activities": 3_000, "time_scale": FAST, "limits": False, **DATES})
    with Marketo(settings) as started, pytest.MonkeyPatch.context() as patch:
        connection = json.loads(started.connection())
        patch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps({**connection, "extra": {"poll_interval": 0.1}}))
        yield cast("Marketo", started)


@pytest.fixture(scope="module")
def expected(marketo, tmp_path_factory) -> dict[str, Lake]:
    """The files and tables after the runs of twelve days, one after another."""
    lakes = {name: Lake(tmp_path_factory.mktemp(name), name) for name in EXTRACTS}
    for lake in lakes.values():
        forwards(lake)
    return lakes


TOGETHER = [pytest.mark.slow, pytest.mark.xdist_group("order")]


@pytest.mark.parametrize(
    ("order", "object_type"),
    [
        pytest.param(backwards, "activities", marks=TOGETHER),
        pytest.param(in_parallel, "activities", marks=TOGETHER),
        pytest.param(in_parallel, "leads", marks=TOGETHER),
        pytest.param(cleared_at_random, "activities", marks=TOGETHER),
        pytest.param(backfilled_over_what_is_there, "leads", marks=TOGETHER),
    ],
)
def test_files_and_tables_are_the_same_in_any_order(expected, tmp_path, order, object_type):
    lake = Lake(tmp_path, object_type)
    order(lake)
    assert lake.files() == expected[object_type].files()
    assert lake.tables() == expected[object_type].tables()


@pytest.mark.slow
@pytest.mark.xdist_group("order")
def test_what_is_compared_is_what_marketo_has(marketo, expected):
    end = FIRST + timedelta(days=DAYS)
    leads, activities = (expected[object_type].tables() for object_type in ("leads", "activities"))
    assert len(leads["leads"]) == marketo.leads("updatedAt", f"{FIRST:%Y-%m-%d}", f"{end:%Y-%m-%d}") > 10
    assert {name for name, rows in activities.items() if len(rows) > 50} == {
        "activity_visit_webpage",
        "activity_send_email",
    }
    assert len(expected["leads"].files()) >= DAYS / 2
