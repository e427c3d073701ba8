"""A task that dies, is retried, cleared, changed or started twice: no job runs twice, is lost or is stolen."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.bulk.jobs import ExportJobs
from airflow_provider_marketo.extract import begin as begin_module
from airflow_provider_marketo.extract import run as run_module
from airflow_provider_marketo.extract.run import ExtractRun
from airflow_provider_marketo.triggers.bulk_job import EXPORT_IDS
from tests.simulated import END, START, data_files, extract, lines
from tests.support import StateStore, run_task, task_context
from tests.variables import airflow_variables

__all__ = ["airflow_variables"]

SLICES = 3


@pytest.fixture(params=["Airflow 3.3", "Airflow 3.1"])
def tries(request):
    """Contexts of the tries of one task: with the state store of Airflow 3.3, or without one."""
    store = StateStore() if request.param == "Airflow 3.3" else None

    def context(number: int = 1, max_tries: int = 3, **interval):
        return task_context(store, try_number=number, max_tries=max_tries, **interval)

    return context


class Killed(BaseException):
    """Acts as SIGKILL does: no clean-up runs."""


@pytest.fixture
def killed_at(monkeypatch):
    """Kill the process the first time that it calls a function."""

    def arrange(owner, name: str, *, after: bool = False, times: int = 1) -> None:
        original = getattr(owner, name)
        left = [times]

        def dying(*args, **kwargs):
            if left[0] > 0 and not after:
                left[0] -= 1
                raise Killed
            result = original(*args, **kwargs)
            if left[0] > 0:
                left[0] -= 1
                raise Killed
            return result

        monkeypatch.setattr(owner, name, dying)

    return arrange


def to_the_first_deferral(operator, context):
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return deferred.value


def run_of(operator, context):
    """Return the run of a task process, for driving it step by step beside another process."""
    return operator._begin(context, resumed=False)._run


def to_its_end(run, waiting):
    while waiting is not None:
        waiting = run.step(run.look())


def everything(output, marketo) -> bool:
    """Whether the output is complete and nothing was left behind."""
    rows = lines(output)
    assert len(rows) == len(set(rows)) == json.loads(next(output.glob("_marketo/manifests/*")).read_text())["rows"]
    assert len(rows) == marketo.activities(START, END)
    assert {path.name for path in (output / "_marketo").rglob("*") if path.is_file()} == {
        "schema.json",
        "activities_20260101T000000Z_20260312T000000Z.json",
    }
    return True


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_task_that_lives_creates_each_job_once(marketo, tmp_path, tries, deferrable):
    instance = marketo()
    manifest = run_task(extract(tmp_path, deferrable=deferrable), tries())
    assert manifest["rows"] == len(lines(tmp_path))
    assert everything(tmp_path, instance)
    assert (instance.calls("create_job"), instance.calls("enqueue_job"), instance.calls("get_file")) == (3, 3, 3)
    assert instance.report().violations == {}


def test_a_retry_continues_with_the_jobs_of_the_try_before(marketo, tmp_path, tries):
    instance = marketo()
    to_the_first_deferral(extract(tmp_path), tries(1))
    run_task(extract(tmp_path), tries(2))
    assert everything(tmp_path, instance)
    assert (instance.calls("create_job"), instance.calls("enqueue_job")) == (SLICES, SLICES)


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (ExportJobs, "enqueue", False),
        (ExportJobs, "enqueue", True),
        (ExportJobs, "find", False),
        (run_module, "fetch", False),
        (run_module, "fetch", True),
        (ExtractRun, "_publish", True),
        (run_module, "write_manifest", False),
        (run_module, "write_manifest", True),
    ],
    ids=lambda value: value if isinstance(value, str) else "after" if value is True else None,
)
def test_wherever_a_task_is_killed_the_next_try_completes_it_without_another_job(
    marketo, tmp_path, tries, killed_at, owner, name, after
):
    instance = marketo()
    killed_at(owner, name, after=after)
    with pytest.raises(Killed):
        run_task(extract(tmp_path, deferrable=False), tries(1))
    run_task(extract(tmp_path, deferrable=False), tries(2))
    assert everything(tmp_path, instance)
    assert instance.calls("create_job") == SLICES
    assert instance.report().rejected.keys() <= {"1029"}, "at most a job that was queued already"


def test_a_job_whose_id_could_not_be_written_down_is_cancelled_before_it_starts(marketo, tmp_path):
    instance = marketo()

    class Failing(StateStore):
        def set(self, key, value):
            if value["jobs"]:
                raise ConnectionError("the API server is gone")
            super().set(key, value)

    with pytest.raises(errors.MarketoStorageError, match="the API server is gone"):
        run_task(extract(tmp_path), task_context(Failing(), max_tries=3))
    assert instance.statuses() == {"Cancelled": 1}
    assert instance.calls("enqueue_job") == 0


def test_a_job_that_this_task_did_not_write_down_is_never_adopted(marketo, tmp_path):
    """A job list does not say whose a job is: it may be another task's."""
    instance = marketo()
    to_the_first_deferral(extract(tmp_path / "one"), task_context(StateStore()))
    run_task(extract(tmp_path / "two"), task_context(StateStore()))
    assert instance.calls("create_job") == 2 + SLICES
    assert everything(tmp_path / "two", instance)


