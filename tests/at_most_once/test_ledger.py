"""The ledger sends a request at most once, even if processes die or several of them are about to send it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import combinations, product
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.at_most_once.entries import CLAIM, PREFIX, Entry, Sending
from airflow_provider_marketo.at_most_once.how_to_check import how_to_check
from airflow_provider_marketo.at_most_once.ledger import Ledger, MarketoLedgerError
from airflow_provider_marketo.at_most_once.stores import FolderStore, VariableStore
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoInvalidRequestError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.imports.targets import INGESTION_TARGETS, MEMBER_TARGETS, SYNC_TARGETS
from tests.variables import airflow_variables

__all__ = ["airflow_variables"]


class MemoryStore:
    """A store that can be made to fail."""

    option = " --ledger here"

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.broken: set[str] = set()

    def _check(self, what: str) -> None:
        if what in self.broken:
            raise OSError("the API server is restarting")

    def read(self, key: str) -> str | None:
        self._check("read")
        return self.texts.get(key)

    def write(self, key: str, text: str) -> None:
        self._check("write")
        self.texts[key] = text

    def delete(self, key: str) -> None:
        self._check("delete")
        self.texts.pop(key, None)


class Marketo:
    """Counts how many times it executes the request."""

    def __init__(self, *answers) -> None:
        self.executed = 0
        self._answers = list(answers)

    def __call__(self):
        self.executed += 1
        answer = self._answers.pop(0) if self._answers else [{"id": 7}]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def sending(**facts) -> Sending:
    return Sending(
        **{
            "instance": "123-ABC-456",
            "operation": "campaigns.request",
            "content": {"campaign": 7, "leads": [1, 2]},
            "what": "trigger campaign 7 for 2 leads",
            "how_to_check": "Look for 'Campaign is Requested'.",
            "dag_id": "a_dag",
            "task_id": "a_task",
            "run_id": "a run",
            "map_index": -1,
            "generation": 0,
            **facts,
        }
    )


AFTER_A_CLEAR = {"generation": 1}
LOST_REPLY = MarketoTransientError("the connection broke", executed=True)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_a_sent_request_is_not_sent_again_and_its_answer_is_kept(store):
    marketo = Marketo([{"id": 7}])
    first = Ledger(store).once(sending(), marketo)
    second = Ledger(store).once(sending(**AFTER_A_CLEAR), marketo)

    assert marketo.executed == 1
    assert (first.result, first.earlier) == ([{"id": 7}], False)
    assert (second.result, second.earlier) == ([{"id": 7}], True)
    assert list(store.texts) == [sending().key]


def test_the_entry_is_there_before_the_call(store):
    def send():
        assert json.loads(store.texts[sending().key])["state"] == "sending"

    Ledger(store).once(sending(), send)


@pytest.mark.parametrize(
    "other",
    [
        {"instance": "999-XYZ-999"},
        {"dag_id": "another"},
        {"task_id": "another"},
        {"run_id": "another"},
        {"map_index": 1},
        {"operation": "campaigns.schedule"},
        {"content": {"campaign": 7, "leads": [1, 3]}},
    ],
)
def test_another_request_task_run_or_instance_has_another_entry(store, other):
    marketo = Marketo()
    Ledger(store).once(sending(), marketo)
    Ledger(store).once(sending(**other), marketo)
    assert marketo.executed == 2


def test_a_lost_reply_stops_this_try_all_retries_and_a_cleared_task(store):
    marketo = Marketo(LOST_REPLY)
    with pytest.raises(MarketoAmbiguousOutcomeError, match="the connection broke"):
        Ledger(store).once(sending(), marketo)
    for generation in (0, 0, 1, 2):
        with pytest.raises(MarketoAmbiguousOutcomeError) as caught:
            Ledger(store).once(sending(generation=generation), marketo)

    assert marketo.executed == 1
    for needed in (
        "trigger campaign 7 for 2 leads",
        "Campaign is Requested",
        f"settle {sending().key} --ledger here",
        "on_ambiguous",
        "the connection broke",
    ):
        assert needed in str(caught.value)


def test_the_error_of_a_lost_reply_has_marketos_facts_and_says_that_the_request_may_have_run(store):
    lost = MarketoTransientError("bad gateway", executed=True, code="502", request_id="a#1")
    with pytest.raises(MarketoAmbiguousOutcomeError) as caught:
        Ledger(store).once(sending(), Marketo(lost))
    assert (caught.value.code, caught.value.request_id, caught.value.executed) == ("502", "a#1", True)
    with pytest.raises(MarketoAmbiguousOutcomeError) as again:
        Ledger(store).once(sending(), Marketo())
    assert (again.value.code, again.value.request_id, again.value.executed) == (None, None, True)


@pytest.mark.parametrize(("size", "kept"), [(16_382, True), (16_383, False)])
def test_an_answer_is_kept_up_to_sixteen_kilobytes(store, size, kept):
    answer = "x" * size  # and two quotes
    assert Ledger(store).once(sending(), Marketo(answer)).result == answer
    assert Ledger(store).once(sending(), Marketo()).result == (answer if kept else None)


def test_a_process_that_dies_after_it_wrote_the_entry_stops_the_next(store):
    with pytest.raises(KeyboardInterrupt):
        Ledger(store).once(sending(), Marketo(KeyboardInterrupt()))
    marketo = Marketo()
    with pytest.raises(MarketoAmbiguousOutcomeError, match="did not record the outcome"):
        Ledger(store).once(sending(), marketo)
    assert marketo.executed == 0


def test_the_next_try_sends_a_request_that_certainly_did_not_run(store):
    marketo = Marketo(MarketoThrottledError("Max rate limit exceeded"))
    with pytest.raises(MarketoThrottledError):
        Ledger(store).once(sending(), marketo)
    assert store.texts == {}
    Ledger(store).once(sending(), marketo)
    assert marketo.executed == 2


def test_a_request_that_is_forgotten_is_sent_again_by_the_same_task(store):
    marketo, ledger = Marketo(LOST_REPLY), Ledger(store)
    with pytest.raises(MarketoAmbiguousOutcomeError):
        ledger.once(sending(), marketo)
    assert ledger.knows(sending())
    ledger.forget(sending())
    assert not ledger.knows(sending())
    assert store.texts == {}
    assert not ledger.once(sending(), marketo).earlier
    assert marketo.executed == 2


def test_resend_needs_a_clear_because_a_retry_is_not_a_persons_decision(store):
    marketo = Marketo(LOST_REPLY, LOST_REPLY)
    for generation, executed in ((0, 1), (0, 1), (1, 2), (1, 2), (2, 3)):
        with suppress(MarketoAmbiguousOutcomeError):
            Ledger(store, on_ambiguous="resend").once(sending(generation=generation), marketo)
        assert marketo.executed == executed


def test_assume_sent_settles_without_sending(store):
    marketo = Marketo(LOST_REPLY)
    with pytest.raises(MarketoAmbiguousOutcomeError):
        Ledger(store).once(sending(), marketo)
    assert Ledger(store, on_ambiguous="assume_sent").once(sending(), marketo).earlier
    assert Ledger(store).once(sending(), marketo).earlier
    assert marketo.executed == 1


def test_force_sends_again_once_after_each_clear_and_never_on_a_retry(store):
    marketo = Marketo()
    for generation, executed in ((0, 1), (0, 1), (1, 2), (1, 2), (5, 3)):
        Ledger(store, force=True).once(sending(generation=generation), marketo)
        assert marketo.executed == executed


def test_after_a_rejected_resend_it_is_still_unknown_whether_the_first_request_ran(store):
    marketo = Marketo(LOST_REPLY, MarketoThrottledError("Max rate limit exceeded"))
    with pytest.raises(MarketoAmbiguousOutcomeError):
        Ledger(store).once(sending(), marketo)
    with pytest.raises(MarketoThrottledError):
        Ledger(store, on_ambiguous="resend").once(sending(**AFTER_A_CLEAR), marketo)
    with pytest.raises(MarketoAmbiguousOutcomeError):
        Ledger(store).once(sending(**AFTER_A_CLEAR), marketo)
    assert not Ledger(store, on_ambiguous="resend").once(sending(**AFTER_A_CLEAR), marketo).earlier  # the same clear
    assert marketo.executed == 3


@pytest.mark.parametrize("broken", ["read", "write"])
def test_a_store_that_cannot_be_read_or_written_sends_nothing(store, broken):
    store.broken = {broken}
    marketo = Marketo()
    with pytest.raises(
        MarketoLedgerError,
        match=r"the API server is restarting.*This try did not send the request.*only if the run has sent nothing",
    ):
        Ledger(store).once(sending(), marketo)
    assert marketo.executed == 0


def _asked_about() -> list[str]:
    """The operations about which a person may be asked: those of the ledger, and those that send rows."""
    ledger = [each for each in operations.all_operations() if each.retry in ("once", "reconcile")]
    targets = (*SYNC_TARGETS.values(), *MEMBER_TARGETS.values(), *INGESTION_TARGETS.values())
    return sorted({each.name for each in ledger} | {stage.operation for each in targets for stage in each.stages})


@pytest.mark.parametrize("operation", _asked_about())
def test_how_to_check_names_only_operations_that_exist(operation):
    named = re.findall(r"[a-z_0-9]+\.[a-z_0-9]+", how_to_check(operation))
    assert all(operations.get(name) for name in named)


def test_a_store_that_loses_what_is_written_sends_nothing(store):
    store.write = lambda key, text: None
    marketo = Marketo()
    with pytest.raises(MarketoLedgerError):
        Ledger(store).once(sending(), marketo)
    assert marketo.executed == 0


def test_a_store_that_fails_after_the_call_fails_no_task_and_sends_nothing_again(store):
    def send():
        store.broken = {"read", "write", "delete"}
        return "done"

    assert Ledger(store).once(sending(), send).result == "done"
    store.broken = set()
    marketo = Marketo()
    with pytest.raises(MarketoAmbiguousOutcomeError):
        Ledger(store).once(sending(), marketo)
    assert marketo.executed == 0


def whole_entry() -> str:
    store = MemoryStore()
    Ledger(store).once(sending(), Marketo())
    return store.texts[sending().key]


DAMAGED = {
    "an empty file, as a host crash or a truncated copy leaves it": "",
    "a blank": " ",
    "half an entry": whole_entry()[:60],
    "zeros": "\0" * 40,
    "JSON that is not an entry": "[]",
    "null": "null",
    "an entry without its facts": '{"state": "settled"}',
    "an entry with facts of other kinds": whole_entry().replace('"a_dag"', "7"),
    "deep JSON": "[" * 100_000,
}


@pytest.mark.parametrize("again", [{}, {"on_ambiguous": "resend"}, {"force": True}], ids=str)
@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_entry_is_not_known_to_be_unsent(store, text, again):
    store.texts[sending().key] = text
    marketo = Marketo()
    for generation in (0, 1):
        with pytest.raises(MarketoAmbiguousOutcomeError, match=r"is damaged.*Campaign is Requested.*ledger settle"):
            Ledger(store, **again).once(sending(generation=generation), marketo)
        with pytest.raises(MarketoAmbiguousOutcomeError):
            Ledger(store, **again).earlier(sending(generation=generation))
    assert marketo.executed == 0
    assert store.texts[sending().key] == text


def test_an_entry_with_a_state_of_another_version_is_not_sent_again(store):
    store.texts[sending().key] = whole_entry().replace('"settled"', '"archived"')
    with pytest.raises(MarketoAmbiguousOutcomeError):
        Ledger(store).once(sending(), Marketo())


def test_an_entry_with_facts_of_a_later_version_is_read(store):
    store.texts[sending().key] = whole_entry().replace("{", '{"later": 1, ', 1)
    assert Ledger(store).once(sending(), Marketo()).earlier


def test_a_damaged_entry_counts_as_sent_if_the_author_says_so(store):
    store.texts[sending().key] = ""
    marketo = Marketo()
    assert Ledger(store, on_ambiguous="assume_sent").once(sending(), marketo).earlier
    assert Ledger(store).once(sending(), marketo).earlier
    assert marketo.executed == 0


@pytest.mark.parametrize(
    "damage", [lambda text: "", lambda text: text[:30], lambda text: text.replace("a_dag", "b_dag")]
)
def test_a_store_that_does_not_keep_what_it_is_given_sends_nothing(store, damage):
    write = store.write
    store.write = lambda key, text: write(key, text if key.endswith(CLAIM) else damage(text))
    marketo = Marketo()
    with pytest.raises(MarketoLedgerError, match="lost or changed"):
        Ledger(store).once(sending(), marketo)
    assert marketo.executed == 0


def test_every_process_makes_the_same_key_of_a_set():
    code = (
        "from airflow_provider_marketo.at_most_once.entries import Sending;"
        "print(Sending('i', 'o', {'fields': {'a', 'b', 'c', 'd'}}, 'w', 'h', 'd', 't', 'r', -1, 0).key)"
    )
    environments = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2")]
    keys = {subprocess.check_output([sys.executable, "-c", code], env=each) for each in environments}
    assert len(keys) == 1


def test_a_large_answer_is_not_kept(store):
    Ledger(store).once(sending(), Marketo(["x" * 20_000]))
    assert Ledger(store).once(sending(), Marketo()).result is None


def test_an_unknown_value_of_on_ambiguous_is_refused(store):
    with pytest.raises(MarketoInvalidRequestError, match="is not one of 'stop', 'resend', 'assume_sent'"):
        Ledger(store, on_ambiguous="retry")


def test_airflow_does_not_mask_entries_because_of_their_keys():
    assert sending().key.startswith(PREFIX)
    assert not any(word in PREFIX + CLAIM for word in ("token", "secret", "password", "key", "auth"))


# Two processes at once: Airflow starts the next try while the process of the previous try is still alive.


class SteppedStore(MemoryStore):
    """Lets one access happen at a time, in a given order."""

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self._order = order
        self._turn = threading.Condition()
        self._done: set[int] = set()

    def seen_by(self, number: int) -> MemoryStore:
        stepped = self

        class View:
            option = ""

            def read(self, key):
                return stepped._step(number, lambda: stepped.texts.get(key))

            def write(self, key, text):
                return stepped._step(number, lambda: stepped.texts.__setitem__(key, text))

            def delete(self, key):
                return stepped._step(number, lambda: stepped.texts.pop(key, None))

        return View()

    def _step(self, number: int, access):
        with self._turn:
            self._turn.wait_for(lambda: self._next() in (number, None), timeout=10)
            result = access()
            if self._order:
                self._order.remove(number)
            self._turn.notify_all()
            return result

    def _next(self) -> int | None:
        while self._order and self._order[0] in self._done:
            self._order.pop(0)
        return self._order[0] if self._order else None

    def finished(self, number: int) -> None:
        with self._turn:
            self._done.add(number)
            self._turn.notify_all()


ACCESSES = 5
"""The accesses of a process before it sends: write claim, read entry, write entry, read claim, read entry."""


@pytest.mark.parametrize("before", [None, "settled, then cleared with force=True", "lost, then cleared with resend"])
def test_at_most_one_of_two_processes_sends_in_every_order_of_their_accesses(before):
    orders = [
        [1 if place in chosen else 0 for place in range(2 * ACCESSES)]
        for chosen in combinations(range(2 * ACCESSES), ACCESSES)
    ]
    senders = [_senders(order, before) for order in orders]

    assert len(senders) == 252
    assert max(senders) == 1
    assert senders.count(1) > 0


def _senders(order: list[int], before: str | None) -> int:
    store = SteppedStore([])
    if before == "settled, then cleared with force=True":
        Ledger(store).once(sending(), Marketo())
    elif before is not None:
        with pytest.raises(MarketoAmbiguousOutcomeError):
            Ledger(store).once(sending(), Marketo(LOST_REPLY))
    store._order = list(order)
    marketo = Marketo()

    def process(number: int) -> None:
        ledger = Ledger(store.seen_by(number), on_ambiguous="resend", force=True)
        try:
            ledger.once(sending(**AFTER_A_CLEAR), marketo)
        except (MarketoLedgerError, MarketoAmbiguousOutcomeError):
            pass
        finally:
            store.finished(number)

    threads = [threading.Thread(target=process, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return marketo.executed


# Where entries live.


def test_a_folder_keeps_entries_and_lists_them(tmp_path):
    store = FolderStore(str(tmp_path / "ledger"))
    assert store.all_keys() == []
    assert store.read(sending().key) is None
    Ledger(store).once(sending(), Marketo())

    assert store.all_keys() == [sending().key]
    assert Entry.from_json(store.read(sending().key)).state == "settled"
    store.delete(sending().key)
    assert store.read(sending().key) is None


def test_a_folder_that_cannot_be_written_sends_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    marketo = Marketo()
    with pytest.raises(MarketoLedgerError):
        Ledger(FolderStore(str(tmp_path / "file"))).once(sending(), marketo)
    assert marketo.executed == 0


class Supervisor:
    """Makes a supervisor that answers like Airflow's."""

    def __init__(self, answer) -> None:
        self._answer = answer

    def send(self, message):
        return self._answer(message)


