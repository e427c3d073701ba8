"""Jobs that load the published files of other tasks into a database."""

from __future__ import annotations

import gc
import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from tests.simulated import Marketo
from tests.support import StateStore, run_task, task_context
from tests.survive.job import POLL, Job, differences
from tests.survive.trouble import ANOTHER, DATABASE

_TABLES = ("programs", "static_lists")
_SPAN = {"start": "2026-01-01", "end": "2026-01-20"}
_ANOTHER_SPAN = {"start": "2026-01-10", "end": "2026-01-25"}
_TRIES_OF_ANOTHER = 200


class Load(Job):
    """Files to tables: activities, each type in a table of its own, or reference data."""

    operations = ("activities.get_types",)  # a load makes no call to Marketo, but the faults need an operation
    more_places = (DATABASE, DATABASE)

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._engine = chance.choice(("duckdb", "sqlite"))
        self._activities = chance.random() < 0.5
        self._format = chance.choice(("jsonl", "parquet") if self._activities else ("csv", "jsonl", "parquet"))
        self._overlaps = self._activities and self._engine == "sqlite" and chance.random() < 0.6
        what = "activities" if self._activities else "listings"
        number = "two loads at once" if self._overlaps else "load"
        self.text = f"{number} of {what} as {self._format} into {self._engine}"

    @property
    def _database(self) -> Path:
        return self.folder / "warehouse.db"

    def prepare(self, context: dict[str, Any]) -> None:
        os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps({"conn_type": self._engine, "host": str(self._database)})
        if self._overlaps:
            another = self._published("another", _ANOTHER_SPAN)
            self._another = Thread(target=self._load_until_done, args=(another,), name=ANOTHER, daemon=True)
        self._manifest = self._published("out", _SPAN)

    def _published(self, name: str, span: dict[str, str]) -> Any:
        how: dict[str, Any] = {"task_id": "published", "output_path": self.url(name), "file_format": self._format}
        if self._activities:
            how |= {"object_type": "activities", "attributes": "typed", "poll_interval": POLL, **span}
            operator: Any = MarketoBulkExtractOperator(**how)
        else:
            operator = MarketoListingOperator(object_types=list(_TABLES), **how)
        return run_task(operator, task_context(StateStore()))

    def _load_until_done(self, manifest: Any) -> None:
        """Load at the same time as the task, and try again when the database is locked."""
        for _ in range(_TRIES_OF_ANOTHER):
            with suppress(AirflowException, MarketoError):
                run_task(self._load(manifest), task_context(StateStore()))
                return

    def _load(self, manifest: Any) -> Any:
        return MarketoToSqlOperator(task_id="a_task", manifest=manifest, sql_conn_id="warehouse")

    def operator(self) -> Any:
        if self._overlaps and self._another.ident is None:
            self._another.start()
        return self._load(self._manifest)

    def wait_for_others(self) -> None:
        if self._overlaps:
            self._another.join()

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        gc.collect()  # a killed load may have left its connection, and DuckDB opens no other one with other settings
        if result is None:
            return
        if not self._activities:
            for table in _TABLES:
                wanted = Counter(asset.id for asset in self.store.assets.records(table))
                yield from differences(wanted, Counter(self._column(table, "id")))
            return
        first, end = 1_767_225_600, 1_769_299_200 if self._overlaps else 1_768_867_200  # the days of the spans
        wanted = Counter(str(each.number) for each in self.store.activities.between(first, end - 1))
        found: Counter[str] = Counter()
        for table in self._tables():
            if table.startswith("activity_"):
                found.update(map(str, self._column(table, "marketo_guid")))
        yield from differences(wanted, found)

    def _tables(self) -> list[str]:
        if self._engine == "duckdb":
            return [str(name) for (name,) in self._query("SELECT table_name FROM duckdb_tables()")]
        return [str(name) for (name,) in self._query("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def _column(self, table: str, column: str) -> list[Any]:
        return [value for (value,) in self._query(f'SELECT "{column}" FROM "{table}"')]

    def _query(self, sql: str) -> list[Any]:
        connect: Any = duckdb.connect if self._engine == "duckdb" else sqlite3.connect
        with closing(connect(str(self._database))) as connection:
            found: list[Any] = connection.execute(sql).fetchall()
        return found