def test_a_clear_after_success_extracts_again_and_leaves_the_same_files(marketo, tmp_path, tries):
    instance = marketo()
    run_task(extract(tmp_path), tries(1))
    before = {name: (tmp_path / name).read_bytes() for name in data_files(tmp_path)}
    run_task(extract(tmp_path), tries(2))
    assert {name: (tmp_path / name).read_bytes() for name in data_files(tmp_path)} == before
    assert instance.calls("create_job") == 2 * SLICES


def test_a_changed_task_cancels_the_jobs_that_answer_another_question(marketo, tmp_path, tries):
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", job="stuck", times=2)
    to_the_first_deferral(extract(tmp_path), tries(1))
    run_task(extract(tmp_path, fields=["marketoGUID", "activityDate"]), tries(2))
    assert instance.statuses() == {"Cancelled": 2, "Completed": SLICES}
    assert lines(tmp_path)[0].count(",") == 1


def test_a_changed_task_removes_what_it_has_published_and_does_not_write_again(marketo, tmp_path, tries, killed_at):
    instance = marketo()
    killed_at(ExtractRun, "_publish", after=True)
    with pytest.raises(Killed):
        run_task(extract(tmp_path), tries(1))
    (published,) = data_files(tmp_path)
    assert published.endswith("_20260101T000000Z_20260131T000000Z.csv")
    run_task(extract(tmp_path, window=timedelta(days=20)), tries(2))
    assert everything(tmp_path, instance)


def test_mapped_tasks_that_would_replace_each_other_are_told_before_a_job_is_made(marketo, tmp_path, tries):
    instance = marketo()
    first, second = tries(), tries()
    first["ti"].map_index, second["ti"].map_index = 0, 1
    run_task(extract(tmp_path, activity_types=[1]), first)
    with pytest.raises(AirflowFailException, match=r"^output_path: mapped task 0 of this run"):
        run_task(extract(tmp_path, activity_types=[10]), second)
    assert instance.calls("create_job") == SLICES


def test_templates_that_render_to_something_else_after_a_deferral_change_nothing(marketo, tmp_path, tries):
    instance = marketo()
    seconds = iter(range(60))

    def rendered():
        return extract(tmp_path, end=f"2026-03-12T00:00:{next(seconds):02d}Z")

    manifest = run_task(rendered, tries())
    assert next(seconds) > 2
    assert manifest["end"] == "2026-03-12T00:00:00Z"
    assert everything(tmp_path, instance)
    assert instance.calls("create_job") == SLICES


def test_a_job_that_was_cancelled_is_made_again(marketo, tmp_path, tries):
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", job="cancelled")
    run_task(extract(tmp_path), tries())
    assert everything(tmp_path, instance)
    assert instance.statuses() == {"Cancelled": 1, "Completed": SLICES}


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_job_that_is_cancelled_over_and_over_is_an_error(marketo, tmp_path, tries, deferrable):
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", job="cancelled", times=None)
    with pytest.raises(errors.MarketoExportFailedError, match=r"cancelled or has expired 3 times.*Find out who"):
        run_task(extract(tmp_path, deferrable=deferrable, end="2026-01-15"), tries())
    assert instance.calls("create_job") == 3


