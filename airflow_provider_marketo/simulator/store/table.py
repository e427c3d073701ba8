"""
A table of records: generated ones, and those that API calls created, changed or deleted.

A generated record is computed from its row number on every read, so a table of any size needs no memory.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import chain, groupby
from typing import Any, TypeAlias, TypeVar

from airflow_provider_marketo.simulator.dates import parse_timestamp, timestamp
from airflow_provider_marketo.simulator.store.columns import Column, ComputedColumn, folded

_MONTH = 30 * 86_400
CHANGED_AT = "_changedAt"
"""Name of the hidden field with the time of a written record's last change, in seconds since 1970.

The visible ``updatedAt`` of a lead does not move when only custom fields change; this field does.
"""

Kind = TypeVar("Kind", bound="Table")
Record = Mapping[str, Any]
Rows: TypeAlias = range | Record
"""A range of generated records by row number, or one written record."""


class Table:
    """
    Records by key.

    A record that no call has written is computed from its row number whenever it is read.

    :param count: number of generated records.
    :param since: creation time of the first generated record, in seconds since 1970.
    :param until: every generated record was created before this time, in seconds since 1970.
    :param key: name of the key column.
    :param key_of: returns the key of a row number.
    :param row_of: returns the row number of a key; None for a key that no generated record has.
    :param columns: columns of the generated records, without ``createdAt`` and ``updatedAt``.
    """

    def __init__(
        self,
        count: int,
        since: int,
        until: int,
        *,
        key: str,
        key_of: Callable[[int], Hashable],
        row_of: Callable[[Any], int | None],
        columns: Mapping[str, Column],
    ) -> None:
        self.count = count
        self.key = key
        self._since = since
        self._span = until - since
        self._key_of = key_of
        self._row_of = row_of
        self.columns: dict[str, Column] = {
            **columns,
            "createdAt": ComputedColumn(lambda row: timestamp(self.created(row))),
            "updatedAt": ComputedColumn(lambda row: timestamp(self.updated(row))),
        }
        self._written: dict[Any, dict[str, Any]] = {}
        self._deleted: set[Any] = set()
        self._indexes: dict[str, dict[str | None, list[Any]]] = {}

    def snapshot(self: Kind) -> Kind:
        """Return a copy of the table that later writes do not change."""
        other = copy.copy(self)
        other._written = dict(self._written)
        other._deleted = set(self._deleted)
        other.columns = dict(self.columns)
        other._indexes = {}
        return other

    def created(self, row: int) -> int:
        """Return when a generated record was created, in seconds since 1970; it grows with the row number."""
        return self._since + row * self._span // max(1, self.count)

    def updated(self, row: int) -> int:
        """Return when a generated record was last changed: at most a month after its creation."""
        return min(self.created(row) + row * 7919 % _MONTH, self._since + self._span - 1)

    def created_until(self, moment: int) -> int:
        """Return how many generated records were created at or before a time."""
        if moment < self._since:
            return 0
        # This is the inverse of created() in closed form, because it is called for every activity.
        return min(self.count, ((moment + 1 - self._since) * self.count - 1) // self._span + 1)

    def get(self, key: Any) -> Record | None:
        """Return a record with all its fields; None if the key does not exist."""
        if key in self._written:
            return self._written[key]
        return {name: column.value(self._row(key)) for name, column in self.columns.items()} if key in self else None

    def row(self, key: Any) -> int | None:
        """Return the row number of a record that no call has written; None for any other record."""
        return self._row(key) if key in self and key not in self._written else None

    def __contains__(self, key: Any) -> bool:
        return key not in self._deleted and (key in self._written or 0 <= self._row(key) < self.count)

    def _row(self, key: Any) -> int:
        row = self._row_of(key)
        return -1 if row is None else row

    def keys(self) -> Iterator[Any]:
        """Iterate over the keys of all records, generated ones first."""
        later = sorted(key for key in self._written if not 0 <= self._row(key) < self.count)
        return (key for key in chain(map(self._key_of, range(self.count)), later) if key not in self._deleted)

    def find(self, field: str, values: Iterable[Any]) -> Iterator[Any]:
        """
        Iterate over the keys of the records with one of the values, in no order; case is ignored.

        :param field: API name of the field.
        :param values: values to look for; None matches nothing.
        """
        texts = {text for text in map(folded, values) if text is not None}
        index = self._index(field)
        for text in texts:
            yield from index.get(text, ())
        column = self.columns.get(field)
        for row in column.find(texts, self.count) if column else ():
            key = self._key_of(row)
            if self._untouched(key):
                yield key

    def created_between(self, start: int, end: int) -> Iterator[Rows]:
        """Iterate over the records that were created between two times, both included."""
        first = bisect_left(range(self.count), start, key=self.created)
        yield from self._ranges(first, self.created_until(end))
        yield from (record for record in self._written.values() if start <= parse_timestamp(record["createdAt"]) <= end)

    def updated_between(self, start: int, end: int) -> Iterator[Rows]:
        """Iterate over the records with a field that last changed between two times, both included."""
        first = bisect_left(range(self.count), start - _MONTH, key=self.created)
        for rows in self._ranges(first, self.created_until(end)):
            for is_inside, found in groupby(rows, key=lambda row: start <= self.updated(row) <= end):
                if is_inside:
                    together = list(found)
                    yield range(together[0], together[-1] + 1)
        yield from (record for record in self._written.values() if start <= record[CHANGED_AT] <= end)

    def rows(self, keys: Iterable[Any]) -> Iterator[Rows]:
        """Iterate over the records of the keys; unknown keys are left out."""
        for key in keys:
            if key in self._written:
                yield self._written[key]
            elif key in self:
                yield range(self._row(key), self._row(key) + 1)

    def write(self, record: Record, now: int) -> None:
        """Insert a record, or replace the whole record with its key."""
        key = record[self.key]
        self._forget(self._written.get(key))
        self._deleted.discard(key)
        self._written[key] = {**record, CHANGED_AT: now}
        for field, index in self._indexes.items():
            index.setdefault(folded(record.get(field)), []).append(key)

    def delete(self, key: Any) -> None:
        """Delete a record."""
        self._forget(self._written.pop(key, None))
        self._deleted.add(key)

    def _forget(self, record: Record | None) -> None:
        if record is not None:
            for field, index in self._indexes.items():
                index[folded(record.get(field))].remove(record[self.key])

    def _index(self, field: str) -> dict[str | None, list[Any]]:
        """Return the keys of written records by a field's value; built at the first search of the field."""
        if field not in self._indexes:
            index: dict[str | None, list[Any]] = {}
            for key, record in self._written.items():
                index.setdefault(folded(record.get(field)), []).append(key)
            self._indexes[field] = index
        return self._indexes[field]

    def _untouched(self, key: Any) -> bool:
        return key not in self._written and key not in self._deleted

    def _ranges(self, start: int, stop: int) -> Iterator[range]:
        """Split a range of row numbers at the records that a call has written or deleted."""
        touched = (self._row(key) for key in (*self._written, *self._deleted))
        for row in sorted(row for row in touched if start <= row < stop):
            if start < row:
                yield range(start, row)
            start = row + 1
        if start < stop:
            yield range(start, stop)
