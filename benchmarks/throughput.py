"""Rows and bytes per second, from the download to the published files."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import references
from benchmarks.instance import Export, Instance
from benchmarks.table import Row

Reference = Callable[[Export, Path], None]


@dataclass(frozen=True)
class Case:
    """
    One row of the table.

    :param name: what is measured.
    :param wanted: arguments of the extract.
    :param reference: the reference; None if the figure is rows per second.
    :param target: the least ratio, or rows per second.
    """

    name: str
    wanted: dict[str, Any]
    reference: Reference | None
    target: float


CSV = Case("csv", {"file_format": "csv"}, references.curl_tee_sha256sum, 1.0)
JSONL = Case("jsonl", {"file_format": "jsonl"}, references.csv_reader_to_orjson, 1.0)
ACTIVITIES = (
    CSV,
    Case(
        "parquet, attributes=json",
        {"file_format": "parquet", "attributes": "json"},
        references.arrow_csv_to_parquet,
        0.7,
    ),
    Case("parquet, attributes=map", {"file_format": "parquet", "attributes": "map"}, None, 200_000),
    JSONL,
)
LEADS = (
    CSV,
    Case("parquet", {"file_format": "parquet"}, references.arrow_csv_to_parquet, 0.7),
    replace(JSONL, target=1.3),
)


def measure(instance: Instance, export: Export, cases: tuple[Case, ...], folder: Path, repeats: int) -> Iterator[Row]:
    """
    Measure each case and its reference in turn, so that both find the machine in the same state.

    :param instance: the instance that serves the file.
    :param export: the export to fetch.
    :param cases: the cases to measure.
    :param folder: folder for the files, which are removed again.
    :param repeats: pairs of measurements; the median of their ratios counts.
    """
    for case in cases:
        publish = partial(_publish, instance, export, case.wanted)
        _seconds(folder, publish)  # the first run imports modules on demand
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(repeats):
            if case.reference is not None:
                theirs.append(_seconds(folder, partial(case.reference, export)))
            ours.append(_seconds(folder, publish))
        mine = statistics.median(ours)
        what = f"{export.request.object_type}: {case.name}"
        size = f"{export.megabytes:.0f} MB, {export.rows:,} rows"
        reached = f"{export.megabytes / mine:,.0f} MB/s, {export.rows / mine:,.0f} rows/s"
        if case.reference is None:
            yield Row(what, size, reached, "rows/s", export.rows / mine, case.target)
        else:
            name = case.reference.__name__.replace("_", " ")
            ratio = statistics.median(their / our for their, our in zip(theirs, ours, strict=True))
            theirs_at = f"{name}: {export.rows / statistics.median(theirs):,.0f} rows/s"
            yield Row(what, size, reached, theirs_at, ratio, case.target)


def _publish(instance: Instance, export: Export, wanted: dict[str, Any], output: Path) -> None:
    record = instance.publish(export, output, **wanted)
    assert record["rows"] + record["rows_cut"] == export.rows, record


def _seconds(folder: Path, work: Callable[[Path], None]) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as output:
        start = time.perf_counter()
        work(Path(output))
        return time.perf_counter() - start