def test_a_job_that_was_cancelled_before_it_was_queued_is_made_again(marketo, tmp_path, tries, killed_at):
    instance = marketo()
    killed_at(ExportJobs, "enqueue")
    with pytest.raises(Killed):
        run_task(extract(tmp_path), tries(1))
    exports = instance.instance.exports
    with instance.instance.lock:
        (job,) = exports.all()
        exports.cancel(job)
    run_task(extract(tmp_path), tries(2))
    assert everything(tmp_path, instance)


def test_a_file_that_is_no_longer_kept_is_exported_again(marketo, tmp_path, tries, monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.client.bulk.fetch.MISSING_FILE_PAUSE", 0.0)
    instance = marketo()
    instance.fail("bulk_export_activities.get_file", status=404, times=6)
    run_task(extract(tmp_path), tries())
    assert everything(tmp_path, instance)
    assert instance.calls("create_job") == SLICES + 1


def test_marketo_gives_a_job_up(marketo, tmp_path, tries):
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", job="failed")
    with pytest.raises(errors.MarketoExportFailedError, match=r"Export job failed: internal error.*shorter window"):
        run_task(extract(tmp_path), tries(1))
    run_task(extract(tmp_path), tries(2))
    assert everything(tmp_path, instance)
    assert instance.statuses() == {"Failed": 1, "Completed": SLICES}


def test_the_last_try_leaves_no_job_running(marketo, tmp_path, tries, monkeypatch):
    instance = marketo(job_seconds=100_000)

    def broken(self):
        raise OSError("no space left on device")

    monkeypatch.setattr(ExtractRun, "look", broken)
    with pytest.raises(errors.MarketoStorageError, match="no space left on device"):
        run_task(extract(tmp_path, deferrable=False), tries(2, max_tries=2))
    assert instance.statuses() == {"Processing": 2}
    with pytest.raises(errors.MarketoStorageError, match="no space left on device"):
        run_task(extract(tmp_path, deferrable=False), tries(3, max_tries=2))
    assert instance.statuses() == {"Cancelled": 2}


def test_of_two_copies_of_a_task_the_one_that_came_first_stops(marketo, tmp_path, tries):
    """A task process outlives its supervisor, and Airflow starts the next try beside it."""
    instance = marketo()
    orphan = extract(tmp_path, deferrable=False)
    run = run_of(orphan, tries(1))
    waiting = run.step(run.adopt())
    heir = extract(tmp_path, deferrable=False)
    heir_run = run_of(heir, tries(2))
    with pytest.raises(errors.MarketoStoppedError, match="another try of this task has taken over"):
        to_its_end(run, waiting)
    to_its_end(heir_run, heir_run.step(heir_run.adopt()))
    heir_run.finish()
    assert everything(tmp_path, instance)
    assert instance.calls("create_job") == SLICES
    assert "Cancelled" not in instance.statuses()


def test_a_copy_that_was_overtaken_publishes_no_manifest(marketo, tmp_path, tries):
    marketo()
    orphan = extract(tmp_path, deferrable=False)
    run = run_of(orphan, tries(1))
    to_its_end(run, run.step(run.adopt()))
    run_task(extract(tmp_path), tries(2))
    with pytest.raises(errors.MarketoStoppedError):
        run.finish()


def test_a_killed_task_cancels_its_own_jobs_and_starts_nothing_more(marketo, tmp_path, tries, monkeypatch):
    instance = marketo(job_seconds=100_000)
    to_the_first_deferral(extract(tmp_path / "other"), task_context(StateStore()))
    operator = extract(tmp_path / "mine", deferrable=False)
    look = ExtractRun.look

    def killed_while_looking(self):
        operator.on_kill()
        return look(self)

    monkeypatch.setattr(ExtractRun, "look", killed_while_looking)
    with pytest.raises(errors.MarketoStoppedError, match="the task was killed"):
        run_task(operator, tries())
    statuses = [job["status"] for job in instance.jobs()]
    assert statuses == ["Processing", "Processing", "Cancelled", "Cancelled"]


def test_a_task_that_is_killed_in_the_middle_of_a_download_can_still_cancel(marketo, tmp_path, tries, monkeypatch):
    """The call that the signal interrupts holds the task's only lease."""
    instance = marketo(job_seconds_per_mb=0.0)
    operator = extract(tmp_path, deferrable=False, window=timedelta(days=7))
    instance.fail("bulk_export_activities.enqueue_job", job="stuck", times=None, skip=1)
    original = run_module.fetch

    def killed_while_downloading(client, *args, **kwargs):
        with client._leased(client._prepare("leads.describe", {})[0]):
            operator.on_kill()
        return original(client, *args, **kwargs)

    monkeypatch.setattr(run_module, "fetch", killed_while_downloading)
    with pytest.raises(errors.MarketoStoppedError, match="the task was killed"):
        run_task(operator, tries())
    assert instance.statuses() == {"Completed": 1, "Cancelled": 2}
    assert data_files(tmp_path) == []


def test_a_task_that_is_killed_while_it_begins_creates_nothing(marketo, tmp_path, tries, monkeypatch):
    instance = marketo()
    operator = extract(tmp_path)
    make_plan = begin_module.make_plan

    def killed_meanwhile(*args):
        operator.on_kill()
        return make_plan(*args)

    monkeypatch.setattr(begin_module, "make_plan", killed_meanwhile)
    with pytest.raises(errors.MarketoStoppedError, match="the task was killed"):
        run_task(operator, tries())
    assert instance.jobs() == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_task_that_has_waited_too_long_cancels_its_jobs(marketo, tmp_path, tries, deferrable):
    instance = marketo(job_seconds=100_000)
    with pytest.raises(
        errors.MarketoDeadlineError,
        match=r"did not finish within timeout.*only what it has not yet published.*Raise timeout",
    ):
        run_task(extract(tmp_path, deferrable=deferrable, timeout=timedelta(seconds=0.3)), tries())
    assert instance.statuses() == {"Cancelled": 2}


def test_another_try_has_the_whole_time_again(marketo, tmp_path, tries):
    instance = marketo(job_seconds=100_000)
    with pytest.raises(errors.MarketoDeadlineError):
        run_task(extract(tmp_path, timeout=timedelta(seconds=0.3)), tries(1))
    deferred = to_the_first_deferral(extract(tmp_path, timeout=timedelta(hours=1)), tries(2))
    left = datetime.fromisoformat(deferred.trigger.deadline) - datetime.now(timezone.utc)
    assert left > timedelta(minutes=59)
    assert instance.statuses() == {"Cancelled": 2, "Processing": 2}


def test_the_deadline_continues_through_deferrals(marketo, tmp_path, tries):
    marketo()
    deadlines = set()
    run_task(extract(tmp_path), tries(), on_deferral=lambda trigger: deadlines.add(trigger.deadline))
    assert len(deadlines) == 1


def test_a_deferred_task_names_its_jobs_for_the_process_that_has_to_cancel_them(marketo, tmp_path, tries):
    marketo()
    context = tries()
    deferred = to_the_first_deferral(extract(tmp_path), context)
    assert context["ti"].xcoms[EXPORT_IDS] == deferred.trigger.export_ids


def test_bad_input_leaves_nothing_behind(marketo, tmp_path, tries):
    instance = marketo()
    with pytest.raises(AirflowFailException):
        run_task(extract(tmp_path, fields=["marketoGUID", "colour"]), tries())
    assert instance.jobs() == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_many_tasks_that_wait_cost_one_poll_of_the_job_list(marketo, tmp_path):
    instance = marketo(job_seconds=300)

    async def payloads(trigger):
        return [event.payload async for event in trigger.run()]

    async def all_events(triggers):
        return await asyncio.gather(*map(payloads, triggers))

    waits = []
    for number in range(4):
        operator = extract(tmp_path / str(number), end="2026-01-20", poll_interval=0.2 + number)
        waits.append(to_the_first_deferral(operator, task_context(StateStore())).trigger)
    before, began = instance.calls("get_jobs"), time.monotonic()
    events = asyncio.run(all_events(waits))
    assert [event["status"] for each in events for event in each] == ["ended"] * 4
    assert instance.calls("get_jobs") - before <= 1 + (time.monotonic() - began) / 0.2


@pytest.fixture
def hosts(monkeypatch):
    """Moves to another host: it has another name, and, unless the disk is shared, other files."""

    def move(folder=None, to: str = "worker-2") -> None:
        monkeypatch.setattr("socket.gethostname", lambda: to)
        if folder is not None:
            folder.rename(folder.with_name(f"{folder.name} of worker-1"))

    return move


@pytest.mark.parametrize("has_resumed", [True, False], ids=["deferred", "retried"])
def test_a_disk_that_is_not_shared_is_one_error_before_anything_is_cancelled(marketo, tmp_path, hosts, has_resumed):
    instance = marketo(job_seconds=100_000)
    output, store = tmp_path / "output", StateStore()
    to_the_first_deferral(extract(output), task_context(store, max_tries=3))
    jobs = instance.statuses()
    hosts(output)
    other = extract(output)
    with pytest.raises(Exception, match=r"host worker-2 does not see .* must be reachable by every worker"):
        other._begin(task_context(store, try_number=1 if has_resumed else 2, max_tries=3), resumed=has_resumed)
    assert instance.statuses() == jobs


def test_a_deferred_task_that_finds_no_state_on_its_disk_says_so(marketo, tmp_path, hosts):
    instance = marketo(job_seconds=100_000)
    output = tmp_path / "output"
    to_the_first_deferral(extract(output), task_context(max_tries=3))
    jobs = instance.statuses()
    hosts(output)
    with pytest.raises(errors.MarketoInvalidRequestError, match="must be reachable by every worker"):
        extract(output)._begin(task_context(max_tries=3), resumed=True)
    assert instance.statuses() == jobs


def test_before_airflow_3_3_a_retry_on_a_disk_that_is_not_shared_creates_no_job(
    marketo, tmp_path, hosts, airflow_variables
):
    instance = marketo({"coordination": "host"}, job_seconds=100_000)
    output = tmp_path / "output"
    to_the_first_deferral(extract(output), task_context(max_tries=3))
    jobs = instance.statuses()
    hosts(output)
    with pytest.raises(Exception, match=r"must be reachable by every worker.*delete the Variable marketo_host_"):
        run_task(extract(output), task_context(try_number=2, max_tries=3))
    assert instance.statuses() == jobs
    (key,) = (key for key in airflow_variables if key.startswith("marketo_host_"))
    del airflow_variables[key]
    to_the_first_deferral(extract(output), task_context(try_number=3, max_tries=3))


def test_a_retry_on_another_host_continues_on_a_shared_disk(marketo, tmp_path, tries, hosts, airflow_variables):
    instance = marketo({"coordination": "host"})
    to_the_first_deferral(extract(tmp_path), tries(1))
    hosts()
    run_task(extract(tmp_path), tries(2))
    assert everything(tmp_path, instance)
    assert instance.calls("create_job") == 3
    assert not any(key.startswith("marketo_host_") for key in airflow_variables)


def test_a_folder_that_a_person_emptied_is_extracted_again(marketo, tmp_path, hosts):
    instance = marketo()
    output, store = tmp_path / "output", StateStore()
    to_the_first_deferral(extract(output), task_context(store, max_tries=3))
    shutil.rmtree(output)
    run_task(extract(output), task_context(store, try_number=2, max_tries=3))
    assert everything(output, instance)


@pytest.mark.parametrize("known", ["taken over", "no answer", "hangs"])
def test_a_stale_try_cancels_no_job_that_the_next_one_may_have_adopted(marketo, tmp_path, tries, monkeypatch, known):
    instance = marketo(job_seconds=100_000)
    stale = run_of(extract(tmp_path), tries(1))
    stale.step(stale.adopt())
    if known == "taken over":
        run_of(extract(tmp_path), tries(2))
    elif known == "no answer":
        monkeypatch.setattr(stale._keeper._store, "load", lambda: 1 / 0)
    else:
        monkeypatch.setattr(type(stale._keeper).is_certain_owner, "__defaults__", (0.01,))
        monkeypatch.setattr(stale._keeper._store, "load", threading.Event().wait)
    stale.kill()
    assert "Cancelled" not in instance.statuses()
    assert instance.jobs()
