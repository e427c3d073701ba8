"""One run: a job that a seed chooses, its faults, its kills, its retries and clears, and the check at its end."""

from __future__ import annotations

import json
import logging
import random
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
import structlog
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.sdk import Asset

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime
from airflow_provider_marketo.simulator import ScaledClock, Settings
from tests.seed import DATES
from tests.simulated import FAST, Marketo
from tests.support import ManualClock, run_task, task_context
from tests.survive.clocks import WorkerClock
from tests.survive.faults import faults_of, is_stuck
from tests.survive.job import HURRIED, WRONG, Job
from tests.survive.jobs import JOBS
from tests.survive.trouble import (
    EARLIER_INSTANCE,
    TASK_INSTANCE,
    DeadError,
    Trouble,
    in_trouble,
    stores_of,
    trouble_of,
)

TRIES, CLEARS = 4, 3
"""Tries of a task, and how many times a person clears one that failed for good. The last try meets no fault."""

LONGEST = 60.0
"""Seconds after which a run counts as hung."""

A_DAY = 86_400
BLOCK_TIME = 0.2
"""Seconds in which a block of a file has to arrive."""

BEFORE_3_3 = 0.3
"""Share of the runs on an Airflow without state stores."""

HUNG = "hung"

TOO_SOON = "called more often than states change"
"""No violation here: the waits between calls and between tries are skipped."""

_MAY_HAVE_RUN = ("it is unknown whether", "may or may not be in Marketo")


