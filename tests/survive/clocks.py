"""The worker's clock, which jumps while a task runs, and the waits of hours and days, which a run skips."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import time_machine
from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.triggers.bulk_job import MarketoBulkJobTrigger

STEPS = (-8 * 86_400, -86_400, -3_600, -90, -1, 1, 90, 3_600, 86_400, 8 * 86_400)
"""Seconds by which a clock steps."""

COUNTS = (0, 0, 1, 3)
AMONG = 100
"""A step happens at one of the first operations of the task's surroundings; this is their number."""


class WorkerClock:
    """
    The clock of the worker's host.

    :param chance: the run's random numbers; they choose when the clock steps, and how far.
    """

    def __init__(self, chance: random.Random) -> None:
        self._steps = {chance.randrange(AMONG): chance.choice(STEPS) for _ in range(chance.choice(COUNTS))}
        self._operations = 0
        self._shown: Any = None
        self.others: list[Callable[[float], None]] = []
        """Move the clocks of Marketo and of the governor."""

    def __str__(self) -> str:
        steps = (f"{seconds:+} s at operation {number}" for number, seconds in sorted(self._steps.items()))
        return ", ".join(steps) or "no steps"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let this process read this clock; monotonic clocks do not change."""
        with time_machine.travel(datetime.now(timezone.utc), tick=True) as self._shown:
            yield

    def begin(self) -> None:
        """Count operations from now on."""
        self._operations = 0

    def hold(self) -> None:
        """Make no step: after one, a task whose job never ends would wait for as long as the step."""
        self._steps.clear()

    def operation(self) -> None:
        """Take note of an operation of the task's surroundings: the clock may step at it."""
        step = self._steps.get(self._operations)
        self._operations += 1
        if step is not None:
            self._shown.shift(step)

    def sit_out(self, trigger: Any) -> None:
        """Skip a wait of a trigger: advance the clocks to its end."""
        if isinstance(trigger, DateTimeTrigger):
            until: datetime = trigger.moment
        elif isinstance(trigger, MarketoBulkJobTrigger) and trigger.until is not None:
            until = parse_date(trigger.until)
        else:
            return
        seconds = (until - datetime.now(timezone.utc)).total_seconds()
        if seconds > 1:
            self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move this clock and the others forward."""
        self._shown.shift(seconds)
        for move in self.others:
            move(seconds)