@pytest.fixture
def supervisor(monkeypatch):
    from airflow.sdk.execution_time import task_runner

    def answering(answer) -> None:
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(answer), raising=False)

    return answering


def test_a_missing_variable_is_told_apart_from_one_that_cannot_be_read(supervisor):
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, VariableResult

    def nothing_of_this_name(message):
        if type(message).__name__ == "GetVariableKeys":
            return SimpleNamespace(keys=[])
        return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)

    supervisor(lambda message: VariableResult(key=message.key, value="text"))
    assert VariableStore().read("a") == "text"
    supervisor(nothing_of_this_name)
    assert VariableStore().read("a") is None
    supervisor(lambda message: ErrorResponse(error=ErrorType.API_SERVER_ERROR))
    with pytest.raises(OSError, match="does not say"):
        VariableStore().read("a")


def test_a_variable_that_airflow_cannot_decrypt_is_not_missing(supervisor):
    comms = pytest.importorskip("airflow.sdk.execution_time.comms")
    if not hasattr(comms, "GetVariableKeys"):
        pytest.skip("Airflow lists the keys of Variables from 3.3 on")
    from airflow.sdk.exceptions import ErrorType

    def answer(message):
        if isinstance(message, comms.GetVariableKeys):
            return comms.VariableKeysResult(keys=["a", "ab"], total_entries=2)
        return comms.ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)

    supervisor(answer)
    assert VariableStore().read("b") is None
    with pytest.raises(OSError, match="cannot read it"):
        VariableStore().read("a")


