"""Two hosts on Celery share Marketo's queues and limits, a folder, and the positions of streams."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest

from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.governor import IMPORT_QUEUE
from airflow_provider_marketo.client.governor.state import State
from airflow_provider_marketo.simulator import ManualClock, Simulator
from tests.celery.conftest import RATE, Cluster, within
from tests.export_jobs import ExportJobsOfTest
from tools.real_airflow import DagRun

TASK = "extract"
DELETE_LEAD = 37
AIRFLOW = ("api", "redis", "database")
"""Airflow's services. A host that is cut off from them still reaches Marketo."""

CHUNKS = 4
"""Imports that a load keeps in Marketo's queue. Two loads hold all places that we may use."""


@pytest.fixture
def jobs(held: Simulator, held_clock: ManualClock) -> Iterator[ExportJobsOfTest]:
    held_clock.advance(120)
    jobs = ExportJobsOfTest(held, held_clock)
    yield jobs
    assert jobs.states()["active"] == 0, "a job is still active after the test"


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    """A file of four chunks."""
    path = tmp_path / "long.csv"
    cell = "x" * 3_000
    with path.open("w") as file:
        file.write("email,lastName\n")
        file.writelines(f"long{number}@example.com,{cell}\n" for number in range(CHUNKS * 10_000_000 // 3_030 - 200))
    return path


def rows_in(folder: Path, pattern: str = "*.csv") -> int:
    """Count the rows below a folder."""
    return sum(len(file.read_text().splitlines()) - 1 for file in folder.rglob(pattern))


def started(run: DagRun, state: str, jobs: ExportJobsOfTest) -> dict:
    """Wait until the extract waits for its job."""
    task = run.wait_for(TASK, state, until=lambda: jobs.states()["active"] == 1, within=60)
    if state == "running":
        within(60, lambda: any("in Marketo's queue" in message for message in run.log(TASK)))
    return task


def imports(held: Simulator) -> list:
    with held.instance.lock:
        return held.instance.imports.all()


def load(cluster: Cluster, source: Path, held: Simulator, before: int, *, deferred: bool) -> DagRun:
    """Start a load and wait until all of its imports are in Marketo's queue, and their trigger runs if it has one."""
    run = cluster.run("load_deferred" if deferred else "load_waiting", source=str(source))
    state = "deferred" if deferred else "running"
    run.wait_for("load", state, until=lambda: len(imports(held)) - before >= CHUNKS, within=100)
    within(60, lambda: not deferred or any("starting" in message for message in run.log("load")))
    return run


def places(cluster: Cluster, held: Simulator) -> set[str]:
    """Return what holds a place in our count of Marketo's import queue."""
    text = cluster.limits.get(f"airflow-marketo:{{{Endpoint.parse(held.url).instance}}}")
    return set(State.load(text.decode()).queues.get(IMPORT_QUEUE, {})) if text else set()


def used_hosts(cluster: Cluster, conn_id: str) -> set[str]:
    """Run the tasks of the DAG ``calls``, and return on which hosts they ran."""
    run = cluster.run("calls", conn_id=conn_id)
    within(200, lambda: run.state == "success")
    return {task["hostname"] for task in run.tasks()}


def calls_of(instance: Simulator) -> int:
    """Return how many calls the tasks of the DAG ``calls`` have made."""
    return instance.report().calls.get("leads.describe", 0)


def streamed(cluster: Cluster, host: str, folder: Path, stream: str, end: str) -> None:
    """Run the stream on a host."""
    cluster.only(host)
    cluster.run("stream", folder, stream=stream, end=end).wait_for("stream", "success")


def test_a_load_continues_when_the_imports_of_loads_on_a_dead_host_have_ended(
    cluster: Cluster, held: Simulator, held_clock: ManualClock, long_file: Path
) -> None:
    cluster.only("one")
    for _ in range(2):
        load(cluster, long_file, held, len(imports(held)), deferred=False)
    cluster.only("two")
    held_clock.advance(3_600)
    short = long_file.with_name("short.csv")
    short.write_text("email\nshort@example.com\n")
    run = cluster.run("load_waiting", source=str(short))
    run.wait_for("load", "success", watch=lambda: held_clock.advance(60), within=60)
    assert run.xcom("load")["accepted"] == 1


@pytest.mark.parametrize("deferred", [False, True], ids=["in a worker", "in the triggerer"])
def test_a_load_that_is_marked_failed_gives_its_places_back(
    cluster: Cluster, held: Simulator, held_clock: ManualClock, long_file: Path, deferred: bool
) -> None:
    cluster.only("two")
    held_clock.advance(3_600)
    others = places(cluster, held)
    run = load(cluster, long_file, held, len(imports(held)), deferred=deferred)
    within(60, lambda: len(places(cluster, held) - others) == CHUNKS)
    run.mark("load", "failed")
    within(60, lambda: not places(cluster, held) - others)
    held_clock.advance(3_600)


def test_auto_does_not_believe_a_worker_that_calls_its_executor_local(cluster: Cluster) -> None:
    cluster.only("one", "two")
    run = cluster.run("coordination")
    for name, reason in (("CeleryExecutor", "may run tasks on other hosts"), ("LocalExecutor", "another host")):
        run.wait_for(name, "success")
        mode, why = run.xcom(name)
        assert mode == "pool"
        assert reason in why


@pytest.mark.parametrize("how", ["pool", "redis"])
def test_tasks_of_two_hosts_keep_within_the_limits(
    cluster: Cluster, pooled: Simulator, shared: Simulator, how: str
) -> None:
    cluster.only("one", "two")
    instance, conn_id = {"pool": (pooled, "marketo_default"), "redis": (shared, "marketo_redis")}[how]
    assert used_hosts(cluster, conn_id) == {"one", "two"}
    assert instance.report().rejected == {}


def test_a_redis_that_comes_back_empty_breaks_no_limit(cluster: Cluster, shared: Simulator) -> None:
    cluster.only("one", "two")
    calls = calls_of(shared)
    run = cluster.run("calls", conn_id="marketo_redis")
    within(120, lambda: calls_of(shared) > calls + RATE // 2)
    assert cluster.limits.dbsize() > 0
    cluster.limits.flushdb()
    within(120, lambda: run.state == "success")
    assert shared.report().rejected == {}


def test_a_deferred_extract_moves_to_another_host_by_way_of_the_shared_disk(
    cluster: Cluster, jobs: ExportJobsOfTest
) -> None:
    cluster.only("one")
    run = cluster.run("held_deferred")
    assert started(run, "deferred", jobs)["hostname"] == "one"
    cluster.only("two")
    assert run.wait_for(TASK, "success", watch=jobs.work)["hostname"] == "two"
    assert jobs.states() == {"Completed": 1}
    assert rows_in(cluster.lake / run.dag_id) > 0


def test_a_deferred_extract_whose_disk_is_not_shared_fails_and_leaves_its_job_alone(
    cluster: Cluster, jobs: ExportJobsOfTest
) -> None:
    cluster.only("one")
    run = cluster.run("held_deferred", cluster.disk)
    started(run, "deferred", jobs)
    cluster.only("two")
    run.wait_for(TASK, "failed", watch=jobs.work)
    assert any("host one. output_path must be reachable by every worker" in line for line in run.log(TASK))
    assert jobs.states() == {"Completed": 1}


def test_a_load_whose_disk_is_not_shared_sends_nothing_twice(
    cluster: Cluster, held: Simulator, held_clock: ManualClock, long_file: Path
) -> None:
    cluster.only("one")
    before = len(imports(held))
    run = cluster.run("load_deferred", cluster.disk, source=str(long_file))
    run.wait_for("load", "deferred", until=lambda: len(imports(held)) - before == CHUNKS, within=100)
    cluster.only("two")
    run.wait_for("load", "failed", watch=lambda: held_clock.advance(600))
    assert any("host one. staging must be reachable by every worker" in line for line in run.log("load"))
    assert len(imports(held)) - before == CHUNKS


def test_a_stream_continues_from_another_host_by_way_of_the_shared_disk(cluster: Cluster, held: Simulator) -> None:
    streamed(cluster, "one", cluster.lake, "shared", "2026-01-08T00:00:00Z")
    streamed(cluster, "two", cluster.lake, "shared", "2026-01-10T00:00:00Z")
    files = (cluster.lake / "stream" / "shared").glob("*.jsonl")
    found = Counter(json.loads(row)["marketoGUID"] for file in files for row in file.read_text().splitlines())
    begin, end = (int(datetime(2026, 1, day, tzinfo=timezone.utc).timestamp()) for day in (5, 10))
    happened = held.instance.store.activities.between(begin, end - 1)
    assert found == Counter(str(each.number) for each in happened if each.type_id != DELETE_LEAD)


def test_a_stream_whose_disk_is_not_shared_publishes_nothing_twice(cluster: Cluster) -> None:
    streamed(cluster, "one", cluster.disk, "apart", "2026-01-08T00:00:00Z")
    cluster.only("two")
    run = cluster.run("stream", cluster.disk, stream="apart", end="2026-01-10T00:00:00Z")
    run.wait_for("stream", "failed")
    assert any("host one. output_path must be reachable by every worker" in line for line in run.log("stream"))
    assert not list(cluster.workers["two"].host.on_disk(cluster.disk).rglob("*.jsonl"))


@pytest.mark.parametrize("how", ["frozen", "cut off"])
def test_a_stale_try_cancels_nothing(cluster: Cluster, jobs: ExportJobsOfTest, how: str) -> None:
    cluster.only("one", "two")
    run = cluster.run("held_waiting")
    stale = started(run, "running", jobs)
    first = stale["hostname"]
    host = cluster.workers[first].host
    if how == "frozen":
        host.freeze()
    else:
        for service in AIRFLOW:
            host.cut(service)
    second = run.wait_for(TASK, "running", try_number=2, within=100)
    assert second["hostname"] == cluster.other(first)
    within(60, lambda: any("export jobs of an earlier try" in message for message in run.log(TASK, 2)))
    if how == "frozen":
        host.thaw()
    else:
        for service in AIRFLOW:
            host.restore(service)
    within(100, lambda: not psutil.pid_exists(stale["pid"]))
    assert jobs.states() == {"active": 1}, "the stale try has cancelled the job that the next try adopted"
    run.wait_for(TASK, "success", try_number=2, watch=jobs.work)
    assert jobs.states() == {"Completed": 1}
    assert rows_in(cluster.lake / run.dag_id / run.run_id.replace(":", "")) > 0
