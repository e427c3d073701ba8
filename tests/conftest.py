"""
The environment of all tests: an empty Airflow home, files in memory, a time limit and, with ``--services``, servers.

Each test may take :data:`TIME_LIMIT` seconds, unless it is marked ``slow``, ``airflow``, ``services``, ``celery`` or
``previews``.

Without ``--services``, tests marked ``services`` are deselected; without ``--celery``, those marked ``celery``. With
either, a server that is not installed stops the run before the first test; the error names the command that installs
the server. Without ``--previews``, tests marked ``previews`` are deselected.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.in_memory import keep_temporary_files_in_memory
from tests.properties import load_profile
from tests.scheduling import FileByFile, long_tests_first
from tools.separate_hosts import SeparateHostError, require_separate_hosts
from tools.services import ServiceMissingError, require_services, running_services

TIME_LIMIT = 5.0
"""
Seconds that a test may compute, and that it may wait, on a usual machine. On a slow one it may take longer. On a busy
one only the time it computes counts.
"""

USUAL = 0.07
"""Seconds of CPU in which a usual machine runs the loop of :func:`_slowness`."""

HAS_LIMIT = version("apache-airflow-core").startswith("3.3.")
"""Whether the limit holds: other lines of Airflow come with slower versions of libraries."""

COVERAGE_COSTS = 3
"""How many times as long a test takes if coverage watches it."""


class _Counting:
    """CPU seconds at the start of the running part of a test."""

    since = 0.0


_SERVICES = pytest.StashKey[ExitStack]()


def _use_an_empty_airflow_home() -> None:
    """
    Point Airflow to an empty home, so that the developer's own configuration has no effect.

    Airflow reads its configuration when it is imported, so this runs before any other import of it.
    """
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    home = tempfile.mkdtemp(prefix="marketo-tests-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["AIRFLOW_HOME"] = home
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


gc.disable()  # until the tests are collected: all objects made before then live until the end
keep_temporary_files_in_memory()
_use_an_empty_airflow_home()
load_profile()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--services", action="store_true", help="also run the tests that need PostgreSQL, Redis or an S3 server"
    )
    parser.addoption(
        "--celery", action="store_true", help="also run the tests on Celery with two hosts, which need root"
    )
    parser.addoption(
        "--previews",
        action="store_true",
        help="also run the tests on emulators of warehouses; see dev.py test --previews",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once; parallel workers inherit their addresses from the environment."""
    on_celery = config.getoption("--celery")
    if not (on_celery or config.getoption("--services")) or hasattr(config, "workerinput"):
        return
    programs = Path(sys.executable).parent
    try:
        require_services(programs)
        if on_celery:
            require_separate_hosts()
    except (ServiceMissingError, SeparateHostError) as error:
        raise pytest.UsageError(str(error)) from None
    servers = config.stash[_SERVICES] = ExitStack()
    os.environ.update(servers.enter_context(running_services(programs)))


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SERVICES in config.stash:
        config.stash[_SERVICES].close()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name contents by their length: workers must agree on names, and packed files contain the time of creation."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 16 else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unwanted = [name for name in ("services", "celery", "previews") if not config.getoption(f"--{name}")]
    left_out = {item for item in items if any(item.get_closest_marker(name) for name in unwanted)}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]
    if hasattr(config, "workerinput"):
        long_tests_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileByFile | None:
    return FileByFile(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_collection_finish() -> None:
    """Let the garbage collector skip the objects that live until the end: thousands of tests, and all of Airflow."""
    gc.enable()
    gc.collect()
    gc.freeze()


def _computed() -> float:
    """Return the seconds of CPU that this process and its ended children have used."""
    return sum(os.times()[:4])


def _is_busy() -> bool:
    """Return whether other programs want the cores, so that a test's time says little about the test."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) * 1.25


def _slowness() -> float:
    """Return how many times as slow as a usual machine this one is; at least 1."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        sum(number * number for number in range(1_000_000))
        taken.append(time.process_time() - start)
    return max(1.0, min(taken) / USUAL)


def pytest_runtest_logstart() -> None:
    """Begin to count the CPU time of a test."""
    _Counting.since = _computed()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that took too long, or a fixture that did."""
    report = yield
    before, _Counting.since = _Counting.since, _computed()
    computed = min(_Counting.since - before, call.duration)
    # Time that other processes take from a test does not count as its own.
    seconds = computed if _is_busy() else max(computed, call.duration - computed)
    limit = TIME_LIMIT * (COVERAGE_COSTS if item.config.getoption("cov_source", None) else 1)
    kinds = ("slow", "airflow", "services", "celery", "previews")
    unlimited = any(item.get_closest_marker(name) for name in kinds)
    unlimited = unlimited or not HAS_LIMIT
    if report.passed and not unlimited and seconds > limit and seconds > limit * _slowness():
        report.outcome = "failed"
        report.longrepr = (
            f"{call.when} took {seconds:.1f} s, and a test may compute or wait for {limit:.0f} s. "
            "Make it faster, or mark it slow with the reason."
        )
    return report


@pytest.fixture(autouse=True)
def _limits_of_this_test_only() -> Iterator[None]:
    """Start each test with a new runtime: its simulator may listen on the port of an earlier one with other limits."""
    yield
    hooks = sys.modules.get("airflow_provider_marketo.hooks.runtime")
    if hooks is not None:
        hooks.replace_runtime(hooks.TaskRuntime())
    # Each time Airflow learns a secret, it compiles an expression of all secrets. Each test's simulator has a new
    # token.
    masker = sys.modules.get("airflow.sdk._shared.secrets_masker")
    if masker is not None:
        masker.reset_secrets_masker()
    shutil.rmtree(Path(os.environ["AIRFLOW_HOME"]) / "marketo_governor", ignore_errors=True)
