"""Turn the bytes of an export file into files of rows: the part that all formats share."""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular import arrow
from airflow_provider_marketo.client.tabular import schema as kinds
from airflow_provider_marketo.client.tabular.cells import read
from airflow_provider_marketo.client.tabular.changed_values import HiddenChanges
from airflow_provider_marketo.client.tabular.partitions import Partitioning
from airflow_provider_marketo.client.tabular.records import Block, Splitter, fields, header, is_utf8, utf8

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

    :param schema: the columns.
    :param name: name of the files, without folder and extension.
    :param span: start and end. Rows dated before the start, or at the end or later, are left out. None for all rows.
    :param partitions: how rows are spread over folders.
    :param hashed: columns whose values are replaced by their SHA-256.
    :param hidden: lead fields whose values are hashed or left out in the rows that report their changes.
    :param hash_key: secret key of the hashes; required if there are columns to hash.
    :param attributes: ``json``, ``map`` or ``typed``: the form of activities' attributes.
    :param on_type_error: ``null``, ``string`` or ``fail``: what becomes of a value that does not fit.
    :param activity_types: activity types by id.
    """

    schema: TableSchema
    name: str
    span: tuple[datetime, datetime] | None = None
    partitions: Partitioning = field(default_factory=Partitioning)
    hashed: frozenset[str] = frozenset()
    hidden: HiddenChanges = field(default_factory=HiddenChanges)
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

    :param rows_read: number of rows in the file.
    :param rows_cut: rows outside of the span.
    :param rows_duplicate: rows that were written before.
    :param files: the written files, without empty ones.
    :param type_errors: number of values that did not fit, by column.
    :param unknown: number of rows with something that Marketo did not announce, such as an activity type, by name.
    :param missing_columns: columns of the schema that the file does not have.
    :param keys: keys of the rows, if later files must not repeat them.
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
        """Number of rows that were written."""
        return sum(file.rows for file in self.files)


class Misfits:
    """
    Counts values that do not fit their column.

    :param counts: counts by column; this adds to them.
    :param stop: whether the first of them stops the extract.
    :ivar where: the rows that are being read, in words.
    """

    def __init__(self, counts: Counter[str], *, stop: bool) -> None:
        self._counts = counts
        self._stop = stop
        self.where = ""

    def add(self, column: str, count: int, what: str) -> None:
        """
        Count values of a column.

        :param column: its name.
        :param count: how many do not fit.
        :param what: what the values should be, in words.
        :raises MarketoDataError: ``stop`` is set.
        """
        self._counts[column] += count
        if self._stop:
            raise MarketoDataError(
                f"{counted(count, 'value')} of {column} {'is' if count == 1 else 'are'} not {what}, in {self.where}",
                remedy="The file was not published. Use on_type_error='null' or 'string'.",
            )


class Transform(ABC):
    """
    Takes an export file block by block and writes rows; a consumer of :func:`~..bulk.fetch.fetch`.

    :param rules: how rows are converted and written.
    :param seen: keys of rows that must not be written again. The keys of this file are added. None if rows cannot
        repeat.
    :param splitter: finds the records.
    """

    def __init__(self, rules: Rules, seen: SeenKeys | None, splitter: Splitter) -> None:
        self.rules = rules
        self.outcome = Outcome(keys=seen)
        self._splitter = splitter
        self._misfits = Misfits(self.outcome.type_errors, stop=rules.on_type_error == "fail")
        self._start: bytes | None = b""
        self._names: Sequence[str] = ()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        if self._start is not None:
            self._start += data
            found = header(self._start)
            if found is None:
                return
            data = self._begin(*found)
        self._take(self._splitter.feed(data))

    def finish(self) -> Outcome:
        """Write the rest, close the files, and return what was written."""
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
        """Close the files without finishing them."""

    @abstractmethod
    def _header(self, names: list[str], raw: bytes) -> None:
        """Take the header: the names of the columns, and its bytes."""

    @abstractmethod
    def _write(self, block: Block) -> None:
        """Write the rows of a block."""

    @abstractmethod
    def _finish(self) -> Iterable[WrittenFile]:
        """Close the files, and return what each of them holds."""

    def _begin(self, names: list[str], end: int) -> bytes:
        data, self._start = self._start or b"", None
        known = [column.name for column in self.rules.schema.columns]
        self.outcome.missing_columns = [name for name in known if name not in names]
        for name in names:
            if name not in known and name != self.rules.schema.helper:
                self.outcome.unknown[f"column {name}"] += 1
        for name in self.rules.schema.key:
            if name in known:
                position(names, name, "which tells rows apart")
        self._names = names
        self._header(names, data[:end])
        return data[end:]

    def _take(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            first, last = self.outcome.rows_read + 1, self.outcome.rows_read + block.rows
            self._misfits.where = f"rows {first} to {last} of the file"
            self._write(block if arrow.is_utf8(block.data) else self._mended(block))
            self.outcome.rows_read += block.rows

    def _mended(self, block: Block) -> Block:
        """Replace bytes that are not UTF-8, and count the cells with such bytes in each column."""
        mended: Counter[str] = Counter()
        records = block.records()
        for number, record in enumerate(records):
            if not is_utf8(record):
                mended.update(
                    name for name, cell in zip(self._names, fields(record), strict=False) if not is_utf8(cell.text)
                )
                records[number] = utf8(record)
        for name, count in mended.items():
            self._misfits.add(name, count, "UTF-8")
        return replace(block, data=b"".join(records))

    def _new(self, rows: Sequence[Sequence[Key]]) -> list[bool]:
        """Return for each key whether its row must be written."""
        if self.outcome.keys is None:
            return [True] * len(rows)
        new = self.outcome.keys.add(rows)
        self.outcome.rows_duplicate += new.count(False)
        return new


def position(names: Sequence[str], column: str, why: str) -> int:
    """
    Return the position of a column in a file.

    :param names: names of the columns.
    :param column: the column that is needed.
    :param why: why it is needed, as a relative clause for the error.
    :raises MarketoDataError: the file lacks the column.
    """
    try:
        return names.index(column)
    except ValueError:
        raise MarketoDataError(f"the file has no column {column}, {why}") from None


def key_value(text: str | None, kind: str) -> Key:
    """Return a cell as a key. Ids become numbers: these take less memory, and two spellings of an id become equal."""
    if kind != kinds.INTEGER or text is None:
        return text
    number = read(text, kind)
    return number if isinstance(number, int) else text
