"""One task of the campaign: its run begins, a blow falls, the run ends, and what it left behind is checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
import requests

from tests.survive.job import WRONG
from tests.survive.kills.kinds import DEFERRED, RESUMED, RUNNING, USER, Attempt
from tests.survive.kills.plan import Kill
from tests.survive.run import HUNG
from tools.real_airflow import FINISHED, DagRun

if TYPE_CHECKING:
    from tests.survive.kills.stage import Stage
    from tools.celery_hosts import Worker

Answer = TypeVar("Answer")

LONGEST = 900.0
"""Seconds after which a task counts as hung. What was killed is back after half a minute."""

UNANSWERED = 240.0
"""Seconds within which Airflow's API has to answer again."""

CLEARS = 3
"""How many times a person clears a task that has failed for good."""

LOOK = 0.5
NOT_FOUND = 404
LOST_UPLOAD = "the answer to the upload was lost"
ENDS = ("Imported ", "Extracted ", "Pushing xcom")
"""
Beginnings of the lines that a try logs when its work is done: it is about to delete its progress, or has deleted it.

If the process dies after that and before Airflow notes the success, the next try begins again.
"""

UNKNOWN = ("it is unknown whether", "may or may not")
"""Texts with which a task asks a person to find out whether its request ran."""


class GoneError(Exception):
    """The run does not exist any more."""


