"""What a DAG file pays for importing the operator."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.table import Row

_SCRIPT = """
import time
import airflow.sdk
start = time.perf_counter()
import airflow_provider_marketo.operators.bulk_extract
print(time.perf_counter() - start)
"""


def measure(repeats: int) -> Iterator[Row]:
    """
    Seconds above ``import airflow.sdk``, each time in a new interpreter.

    :param repeats: the fastest counts: whatever else the machine does can only add.
    """
    command = [sys.executable, "-c", _SCRIPT]
    seconds = [
        float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout) for _ in range(repeats)
    ]
    milliseconds = min(seconds) * 1e3
    yield Row(
        "import of operators.bulk_extract",
        f"{repeats} interpreters",
        f"{milliseconds:.0f} ms",
        "above import airflow.sdk",
        milliseconds,
        50,
        at_most=True,
    )
