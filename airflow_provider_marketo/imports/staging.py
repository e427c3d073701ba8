"""Read the input once, into chunks that every try sends as they are."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate, compress
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.keys import LastRows, NumberSet
from airflow_provider_marketo.imports.advice import INVALID_VALUE, MISSING_KEY, TOO_LARGE
from airflow_provider_marketo.imports.encoding import Column, ValueFaultError, count_by_field, encode_constant
from airflow_provider_marketo.imports.given import as_given, encode_entry, file_name
from airflow_provider_marketo.imports.plan import (
    CSV,
    Chunk,
    ImportPlan,
    digest,
    encode_header,
    encode_lines,
    without,
)
from airflow_provider_marketo.imports.rejects import LOCAL, RejectWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_marketo.imports.fields import Field
    from airflow_provider_marketo.imports.rows import Batch, Rows
    from airflow_provider_marketo.output.folder import Staging

log = printable_logger(__name__)

BULK_CHUNK_BYTES = 9_990_000
"""Marketo takes files below 10 MB. This fits both meanings of a megabyte, and leaves room for the multipart form."""

CALL_BYTES = 1_000_000
"""Largest body of a call, in bytes; Marketo takes 1 MB."""

LAST = "last"

_NEEDED = "Marketo takes no record without it"
_NEEDED_AS_KEY = "Marketo tells records apart by it"
_NEEDED_BY_ONCE = "once_by needs it to recognize what was sent before"


@dataclass(frozen=True)
class ChunkLimits:
    """
    How large chunks may be.

    :param rows: largest number of rows in a chunk; None for any number.
    :param size: largest number of bytes in a chunk.
    :param row: largest number of bytes in a row.
    """

    rows: int | None
    size: int
    row: int


BULK = ChunkLimits(rows=None, size=BULK_CHUNK_BYTES, row=BULK_CHUNK_BYTES)


class ChunkWriter:
    """
    Writes rows into staged files, one after the other. A row is never split.

    :param area: where files are staged.
    :param form: the form in which rows are written.
    :param header: API names of the columns.
    :param limits: limits of a chunk.
    """

    def __init__(self, area: Staging, form: str, header: Sequence[str], limits: ChunkLimits) -> None:
        self._area = area
        self._form = form
        self._header = encode_header(form, header)
        self._limits = limits
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._open = Chunk("", "", 0, 0, 0, 0)
        self._given: BinaryIO | None = None
        self._given_digest = hashlib.sha256()
        self.chunks: list[Chunk] = []

    def write(
        self,
        rows: Sequence[int],
        columns: Sequence[Sequence[Any]],
        given: Sequence[Sequence[Any] | None] = (),
    ) -> list[int]:
        """
        Write rows into the open chunk, and into new ones as needed.

        :param rows: numbers of the rows in the input.
        :param columns: the encoded values, by column.
        :param given: the values in the input, by column; None for a constant.
        :return: positions of rows that were not written, because they are larger than a chunk may be.
        """
        lines = encode_lines(self._form, columns)
        too_large = self._too_large(lines)
        if too_large:
            good = _all_but(len(rows), too_large)
            lines = list(compress(lines, good))
            rows, columns, given = _kept(good, rows, columns, given)
        ends = list(accumulate(map(len, lines)))
        at = 0
        while at < len(lines):
            fitting = self._fitting(ends, at)
            if fitting > at:
                self._append(rows[at:fitting], b"".join(lines[at:fitting]))
                self._keep_given(slice(at, fitting), rows, columns, given)
                at = fitting
            else:
                self.close()
        return too_large

    def _too_large(self, lines: Sequence[bytes]) -> list[int]:
        most = min(self._limits.row, self._limits.size - len(self._header))
        return [at for at, line in enumerate(lines) if len(line) > most] if max(map(len, lines)) > most else []

    def _fitting(self, ends: Sequence[int], at: int) -> int:
        """Return the end of the rows for which the chunk has room, from row ``at`` on."""
        size, rows = (self._open.size, self._open.rows) if self._file else (len(self._header), 0)
        before = ends[at - 1] if at else 0
        fitting = bisect_right(ends, before + self._limits.size - size, at)
        return fitting if self._limits.rows is None else min(fitting, at + self._limits.rows - rows)

    def _append(self, rows: Sequence[int], data: bytes) -> None:
        if self._file is None:
            name = f"chunk-{len(self.chunks):05d}.{self._form}"
            self._file = self._area.open(name)
            self._digest = hashlib.sha256(self._header)
            self._file.write(self._header)
            self._open = Chunk(name, "", len(self._header), 0, rows[0], rows[0])
        self._file.write(data)
        self._digest.update(data)
        self._open = replace(
            self._open, size=self._open.size + len(data), rows=self._open.rows + len(rows), last=rows[-1]
        )

    def _keep_given(
        self,
        part: slice,
        rows: Sequence[int],
        columns: Sequence[Sequence[Any]],
        given: Sequence[Sequence[Any] | None],
    ) -> None:
        for at, values in enumerate(given):
            if values is None:
                continue
            entry = encode_entry(self._form, at, rows[part], values[part], columns[at][part])
            if entry:
                if self._given is None:
                    self._given = self._area.open(file_name(self._open.name))
                    self._given_digest = hashlib.sha256()
                self._given.write(entry)
                self._given_digest.update(entry)

    def close(self) -> None:
        """Finish the open chunk, if there is one."""
        if self._given is not None:
            self._given.close()
            self._given = None
            self._open = replace(self._open, given=self._given_digest.hexdigest())
        if self._file is not None:
            self._file.close()
            self._file = None
            self.chunks.append(replace(self._open, sha256=self._digest.hexdigest()))


def _all_but(size: int, positions: Iterable[int]) -> bytearray:
    kept = bytearray(b"\1") * size
    for at in positions:
        kept[at] = 0
    return kept


def _kept(
    good: bytearray, rows: Sequence[int], columns: Sequence[Sequence[Any]], given: Sequence[Sequence[Any] | None]
) -> tuple[list[int], list[Sequence[Any]], list[Sequence[Any] | None]]:
    """Return only the good rows of a table."""
    return (
        list(compress(rows, good)),
        [list(compress(column, good)) for column in columns],
        [column and list(compress(column, good)) for column in given],
    )


class Stager:
    """
    Reads an input into chunks.

    :param area: where files are staged.
    :param rows: the input.
    :param layout: for each column its position in the input (None for a constant) and its field.
    :param constants: API name to the value that every row gets.
    :param plan: the plan, as far as it is known; its key comes first in the layout.
    :param limits: limits of a chunk.
    :param required: names of fields that every record needs besides its key.
    """

    def __init__(
        self,
        area: Staging,
        rows: Rows,
        layout: Sequence[tuple[int | None, Field]],
        constants: Mapping[str, Any],
        plan: ImportPlan,
        *,
        limits: ChunkLimits,
        required: Sequence[str] = (),
    ) -> None:
        self._area = area
        self._rows = rows
        self._layout = layout
        self._key = len(plan.key)
        once_by = plan.request.get("once_by", ())
        self._required = {
            at: _NEEDED_BY_ONCE if field.name in once_by else _NEEDED_AS_KEY if at < self._key else _NEEDED
            for at, (_, field) in enumerate(layout)
            if at < self._key or field.name in required
        }
        # The list of files grows while the input is read; the table of rejects names the file of each row.
        self._plan = replace(plan, files=rows.files)
        self._encoders = [Column(field, plan.form == CSV, at < self._key) for at, (_, field) in enumerate(layout)]
        self._constants = {
            at: self._constant(encoder, constants[encoder.field.name])
            for at, (encoder, (place, _)) in enumerate(zip(self._encoders, layout, strict=True))
            if place is None
        }
        self._chunks = ChunkWriter(area, plan.form, plan.header, limits)
        self._rejects = RejectWriter(area, LOCAL, self._plan)
        self._index = LastRows()
        self.left_out = NumberSet()
        self._read = 0

    @staticmethod
    def _constant(encoder: Column, value: Any) -> Any:
        try:
            return encode_constant(encoder, value)
        except ValueFaultError as error:
            raise MarketoInvalidRequestError(str(error), parameter="constants") from None

    def stage(self, on_duplicates: str) -> ImportPlan:
        """
        Read and stage everything.

        :param on_duplicates: ``last`` to send the last row of a key, or ``fail``.
        :return: the plan. Nothing is published yet.
        :raises MarketoInvalidRequestError: the input cannot be read, or has duplicates and ``on_duplicates`` is
            ``fail``.
        """
        try:
            for batch in self._rows.batches:
                self._take(batch)
            self._chunks.close()
            superseded = self._index.superseded()
        finally:
            self._index.close()
            self._rejects.close()
        if len(superseded) and on_duplicates != LAST:
            key = " + ".join(self._plan.key)
            raise MarketoInvalidRequestError(
                f"{len(superseded)} of {counted(self._read, 'row')} cannot be sent: a later row has the same {key}",
                parameter="on_duplicates",
                remedy="Make the rows unique, or let the last one win with on_duplicates='last'.",
            )
        chunks = [kept for chunk in self._chunks.chunks if (kept := self._without(chunk, superseded))]
        for naive, count in count_by_field(self._encoders, "naive").items():
            values = counted(count, f"value of {naive} has", f"values of {naive} have")
            log.info("%s no time zone: UTC is assumed", values)
        return replace(
            self._plan,
            rows=self._read,
            superseded=len(superseded),
            rejected=self._rejects.count,
            chunks=tuple(chunks),
            files=tuple(self._rows.files),
            long=count_by_field(self._encoders, "long"),
        )

    def given_files(self, plan: ImportPlan) -> list[str]:
        """Return the files with the given values of the plan's chunks."""
        return [file_name(chunk.name) for chunk in plan.chunks if chunk.given]

    @property
    def null_words(self) -> dict[str, int]:
        """The number of values that are the word ``null``, by API name."""
        return count_by_field(self._encoders, "null_words")

    def _take(self, batch: Batch) -> None:
        size = batch.rows
        columns: list[Sequence[Any]] = []
        given = [None if place is None else batch[place] for place, _ in self._layout]
        faults: dict[int, tuple[str, str]] = dict(batch.faults)
        for at, (encoder, (place, _)) in enumerate(zip(self._encoders, self._layout, strict=True)):
            if place is None:
                columns.append([self._constants[at]] * size)
                continue
            values, wrong = encoder.encode(batch[place])
            columns.append(values)
            for row, fault in wrong.items():
                faults.setdefault(row, (INVALID_VALUE, fault))
        for at, why in self._required.items():
            if not all(columns[at]):
                for row, value in enumerate(columns[at]):
                    if value is None or value == "":
                        faults.setdefault(row, (MISSING_KEY, f"{self._layout[at][1].name} is empty, and {why}"))
        first = self._read
        rows: Sequence[int] = range(first, first + size)
        self._read += size
        if faults:
            rows, columns, given = self._without_faults(faults, rows, columns, given)
        if not rows:
            return
        too_large = self._chunks.write(rows, columns, given)
        if too_large:
            reasons = dict.fromkeys(too_large, (TOO_LARGE, "the row is larger than Marketo takes at once"))
            rows, columns, given = self._without_faults(reasons, rows, columns, given)
        if self._key:
            self._index.add(rows, [self._comparable(at, column) for at, column in enumerate(columns[: self._key])])

    def _comparable(self, at: int, values: Sequence[Any]) -> Sequence[Any]:
        """Return values as Marketo compares them: it ignores case in e-mail addresses, but not in Salesforce ids."""
        return list(map(str.lower, values)) if self._layout[at][1].type == "email" else values

    def _without_faults(
        self,
        faults: Mapping[int, tuple[str, str]],
        rows: Sequence[int],
        columns: Sequence[Sequence[Any]],
        given: Sequence[Sequence[Any] | None],
    ) -> tuple[list[int], list[Sequence[Any]], list[Sequence[Any] | None]]:
        """Write rows with faults to the rejects, as they were given. Return the others."""
        for at, (code, fault) in sorted(faults.items()):
            values = [
                column[at] if source is None else as_given(source[at], column[at])
                for column, source in zip(columns, given, strict=True)
            ]
            self._rejects.add(rows[at], code, fault, values)
            self.left_out.add(rows[at])
        return _kept(_all_but(len(rows), faults), rows, columns, given)

    def _without(self, chunk: Chunk, superseded: NumberSet) -> Chunk | None:
        """Return the chunk without superseded rows; it is written again only if it has some."""
        late = superseded.between(chunk.first, chunk.last)
        if not late:
            return chunk
        earlier = self.left_out.between(chunk.first, chunk.last)
        positions = [number - chunk.first - bisect_left(earlier, number) for number in late]
        for number in late:
            self.left_out.add(number)
        if len(late) == chunk.rows:
            return None
        with self._area.open(chunk.name, "rb") as file:
            data = without(self._plan.form, file.read(), chunk.rows, positions)
        with self._area.open(chunk.name) as file:
            file.write(data)
        return replace(chunk, sha256=digest(data), size=len(data), rows=chunk.rows - len(late))
