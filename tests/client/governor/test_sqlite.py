"""The governor's file that the processes of a host share."""

from __future__ import annotations

import multiprocessing
import os
import re
import stat
import time
from functools import partial

import pytest

from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.client.governor.stores import StoreUnavailableError
from tests.client.governor.support import count_calls, most_in_a_window

INSTANCE = "123-ABC-456"
LIMITS = Limits(rate=40, parallel=4, window=1.0)


def store_in(folder) -> SQLiteStore:
    return SQLiteStore(folder, INSTANCE)


def nothing(state, at):
    return at.now


def test_the_file_belongs_to_its_user_alone(tmp_path):
    store = store_in(tmp_path / "governor")
    store.update(lambda state, at: state.sent.append(at.now))
    assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o600


def test_an_instance_without_a_munchkin_id_has_a_file_too(tmp_path):
    store = SQLiteStore(tmp_path, "127.0.0.1:8080")
    store.update(nothing)
    assert store.path.name == "127.0.0.1_8080.sqlite"


def test_a_change_that_fails_changes_nothing(tmp_path):
    store = store_in(tmp_path)

    def fail(state, at):
        state.sent.append(at.now)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.update(fail)
    assert store.update(lambda state, at: state.sent) == []


def test_processes_read_what_others_have_written(tmp_path):
    store_in(tmp_path).update(lambda state, at: state.queues.update({"export": {"job": at.now + 9}}))
    assert list(store_in(tmp_path).update(lambda state, at: state.queues["export"])) == ["job"]


@pytest.mark.parametrize(
    "content", [b"not a database, and long enough to be looked at" * 100, b""], ids=["rubbish", "empty"]
)
def test_a_corrupted_file_is_named_and_an_empty_one_is_a_new_one(tmp_path, content):
    store = store_in(tmp_path)
    store.path.write_bytes(content)
    if content:
        with pytest.raises(StoreUnavailableError, match=str(store.path)):
            store.update(nothing)
    else:
        store.update(nothing)


def test_a_state_of_another_version_is_not_misread(tmp_path):
    store = store_in(tmp_path)
    store.update(lambda state, at: setattr(state, "unheard_of", 1))
    with pytest.raises(StoreUnavailableError, match="not a governor's state"):
        store.update(nothing)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailableError, match=re.escape(str(tmp_path / "home"))):
        store_in(tmp_path / "home").update(nothing)


def test_a_broken_file_costs_a_warning_and_no_call(tmp_path, caplog):
    store = store_in(tmp_path)
    store.path.write_bytes(b"rubbish" * 1000)
    governor = SharedGovernor(store, LIMITS, alone=Limits(10, 1, 1.0))
    governor.release(governor.acquire("leads.describe"), None)
    assert "10 calls in 1 seconds" in caplog.text


def test_a_child_process_opens_the_file_for_itself(tmp_path):
    store = store_in(tmp_path)
    governor = SharedGovernor(store, LIMITS)
    governor.release(governor.acquire("leads.describe"), None)
    context = multiprocessing.get_context("fork")
    child = context.Process(target=lambda: governor.release(governor.acquire("leads.describe"), None))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert len(store.update(lambda state, at: state.sent)) == 2


def test_processes_together_use_the_limit_and_never_pass_it(tmp_path):
    sent = count_calls(partial(store_in, tmp_path), LIMITS, processes=4, seconds=2.5)
    assert most_in_a_window(sent, LIMITS.window) <= LIMITS.rate
    assert (
        sum(sent[0] + 1 <= now < sent[0] + 2 for now in sent) >= 0.8 * LIMITS.rate
    )  # benchmarks measure it on an idle machine


def test_a_turn_costs_half_a_millisecond_at_most(tmp_path):
    governor = SharedGovernor(store_in(tmp_path), Limits(1000, 8))
    for _ in range(90):  # a window as full as it gets
        governor.release(governor.acquire("leads.describe"), None)
    took = []
    for _ in range(100):
        begun = time.process_time()  # CPU time, so that a busy machine does not count
        governor.release(governor.acquire("leads.describe"), None)
        took.append(time.process_time() - begun)
    assert sorted(took)[50] < 0.0005 * 3  # three times the benchmark's limit: tests share the machine


@pytest.mark.slow(reason="it starts a hundred processes")
def test_processes_that_make_the_file_at_the_same_moment_wait_for_each_other(tmp_path):
    """If two processes switch a new file to its write-ahead log, SQLite refuses one instead of waiting."""
    with multiprocessing.Manager() as manager:
        for attempt in range(25):
            barrier, failures = manager.Barrier(4), manager.list()
            arguments = (tmp_path / str(attempt), barrier, failures)
            processes = [multiprocessing.Process(target=_first_use, args=arguments) for _ in range(4)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            assert list(failures) == []


def _first_use(folder, barrier, failures):
    store = SQLiteStore(folder, "123-ABC-456")
    barrier.wait()
    try:
        store.update(lambda state, moment: None)
    except StoreUnavailableError as error:
        failures.append(str(error))
