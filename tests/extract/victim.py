"""
A task process of its own, to be killed: ``python -m tests.extract.victim <output> <arguments as JSON>``.

It answers SIGTERM as Airflow's task runner does: the operator's ``on_kill`` is called, and the task continues.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from tests.simulated import extract
from tests.support import run_task, task_context


def main() -> None:
    output, arguments = sys.argv[1:]
    operator = extract(Path(output), **json.loads(arguments))
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    run_task(operator, task_context(max_tries=3))


if __name__ == "__main__":
    main()
