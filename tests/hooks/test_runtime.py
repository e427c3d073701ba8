"""What the hooks of a process share, and what a child process inherits."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime, runtime
from airflow_provider_marketo.hooks.task import RunningTask

TASK = RunningTask("a_dag", "a_task", "marketo", 1, max_calls=3)


def observer(*_):
    pass


def test_threads_that_ask_for_a_governor_at_once_get_the_same_one():
    shared, found = TaskRuntime(), []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append(shared.governor("123-ABC-456", LocalGovernor))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_process_that_runs_no_task_counts_each_hook_by_itself():
    shared = TaskRuntime(lambda: None)
    assert shared.tally("a_connection", observer) is not shared.tally("a_connection", observer)
    assert shared.take_tallies() == {}


def test_a_task_has_one_tally_for_each_connection_with_its_authors_budget():
    shared = TaskRuntime(lambda: TASK)
    tally = shared.tally("a_connection", observer)
    assert shared.tally("a_connection", observer) is tally
    assert shared.tally("another", observer) is not tally
    assert tally.max_calls == 3


def test_counts_from_before_a_deferral_are_added_once():
    shared = TaskRuntime(lambda: TASK)
    shared.recall({"a_connection": {"calls": 2}})
    assert shared.tally("a_connection", observer).calls == 2
    shared.take_tallies()
    assert shared.tally("a_connection", observer).calls == 0


def test_the_first_notice_about_each_task_is_recognized():
    shared = TaskRuntime()
    other = RunningTask("a_dag", "another_task", "marketo", 1)
    assert [shared.is_first_notice(task) for task in (TASK, TASK, other)] == [True, False, True]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_does_not_wait_for_a_lock_of_its_parent():
    replace_runtime(TaskRuntime(lambda: TASK))
    parent, held, release = runtime(), threading.Event(), threading.Event()

    def make():
        held.set()
        release.wait()
        return LocalGovernor()

    thread = threading.Thread(target=parent.governor, args=("123-ABC-456", make))
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # die instead of waiting for the parent's lock forever
        is_new = runtime().age < 5 and runtime().is_first_notice(TASK)
        os._exit(0 if is_new else 1)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        release.set()
        thread.join()