class Scene:
    """
    A task and its blow.

    :param stage: the Airflow, Marketo and everything else.
    :param kill: the plan.
    :param number: the number of the task in the campaign.
    """

    def __init__(self, stage: Stage, kill: Kill, number: int) -> None:
        self.stage = stage
        self.kill = kill
        self.attempt = Attempt(kill.kind, number)
        self.run = DagRun(stage.airflow, kill.kind.dag_id, f"kill_{number}_{kill.seed}")
        self._seen: dict[str, Any] = {}

    def play(self) -> None:
        """Play the scene, and add its problems to the kill."""
        try:
            self._begin()
            self._wait_for_moment()
            self._strike()
            if self.kill.kind.meanwhile:
                if self._state() == "success" and not self.kill.blow.may_fail:
                    self.attempt.result = "too early"
                with self.stage.world.marketo.instance.lock:
                    self.kill.kind.meanwhile(self.stage.world, self.attempt)
            self._end()
        except GoneError:
            self.kill.notes.append("deleted")
        except TimeoutError as error:
            self.kill.problems.append((HUNG, str(error)))
        except Exception as error:  # noqa: BLE001 - one task must not end the campaign
            self.kill.problems.append((WRONG, f"the campaign itself failed: {error!r}"))

    def check(self) -> list[tuple[str, str]]:
        """Return the problems with what the task left behind that were not reported yet."""
        if any(word == HUNG for word, _ in self.kill.problems):
            return []
        try:
            with self.stage.world.marketo.instance.lock:
                found = list(self.kill.kind.check(self.stage.world, self.attempt))
        except Exception as error:  # noqa: BLE001 - one check must not end the campaign
            found = [(WRONG, f"the check itself failed: {error!r}")]
        return [each for each in found if each not in self.kill.problems]

    def steadily(self, ask: Callable[[], Answer], within: float = UNANSWERED) -> Answer:
        """
        Ask Airflow's API until it answers.

        :raises GoneError: the run does not exist any more.
        :raises TimeoutError: it does not answer.
        """
        deadline = time.monotonic() + within
        while True:
            try:
                return ask()
            except requests.RequestException as error:
                if _status(error) == NOT_FOUND and self._is_gone():
                    raise GoneError from None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"Airflow's API does not answer: {error}") from None
            time.sleep(LOOK)

    def change(self, ask: Callable[[], object]) -> None:
        """
        Ask Airflow's API for a change until it answers.

        A conflict says that the change is made: the answer to an earlier request was lost, or the task made it itself.

        :raises GoneError: the run does not exist any more.
        :raises TimeoutError: the API does not answer.
        """

        def once() -> None:
            try:
                ask()
            except requests.HTTPError as error:
                if _status(error) != requests.codes.conflict:
                    raise

        self.steadily(once)

    def _is_gone(self) -> bool:
        try:
            self.run.facts()
        except requests.RequestException as error:
            return _status(error) == NOT_FOUND
        return False

    def facts(self) -> dict[str, Any]:
        """Return the task instance that runs or waits, otherwise the last one."""
        tasks = [task for task in self.steadily(self.run.tasks) if task["task_id"] != "added"]
        tasks.sort(key=lambda task: task["task_id"] == "a_task")
        active = [task for task in tasks if task["state"] in (RUNNING, DEFERRED, "queued", "up_for_retry", "failed")]
        return (active or tasks or [{"state": None, "task_id": "a_task"}])[0 if active else -1]

    def task_id(self) -> str:
        """Return the id of that task instance."""
        return str(self.facts()["task_id"])

    def process(self, target: str) -> psutil.Process:
        """
        Return the process of the task, or the one that supervises it.

        :raises _TooLateError: the task has ended, or no process runs it.
        """
        for _ in range(int(30 / LOOK)):
            if self._seen.get("state") == RUNNING and self._seen.get("pid"):
                with suppress(psutil.NoSuchProcess):
                    process = psutil.Process(self._seen["pid"])
                    found = process if target == "task" else process.parent()
                    if found is not None:  # the supervisor may have ended just now
                        return found
            if self._seen.get("state") in FINISHED:
                break
            time.sleep(LOOK)
            self._seen = self.facts()
        raise _TooLateError

    def worker(self) -> Worker:
        """Return the Celery worker that runs the task, or the first one."""
        workers = self.stage.workers
        return workers.get(self._seen.get("hostname")) or next(iter(workers.values()))

    def _begin(self) -> None:
        with self.stage.world.marketo.instance.lock:
            conf = {"number": self.attempt.number, **self.kill.kind.begin(self.stage.world, self.attempt)}
        if self.kill.blow.name == "time limit":
            conf["time_limit"] = max(1, round(self.kill.outage / 3))
        if self.kill.kind.by_itself:
            return
        path = f"/api/v2/dags/{self.run.dag_id}/dagRuns"
        body = {"logical_date": None, "dag_run_id": self.run.run_id, "conf": conf}
        self.change(lambda: self.stage.airflow.api("POST", path, **body))

    def _state(self) -> str:
        return "" if self.kill.kind.by_itself else str(self.facts()["state"])

    def _wait_for_moment(self) -> None:
        """Wait until the task is at the planned moment and has made its calls, then for the planned seconds."""
        deadline, was_deferred, calls = time.monotonic() + LONGEST, False, None
        wanted = RUNNING if self.kill.moment == RESUMED else self.kill.moment
        while not self.kill.kind.by_itself:
            facts = self._seen = self.facts()
            was_deferred |= facts["state"] == DEFERRED
            if facts["state"] == wanted and (self.kill.moment != RESUMED or was_deferred) and calls is None:
                calls = self._calls() if was_deferred else 0
            if calls is not None and self._has_called(calls + self.kill.calls):
                break
            if facts["state"] in FINISHED and facts["task_id"] == "a_task":
                self.kill.notes.append("it had ended")
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"the task is {facts['state']} and was never {self.kill.moment}")
            time.sleep(LOOK / 5)
        time.sleep(self.kill.wait)

    def _has_called(self, calls: int) -> bool:
        """Wait a moment for the task's calls to Marketo, and return whether it has made as many as planned."""
        for _ in range(40):
            if self._calls() >= calls:
                return True
            time.sleep(LOOK / 40)
        return False

    def _calls(self) -> int:
        """Return how many calls the task has made."""
        instance = self.stage.world.marketo.instance
        with instance.lock:
            return sum(day[f"{USER}{self.attempt.number}"] for day in instance.meter.calls.values())

    def _strike(self) -> None:
        self.kill.notes.append(time.strftime("at %H:%M:%S", time.gmtime()))
        try:
            self.kill.blow.strike(self)
        except (_TooLateError, psutil.NoSuchProcess):
            self.kill.notes.append("too late")

    def _end(self) -> None:
        """Wait until the task has ended, and clear it if it failed, as a person does."""
        deadline = time.monotonic() + LONGEST
        if self.kill.kind.by_itself:
            self._wait_for_events(deadline)
            return
        clears = 0
        while (state := self.steadily(lambda: self.run.state)) != "success":
            if time.monotonic() > deadline:
                states = {task["task_id"]: task["state"] for task in self.steadily(self.run.tasks)}
                raise TimeoutError(f"the run is {state} {LONGEST:.0f} s after the blow, its tasks are {states}")
            if state == "failed":
                if self.kill.blow.may_fail:
                    return
                said = self._last_words()
                if self.kill.kind.once and any(text in said for text in UNKNOWN):
                    self.kill.notes.append("a person has to find out")
                    return
                if clears == CLEARS:
                    self.kill.problems.append((WRONG, f"it does not succeed: {said}"))
                    return
                clears += 1
                self.kill.notes.append("cleared")
                failed = [task["task_id"] for task in self.steadily(self.run.tasks) if task["state"] == "failed"]
                for task_id in failed:  # Airflow would not run the tasks after it, which are "upstream_failed"
                    self.steadily(lambda task_id=task_id: self.run.clear(task_id, downstream=True))  # type: ignore[misc]
            time.sleep(LOOK)
        self.attempt.ended = not self.kill.blow.may_fail
        self.attempt.repeats = self._repeats()
        if self.attempt.ended and self.attempt.result is None:
            self.attempt.result = self.steadily(lambda: self.run.xcom("a_task"))

    def _last_words(self) -> str:
        task = next((each for each in self.steadily(self.run.tasks) if each["state"] == "failed"), None)
        if task is None:
            return "no task failed"
        log = self.steadily(lambda: self.run.log(task["task_id"], max(1, task["try_number"])))
        return " | ".join(log[-12:])

    def _repeats(self) -> int:
        """
        Return how many times the task may have repeated its job.

        It may after a lost answer to an upload, and after a try that came to its end: a person cleared it, or Airflow
        died before it noted the success.
        """
        tries = self._logs()
        lost = sum(LOST_UPLOAD in line for log in tries for line in log)
        return lost + sum(any(line.startswith(ENDS) for line in log) for log in tries[:-1])

    def _logs(self) -> list[list[str]]:
        """Return what each try has logged."""
        last = self.steadily(lambda: self.run.task("a_task"))["try_number"]
        return [self.steadily(lambda number=number: self._log_of(number)) for number in range(1, last + 1)]  # type: ignore[misc]

    def _log_of(self, number: int) -> list[str]:
        try:
            return self.run.log("a_task", number)
        except requests.HTTPError as error:
            if _status(error) == NOT_FOUND:  # no process ran this try
                return []
            raise

    def _wait_for_events(self, deadline: float) -> None:
        self.attempt.ended = True
        while time.monotonic() < deadline:
            self.attempt.result = list(self._taken())
            if self.attempt.expected <= set(self.attempt.result):
                return
            time.sleep(LOOK * 4)

    def _taken(self) -> Iterable[str]:
        path = f"/api/v2/dags/{self.run.dag_id}/dagRuns?limit=100"
        for each in self.steadily(lambda: self.stage.airflow.api("GET", path))["dag_runs"]:
            run = DagRun(self.stage.airflow, self.run.dag_id, each["dag_run_id"])
            if each["state"] == "success":
                yield from self.steadily(lambda run=run: run.xcom("a_task"))["activities"]  # type: ignore[misc]


def _status(error: requests.RequestException) -> int:
    return 0 if error.response is None else error.response.status_code


class _TooLateError(Exception):
    """The task has ended before the blow."""
