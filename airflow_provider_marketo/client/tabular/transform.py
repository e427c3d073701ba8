"""From the bytes of an export file to files of rows: what is common to all formats."""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular import schema as kinds
from airflow_provider_marketo.client.tabular.cells import read
from airflow_provider_marketo.client.tabular.partitions import Partitioning
from airflow_provider_marketo.client.tabular.records import Block, Splitter, header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.client.tabular.files import WrittenFile
    from airflow_provider_marketo.client.tabular.keys import Key, SeenKeys
    from airflow_provider_marketo.client.tabular.schema import ActivityType, TableSchema


@dataclass(frozen=True)
class Rules:
    """
    How rows are converted and written.

    :param schema: of the rows.
    :param name: of the files, without folder and extension.
    :param span: rows dated before its first moment or not before its second are cut; None cuts nothing.
    :param partitions: how rows are spread over folders.
    :param hashed: columns whose values are replaced by their SHA-256.
    :param hash_key: key of these digests; there is one wherever there are columns to hash.
    :param attributes: ``json``, ``map`` or ``typed``: the form of activities' attributes.
    :param on_type_error: ``null``, ``string`` or ``fail``: what becomes of a value that does not fit.
    :param activity_types: by id.
    """

    schema: TableSchema
    name: str
    span: tuple[datetime, datetime] | None = None
    partitions: Partitioning = field(default_factory=Partitioning)
    hashed: frozenset[str] = frozenset()
    hash_key: Secret | None = None
    attributes: str = "json"
    on_type_error: str = "null"
    activity_types: Mapping[int, ActivityType] = field(default_factory=dict)

    def digest(self, value: bytes) -> str:
        """Return the digest that replaces a hashed value: HMAC-SHA-256."""
        assert self.hash_key is not None
        return hmac.new(self.hash_key.reveal().encode(), value, hashlib.sha256).hexdigest()


@dataclass
class Outcome:
    """
    What was read and what was written.

    :param rows_read: rows of the file.
    :param rows_cut: of these, outside of the span.
    :param rows_duplicate: of these, written before.
    :param files: what was written, without empty files.
    :param type_errors: values that did not fit, by column.
    :param unknown: what Marketo did not announce, such as an activity type, with how many rows it has.
    :param missing_columns: columns of the schema that the file does not have.
    :param keys: of the rows, where later files must not repeat them.
    """

    rows_read: int = 0
    rows_cut: int = 0
    rows_duplicate: int = 0
    files: Sequence[WrittenFile] = ()
    type_errors: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    missing_columns: Sequence[str] = ()
    keys: SeenKeys | None = None

    @property
    def rows(self) -> int:
        """Rows written."""
        return sum(file.rows for file in self.files)


class Transform(ABC):
    """
    Takes an export file block by block and writes rows; a consumer of :func:`~..bulk.fetch.fetch`.

    :param rules: what becomes of the rows.
    :param seen: keys of rows that must not be written again, and to which those of this file are added; None where
        rows cannot come twice.
    :param splitter: finds the records.
    """

    def __init__(self, rules: Rules, seen: SeenKeys | None, splitter: Splitter) -> None:
        self.rules = rules
        self.outcome = Outcome(keys=seen)
        self._splitter = splitter
        self._start: bytes | None = b""

    def feed(self, data: bytes) -> None:
        """Take some bytes of the file."""
        if self._start is not None:
            self._start += data
            found = header(self._start)
            if found is None:
                return
            data = self._begin(*found)
        self._take(self._splitter.feed(data))

    def finish(self) -> Outcome:
        """Finish when the file is complete."""
        if self._start:
            found = header(self._start + b"\n")  # a header and nothing else, not even a line end
            if found is None:
                raise MarketoDataError("the file's header does not end")
            self._begin(*found)
        self._take(self._splitter.finish())
        self.outcome.files = [file for file in self._finish() if file.rows]
        return self.outcome

    @abstractmethod
    def abort(self) -> None:
        """Close what is open."""

    @abstractmethod
    def _header(self, names: list[str], raw: bytes) -> None:
        """The file begins."""

    @abstractmethod
    def _write(self, block: Block) -> None:
        """Some of its rows."""

    @abstractmethod
    def _finish(self) -> Iterable[WrittenFile]:
        """The file ends."""

    def _begin(self, names: list[str], end: int) -> bytes:
        data, self._start = self._start or b"", None
        known = [column.name for column in self.rules.schema.columns]
        self.outcome.missing_columns = [name for name in known if name not in names]
        for name in names:
            if name not in known:
                self.outcome.unknown[f"column {name}"] += 1
        self._header(names, data[:end])
        return data[end:]

    def _take(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self._write(block)
            self.outcome.rows_read += block.rows

    def _new(self, rows: Sequence[Sequence[Key]]) -> list[bool]:
        """For each key whether its row is to be written."""
        if self.outcome.keys is None:
            return [True] * len(rows)
        new = self.outcome.keys.add(rows)
        self.outcome.rows_duplicate += new.count(False)
        return new


def position(names: Sequence[str], column: str, why: str) -> int:
    """
    Where a column stands in a file.

    :raises MarketoDataError: the file lacks the column.
    """
    try:
        return names.index(column)
    except ValueError:
        raise MarketoDataError(f"the file has no column {column}, {why}") from None


def key_value(text: str | None, kind: str) -> Key:
    """A cell as a key: ids as numbers, which take less room and have more than one spelling."""
    if kind != kinds.INTEGER or text is None:
        return text
    number = read(text, kind)
    return number if isinstance(number, int) else text