@dataclass
class Outcome:
    """
    How a run ended.

    :param seed: replays it.
    :param job: name of the job.
    :param trouble: what failed besides Marketo.
    :param faults: faults that were set.
    :param problems: what is wrong: one of the words of :mod:`tests.survive.jobs` and a text.
    :param log: how each try ended.
    """

    seed: int
    job: str = ""
    trouble: str = ""
    faults: list[dict[str, Any]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = "; ".join(f"{word}: {text}" for word, text in self.problems) or "ok"
        return (
            f"seed {self.seed}: {self.job}, {len(self.faults)} faults, {self.trouble}, {len(self.log)} tries: {verdict}"
        )


class _Impatient(SystemClock):
    """A clock that does not sleep."""

    def sleep(self, seconds: float) -> None:
        return


class _GovernorClock(ManualClock):
    """A clock that does not sleep, and that shows the time of the worker's host."""

    def now(self) -> datetime:
        return datetime.now(timezone.utc)


class EndOfData(ScaledClock):
    """
    Marketo's clock, which begins where the data end: nothing is too old to be read.

    :param scale: simulated seconds in a second.
    """

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._start = datetime(2026, 3, 12, 12, tzinfo=timezone.utc)

    def advance(self, seconds: float) -> None:
        """Move the time forward."""
        self._start += timedelta(seconds=seconds)

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Show an earlier time for a while."""
        back = self.now() - moment
        self._start -= back
        try:
            yield
        finally:
            self._start += back


def run(seed: int) -> Outcome:
    """
    Run what a seed says.

    :param seed: the same seed makes the same run.
    """
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chance, outcome = random.Random(seed), Outcome(seed)
    governor_clock, clock = _GovernorClock(), WorkerClock(random.Random(seed))
    with (
        clock.running(),
        _instance(governor_clock) as marketo,
        tempfile.TemporaryDirectory(prefix="survive-") as folder,
    ):
        job = chance.choice(JOBS)(marketo, Path(folder), chance)
        trouble = trouble_of(chance, job.places)
        is_new = chance.random() >= BEFORE_3_3
        outcome.job, outcome.trouble = job.text, f"{trouble}; clock: {clock}"
        outcome.faults = faults_of(chance, job.operations, reads=job.reads)
        clock.others = [marketo.clock.advance, governor_clock.advance]
        with in_trouble(trouble, Path(folder)):
            job.prepare(_context("an earlier run", EARLIER_INSTANCE, is_new=is_new))
            for fault in outcome.faults:
                marketo.fail(**fault)
            if is_stuck(outcome.faults):
                job.patience = HURRIED
                clock.hold()
            trouble.clock = clock
            trouble.begin()
            clock.begin()
            context = _context("a run", TASK_INSTANCE, is_new=is_new)
            try:
                with _at_most(LONGEST):
                    result = _until_success(job, trouble, outcome, context, clock)
                    job.wait_for_others()
            except HungError:
                outcome.problems.append((HUNG, f"it has not ended after {LONGEST:.0f} s"))
                return outcome
        if result is None and not (job.once and any(text in outcome.log[-1] for text in _MAY_HAVE_RUN)):
            outcome.problems.append((WRONG, f"it did not succeed without faults: {outcome.log[-1]}"))
        outcome.problems += job.check(result)
        outcome.problems += job.orphans()
        outcome.problems += _violations(marketo)
    return outcome


class HungError(BaseException):
    """A task runs for too long. This is not an Exception, so that no code handles it."""


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """
    Limit the time of the main thread's work.

    :raises HungError: the time is over.
    """

    def end(*_: Any) -> None:
        raise HungError

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _context(run_id: str, task_instance: UUID, *, is_new: bool) -> dict[str, Any]:
    """Return the context of the task in a run, on an Airflow with or without state stores."""
    context = task_context(max_tries=TRIES - 1)
    context["ti"].run_id = run_id
    context["ti"].task = SimpleNamespace(outlets=[Asset("survive")])
    return context | (stores_of(context["ti"].task.outlets, task_instance) if is_new else {})


def _until_success(job: Job, trouble: Trouble, outcome: Outcome, context: dict[str, Any], clock: WorkerClock) -> Any:
    """Try as Airflow does, clear as a person does, and return the result; None if it never succeeds."""
    for clear in range(CLEARS + 1):
        if clear == CLEARS:
            job.end_faults()
            trouble.end()
        for _ in range(TRIES):
            replace_runtime(TaskRuntime())
            try:
                result = run_task(_processes_of(job), context, clock.sit_out)
            except DeadError:
                outcome.log.append("killed")
                trouble.restart()
            except AirflowFailException as error:
                outcome.log.append(f"failed for good: {error}")
                break
            except (AirflowException, MarketoError) as error:
                outcome.log.append(f"failed: {error}")
            except Exception:  # noqa: BLE001 - the campaign looks for errors of other types
                outcome.log.append(traceback.format_exc())
                problem = (WRONG, f"bare error: {traceback.format_exc(limit=-1).splitlines()[-1]}")
                outcome.problems += [problem] if problem not in outcome.problems else []
            else:
                outcome.log.append("succeeded")
                return result
            context["ti"].try_number += 1
        clock.advance(A_DAY)  # a person finds the failure in the morning
        context["ti"].max_tries += TRIES
        context["ti"].try_number += 1
    return None


def _processes_of(job: Job) -> Callable[[], Any]:
    """Return a function that makes a new operator for each process of a task."""

    def make() -> Any:
        return job.operator()

    return make


@contextmanager
def _instance(governor_clock: ManualClock | None = None) -> Iterator[Marketo]:
    feed = {"late_share": 0.2, "late_by": 86_400.0, "repeat_share": 0.3}
    settings = Settings(**{"leads": 500, "activities": 2_000, "time_scale": FAST, **feed, **DATES})
    governor = LocalGovernor(parallel=10, rate_limit=100_000, clock=governor_clock or ManualClock())
    with Marketo(settings, clock=EndOfData(FAST)) as started, pytest.MonkeyPatch.context() as patch:
        marketo = cast("Marketo", started)
        connection = json.loads(marketo.connection())
        extra = {"poll_interval": 0.1, "hash_secret": "of the fault campaign"}
        patch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps({**connection, "extra": extra}))
        patch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: governor)
        patch.setattr("airflow_provider_marketo.client.answer._BLOCK_TIME", BLOCK_TIME)
        for waits in ("client.client", "client.bulk.fetch", "imports.sync"):
            patch.setattr(f"airflow_provider_marketo.{waits}.SystemClock", _Impatient)
        yield marketo


def _violations(marketo: Marketo) -> Iterator[tuple[str, str]]:
    for what, count in marketo.report().violations.items():
        if TOO_SOON in what:
            continue
        yield WRONG, f"{count} protocol violations: {what}"