def test_variables_cannot_be_read_outside_of_a_task():
    with pytest.raises(OSError, match="only tasks and triggers can read Variables"):
        VariableStore().read("a")


def test_a_folder_of_another_host_sends_nothing(tmp_path, airflow_variables):
    folder, marketo = tmp_path / "ledger", Marketo()
    Ledger(FolderStore(str(folder))).once(sending(), marketo)
    assert Ledger(FolderStore(f"{folder}/")).once(sending(), marketo).earlier

    folder.rename(tmp_path / "on the first host")
    for attempt in (lambda ledger: ledger.once(sending(), marketo), lambda ledger: ledger.earlier(sending())):
        with pytest.raises(MarketoLedgerError, match=r"not the one that earlier tasks used.*This try sent nothing"):
            attempt(Ledger(FolderStore(str(folder))))
    assert marketo.executed == 1

    (tmp_path / "on the first host").rename(folder)  # the retry runs on the first host
    assert Ledger(FolderStore(str(folder))).once(sending(), marketo).earlier
    assert marketo.executed == 1


@pytest.mark.parametrize(
    "damage", [lambda data: b"\xff" + data, lambda data: data[:40] + b"\xc3", lambda data: b"\xff\xfe"]
)
def test_an_entry_in_a_folder_that_is_not_utf8_is_not_known_to_be_unsent(damage, tmp_path):
    folder, marketo = tmp_path / "ledger", Marketo()
    Ledger(FolderStore(str(folder))).once(sending(), marketo)
    (file,) = folder.glob("marketo*.json")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(MarketoAmbiguousOutcomeError, match=r"is damaged.*ledger settle"):
        Ledger(FolderStore(str(folder))).once(sending(), marketo)
    assert marketo.executed == 1


