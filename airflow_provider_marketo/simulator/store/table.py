"""A table of records: as many as wanted made up by their number, and those that calls created, changed or deleted."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import date, datetime, timezone
from itertools import chain
from typing import Any, TypeAlias, TypeVar

from airflow_provider_marketo.simulator.store.pools import Column, Computed, folded, stamp

_MONTH = 30 * 86_400
CHANGED_AT = "_changedAt"
"""Seconds since 1970 at which any field of a written record was last changed."""

Kind = TypeVar("Kind", bound="Table")
Record = Mapping[str, Any]
Rows: TypeAlias = range | Record
"""Made-up records in sequence by their number, or one that was written."""


def day(of: date) -> int:
    """Its first second, counted from 1970."""
    return int(datetime(of.year, of.month, of.day, tzinfo=timezone.utc).timestamp())


def seconds(moment: str) -> int:
    """What :func:`~.pools.stamp` was made of."""
    return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


class Table:
    """
    Records by key. One that was never written is made from its number whenever it is looked at.

    :param count: how many are made up.
    :param since: when the first of them was created, in seconds since 1970.
    :param until: before which the last was.
    :param key: name of the column that is the key.
    :param key_of: the key of a made-up record, from its number.
    :param row_of: the other way round; None for a key that none has.
    :param columns: of the made-up records, without ``createdAt`` and ``updatedAt``.
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
            "createdAt": Computed(lambda row: stamp(self.created(row))),
            "updatedAt": Computed(lambda row: stamp(self.updated(row))),
        }
        self._written: dict[Any, dict[str, Any]] = {}
        self._deleted: set[Any] = set()
        self._indexes: dict[str, dict[str | None, list[Any]]] = {}

    def snapshot(self: Kind) -> Kind:
        """The table as it is now, whatever is written later."""
        other = copy.copy(self)
        other._written = dict(self._written)
        other._deleted = set(self._deleted)
        other.columns = dict(self.columns)
        other._indexes = {}
        return other

    def created(self, row: int) -> int:
        """When the record of a number was created, in seconds since 1970. Grows with the number."""
        return self._since + row * self._span // max(1, self.count)

    def updated(self, row: int) -> int:
        """When it was last changed: within a month."""
        return min(self.created(row) + row * 7919 % _MONTH, self._since + self._span - 1)

    def created_until(self, moment: int) -> int:
        """How many made-up records were created at a time or before."""
        if moment < self._since:
            return 0
        # The inverse of created(), in one step: it is asked for every activity.
        return min(self.count, ((moment + 1 - self._since) * self.count - 1) // self._span + 1)

    def get(self, key: Any) -> Record | None:
        """A record, all its fields; None if there is none of that key."""
        if key in self._written:
            return self._written[key]
        return {name: column.value(self._row(key)) for name, column in self.columns.items()} if key in self else None

    def row(self, key: Any) -> int | None:
        """The number of a record that is as it was made up; None for any other."""
        return self._row(key) if key in self and key not in self._written else None

    def __contains__(self, key: Any) -> bool:
        return key not in self._deleted and (key in self._written or 0 <= self._row(key) < self.count)

    def _row(self, key: Any) -> int:
        row = self._row_of(key)
        return -1 if row is None else row

    def keys(self) -> Iterator[Any]:
        """Of every record, the made-up ones first."""
        later = sorted(key for key in self._written if not 0 <= self._row(key) < self.count)
        return (key for key in chain(map(self._key_of, range(self.count)), later) if key not in self._deleted)

    def find(self, field: str, values: Iterable[Any]) -> Iterator[Any]:
        """
        Keys of the records with one of the values, the case of letters aside; in no order.

        :param field: a field's API name.
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
        """By creation, both ends included."""
        first = bisect_left(range(self.count), start, key=self.created)
        yield from self._ranges(first, self.created_until(end))
        yield from (record for record in self._written.values() if start <= seconds(record["createdAt"]) <= end)

    def updated_between(self, start: int, end: int) -> Iterator[Rows]:
        """By the last change of any field, both ends included."""
        first = bisect_left(range(self.count), start - _MONTH, key=self.created)
        for row in range(first, self.created_until(end)):
            if start <= self.updated(row) <= end and self._untouched(self._key_of(row)):
                yield range(row, row + 1)
        yield from (record for record in self._written.values() if start <= record[CHANGED_AT] <= end)

    def rows(self, keys: Iterable[Any]) -> Iterator[Rows]:
        """By key; those that do not exist are left out."""
        for key in keys:
            if key in self._written:
                yield self._written[key]
            elif key in self:
                yield range(self._row(key), self._row(key) + 1)

    def write(self, record: Record, now: int) -> None:
        """Put a whole record in the place of what was there."""
        key = record[self.key]
        self._forget(self._written.get(key))
        self._deleted.discard(key)
        self._written[key] = {**record, CHANGED_AT: now}
        for field, index in self._indexes.items():
            index.setdefault(folded(record.get(field)), []).append(key)

    def delete(self, key: Any) -> None:
        """Remove a record for good."""
        self._forget(self._written.pop(key, None))
        self._deleted.add(key)

    def _forget(self, record: Record | None) -> None:
        if record is not None:
            for field, index in self._indexes.items():
                index[folded(record.get(field))].remove(record[self.key])

    def _index(self, field: str) -> dict[str | None, list[Any]]:
        """Keys of written records by a field's value; made when the field is first searched."""
        if field not in self._indexes:
            index: dict[str | None, list[Any]] = {}
            for key, record in self._written.items():
                index.setdefault(folded(record.get(field)), []).append(key)
            self._indexes[field] = index
        return self._indexes[field]

    def _untouched(self, key: Any) -> bool:
        return key not in self._written and key not in self._deleted

    def _ranges(self, start: int, stop: int) -> Iterator[range]:
        """Numbers of records that are as they were made up, in as few ranges as can be."""
        touched = (self._row(key) for key in (*self._written, *self._deleted))
        for row in sorted(row for row in touched if start <= row < stop):
            if start < row:
                yield range(start, row)
            start = row + 1
        if start < stop:
            yield range(start, stop)
