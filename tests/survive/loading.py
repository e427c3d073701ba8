"""Jobs that load what other tasks have published into a database."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from tests.simulated import Marketo
from tests.support import StateStore, run_task, task_context
from tests.survive.job import POLL, Job, differences
from tests.survive.trouble import DATABASE

_TABLES = ("programs", "static_lists")
_SPAN = {"start": "2026-01-01", "end": "2026-01-20"}


class Load(Job):
    """Files to tables: activities, each type in a table of its own, or reference data."""

    operations = ("activities.get_types",)  # a load calls nothing
    more_places = (DATABASE, DATABASE)

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._engine = chance.choice(("duckdb", "sqlite"))
        self._activities = chance.random() < 0.5
        self._format = chance.choice(("jsonl", "parquet") if self._activities else ("csv", "jsonl", "parquet"))
        self.text = f"load of {'activities' if self._activities else 'listings'} as {self._format} into {self._engine}"

    @property
    def _database(self) -> Path:
        return self.folder / "warehouse.db"

    def prepare(self, context: dict[str, Any]) -> None:
        os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps({"conn_type": self._engine, "host": str(self._database)})
        how: dict[str, Any] = {"task_id": "published", "output_path": self.url("out"), "file_format": self._format}
        if self._activities:
            how |= {"object_type": "activities", "attributes": "typed", "poll_interval": POLL, **_SPAN}
            published: Any = MarketoBulkExtractOperator(**how)
        else:
            published = MarketoListingOperator(object_types=list(_TABLES), **how)
        self._manifest = run_task(published, task_context(StateStore()))

    def operator(self) -> Any:
        return MarketoToSqlOperator(task_id="a_task", manifest=self._manifest, sql_conn_id="warehouse")

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        if result is None:
            return
        if not self._activities:
            for table in _TABLES:
                wanted = Counter(asset.id for asset in self.store.assets.records(table))
                yield from differences(wanted, Counter(self._column(table, "id")))
            return
        first, end = 1_767_225_600, 1_768_867_200  # the days of _SPAN
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