def test_a_folder_that_was_emptied_on_purpose_is_used_again(tmp_path, airflow_variables):
    folder, marketo = tmp_path / "ledger", Marketo()
    Ledger(FolderStore(str(folder))).once(sending(), marketo)
    folder.rename(tmp_path / "archive")
    with pytest.raises(MarketoLedgerError) as caught:
        Ledger(FolderStore(str(folder))).once(sending(), marketo)
    (variable,) = airflow_variables
    assert f"delete the Variable {variable}" in str(caught.value)
    del airflow_variables[variable]
    assert not Ledger(FolderStore(str(folder))).once(sending(), marketo).earlier


def test_a_look_at_the_ledger_leaves_no_mark(tmp_path, airflow_variables):
    folder = tmp_path / "ledger"
    folder.mkdir()
    assert Ledger(FolderStore(str(folder))).earlier(sending()) is None
    assert (list(folder.iterdir()), airflow_variables) == ([], {})


@given(st.data())
def test_no_damage_to_an_entry_sends_a_request_again(data):
    store = MemoryStore()
    Ledger(store).once(sending(), Marketo())
    whole = store.texts[sending().key]
    cut = data.draw(st.integers(1, len(whole) - 1))
    damages = (whole[:cut], whole[cut:], whole[:cut] + whole, data.draw(st.text(max_size=50)))
    store.texts[sending().key] = data.draw(st.sampled_from(damages))
    marketo = Marketo()
    for generation, how in product((0, 1), ({}, {"on_ambiguous": "resend"}, {"force": True})):
        with pytest.raises(MarketoAmbiguousOutcomeError):
            Ledger(store, **how).once(sending(generation=generation), marketo)
    assert marketo.executed == 0
