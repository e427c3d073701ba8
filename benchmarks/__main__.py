"""
Measure speed, memory and calls beside references in the same run, and print a table.

::

    python -m benchmarks            about twenty minutes, two gigabytes of disk
    python -m benchmarks --quick    two or three minutes: every benchmark runs, at sizes whose figures mean little

The exit code is 1 if a target was missed, except with ``--quick``. It needs curl and the packages of ``requirements/``.
Other extractors are also measured if ``MARKETO_CLIENTS`` names their folder (:mod:`benchmarks.others`).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.table import Row

QUICK_ACTIVITIES, ACTIVITIES = 200_000, 4_400_000
QUICK_LEADS, LEADS = 5_000, 250_000
LEADS_END_TO_END = 200_000
QUICK_IMPORTS: dict[str, Any] = {"rows": 50_000, "scale": 20.0}
PARTS = ("activities", "others", "end_to_end", "leads", "memory", "calls", "import_cost", "imports", "page")


def main() -> int:
    """
    Run the command.

    :return: the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("::")[0])
    parser.add_argument("--quick", action="store_true", help="small files; a missed target is not a failure")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this part; may be repeated")
    parser.add_argument("--repeats", type=int, help="pairs of measurements (default: 5, quick: 1)")
    parser.add_argument("--folder", type=Path, help="folder to write to (default: the system's temporary directory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marketo-benchmarks-", dir=options.folder) as name:
        folder = Path(name)
        os.environ["AIRFLOW_HOME"] = str(folder / "airflow")  # before anything imports Airflow
        from benchmarks.table import markdown

        rows = []
        for row in _measure(
            folder, options.only or PARTS, options.quick, options.repeats or (1 if options.quick else 5)
        ):
            rows.append(row)
            print(
                f"{row.what}: {row.cells()[4]} {'' if row.passed else '(target missed)'}", file=sys.stderr, flush=True
            )
    print(f"{_machine()}\n\n{markdown(rows)}")
    return 0 if options.quick or all(row.passed for row in rows) else 1


def _measure(folder: Path, parts: tuple[str, ...], quick: bool, repeats: int) -> Iterator[Row]:
    from benchmarks import calls, end_to_end, import_cost, imports, memory, others, page, throughput
    from benchmarks.instance import Instance

    activities, leads = (QUICK_ACTIVITIES, QUICK_LEADS) if quick else (ACTIVITIES, LEADS)
    if "import_cost" in parts:
        yield from import_cost.measure(repeats)
    if "page" in parts:
        yield from page.measure(repeats)
    if "leads" in parts:
        with Instance(folder / "leads", leads=leads, activities=1000, leads_since="2026-01-01") as instance:
            export = instance.export("leads", fields=instance.lead_fields())
            yield from throughput.measure(instance, export, throughput.LEADS, folder, repeats)
    if "end_to_end" in parts and end_to_end.CLIENT in others.installed():
        count = QUICK_LEADS if quick else LEADS_END_TO_END
        with Instance(folder / "end_to_end", leads=count, activities=1000, leads_since="2026-01-01") as instance:
            yield from end_to_end.measure(instance, folder, repeats)
    if {"activities", "others", "memory", "calls"} & set(parts):
        with Instance(folder / "activities", leads=1000, activities=activities) as instance:
            if "activities" in parts:
                export = instance.export("activities", days=15)
                yield from throughput.measure(instance, export, throughput.ACTIVITIES, folder, repeats)
            if "others" in parts and others.installed():
                yield from others.measure(instance, instance.export("activities", days=15), folder)
            if "memory" in parts:
                exports = instance.export("activities", days=1), instance.export("activities", days=30)
                yield from memory.measure(instance, exports, folder)
            if "calls" in parts:
                yield from calls.measure(instance, folder)
    if "imports" in parts:
        yield from imports.measure(folder, **(QUICK_IMPORTS if quick else {}))


def _machine() -> str:
    import pyarrow

    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return (
        f"{os.cpu_count()} cores ({cpu}), {platform.system()} {platform.release()}, Python {platform.python_version()},"
        f" pyarrow {pyarrow.__version__}"
    )


if __name__ == "__main__":
    sys.exit(main())
