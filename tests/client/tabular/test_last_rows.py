"""The last row of a key wins, however little memory there is."""

from __future__ import annotations

import tracemalloc
from contextlib import closing

import pytest

from airflow_provider_marketo.client.tabular.keys import LastRows, NumberSet


@pytest.fixture(params=[1 << 20, 0], ids=["in memory", "spilt"])
def index(request):
    made = LastRows(in_memory=request.param)
    yield made
    made.close()


def superseded(index, rows: int) -> list[int]:
    numbers = index.superseded()
    found = [number for number in range(rows) if number in numbers]
    assert len(numbers) == len(found)
    return found


def test_all_but_the_last_row_of_a_key_are_superseded(index):
    index.add(range(3), [["a", "b", "a"]])
    index.add([3, 7], [["c", "a"]])
    assert superseded(index, 10) == [0, 2]


def test_keys_of_several_fields_are_told_apart_by_all_of_them(index):
    index.add(range(4), [["a", "a", "ab", "a"], [1, 2, 1, 1]])
    assert superseded(index, 4) == [0]


def test_many_rows_give_exactly_their_duplicates(index):
    keys = [str(number % 7_000) for number in range(20_000)]
    index.add(range(len(keys)), [keys])
    assert superseded(index, len(keys)) == list(range(13_000))


def test_keys_beyond_the_room_are_not_in_memory():
    index = LastRows(in_memory=1_000)
    with closing(index):
        tracemalloc.start()
        for start in range(0, 50_000, 1_000):
            index.add(range(start, start + 1_000), [[f"{number:032}" for number in range(start, start + 1_000)]])
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 2_000_000, "all 50,000 keys would be five megabytes"
        assert superseded(index, 50_000) == []


def test_the_file_of_a_closed_index_is_closed():
    index = LastRows(in_memory=0)
    index.add([0, 1], [["a", "a"]])
    assert superseded(index, 2) == [0]
    index.close()
    with pytest.raises(ValueError, match="closed file"):
        index.superseded()


def test_a_set_of_numbers_comes_back_and_knows_what_lies_between():
    numbers = NumberSet()
    for number in (3, 64, 9_999):
        numbers.add(number)
        numbers.add(number)
    dense = numbers.to_bytes()
    assert len(dense) == 1_250, "a bit for each number from 0 on"
    again = NumberSet(dense)
    assert len(again) == len(numbers) == 3
    assert [number for number in range(10_000) if number in again] == [3, 64, 9_999]
    for first, last in ((0, 2), (4, 63), (65, 9_998), (10_000, 20_000)):
        assert again.between(first, last) == []
    assert again.between(3, 64) == [3, 64]
    assert again.between(0, 20_000) == [3, 64, 9_999]
