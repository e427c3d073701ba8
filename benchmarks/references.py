"""The references: the shortest way to a comparable result, without the checks that the provider must do."""

from __future__ import annotations

import csv
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pyarrow.csv
import pyarrow.parquet

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.instance import Export


def curl_tee_sha256sum(export: Export, output: Path) -> None:
    """Fetch the file, keep it and compute its checksum with the system's tools."""
    header = shlex.quote(f"Authorization: Bearer {export.token}")
    command = f"curl -sf -H {header} {shlex.quote(export.url)} | tee {shlex.quote(str(output / 'file'))} | sha256sum"
    digest = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout.split()[0]
    assert digest == export.job.checksum


def arrow_csv_to_parquet(export: Export, output: Path) -> None:
    """Convert the file on disk with pyarrow and the types that it guesses; fetch and verify nothing."""
    with (
        pyarrow.csv.open_csv(export.path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)) as reader,
        pyarrow.parquet.ParquetWriter(output / "file.parquet", reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


def csv_reader_to_orjson(export: Export, output: Path) -> None:
    """Convert the file on disk row by row, all values as text; fetch and verify nothing."""
    csv.field_size_limit(sys.maxsize)
    with export.path.open(newline="", encoding="utf-8") as source, (output / "file.jsonl").open("wb") as target:
        rows = csv.reader(source)
        names = next(rows)
        for row in rows:
            target.write(orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE))
