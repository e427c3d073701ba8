"""The plan of an import: chunks of staged bytes, decided once."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.tabular.records import cell
from airflow_provider_marketo.imports.encoding import joined

if TYPE_CHECKING:
    from airflow_provider_marketo.client.tabular.keys import NumberSet

CSV, JSONL = "csv", "jsonl"

START_OVER = (
    "Restore the staging folder, and keep it until the task has succeeded. To start over with what the source holds"
    " now, check in Marketo what was sent, because all rows are sent again. Delete the task's folder under staging"
    " and, from Airflow 3.3 on, what the tab Task State Store of the task's page shows. Then clear the task."
)
"""Remedy if staged files are gone or damaged."""

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Chunk:
    """
    Rows that are sent together.

    :param name: name of the staged file.
    :param sha256: SHA-256 of its bytes.
    :param size: its size in bytes.
    :param rows: number of its rows.
    :param first: number of the first input row that it may hold, from 0.
    :param last: number of the last one.
    :param given: SHA-256 of the file that keeps the input's values, if Marketo is sent other values; otherwise empty.
    """

    name: str
    sha256: str
    size: int
    rows: int
    first: int
    last: int
    given: str = ""


@dataclass(frozen=True)
class ImportPlan(Serializable):
    """
    The plan of a staged import.

    :param request: the request, as plain JSON.
    :param transport: ``bulk``, ``sync`` or ``ingestion``.
    :param header: API names of the columns, those of the key first.
    :param key: API names of the fields that tell records apart.
    :param sources: API name to the input's column, for rejects that can be sent again; constants are not in it.
    :param rows: rows that the input had.
    :param superseded: rows that are not sent, because a later row has the same key.
    :param rejected: rows that Marketo could not have taken.
    :param chunks: the chunks to send.
    :param files: address of each input file, and how many rows were read before it.
    :param long: API name to the number of values that are longer than the field.
    """

    VERSION: ClassVar[int | None] = 1

    request: Mapping[str, Any]
    transport: str
    header: tuple[str, ...]
    key: tuple[str, ...]
    sources: Mapping[str, str]
    rows: int = 0
    superseded: int = 0
    rejected: int = 0
    chunks: tuple[Chunk, ...] = ()
    files: Sequence[tuple[str, int]] = ()
    long: Mapping[str, int] = field(default_factory=dict)

    @property
    def form(self) -> str:
        """How rows are staged."""
        return CSV if self.transport == "bulk" else JSONL

    def to_bytes(self) -> bytes:
        """Return the plan as bytes, for another process."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> ImportPlan:
        """Read what :meth:`to_bytes` wrote."""
        return cls.from_dict(json.loads(data))

    def with_split(self, chunk: Chunk, parts: Sequence[Chunk]) -> ImportPlan:
        """Return the plan with a chunk in several parts."""
        chunks = [one for each in self.chunks for one in (parts if each == chunk else (each,))]
        return replace(self, chunks=tuple(chunks))

    def place(self, number: int) -> dict[str, Any]:
        """Return where an input row stands: the file, if there are files, and the number in it, from 1."""
        earlier = [(name, rows) for name, rows in self.files if rows <= number]
        if not earlier:
            return {"row": number + 1}
        name, rows = earlier[-1]
        return {"file": name, "row": number - rows + 1}


def digest(data: bytes) -> str:
    """Return the SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def numbers(chunk: Chunk, left_out: NumberSet) -> Sequence[int]:
    """Return the number of the input row for each row of a chunk."""
    everything = range(chunk.first, chunk.last + 1)
    gone = set(left_out.between(chunk.first, chunk.last))
    return [number for number in everything if number not in gone] if gone else everything


def without(form: str, data: bytes, rows: int, positions: Sequence[int]) -> bytes:
    """
    Return a chunk without some of its rows.

    :param data: what :func:`encode_rows` wrote; for CSV with the header before it.
    :param rows: the number of rows in the chunk.
    :param positions: positions of the rows to leave out, from 0.
    """
    kept = bytearray(b"\1") * rows
    for at in positions:
        kept[at] = 0
    start = data.index(b"\n") + 1 if form == CSV else 0
    lines = data[start:].split(b"\n")
    if len(lines) == rows + 1:  # no cell has a line break: a line is a row
        return data[:start] + b"\n".join([*compress(lines, kept), b""])
    return data[:start] + encode_rows(form, list(zip(*compress(decode_rows(form, data), kept), strict=True)))


def encode_rows(form: str, columns: Sequence[Sequence[Any]]) -> bytes:
    """Encode rows for staging."""
    return b"".join(encode_lines(form, columns))


def encode_lines(form: str, columns: Sequence[Sequence[Any]]) -> list[bytes]:
    """Encode rows for staging, one by one: CSV with LF and quotes where needed, or a JSON list on a line."""
    if form == CSV:
        rows = zip(*map(_cells, columns), strict=True)
        return [f"{line}\n".encode() for line in map(",".join, rows)]
    return [f"{_JSON.encode(row)}\n".encode() for row in zip(*columns, strict=True)]


def _cells(column: Sequence[Any]) -> Sequence[str]:
    """Encode a column for CSV. Usually nothing needs quotes, and a single check of all values joined shows that."""
    together = joined(column)
    if together is None:  # numbers, and None for no value
        column = ["" if value is None else str(value) for value in column]
        together = "".join(column)
    if not any(sign in together for sign in ',"\r\n'):
        return column
    return list(map(cell, column))


def encode_header(form: str, header: Sequence[str]) -> bytes:
    """Return the beginning of a chunk."""
    return encode_rows(CSV, [[name] for name in header]) if form == CSV else b""


def decode_rows(form: str, data: bytes) -> list[list[Any]]:
    """Read what :func:`encode_rows` wrote, after the header of a CSV file."""
    text = data.decode("utf-8")
    if form == CSV:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]
    return [json.loads(line) for line in text.split("\n") if line]


def verified(chunk: Chunk, data: bytes | None) -> bytes:
    """
    Return a chunk's bytes, if they are those that were staged.

    :raises MarketoDataError: the bytes are gone or have changed.
    """
    if data is None or digest(data) != chunk.sha256:
        raise MarketoDataError(
            f"staged chunk {chunk.name} is {'gone' if data is None else 'not what was staged'}",
            remedy=START_OVER,
        )
    return data
