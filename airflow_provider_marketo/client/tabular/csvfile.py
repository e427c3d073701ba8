"""Write csv in Marketo's own bytes: a row is left out as a whole, or kept unchanged."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.tabular import arrow
from airflow_provider_marketo.client.tabular.cells import read
from airflow_provider_marketo.client.tabular.date_first import DateFirst
from airflow_provider_marketo.client.tabular.files import OpenFile, OutputFiles, WrittenFile
from airflow_provider_marketo.client.tabular.records import BLOCK, Block, Field, Splitter, fields, line
from airflow_provider_marketo.client.tabular.schema import DATETIME, STRING
from airflow_provider_marketo.client.tabular.transform import Rules, Transform, key_value, position

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_marketo.client.tabular.date_first import Split
    from airflow_provider_marketo.client.tabular.keys import Key, SeenKeys

# The usual spelling: its texts sort like time. The pattern does not check for digits, which would cost too much. A
# text that is not a date is kept if it sorts inside the span, and is parsed if it sorts outside.
_USUAL_DATE = rb"(....-..-..T..:..:..Z)[,\r\n]"


class CsvTransform(Transform):
    """
    Writes csv. Most blocks are copied whole after the dates of their rows were checked.

    :param rules: how rows are selected and spread; types and the form of attributes have no effect.
    :param seen: keys of rows that must not be written again.
    :param open_file: opens the files to write.
    """

    def __init__(self, rules: Rules, seen: SeenKeys | None, open_file: OpenFile) -> None:
        super().__init__(rules, seen, Splitter(BLOCK, self._quick))
        # Not in the background: while this thread writes and computes checksums, the download continues anyway.
        self._files = OutputFiles(open_file)
        self._dates: _Dates | None = None
        self._cells: _Cells | None = None
        self._helper: int | None = None
        self._date_first = DateFirst()

    def abort(self) -> None:
        """Close the files without finishing them."""
        self._files.abort()

    def _header(self, names: list[str], raw: bytes) -> None:
        rules = self.rules
        if rules.schema.helper in names:
            self._helper = names.index(str(rules.schema.helper))
        self._files.head = self._without_helper(raw if raw.endswith(b"\n") else raw + b"\n")
        if rules.span is not None and rules.schema.date is not None:
            column = position(names, rules.schema.date, "which says whether a row belongs to its window")
            self._dates = _Dates(column, len(names), rules.span)
        if self.outcome.keys is not None or rules.partitions.by or rules.hashed or rules.hidden.columns(names):
            self._cells = _Cells(rules, names, keyed=self.outcome.keys is not None)

    def _finish(self) -> Iterable[WrittenFile]:
        return self._files.finish()

    def _quick(self, data: bytes) -> Block | None:
        if self._dates is None:
            return None
        return self._date_first.cut(data) if self._helper == 0 else self._dates.lines(data)

    def _write(self, block: Block) -> None:
        if self._cells is None and self._write_whole(block):
            return
        records = block.records()
        if self._dates is not None:
            kept = self._dates.inside(block, records)
            self.outcome.rows_cut += len(records) - len(kept)
            records = kept
        for folder, written in self._spread(records).items():
            self._append(folder, b"".join(map(self._without_helper, written)), len(written))

    def _write_whole(self, block: Block) -> bool:
        """Write a block without reading its cells, if a quick check of its dates is enough."""
        if self._dates is None or self._helper is None:
            if self._helper is not None or (self._dates is not None and not self._dates.all_inside(block)):
                return False
            self._append("", block.data, block.rows)
            return True
        split = self._date_first.split(block) if self._helper == 0 else None
        if split is None:
            return False
        records = self._dates.inside_split(split)
        self.outcome.rows_cut += block.rows - len(records)
        if records:
            self._append("", b"\n".join([*records, b""]), len(records))
        return True

    def _append(self, folder: str, written: bytes, rows: int) -> None:
        self._files.feed((f"{folder}{self.rules.name}.csv", written, rows))

    def _without_helper(self, record: bytes) -> bytes:
        """Drop the cell that is only used to cut rows, and a comma beside it."""
        if self._helper is None:
            return record
        row = fields(record, self._helper + 1)
        if len(row) <= self._helper:
            return record
        cell = row[self._helper]
        return record[cell.end + 1 :] if cell.start == 0 else record[: cell.start - 1] + record[cell.end :]

    def _spread(self, records: list[bytes]) -> dict[str, list[bytes]]:
        """Return the records as they are written, by folder."""
        if self._cells is None:
            return {"": records} if records else {}
        rows = [fields(record, self._cells.count) for record in records]
        spread: dict[str, list[bytes]] = {}
        for record, row, new in zip(records, rows, self._new(list(map(self._cells.key, rows))), strict=True):
            if new:
                spread.setdefault(self._cells.folder(row), []).append(self._cells.hashed(record, row))
        return spread


class _Dates:
    """
    The column of dates by which rows are cut.

    :param column: its position.
    :param width: how many columns the file has.
    :param span: the first moment inside the span and the first moment after it.
    """

    def __init__(self, column: int, width: int, span: tuple[datetime, datetime]) -> None:
        self._column = column
        self._span = span
        self._spelled = [iso(moment).encode() for moment in span]
        row = rb'[^,\n"]*,' * column + _USUAL_DATE
        self._first, self._others = re.compile(row), re.compile(rb"\n" + row)
        self._others_after_json = re.compile(rb'\n(?<=}"\n)' + row)
        self._seen: tuple[bytes, list[bytes]] = (b"", [])
        self._parser = arrow.Parser(width, {"date": column})
        self._is_inside = lru_cache(1 << 12)(self._parse)

    def lines(self, data: bytes) -> Block | None:
        """
        Return lines as a block if each is a record; None otherwise.

        A line is a record if it has a date in the column of dates and ends with JSON in quotes. This holds because a
        quote within a field is doubled, or no field can end after it.
        """
        if not data.endswith(b'}"\n'):
            return None
        dates = self._find(self._others_after_json, data)
        if len(dates) != data.count(b"\n"):
            return None
        self._seen = (data, dates)
        return Block(data, len(dates), simple=True)

    def all_inside(self, block: Block) -> bool:
        """Whether all rows of a block lie inside, as far as a quick check shows."""
        if block.simple:
            dates = self._seen[1] if self._seen[0] is block.data else self._find(self._others, block.data)
            if len(dates) == block.rows:
                return self._are_inside(dates)
        outside = self._outside(block)
        return outside is not None and not any(outside)

    def inside_split(self, split: Split) -> Sequence[bytes]:
        """Return the records that lie inside."""
        if self._are_inside(split.dates):
            return split.records
        outside = arrow.outside(pa.array(split.dates, pa.string()), self._span)
        return list(compress(split.records, pc.invert(outside).to_pylist()))

    def inside(self, block: Block, records: list[bytes]) -> list[bytes]:
        """Return the records of a block that lie inside. A row without a date counts as inside."""
        outside = self._outside(block)
        if outside is None:
            return [record for record in records if self._is_record_inside(record)]
        return list(compress(records, (not cut for cut in outside)))

    def _outside(self, block: Block) -> list[bool] | None:
        """Return for each row whether it lies outside; None if Arrow might read the block differently."""
        texts = self._parser.parse_fast(block)
        return None if texts is None else arrow.outside(texts.column(0), self._span).to_pylist()

    def _are_inside(self, dates: Sequence[bytes]) -> bool:
        return min(dates) >= self._spelled[0] and max(dates) < self._spelled[1]

    def _find(self, others: re.Pattern[bytes], data: bytes) -> list[bytes]:
        first = self._first.match(data)
        return [first.group(1), *others.findall(data)] if first else []

    def _is_record_inside(self, record: bytes) -> bool:
        row = fields(record, self._column + 1)
        return len(row) <= self._column or self._is_inside(row[self._column].text)

    def _parse(self, text: bytes) -> bool:
        moment = read(text.decode("utf-8", "replace"), DATETIME)
        return not isinstance(moment, datetime) or self._span[0] <= moment < self._span[1]


class _Cells:
    """
    The cells that decide where and how a row is written.

    :param rules: how rows are selected and spread.
    :param names: names of the file's columns.
    :param keyed: whether rows are deduplicated by their key.
    """

    def __init__(self, rules: Rules, names: Sequence[str], *, keyed: bool) -> None:
        self._rules = rules
        self._kinds = {column.name: column.kind for column in rules.schema.columns}
        self._keys = [
            (position(names, name, "which tells rows apart"), self._kinds.get(name, STRING))
            for name in rules.schema.key
            if keyed
        ]
        self._hashed = [names.index(name) for name in rules.hashed if name in names]
        self._hidden = {name: names.index(name) for name in rules.hidden.columns(names)}
        self._parts = [self._partition(names, name) for name in rules.partitions.by]
        looked_at = (*(key[0] for key in self._keys), *(part[0] for part in self._parts))
        self.count = 1 + max(-1, *looked_at, *self._hashed, *self._hidden.values())
        self._part = lru_cache(1 << 12)(rules.partitions.part)
        self._folder = lru_cache(1 << 12)(rules.partitions.folder)

    def _partition(self, names: Sequence[str], name: str) -> tuple[int, str, str]:
        """Return the position of a partition's cell, the partition's name, and the kind of the cell."""
        source = self._rules.partitions.source(name)
        place = position(names, source, "which says to which folder a row belongs")
        kind = STRING if source in self._rules.hashed else self._kinds.get(source, STRING)
        return place, name, kind

    def key(self, row: Sequence[Field]) -> list[Key]:
        """Return the key of a row; an empty one if rows are not deduplicated."""
        return [key_value(_text(row, place), kind) for place, kind in self._keys]

    def folder(self, row: Sequence[Field]) -> str:
        """Return the folder of a row."""
        return self._folder(tuple(self._part(name, self._shown(row, place), kind) for place, name, kind in self._parts))

    def hashed(self, record: bytes, row: Sequence[Field]) -> bytes:
        """Replace values of hashed columns with digests, and hide lead fields in the rows of their changes."""
        written: dict[int, bytes] = {}
        if self._hidden:
            cells = {name: _text(row, place) for name, place in self._hidden.items()}
            hidden = self._rules.hidden.hide(cells, lambda text: self._rules.digest(text.encode()))
            written = {self._hidden[name]: line([value])[:-1] for name, value in hidden.items()}
        written |= {
            place: self._digest(row[place]) for place in self._hashed if place < len(row) and not row[place].is_null
        }
        for place in sorted(written, reverse=True):
            if place < len(row):
                record = record[: row[place].start] + written[place] + record[row[place].end :]
        return record

    def _shown(self, row: Sequence[Field], place: int) -> str | None:
        if place in self._hashed and place < len(row) and not row[place].is_null:
            return self._digest(row[place]).decode()
        return _text(row, place)

    def _digest(self, field: Field) -> bytes:
        return self._rules.digest(_decoded(field).encode()).encode()


def _text(row: Sequence[Field], place: int) -> str | None:
    return None if place >= len(row) or row[place].is_null else _decoded(row[place])


def _decoded(field: Field) -> str:
    return field.text.decode("utf-8", "replace")
