"""Runs export files through a transform, into a folder."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet

from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.client.tabular.schema import Column, TableSchema
from airflow_provider_marketo.client.tabular.transform import Outcome, Rules
from airflow_provider_marketo.output.formats import FORMATS

NAME = "rows"
ACTIVITIES = b"marketoGUID,leadId,activityDate,activityTypeId,attributes\n"


def schema(*columns: str, key: tuple[str, ...] = (), date: str | None = None) -> TableSchema:
    """Return a schema from ``name:type``; columns without a type are text."""
    parts = (column.partition(":") for column in columns)
    return TableSchema(tuple(Column(name, kind or "string") for name, _, kind in parts), key, date)


ACTIVITY_SCHEMA = schema(
    "marketoGUID",
    "leadId:integer",
    "activityDate:datetime",
    "activityTypeId:integer",
    "attributes:attributes",
    key=("marketoGUID",),
    date="activityDate",
)


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2026, 1, number, hour, tzinfo=timezone.utc)


class Output:
    """
    The files that a transform has written.

    :param folder: the folder of its files.
    :ivar most_open: how many files were open at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.most_open = 0
        self._opened: list[Any] = []

    def open(self, name: str, mode: str) -> Any:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._opened = [*(file for file in self._opened if not file.closed), path.open(mode)]
        self.most_open = max(self.most_open, len(self._opened))
        return self._opened[-1]

    @property
    def open_files(self) -> int:
        """Number of files that are open now."""
        return sum(not file.closed for file in self._opened)

    def run(
        self, rules: Rules, data: bytes, file_format: str, *, seen: SeenKeys | None = None, chunk: int = 1 << 20
    ) -> Outcome:
        """Send one file through a transform, in chunks."""
        transform = FORMATS[file_format].transform(rules, seen, self.open)
        try:
            for start in range(0, len(data), chunk):
                transform.feed(data[start : start + chunk])
            outcome: Outcome = transform.finish()
        except BaseException:
            transform.abort()
            raise
        for file in outcome.files:
            content = (self.folder / file.name).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
        return outcome

    def bytes(self, name: str = f"{NAME}.csv") -> bytes:
        return (self.folder / name).read_bytes()

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a jsonl or parquet file."""
        path = self.folder / name
        if name.endswith(".jsonl"):
            return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]
        table = pyarrow.parquet.read_table(path, partitioning=None)
        return [
            {key: dict(value) if isinstance(value, list) else value for key, value in row.items()}
            for row in table.to_pylist()
        ]

    def types(self, name: str) -> dict[str, str]:
        """Return the column types of a parquet file."""
        return {field.name: str(field.type) for field in pyarrow.parquet.read_schema(self.folder / name)}
