"""A task's progress belongs to one process at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from airflow_provider_marketo.client.errors import MarketoStateError, MarketoStoppedError
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.progress import Progress, ProgressKeeper, progress_store
from tests.support import StateStore


@dataclass
class Steps(Progress):
    done: list[str] = field(default_factory=list)


@pytest.fixture(params=["Airflow's store", "a folder"])
def store(request, tmp_path):
    context = {"task_state_store": StateStore()} if request.param == "Airflow's store" else {}
    return progress_store(context, "a_key", Steps, OutputFolder(str(tmp_path)), "progress.json")


def test_what_is_saved_is_there_for_the_next_try_until_it_is_forgotten(store):
    assert store.load() is None
    ledger = ProgressKeeper(store, Steps("f"))
    ledger.progress.done.append("one")
    ledger.save()
    assert store.load().done == ["one"]
    ledger.clear()
    assert store.load() is None


def test_the_process_that_came_last_continues_and_the_other_stops(store):
    first = ProgressKeeper(store, Steps("f"))
    second = ProgressKeeper(store, store.load())
    with pytest.raises(MarketoStoppedError, match="another try of this task has taken over"):
        first.save()
    second.save()


def test_a_killed_process_writes_nothing_more(store):
    ledger = ProgressKeeper(store, Steps("f"))
    ledger.stop()
    assert ledger.stopped
    with pytest.raises(MarketoStoppedError, match="the task was killed"):
        ledger.check()


def test_what_another_version_has_stored_is_understood_as_far_as_it_can_be():
    state = StateStore()
    state.set("a_key", {"fingerprint": "f", "done": ["one"], "of_the_future": 1})
    store = progress_store({"task_state_store": state}, "a_key", Steps, None, "progress.json")
    assert store.load() == Steps("f", done=["one"])


@pytest.mark.parametrize("stored", [{}, [], "", "text", {"fingerprint": 5}, {"fingerprint": "f", "done": 5}])
@pytest.mark.parametrize("has_store", [True, False], ids=["Airflow's store", "a folder"])
def test_damaged_progress_is_an_error_and_never_a_first_try(tmp_path, has_store, stored):
    """If the task began as a first try, it would start every job and send every row again."""
    state, folder = StateStore(), OutputFolder(str(tmp_path))
    state.set("a_key", stored)
    folder.write_json("progress.json", stored)
    context = {"task_state_store": state} if has_store else {}
    with pytest.raises(MarketoStateError, match=r"(a_key|progress\.json) is damaged.*Check in Marketo"):
        progress_store(context, "a_key", Steps, folder, "progress.json").load()


@pytest.mark.parametrize("text", [b"", b"{", b"null", b"\xff", b"[" * 100_000])
def test_a_progress_file_that_was_cut_short_is_an_error(tmp_path, text):
    (tmp_path / "progress.json").write_bytes(text)
    with pytest.raises(MarketoStateError, match=r"progress\.json is damaged"):
        progress_store({}, "a_key", Steps, OutputFolder(str(tmp_path)), "progress.json").load()


def test_progress_of_a_later_release_asks_for_an_update_and_not_for_its_deletion(tmp_path):
    (tmp_path / "progress.json").write_text('{"version": 99, "fingerprint": "f"}')
    with pytest.raises(MarketoStateError, match=r"format 99.*Update airflow-provider-marketo") as refused:
        progress_store({}, "a_key", Steps, OutputFolder(str(tmp_path)), "progress.json").load()
    assert "delete" not in str(refused.value)
