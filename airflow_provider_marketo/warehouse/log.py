"""
The log of loads, ``_marketo_loads``, which people query, and in which a load finds out that it has run before.

Beside it is ``_marketo_columns``: which field became which column of which table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import literal, names
from airflow_provider_marketo.warehouse.names import COLUMNS, LOADS, LOCKS
from airflow_provider_marketo.warehouse.transactions import repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.warehouse.engine import Engine

LOG_COLUMNS: Mapping[str, str] = {
    "load_id": types.TEXT,
    "table_name": types.TEXT,
    "dataset": types.TEXT,
    "mode": types.TEXT,
    "manifest": types.TEXT,
    "span_start": types.TIMESTAMP,
    "span_end": types.TIMESTAMP,
    "as_of": types.TIMESTAMP,
    "scope": types.TEXT,
    "rows_read": types.INT,
    "rows_inserted": types.INT,
    "rows_updated": types.INT,
    "rows_deleted": types.INT,
    "rows_unchanged": types.INT,
    "rows_older": types.INT,
    "values_rejected": types.INT,
    "dag_id": types.TEXT,
    "task_id": types.TEXT,
    "run_id": types.TEXT,
    "started_at": types.TIMESTAMP,
    "finished_at": types.TIMESTAMP,
}
"""The columns of ``_marketo_loads``."""

SKIPPED = "skipped"
"""The mode of a source that Marketo refused. Its row has the reason in ``scope``, and no facts of the table."""

_COLUMNS_COLUMNS = {
    "table_name": types.TEXT,
    "source": types.TEXT,
    "column_name": types.TEXT,
    "dataset": types.TEXT,
    "is_key": types.BOOL,
}
_TABLES: Mapping[str, tuple[Mapping[str, str], Sequence[str]]] = {
    LOADS: (LOG_COLUMNS, ("load_id",)),
    COLUMNS: (_COLUMNS_COLUMNS, ("table_name", "source")),
}
"""Columns and key of each table of the log."""


@dataclass
class Counts:
    """
    What became of the rows of a load.

    :param read: rows of the files.
    :param inserted: rows with a new key.
    :param updated: rows that differ from those of the table.
    :param deleted: rows that were marked as deleted.
    :param unchanged: rows that the table had already.
    :param older: rows that the table had in a newer version, and repeated rows.
    :param rejected: values that did not fit their column, and texts from which a NUL was removed.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    older: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class LogEntry:
    """
    A load in the log.

    :param load_id: id of the load.
    :param table: name of the table.
    :param dataset: name of the dataset.
    :param mode: ``upsert``, ``snapshot``, ``tombstones`` or ``skipped``.
    :param manifest: URL of the manifest.
    :param span: first second of the span and first second after it; None for each if a list selected the rows.
    :param as_of: how new the rows are.
    :param scope: part of the table that a snapshot covers.
    :param task: ids of DAG, task and run.
    """

    load_id: str
    table: str
    dataset: str
    mode: str
    manifest: str
    span: tuple[str | None, str | None]
    as_of: str
    scope: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    task: tuple[str, str, str] = ("", "", "")


