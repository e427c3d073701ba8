"""
The statements that change a table: plain SQL, the same on every engine.

A row of a load is newer than the table's row if its ``updatedAt`` is later. If both are equal, or a table has no such
column, Marketo's time at the reading decides, and then the id of the load. So the order of loads changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_marketo.client.tabular.sources import EXTRACT, JOURNAL, SOURCE
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import any_of, literal, names, quote
from airflow_provider_marketo.warehouse.names import AS_OF, DELETED_AT, LOAD, SYNCED_AT
from airflow_provider_marketo.warehouse.rows import FILE
from airflow_provider_marketo.warehouse.shape import SYSTEM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.warehouse.engine import Engine
    from airflow_provider_marketo.warehouse.rows import DatasetRows
    from airflow_provider_marketo.warehouse.shape import Shape

STAGE, DELTA, GONE = "_marketo_stage", "_marketo_delta", "_marketo_gone"
"""Temporary tables: the rows of the files; each key once, compared with the table; keys to mark."""

_NEW, _NEWER, _CHANGED, _FILLS = "_is_new", "_is_newer", "_is_changed", "_fills"


@dataclass(frozen=True)
class Merge:
    """
    A load of staged rows into a table.

    :param engine: the database.
    :param shape: shape of the table.
    :param staged: for each column of the table the staged column, and its type.
    :param as_of: how new the rows are.
    :param load_id: id of the load.
    :param now: time of the load.
    """

    engine: Engine
    shape: Shape
    staged: Mapping[str, tuple[str, str]]
    as_of: str
    load_id: str
    now: str

    @property
    def _table(self) -> str:
        return self.engine.table(self.shape.table)

    def define(self) -> None:
        """Define the table of differences, if this must be done before the transaction."""
        columns = {column: self.shape.types[column] for column in self.shape.columns.values()}
        flags = (_NEW, _NEWER, _CHANGED, _FILLS) if self.shape.has_sources else (_NEW, _NEWER, _CHANGED)
        self.engine.define_temporary(DELTA, {**columns, **dict.fromkeys(flags, types.INT)})

    def append(self, rows: DatasetRows) -> bool:
        """
        Write rows that are not staged into a table that this load has made.

        :param rows: the rows of the files.
        :return: False if the rows must be staged, because keys repeat or the engine cannot append rows. The table is
            then empty.
        """
        shape, kinds = self.shape, self.shape.types
        if any(self.staged.get(column, ("", ""))[1] != kinds[column] for column in shape.columns.values()):
            return False
        system = {AS_OF: self.as_of, LOAD: self.load_id, SYNCED_AT: self.now}
        constants = [pa.scalar(value).cast(types.arrow_type(SYSTEM_TYPES[name])) for name, value in system.items()]
        fields = [(column, types.arrow_type(kinds[column])) for column in shape.columns.values()]
        schema = pa.schema([*fields, *((name, each.type) for name, each in zip(system, constants, strict=True))])
        texts_of_key = {column for column in shape.key if kinds[column] == types.TEXT}

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in rows.batches():
                values = [
                    pc.fill_null(batch.column(source), "") if column in texts_of_key else batch.column(source)
                    for source, column in shape.columns.items()
                ]
                values += [pa.repeat(each, batch.num_rows) for each in constants]
                yield pa.record_batch(values, schema=schema)

        return self.engine.append(shape.table, shape.key, pa.RecordBatchReader.from_batches(schema, batches()))

    def fill(self, *, appended: bool) -> dict[str, int]:
        """
        Insert the rows into a table that this load has made: there is nothing to compare them with.

        :param appended: whether :meth:`append` has inserted them.
        :return: as :meth:`compare` returns it.
        """
        if not appended:
            columns = list(self.shape.columns.values())
            self.engine.execute(self._insertion(f'({self._once(columns)}) AS s WHERE s."_n" = 1', columns))
        found = self.engine.query(f"SELECT COUNT(*) FROM {self._table}")
        total = int(found[0][0]) if found else 0
        return {"keys": total, "inserted": total, "updated": 0, "unchanged": 0, "older": 0}

    def compare(self) -> dict[str, int]:
        """
        Make the table of differences: each key once.

        :return: how many keys there are, and how many are new, changed, unchanged, older.
        """
        engine, shape = self.engine, self.shape
        columns = list(shape.columns.values())
        changed = any_of(
            [engine.differs(f"t.{quote(name)}", self._merged(name), shape.types[name]) for name in shape.others]
        )
        flags = {
            _NEW: f"t.{quote(shape.key[0])} IS NULL",
            _NEWER: f"t.{quote(shape.key[0])} IS NOT NULL AND {self._newer()}",
            _CHANGED: f"({changed or '1 = 0'})",
        }
        if shape.has_sources:
            there, loses = f"t.{quote(shape.key[0])} IS NOT NULL", self._loses()
            newer = f"({loses} AND {flags[_CHANGED]}) OR (NOT ({loses}) AND ({self._wins()} OR {self._newer()}))"
            flags |= {_NEWER: f"{there} AND ({newer})", _FILLS: f"{there} AND {loses}"}
        selected = ", ".join(f"{self._merged(column)} AS {quote(column)}" for column in columns)
        flagged = ", ".join(f"CASE WHEN {test} THEN 1 ELSE 0 END AS {quote(name)}" for name, test in flags.items())
        engine.analyze(STAGE, [self.staged[column][0] for column in shape.key])
        once = self._once(columns)
        with engine.lookups(STAGE, shape.table):
            engine.fill_temporary(
                DELTA,
                f"SELECT {selected}, {flagged} FROM ({once}) AS s LEFT JOIN {self._table} AS t"
                f' ON {self._on("t", "s")} WHERE s."_n" = 1',
            )
        engine.analyze(DELTA, shape.key)
        found = engine.query(
            f"SELECT COUNT(*), SUM({_NEW}), SUM({_NEWER} * {_CHANGED}), SUM({_NEWER} * (1 - {_CHANGED}))"
            f" FROM {quote(DELTA)}"
        )
        total, new, changed_count, same = (int(each or 0) for each in found[0]) if found else (0, 0, 0, 0)
        return {
            "keys": total,
            "inserted": new,
            "updated": changed_count,
            "unchanged": same,
            "older": total - new - changed_count - same,
        }

    def apply(self) -> None:
        """Insert the new rows, and update those that are newer in the load."""
        engine = self.engine
        engine.execute(self._insertion(f"{quote(DELTA)} WHERE {_NEW} = 1", list(self.shape.columns.values())))
        returned = (
            f"CASE WHEN {engine.timestamp(self.as_of)} > t.{quote(DELETED_AT)} THEN NULL ELSE t.{quote(DELETED_AT)} END"
        )
        sets = [f"{quote(name)} = d.{quote(name)}" for name in self.shape.others]
        sets += [
            f"{quote(AS_OF)} = {self._unless_filled(AS_OF, engine.timestamp(self.as_of))}",
            f"{quote(LOAD)} = {self._unless_filled(LOAD, literal(self.load_id))}",
            f"{quote(SYNCED_AT)} = {engine.timestamp(self.now)}",
            f"{quote(DELETED_AT)} = {returned}",
        ]
        engine.execute(
            f"UPDATE {self._table} AS t SET {', '.join(sets)} FROM {quote(DELTA)} AS d"
            f" WHERE {self._on('t', 'd')} AND d.{_NEWER} = 1"
        )

    def unlisted(self, scope: Mapping[str, Sequence[Any]]) -> str:
        """Return the condition for rows of the table, as ``t``, that a full list no longer names."""
        when = self.engine.timestamp(self.as_of)
        return " AND ".join(
            [
                f"(t.{quote(DELETED_AT)} IS NULL OR t.{quote(DELETED_AT)} > {when})",
                f"t.{quote(AS_OF)} < {when}",
                f"NOT EXISTS (SELECT 1 FROM {quote(DELTA)} AS d WHERE {self._on('t', 'd')})",
                *self._within(scope),
            ]
        )

    def count_unlisted(self, scope: Mapping[str, Sequence[Any]]) -> tuple[int, int]:
        """Return how many live rows a full list would mark as deleted, and how many the table has."""
        found = self.engine.query(
            f"SELECT COUNT(*), SUM(CASE WHEN {self.unlisted(scope)} THEN 1 ELSE 0 END)"
            f" FROM {self._table} AS t WHERE t.{quote(DELETED_AT)} IS NULL"
        )
        total, gone = found[0] if found else (0, 0)
        return int(gone or 0), int(total)

    def mark_unlisted(self, scope: Mapping[str, Sequence[Any]]) -> None:
        """Mark the rows that a full list no longer names."""
        self._mark(self.as_of, self.unlisted(scope))

    def mark_missing_from(self, when: str, scope: Mapping[str, Sequence[Any]]) -> None:
        """Mark rows of this load that a newer full list, which was loaded before, does not name."""
        moment = self.engine.timestamp(when)
        unmarked = f"(t.{quote(DELETED_AT)} IS NULL OR t.{quote(DELETED_AT)} > {moment})"
        self._mark(when, " AND ".join([f"t.{quote(LOAD)} = {literal(self.load_id)}", unmarked, *self._within(scope)]))

    def drop_temporary(self) -> None:
        """Drop the temporary tables; where that would end the transaction, they end with the connection."""
        for name in () if self.engine.definitions_commit else (GONE, DELTA, STAGE):
            self.engine.execute(f"DROP TABLE IF EXISTS {quote(name)}")

    def _each(self, columns: Sequence[str]) -> str:
        """Return the query of all staged rows, in the types of the table; each has ``_n`` 1."""
        listed = ", ".join(f"{self._staged(column)} AS {quote(column)}" for column in columns)
        return f'SELECT {listed}, 1 AS "_n" FROM {quote(STAGE)}'

    def _once(self, columns: Sequence[str]) -> str:
        """Return the query of the staged rows, in the types of the table. The row to keep for a key has ``_n`` 1."""
        shape = self.shape
        order = [f"{self._staged(shape.updated)} DESC NULLS LAST"] if shape.updated else []
        keys = ", ".join(self._staged(column) for column in shape.key)
        if not self._has_duplicates(keys):  # the usual case; counting keys is faster than sorting a million rows
            return self._each(columns)
        listed = ", ".join(f"{self._staged(column)} AS {quote(column)}" for column in columns)
        return (
            f"SELECT {listed}, ROW_NUMBER() OVER (PARTITION BY {keys}"
            f' ORDER BY {", ".join([*order, f"{quote(FILE)} DESC"])}) AS "_n" FROM {quote(STAGE)}'
        )

    def _has_duplicates(self, keys: str) -> bool:
        found = self.engine.query(
            f"SELECT SUM(n), COUNT(*) FROM (SELECT COUNT(*) AS n FROM {quote(STAGE)} GROUP BY {keys}) AS k"
        )
        if not found:  # a dry run does not stage
            return True
        staged, different = (int(number or 0) for number in found[0])  # PostgreSQL's driver returns a sum as a text
        return staged != different

    def _insertion(self, source: str, columns: Sequence[str]) -> str:
        engine = self.engine
        system = f"{engine.timestamp(self.as_of)}, {literal(self.load_id)}, {engine.timestamp(self.now)}"
        return (
            f"INSERT INTO {self._table} ({names([*columns, AS_OF, LOAD, SYNCED_AT])})"
            f" SELECT {names(columns)}, {system} FROM {source}"
        )

    def _mark(self, when: str, condition: str) -> None:
        marked, now = self.engine.timestamp(when), self.engine.timestamp(self.now)
        self.engine.execute(
            f"UPDATE {self._table} AS t SET {quote(DELETED_AT)} = {marked}, {quote(SYNCED_AT)} = {now}"
            f" WHERE {condition}"
        )

    def _newer(self) -> str:
        engine = self.engine
        as_of = engine.timestamp(self.as_of)
        by_reading = (
            f"(t.{quote(AS_OF)} IS NULL OR {as_of} > t.{quote(AS_OF)}"
            f" OR ({as_of} = t.{quote(AS_OF)} AND {literal(self.load_id)} >= t.{quote(LOAD)}))"
        )
        if self.shape.updated is None:
            return by_reading
        ours, theirs = f"s.{quote(self.shape.updated)}", f"t.{quote(self.shape.updated)}"
        return f"CASE WHEN {ours} <> {theirs} THEN {ours} > {theirs} ELSE {by_reading} END"

    def _merged(self, column: str) -> str:
        """
        Return the new value of a column of a row: the load's value.

        In a table with rows of a journal, an extracted row keeps its values, and a missing value does not replace one.
        """
        ours, theirs = f"s.{quote(column)}", f"t.{quote(column)}"
        if not self.shape.has_sources or column in self.shape.key:
            return ours
        if column == self.shape.columns[SOURCE]:
            both = f"t.{quote(self.shape.key[0])} IS NOT NULL AND {self._loses()}"
            return f"CASE WHEN {both} THEN {theirs} ELSE {ours} END"
        return f"CASE WHEN {self._loses()} THEN COALESCE({theirs}, {ours}) ELSE COALESCE({ours}, {theirs}) END"

    def _loses(self) -> str:
        """Return the condition that the load's row comes from a journal, and the table's row was extracted."""
        return f"(s.{self._source} = {literal(JOURNAL)} AND t.{self._source} = {literal(EXTRACT)})"

    def _wins(self) -> str:
        """Return the condition that the load's row was extracted, and the table's row comes from a journal."""
        return f"(s.{self._source} = {literal(EXTRACT)} AND t.{self._source} = {literal(JOURNAL)})"

    @property
    def _source(self) -> str:
        return quote(self.shape.columns[SOURCE])

    def _unless_filled(self, column: str, value: str) -> str:
        """Return the value of a system column, which stays if the load's row only fills gaps of an extracted row."""
        if not self.shape.has_sources:
            return value
        return f"CASE WHEN d.{quote(_FILLS)} = 1 THEN t.{quote(column)} ELSE {value} END"

    def _staged(self, column: str) -> str:
        """Return a staged column in the type of the table's column. In a text of the key, null becomes empty text."""
        if column not in self.staged:  # the load's rows do not say where they come from
            return literal(EXTRACT)
        name, staged = self.staged[column]
        kind = self.shape.types[column]
        value = self.engine.from_stage(quote(name), staged, kind)
        return f"COALESCE({value}, '')" if column in self.shape.key and kind == types.TEXT else value

    def _on(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{quote(name)} = {other}.{quote(name)}" for name in self.shape.key)

    def _within(self, scope: Mapping[str, Sequence[Any]]) -> list[str]:
        return [
            f"t.{quote(self.shape.columns[name])} IN ({self.engine.values(*values) or 'NULL'})"
            for name, values in scope.items()
        ]


def define_removed(engine: Engine, key: Mapping[str, str]) -> None:
    """
    Define the table of removed keys, if this must be done before the transaction.

    :param engine: the database.
    :param key: types of the key columns by name.
    """
    engine.define_temporary(GONE, {**key, "_at": types.TIMESTAMP})


def mark_removed(engine: Engine, table: str, key: Mapping[str, str], date: str, *, load_id: str, now: str) -> int:
    """
    Mark the rows of a table that staged rows remove. A row that came later than its removal is left alone.

    If the table does not have the row yet, a marked row with only its key is added, so that a late load finds the mark.

    :param engine: the database.
    :param table: name of the table.
    :param key: its key columns, each with the staged column that has its value, cast to its type.
    :param date: the staged column with the time of the removal.
    :param load_id: id of the load.
    :param now: time of the load.
    :return: how many rows were marked.
    """
    target, columns = engine.table(table), list(key)
    listed = ", ".join(f"{value} AS {quote(column)}" for column, value in key.items())
    has_key = " AND ".join(f"{value} IS NOT NULL" for value in key.values())
    engine.fill_temporary(
        GONE,
        f'SELECT {names(columns)}, MIN("_at") AS "_at" FROM'
        f' (SELECT {listed}, {engine.from_stage(date, types.TIMESTAMP, types.TIMESTAMP)} AS "_at"'
        f" FROM {quote(STAGE)} WHERE {has_key}) AS s GROUP BY {names(columns)}",
    )
    on = " AND ".join(f"t.{quote(column)} = g.{quote(column)}" for column in columns)
    unmarked = (
        f'(t.{quote(DELETED_AT)} IS NULL OR t.{quote(DELETED_AT)} > g."_at")'
        f' AND (t.{quote(AS_OF)} IS NULL OR t.{quote(AS_OF)} <= g."_at")'
    )
    found = engine.query(
        f"SELECT COUNT(*) FROM {quote(GONE)} AS g LEFT JOIN {target} AS t ON {on}"
        f" WHERE t.{quote(columns[0])} IS NULL OR ({unmarked} AND t.{quote(DELETED_AT)} IS NULL)"
    )
    moment = engine.timestamp(now)
    engine.execute(
        f'UPDATE {target} AS t SET {quote(DELETED_AT)} = g."_at", {quote(SYNCED_AT)} = {moment}'
        f" FROM {quote(GONE)} AS g WHERE {on} AND {unmarked}"
    )
    engine.execute(
        f"INSERT INTO {target} ({names([*columns, DELETED_AT, LOAD, SYNCED_AT])}) SELECT {names(columns, 'g.')},"
        f' g."_at", {literal(load_id)}, {moment} FROM {quote(GONE)} AS g'
        f" WHERE NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {on})"
    )
    return int(found[0][0]) if found else 0
