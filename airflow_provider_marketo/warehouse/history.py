"""The versions of rows, in a table beside each table: what a row said, from when on, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import any_of, names, quote
from airflow_provider_marketo.warehouse.log import as_iso
from airflow_provider_marketo.warehouse.merge import DELTA
from airflow_provider_marketo.warehouse.names import AS_OF, DELETED_AT, HISTORY, LOAD, VALID_FROM, VALID_TO
from airflow_provider_marketo.warehouse.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_marketo.warehouse.engine import Engine
    from airflow_provider_marketo.warehouse.log import Log

_TYPES = {LOAD: types.TEXT, VALID_FROM: types.TIMESTAMP, VALID_TO: types.TIMESTAMP}


def history_table(table: str) -> str:
    """Return the name of the table with the versions of a table's rows."""
    return f"{table}{HISTORY}"


class History:
    """
    The versions of a table's rows.

    A version is open (``_valid_to`` is null) while the row says the same. It is valid from the time of the reading that
    first saw it. Loads must come in the order of their readings. The table is created or extended as needed.

    :param engine: the database.
    :param shape: shape of the table, after it was made ready.
    :param as_of: how new the rows of the load are.
    :raises MarketoInvalidRequestError: the database cannot widen a column of the versions.
    """

    def __init__(self, engine: Engine, shape: Shape, as_of: str) -> None:
        self._engine = engine
        self._as_of = as_of
        self._shape = shape
        self._name = history_table(shape.table)
        self._table = engine.table(self._name)
        found = engine.columns(self._name)
        wanted = {column: shape.types[column] for column in shape.columns.values()}
        if not found:
            engine.create_table(self._name, {**wanted, **_TYPES}, [*shape.key, VALID_FROM])
            return
        engine.add_columns(self._name, {name: kind for name, kind in wanted.items() if name not in found})
        for name, kind in wanted.items():
            has = found.get(name)
            if has is None or types.wider(has, kind) == has or engine.alter_type(self._name, name, kind):
                continue
            raise MarketoInvalidRequestError(
                f"{self._name}.{name} has the type {has} and needs {kind}, and {engine.name} cannot change the type,"
                " perhaps because a view uses the column",
                parameter="history",
                remedy="Drop the view, load again, and create the view again; or load without history.",
            )

    def refuse_older(self, newest: str | None) -> None:
        """
        Refuse rows that are older than those of the table: the versions in between are unknown.

        :param newest: ``as_of`` of the newest load of the table; None before the first load. There may be versions even
            then: a person may have dropped only the table.
        :raises MarketoInvalidRequestError: the table or its versions hold newer rows.
        """
        holder = self._shape.table if newest is not None else self._name
        newest = newest or self._newest()
        if newest is not None and self._as_of < newest:
            raise MarketoInvalidRequestError(
                f"the rows are of {self._as_of}, and {holder} holds rows of {newest}: a history"
                " must be loaded in the order in which its rows were read",
                parameter="history",
                remedy="Load this manifest without history: its rows are merged and get no versions. Next time, load"
                " older manifests first.",
            )

    def _newest(self) -> str | None:
        found = self._engine.query(f"SELECT MAX(COALESCE({quote(VALID_TO)}, {quote(VALID_FROM)})) FROM {self._table}")
        return as_iso(found[0][0]) if found and found[0][0] is not None else None

    def close_changed(self) -> None:
        """Close the versions that the load replaces, before it changes the table."""
        on, when = self._on("h", "d"), self._engine.timestamp(self._as_of)
        self._engine.execute(
            f"UPDATE {self._table} AS h SET {quote(VALID_TO)} = {when} FROM {quote(DELTA)} AS d"
            f" WHERE {on} AND h.{quote(VALID_TO)} IS NULL AND d._is_newer = 1 AND d._is_changed = 1"
        )

    def close_others(self) -> None:
        """Close the versions that differ from the rows of the table, which a load has created again."""
        kinds = self._shape.types
        differ = [self._engine.differs(f"h.{quote(name)}", f"t.{quote(name)}", kinds[name]) for name in kinds]
        self._engine.execute(
            f"UPDATE {self._table} AS h SET {quote(VALID_TO)} = {self._engine.timestamp(self._as_of)}"
            f" FROM {self._engine.table(self._shape.table)} AS t WHERE {self._on('h', 't')}"
            f" AND h.{quote(VALID_TO)} IS NULL AND t.{quote(DELETED_AT)} IS NULL AND ({any_of(differ)})"
        )

    def follow(self) -> None:
        """Close the versions of deleted rows, and open one for each live row without a version."""
        engine, table = self._engine, self._engine.table(self._shape.table)
        columns = list(self._shape.columns.values())
        close_deleted(engine, self._shape.table, self._shape.key)
        engine.execute(
            f"INSERT INTO {self._table} ({names([*columns, LOAD, VALID_FROM])})"
            f" SELECT {names([*columns, LOAD, AS_OF], 't.')} FROM {table} AS t WHERE t.{quote(DELETED_AT)} IS NULL"
            f" AND t.{quote(AS_OF)} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {self._table} AS h"
            f" WHERE {self._on('h', 't')} AND h.{quote(VALID_TO)} IS NULL)"
        )

    def _on(self, one: str, other: str) -> str:
        return _same_key(self._shape.key, one, other)


def restore_versions(engine: Engine, log: Log, table: str, as_of: str) -> None:
    """
    Create the table of versions for a table that has none: one version for each live row.

    :param engine: the database.
    :param log: the log, which knows the columns of the table.
    :param table: name of the table with the rows.
    :param as_of: how new the rows are.
    """
    known, found = log.known(table), engine.columns(table)
    columns = {source: column for source, (column, _, _) in known.items() if found.get(column)}
    key = tuple(column for column, _, is_key in known.values() if is_key)
    kinds = {column: kind for column in columns.values() if (kind := found[column])}
    shape = Shape(table, columns, kinds, key, None, created=False)

    def define() -> None:
        History(engine, shape, as_of)

    engine.begin_with(define)
    engine.lock(table)
    History(engine, shape, as_of).follow()
    engine.commit()


def close_deleted(engine: Engine, table: str, key: Sequence[str]) -> None:
    """
    Close the open versions of rows that are marked as deleted.

    :param engine: the database.
    :param table: name of the table with the rows; another one has their versions.
    :param key: its key columns.
    """
    engine.execute(
        f"UPDATE {engine.table(history_table(table))} AS h SET {quote(VALID_TO)} = t.{quote(DELETED_AT)}"
        f" FROM {engine.table(table)} AS t WHERE {_same_key(key, 'h', 't')}"
        f" AND h.{quote(VALID_TO)} IS NULL AND t.{quote(DELETED_AT)} IS NOT NULL"
    )


def _same_key(key: Sequence[str], one: str, other: str) -> str:
    return " AND ".join(f"{one}.{quote(name)} = {other}.{quote(name)}" for name in key)