class Log:
    """
    The log of a schema.

    :param engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loads, self._columns = engine.table(LOADS), engine.table(COLUMNS)

    @property
    def exists(self) -> bool:
        """Whether a load has run in this schema."""
        return bool(self._engine.declared_columns(COLUMNS))

    def create(self) -> None:
        """
        Create the tables of the log, and those that locks need, where they are missing.

        A table that an earlier release has made gets the columns that it lacks.

        :raises MarketoInvalidRequestError: a table of this name is not a log.
        """
        self._engine.create_schema()
        self._engine.create_locks()
        for table, (columns, key) in _TABLES.items():
            self._make(table, columns, key)

    def create_apart(self) -> None:
        """
        Create the log as :meth:`create` does, in a transaction of its own.

        If the long transaction of a load created the log, the first loads of all other tables would wait for its end.

        :raises MarketoError: there is no log, and the text says why.
        """

        def transaction() -> None:
            self._engine.begin_with(self.create)
            self._engine.commit()

        if not self._is_complete():
            repeated(self._engine, transaction, f"the log of loads, {self._loads}")

    def _is_complete(self) -> bool:
        found = self._engine.declared_columns
        has_locks = not self._engine.locks_by_row or bool(found(LOCKS))
        return has_locks and all(found(table).keys() >= columns.keys() for table, (columns, _) in _TABLES.items())

    def _make(self, table: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        found = self._engine.declared_columns(table)
        if not found:
            self._engine.create_table(table, columns, key)
        elif not found.keys() >= set(key):
            raise MarketoInvalidRequestError(
                f"{table} exists without the columns {', '.join(key)}: no load of this provider has made it",
                parameter="schema",
                remedy="Load into another schema, or rename that table.",
            )
        else:
            self._engine.add_columns(table, {name: kind for name, kind in columns.items() if name not in found})

    def has(self, load_id: str) -> bool:
        """Whether a load is done."""
        return bool(self._engine.query(f"SELECT 1 FROM {self._loads} WHERE load_id = {literal(load_id)}"))

    def forget_dropped(self, table: str, columns: Iterable[str]) -> None:
        """
        Forget the loads of a table that a person has dropped, so that they can run again.

        :param table: name of the table.
        :param columns: fields whose columns it will not have again.
        """
        engine, here = self._engine, f"table_name = {literal(table)}"
        engine.execute(f"DELETE FROM {self._loads} WHERE {here} AND mode <> '{SKIPPED}'")
        if gone := engine.values(*sorted(columns)):
            engine.execute(f"DELETE FROM {self._columns} WHERE {here} AND source IN ({gone})")

    def write(self, entry: LogEntry, counts: Counts, started: datetime, finished: datetime) -> None:
        """Add a load."""
        engine = self._engine
        values = {
            "load_id": literal(entry.load_id),
            "table_name": literal(entry.table),
            "dataset": literal(entry.dataset),
            "mode": literal(entry.mode),
            "manifest": literal(entry.manifest),
            "span_start": engine.timestamp(entry.span[0]),
            "span_end": engine.timestamp(entry.span[1]),
            "as_of": engine.timestamp(entry.as_of),
            "scope": literal(json.dumps(dict(entry.scope), sort_keys=True) if entry.scope else None),
            **{f"rows_{name}": literal(getattr(counts, name)) for name in ("read", "inserted", "updated", "deleted")},
            **{f"rows_{name}": literal(getattr(counts, name)) for name in ("unchanged", "older")},
            "values_rejected": literal(counts.rejected),
            **dict(zip(("dag_id", "task_id", "run_id"), map(literal, entry.task), strict=True)),
            "started_at": engine.timestamp(iso(started)),
            "finished_at": engine.timestamp(iso(finished)),
        }
        engine.execute(f"INSERT INTO {self._loads} ({names(list(values))}) VALUES ({', '.join(values.values())})")

    def full_lists_after(self, table: str, as_of: str) -> list[tuple[str, dict[str, list[Any]]]]:
        """
        Return the full lists of a table that are newer than some rows, the newest first: time and scope of each.

        :param table: name of the table.
        :param as_of: how new the rows are.
        """
        found = self._engine.query(
            f"SELECT as_of, scope FROM {self._loads} WHERE table_name = {literal(table)} AND mode = 'snapshot'"
            f" AND as_of > {self._engine.timestamp(as_of)} ORDER BY as_of DESC"
        )
        return [(as_iso(when), json.loads(scope) if scope else {}) for when, scope in found]

    def newest(self, table: str) -> str | None:
        """Return ``as_of`` of the newest load of a table; None before the first load."""
        found = self._engine.query(
            f"SELECT MAX(as_of) FROM {self._loads} WHERE table_name = {literal(table)} AND mode <> '{SKIPPED}'"
        )
        return as_iso(found[0][0]) if found and found[0][0] is not None else None

    def known(self, table: str) -> dict[str, tuple[str, str, bool]]:
        """Return the fields of a table: column, dataset, and whether it is a part of the key."""
        found = self._engine.query(
            f"SELECT source, column_name, dataset, is_key FROM {self._columns} WHERE table_name = {literal(table)}"
        )
        return {str(source): (str(column), str(dataset), bool(is_key)) for source, column, dataset, is_key in found}

    def datasets(self) -> list[tuple[str, str]]:
        """Return the tables that loads have made, in order, each with the dataset whose rows it holds."""
        found = self._engine.query(f"SELECT DISTINCT table_name, dataset FROM {self._columns} ORDER BY table_name")
        return [(str(table), str(dataset)) for table, dataset in found]

    def remember(self, table: str, dataset: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """Write down which field became which column."""
        facts = [
            f"({self._engine.values(table, source, column, dataset)}, {'TRUE' if source in key else 'FALSE'})"
            for source, column in columns.items()
        ]
        if facts:
            self._engine.execute(
                f"INSERT INTO {self._columns} (table_name, source, column_name, dataset, is_key)"
                f" VALUES {', '.join(facts)}"
            )

    def rename(self, table: str, source: str, column: str) -> None:
        """Write down that a field goes to another column from now on."""
        self._engine.execute(
            f"UPDATE {self._columns} SET column_name = {literal(column)}"
            f" WHERE table_name = {literal(table)} AND source = {literal(source)}"
        )

    def tables_of_leads(self) -> dict[str, list[str]]:
        """Return the tables that have rows about leads, each with the columns that hold a lead's id."""
        found = self._engine.query(
            f"SELECT table_name, column_name FROM {self._columns} WHERE source = 'leadId'"
            f" OR (source = 'id' AND dataset = 'leads') ORDER BY table_name"
        )
        tables: dict[str, list[str]] = {}
        for table, column in found:
            tables.setdefault(str(table), []).append(str(column))
        return tables


def as_iso(value: Any) -> str:
    """Return a time that a database has returned in ISO 8601."""
    moment = parse_date(value) if isinstance(value, str) else value
    return iso(moment)
