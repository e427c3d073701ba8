"""What the hooks of a process share, and what a child process inherits."""

from __future__ import annotations

import os
import signal
import threading
import weakref

import pytest

from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime, runtime
from airflow_provider_marketo.hooks.task import RunningTask

TASK = RunningTask("a_dag", "a_task", "marketo", 1, max_calls=3)


def observer(*_):
    pass


class Reader:
    """What several triggers share."""


def asked_at_once(ask):
    """Return what eight threads get that ask at the same time."""
    found, barrier = [], threading.Barrier(8)

    def one():
        barrier.wait()
        found.append(ask())

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_threads_that_ask_for_a_governor_at_once_get_the_same_one():
    shared = TaskRuntime()
    found = asked_at_once(lambda: shared.governor("123-ABC-456", LocalGovernor))
    assert len(found) == 8
    assert len(set(found)) == 1


def test_threads_that_ask_for_a_shared_object_at_once_get_the_same_one():
    shared, both_make = TaskRuntime(), threading.Barrier(8)

    def make():
        both_make.wait()
        return Reader()

    found = asked_at_once(lambda: shared.shared("a connection", make))
    assert len(found) == 8
    assert len(set(found)) == 1
    assert shared.shared("another connection", Reader) not in found


def test_a_shared_object_is_made_with_what_the_process_shares_and_ends_with_its_last_holder():
    shared = TaskRuntime()
    held = shared.shared("a connection", lambda: (shared.governor("123-ABC-456", LocalGovernor), Reader())[1])
    ended = weakref.ref(held)
    assert shared.shared("a connection", Reader) is held
    del held
    assert ended() is None
    assert isinstance(shared.shared("a connection", Reader), Reader)


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
