"""Each snippet of the documentation runs, and leaves what the page says; each public class is in one of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version

from tests.properties import THOROUGH
from tests.snippets.pages import ROOT, Snippet, snippets
from tools.arguments_page import public_classes

SNIPPETS = list(snippets())
RUN = [each for each in SNIPPETS if each.then]

TIME_LIMIT = 300
"""Seconds after which a snippet counts as hanging. On a busy machine, a snippet takes more than a minute."""

pytestmark = [
    pytest.mark.slow("a process with a new database of Airflow starts, and the first DAG run starts its API server"),
    pytest.mark.xdist_group("snippets"),
    pytest.mark.timeout(TIME_LIMIT * 2),
]


runs_snippets = pytest.mark.skipif(
    not airflow_version.startswith("3.3.") and not THOROUGH,
    reason="on other lines of Airflow they run each night, with EVERYTHING=1",
)


class Runner:
    """
    The process that runs snippets. If it has ended, the next snippet begins another one.

    :param homes: makes an empty ``AIRFLOW_HOME``.
    """

    def __init__(self, homes: Callable[[], Path]) -> None:
        self._homes = homes
        self._open: ExitStack | None = None

    def run(self, snippet: Snippet) -> str | None:
        """Return the error and the end of the log if the snippet failed, otherwise None."""
        if self._open is None:
            self._start()
        begin = self._log.stat().st_size
        print(snippet.name, file=self._process.stdin, flush=True)
        said = self._answer()
        return said and f"{_end_of(self._log, begin)}\n{said}"

    def stop(self) -> None:
        """Let the process end."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _start(self) -> None:
        home = self._homes()
        self._log = home / "log"
        reading, writing = os.pipe()
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "PYTHONPATH": str(ROOT),
        }
        self._open = ExitStack()
        self._answers = self._open.enter_context(os.fdopen(reading))
        self._process = self._open.enter_context(  # its exit closes standard input, and waits
            subprocess.Popen(
                [sys.executable, "-m", "tests.snippets.runner", str(writing), str(TIME_LIMIT)],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=self._open.enter_context(self._log.open("wb")),
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
                text=True,
            )
        )
        os.close(writing)
        assert self._answer() is None

    def _answer(self) -> str | None:
        if line := self._answers.readline():
            return json.loads(line)
        self.stop()
        return "The process ended."


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    started = Runner(lambda: tmp_path_factory.mktemp("airflow"))
    yield started
    started.stop()


def _end_of(log: Path, begin: int = 0) -> str:
    """Return the last lines of the log that say what went wrong."""
    return log.read_bytes()[begin:].decode("utf-8", "replace")[-6000:]


@runs_snippets
@pytest.mark.parametrize("snippet", [pytest.param(each, id=each.name) for each in RUN])
def test_a_snippet_runs_and_leaves_what_the_page_says(runner: Runner, snippet: Snippet) -> None:
    if said := runner.run(snippet):
        pytest.fail(said, pytrace=False)


def test_each_snippet_with_a_dag_is_run() -> None:
    assert [each.name for each in SNIPPETS if each.has_dag and not each.then] == []


def test_no_two_snippets_have_a_dag_of_the_same_name() -> None:
    """A reader keeps both in one folder. Airflow 3.1 runs the one that it read first."""
    names = Counter(name for each in SNIPPETS for name in set(re.findall(r'dag_id="(\w+)"', each.code)))
    assert [name for name, times in names.items() if times > 1] == []


def test_each_public_class_is_in_a_snippet_that_is_run() -> None:
    shown = set(re.findall(r"\w+", " ".join(each.code for each in RUN)))
    classes = {kind.__name__ for kind in public_classes() if not kind.__module__.endswith("base")}
    assert classes - shown == set()


NEEDS_A_DATE = re.compile(r"\{\{[^}]*\b(?:ds|ds_nodash|ts|ts_nodash\w*|logical_date|data_interval_\w+)\b")


def dag_files() -> Iterator[tuple[str, str]]:
    for file in sorted((ROOT / "example_dags").glob("*.py")):
        yield file.stem, file.read_text("utf-8")
    for each in SNIPPETS:
        yield each.name, each.code


def test_no_dag_without_a_schedule_needs_a_logical_date() -> None:
    """A run that a person or an event starts may have no logical date, and then such a template fails."""
    without_date = re.compile(r"schedule=(?:None|\[)")
    assert [name for name, code in dag_files() if without_date.search(code) and NEEDS_A_DATE.search(code)] == []
