"""Settings of the Airflow that the tests run: its sensors look more often than once a minute."""

from __future__ import annotations

import os
from typing import Any


def task_policy(task: Any) -> None:
    """Airflow calls it for every task that it parses."""
    if hasattr(task, "poke_interval"):
        task.poke_interval = float(os.environ["TEST_POKE_INTERVAL"])
