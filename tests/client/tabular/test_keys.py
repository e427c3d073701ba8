"""Keys of rows that were already written."""

from __future__ import annotations

import gzip
import io
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client.tabular.keys import SeenKeys


@given(st.lists(st.integers(0, 1 << 40), max_size=60), st.lists(st.text(max_size=5), max_size=30))
def test_a_key_is_new_once(numbers, words):
    seen = SeenKeys()
    for values in (numbers, words):
        assert seen.add([(value,) for value in values]) == [
            value not in values[:row] for row, value in enumerate(values)
        ]
        assert not any(seen.add([(value,) for value in values]))


def test_rows_without_a_key_are_always_new():
    seen = SeenKeys()
    assert seen.add([(None,), (None,), (None, None)]) == [True, True, True]
    assert seen.add([(None, 1), (None, 1), (1, None)]) == [True, False, True]


@pytest.mark.parametrize("new", [(5,), ("five",), (5, "five")])
def test_what_a_branch_adds_counts_only_when_it_is_merged(new):
    seen = SeenKeys()
    seen.add([(1,), ("one",)])
    broken_off = seen.branch()
    assert broken_off.add([(1,), ("one",), new, new]) == [False, False, True, False]
    broken_off.close()
    again = seen.branch()
    assert again.add([new]) == [True]
    seen.merge(again)
    assert seen.branch().add([new, (1,)]) == [False, False]


@pytest.mark.parametrize("row", [(7,), (1 << 40,), ("guid",), ("a", 1), ("\U0001f600\n",), (-3,), (1 << 70,)])
def test_keys_survive_in_a_file_and_a_branch_saves_only_its_own(row):
    seen = SeenKeys()
    seen.add([(1,)])
    branch = seen.branch()
    branch.add([row])
    file = io.BytesIO()
    branch.save(file)
    file.seek(0)
    loaded = SeenKeys()
    loaded.load(file)
    assert loaded.add([row, (1,)]) == [False, True]


def test_many_texts_survive_in_a_file_that_has_each_once():
    rows = [(f"{number:032}",) for number in range(10_000)]
    seen, loaded, file = SeenKeys(), SeenKeys(), io.BytesIO()
    seen.add(rows)
    seen.save(file)
    with gzip.open(io.BytesIO(file.getvalue())) as saved:
        assert len(saved.read()) == 8 + len(rows) * (8 + 32)
    file.seek(0)
    loaded.load(file)
    assert not any(loaded.add(rows))


def test_texts_that_another_thread_added_are_known():
    seen = SeenKeys()
    thread = threading.Thread(target=seen.add, args=([("one",)],))
    thread.start()
    thread.join()
    assert seen.add([("one",), ("two",)]) == [False, True]


def test_a_closed_set_has_let_its_texts_go():
    seen = SeenKeys()
    assert seen.add([("one",)]) == [True]
    seen.close()
    assert seen.add([("one",)]) == [True]


def test_dense_ids_take_little_room():
    seen = SeenKeys()
    seen.add([(number,) for number in range(1_000_000, 1_100_000)])
    file = io.BytesIO()
    seen.save(file)
    assert len(file.getvalue()) < 5_000
