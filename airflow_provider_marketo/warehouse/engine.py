"""
What a database must be able to do, so that a load can be written once.

An engine is one file of :mod:`~airflow_provider_marketo.warehouse.engines` and one row of its table. This module has
what is the same in all of them: plain SQL that DuckDB, PostgreSQL and SQLite share.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.hooks.databases import without_values
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.names import LOCKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from airflow_provider_marketo.warehouse.rows import DatasetRows

Row = tuple[Any, ...]

_GROUP = 100
"""Most conditions of a table's columns that stand in one pair of brackets."""

_NAME_OR_TEXT = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'')


class Engine(ABC):
    """
    A connection to a database, on which one load runs at a time.

    :param hook: Airflow's hook of the connection, which knows address and credentials.
    :param schema: schema of the tables; None for the database's default.
    """

    name: ClassVar[str]
    types: ClassVar[Mapping[str, str]]
    """The database's type for each of our types."""
    most_columns: ClassVar[int]
    remedies: ClassVar[Mapping[str, str]] = {}
    """What to do about an error, by words of its text."""
    has_schemas: ClassVar[bool] = True
    definitions_commit: ClassVar[bool] = False
    """Whether creating or altering a table ends or breaks a transaction. If so, a load does it beforehand."""
    ignores_case: ClassVar[bool] = False
    """Whether two schemas whose names differ only by case are one."""
    locks_by_row: ClassVar[bool] = False
    """Whether transactions conflict only if they change the same row. Loads then lock a table by its row of locks."""
    type_without_zone: ClassVar[str] = "TIMESTAMP"
    """The type of a time in UTC without a zone, for Fivetran's views."""
    pause: ClassVar[float] = 0.05
    """Seconds before a disturbed transaction is repeated; they double each time."""

    def __init__(self, hook: Any, schema: str | None) -> None:
        self.hook = hook
        self.schema = schema
        self.statements: list[str] = []

    def execute(self, sql: str) -> None:
        """Run a statement that returns no rows, and note it in ``statements``."""
        written = self.written(sql)
        self.statements.append(written)
        self._execute(written)

    def query(self, sql: str) -> list[Row]:
        """Run a statement and return its rows."""
        return self._query(self.written(sql))

    def begin_with(self, define: Callable[[], None]) -> None:
        """
        Begin a transaction and define tables in it; where definitions commit, define the tables before it begins.

        :param define: a function that creates and alters tables.
        """
        if not self.definitions_commit:
            self.begin()
        define()
        if self.definitions_commit:
            self.begin()

    # What differs between engines.

    @abstractmethod
    def _execute(self, sql: str) -> None:
        """Run a statement that returns no rows."""

    @abstractmethod
    def _query(self, sql: str) -> list[Row]:
        """Run a statement and return its rows."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction."""

    @abstractmethod
    def commit(self) -> None:
        """Commit the transaction."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction, if one is open; never raises."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def stage(self, name: str, rows: DatasetRows, schema: pa.Schema, columns: Sequence[str]) -> None:
        """
        Write rows to a temporary table.

        :param name: name of the table.
        :param rows: the rows.
        :param schema: the schema of the batches.
        :param columns: names of the table's columns, in the order of the schema.
        """

    @abstractmethod
    def declared_columns(self, table: str) -> dict[str, str]:
        """
        Return the columns of a table by name, with the database's words for their types.

        :param table: name of the table.
        :return: nothing if there is no such table.
        """

    @abstractmethod
    def is_conflict(self, error: Exception) -> bool:
        """Whether a statement failed because another load was in the way, and may succeed when it is repeated."""

    def written(self, sql: str) -> str:
        """Return a statement with names and texts as the database writes them; see :func:`rewritten`."""
        return sql

    def lock(self, table: str) -> None:
        """Make other loads of a table wait until the transaction ends, on engines with several writers at a time."""
        if self.locks_by_row:
            locks, name = self.table(LOCKS), literal(table)
            self.execute(
                f"INSERT INTO {locks} (table_name, loads) SELECT {name}, 0 FROM (SELECT 1 AS one) AS o"
                f" WHERE NOT EXISTS (SELECT 1 FROM {locks} WHERE table_name = {name})"
            )
            self.execute(f"UPDATE {locks} SET loads = loads + 1 WHERE table_name = {name}")

    def create_locks(self) -> None:
        """Create what :meth:`lock` needs where it is missing."""
        if self.locks_by_row and not self.declared_columns(LOCKS):
            self.create_table(LOCKS, {"table_name": types.TEXT, "loads": types.INT}, ("table_name",))

    def introduce(self, task: str) -> None:  # noqa: B027 - for engines that show it
        """
        Tell the database which task is at work, for people who look at its sessions, and for tasks that wait.

        :param task: ids of DAG, task and run.
        """

    def create_schema(self) -> None:
        """Create the schema if it does not exist."""
        if self.schema and not self.query(
            f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {literal(self.schema)}"
        ):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self.schema)}")

    def alter_type(self, table: str, column: str, kind: str) -> bool:
        """
        Widen a column.

        :return: False if the database cannot do it; the table is then unchanged.
        """
        return False

    def analyze(self, name: str, key: Sequence[str]) -> None:  # noqa: B027 - for engines that do not do it by themselves
        """Let the database find out how many rows a temporary table has, and how its keys are spread."""

    def lookups(self, name: str, table: str) -> AbstractContextManager[None]:
        """
        Within the context, look the rows of a temporary table up in a table by its key.

        For engines that would rather read the whole table, however few rows the temporary table has.
        """
        return nullcontext()

    def without_zone(self, expression: str) -> str:
        """Convert a time to UTC, without a zone."""
        return f"({expression} AT TIME ZONE 'UTC')"

    def integer_or_null(self, expression: str) -> str:
        """Return a text as an integer; null if it is not one."""
        return f"TRY_CAST({expression} AS {self.types[types.INT]})"

    def replace_view(self, name: str, query: str) -> bool:
        """
        Create a view, or change its query.

        :param name: name of the view.
        :param query: its query.
        :return: False if the database cannot do it, because other views use this one; it is then unchanged.
        """
        self.execute(f"CREATE OR REPLACE VIEW {self.table(name)} AS {query}")
        return True

    def drop_view(self, name: str) -> bool:
        """
        Drop a view.

        :return: False if other views use it; it is then unchanged.
        """
        self.execute(f"DROP VIEW IF EXISTS {self.table(name)}")
        return True

    # What is the same on all engines.

    def reason(self, error: Exception) -> str:
        """Return the database's own words, on one line, without values of rows."""
        return without_values(error)

    @property
    def place(self) -> str:
        """The URL of the schema, without credentials, for lineage."""
        connection = self.hook.get_connection(self.hook.get_conn_id())
        port = f":{connection.port}" if connection.port else ""
        database = "/".join(filter(None, [connection.schema, self.schema]))
        return f"{connection.conn_type}://{connection.host or ''}{port}/{database}".rstrip("/")

    def table(self, name: str) -> str:
        """Return a table's name in the form for a statement."""
        return f"{quote(self.schema)}.{quote(name)}" if self.schema and self.has_schemas else quote(name)

    def columns(self, table: str) -> dict[str, str | None]:
        """
        Return the columns of a table by name, with the words of :mod:`.column_types`; None for any other type.

        :param table: name of the table.
        :return: nothing if there is no such table.
        """
        ours = {declared.upper(): kind for kind, declared in self.types.items()}
        return {name: ours.get(declared.upper()) for name, declared in self.declared_columns(table).items()}

    def create_table(self, table: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """
        Create a table.

        :param table: name of the table.
        :param columns: types by name.
        :param key: names of the columns that make a row unique.
        """
        listed = [
            f"{quote(name)} {self.types[kind]}{' NOT NULL' if name in key else ''}" for name, kind in columns.items()
        ]
        self.execute(f"CREATE TABLE {self.table(table)} ({', '.join([*listed, *self.constraints(key)])})")

    def constraints(self, key: Sequence[str]) -> list[str]:
        """Return the constraints of a table with a key."""
        return [f"PRIMARY KEY ({names(key)})"] if key else []

    def add_columns(self, table: str, columns: Mapping[str, str]) -> None:
        """Add columns to a table."""
        for name, kind in columns.items():
            self.execute(f"ALTER TABLE {self.table(table)} ADD COLUMN {quote(name)} {self.types[kind]}")

    def cast(self, expression: str, kind: str) -> str:
        """Return an expression as a value of a type."""
        return f"CAST({expression} AS {self.types[kind]})"

    def as_text(self, expression: str, kind: str | None) -> str:
        """
        Return a value as a text.

        :param expression: the value.
        :param kind: its type; None if no load writes it.
        """
        return self.cast(expression, types.TEXT)

    def from_stage(self, expression: str, staged: str, kind: str) -> str:
        """
        Return a staged value as a value of the table.

        :param expression: the staged column.
        :param staged: its type.
        :param kind: the type of the table's column.
        """
        return expression if staged == kind and kind not in (types.DECIMAL, types.JSON) else self.cast(expression, kind)

    def define_temporary(self, name: str, columns: Mapping[str, str]) -> None:  # noqa: B027 - see above
        """
        Create a temporary table before the transaction, on engines where definitions commit.

        :param name: name of the table.
        :param columns: types by name.
        """

    def append(self, table: str, key: Sequence[str], rows: pa.RecordBatchReader) -> bool:
        """
        Fill a new table with rows that are not staged.

        :param table: name of the table.
        :param key: its key columns.
        :param rows: the rows, with the names and types of the table's columns.
        :return: False if keys repeat, or if the rows must be staged. The table is then empty.
        """
        return False

    def fill_temporary(self, name: str, query: str) -> None:
        """Create a temporary table from a query; where definitions commit, fill the table that was defined before."""
        self.execute(f"CREATE TEMP TABLE {quote(name)} AS {query}")

    def differs(self, one: str, other: str, kind: str) -> str:
        """Return the condition that two values of a type differ; null counts as a value."""
        return f"{one} IS DISTINCT FROM {other}"

    def timestamp(self, moment: str | None) -> str:
        """Return the literal of a time, given in ISO 8601 in UTC; NULL for None."""
        return "NULL" if moment is None else self.cast(literal(moment), types.TIMESTAMP)

    def values(self, *values: str | int | None) -> str:
        """Return literals with commas between them."""
        return ", ".join(map(literal, values))


class ConnectionEngine(Engine):
    """An engine whose driver runs statements on the connection itself, without cursors."""

    _connection: Any

    def _execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def _query(self, sql: str) -> list[Row]:
        found: list[Row] = self._connection.execute(sql).fetchall()
        return found

    def begin(self) -> None:
        """Begin a transaction."""
        self.execute("BEGIN")

    def commit(self) -> None:
        """Commit the transaction."""
        self.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def quote(name: str) -> str:
    """Return a name in quotes, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def rewritten(sql: str, name: Callable[[str], str], text: Callable[[str], str]) -> str:
    """
    Return a statement with names and texts as a database writes them.

    :param sql: a statement with names in double quotes and texts in single ones, each doubled inside.
    :param name: a function that writes a name, which it gets without quotes.
    :param text: a function that writes a text, which it gets without quotes.
    """

    def write(found: re.Match[str]) -> str:
        quoted = found.group()
        mark, inner = quoted[0], quoted[1:-1].replace(quoted[0] * 2, quoted[0])
        return name(inner) if mark == '"' else text(inner)

    return _NAME_OR_TEXT.sub(write, sql)


def any_of(conditions: Sequence[str]) -> str:
    """
    Return the condition that at least one of several holds.

    SQLite nests a condition for each OR, and takes no expression that is nested a thousand times.
    """
    groups = [" OR ".join(conditions[start : start + _GROUP]) for start in range(0, len(conditions), _GROUP)]
    return groups[0] if len(groups) == 1 else " OR ".join(f"({group})" for group in groups)


def names(columns: Sequence[str], prefix: str = "") -> str:
    """Return quoted names with commas between them."""
    return ", ".join(f"{prefix}{quote(name)}" for name in columns)


def literal(value: str | int | None) -> str:
    """Return the literal of a text or a number."""
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
