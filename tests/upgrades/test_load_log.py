"""
Loads continue in a database that an earlier release has filled.

The file ``warehouse.sql`` of a release has the tables that it left in SQLite. To add the tables of this release, name
the folder for them::

    MARKETO_WRITE_UPGRADE=0.2.0 pytest tests/upgrades
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.warehouse.task import load_manifest
from tests.upgrades.test_upgrades import HERE, RELEASES, WRITTEN
from tests.warehouse.published import DAY, published

GIVEN: dict[str, Any] = {
    "sql_conn_id": "wh",
    "schema": None,
    "table": None,
    "mode": None,
    "history": False,
    "on_delete": "mark",
    "max_deletes": 0.2,
    "max_columns": None,
    "dry_run": False,
    "fivetran_schema": None,
}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "wh.db")}))
    with closing(sqlite3.connect(tmp_path / "wh.db")) as connection:
        yield connection


def load(folder: Path, rows: list[Any], day: int) -> dict[str, Any]:
    manifest = published(folder, rows, start=DAY(day), end=DAY(day + 1), as_of=DAY(day + 1))
    counts: dict[str, Any] = load_manifest(manifest.to_dict(), GIVEN)["tables"]["leads"]
    return counts


@pytest.mark.skipif(WRITTEN is None, reason="MARKETO_WRITE_UPGRADE names no release")
def test_this_release_is_written(database: sqlite3.Connection, tmp_path: Path) -> None:
    load(tmp_path / "out", [(1, "a@x.y", 1, DAY(1)), (2, "b@x.y", 1, DAY(1))], 1)
    text = "\n".join(database.iterdump()).replace(str(tmp_path), "/data")
    (HERE / str(WRITTEN) / "warehouse.sql").write_text(f"{text}\n")


@pytest.mark.parametrize("lacks", [(), ("values_rejected", "run_id")], ids=["all columns", "fewer columns"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_load_continues_and_adds_the_columns_that_the_log_lacks(
    database: sqlite3.Connection, tmp_path: Path, release: str, lacks: tuple[str, ...]
) -> None:
    database.executescript((HERE / release / "warehouse.sql").read_text("utf-8"))
    for column in lacks:
        database.execute(f"ALTER TABLE _marketo_loads DROP COLUMN {column}")
    database.commit()
    counts = load(tmp_path / "out", [(2, "c@x.y", 2, DAY(3)), (3, "d@x.y", 1, DAY(3))], 3)
    assert (counts["updated"], counts["inserted"], counts["repeated"]) == (1, 1, False)
    leads = database.execute("SELECT id, email FROM leads ORDER BY id").fetchall()
    assert leads == [(1, "a@x.y"), (2, "c@x.y"), (3, "d@x.y")]
    assert len(database.execute("SELECT values_rejected, run_id FROM _marketo_loads").fetchall()) == 2


@pytest.mark.parametrize("table", ["_marketo_loads", "_marketo_columns"])
def test_a_table_that_is_no_log_is_refused_by_name(database: sqlite3.Connection, tmp_path: Path, table: str) -> None:
    database.execute(f"CREATE TABLE {table} (id INTEGER)")
    database.commit()
    with pytest.raises(MarketoError, match=f"^{table} exists without the columns .*Load into another schema"):
        load(tmp_path / "out", [(1, "a@x.y", 1, DAY(1))], 1)
