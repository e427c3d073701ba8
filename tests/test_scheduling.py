"""How parallel workers share the tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.scheduling import AT_ONCE, FileByFile, long_tests_first


class Worker:
    """The part of a worker that xdist's schedulers use."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw0")
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.fixture
def scheduler() -> FileByFile:
    config = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True), getvalue=lambda name: ["2*popen"], getoption=lambda name: []
    )
    return FileByFile(config, None)


def test_groups_stay_whole_files_are_dealt_out_in_pieces_and_what_is_done_is_forgotten(scheduler):
    tests = [*(f"a.py::test[{n}]@one" for n in range(25)), *(f"b.py::test[{n}]" for n in range(25)), "c.py::test"]
    workers = [Worker(), Worker()]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    scheduler.numnodes = 2
    scheduler.schedule()
    assert set(range(25)) <= set(workers[0].given)
    assert len(workers[1].given) <= 2 * AT_ONCE
    done: list[int] = []
    while len(done) < len(tests):
        worker = max(workers, key=lambda each: len(set(each.given) - set(done)))
        test = next(index for index in worker.given if index not in done)
        scheduler.mark_test_complete(worker, test)
        done.append(test)
    assert sorted(workers[0].given + workers[1].given) == list(range(len(tests)))
    assert not scheduler.has_pending
    assert list(scheduler.assigned_work.values()) == [{}, {}]


def test_what_a_worker_that_died_had_left_is_dealt_out_again(scheduler):
    tests = [f"b.py::test[{n}]" for n in range(3 * AT_ONCE)]
    first, second = Worker(), Worker()
    scheduler.numnodes = 2
    for worker in (first, second):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    done = first.given[:AT_ONCE]
    for test in done:
        scheduler.mark_test_complete(first, test)
    assert scheduler.remove_node(first) == tests[first.given[AT_ONCE]]
    while left := [index for index in second.given if index not in done]:
        scheduler.mark_test_complete(second, left[0])
        done.append(left[0])
    assert set(done) == set(range(len(tests)))


class Item:
    """The part of a test item on which the order of tests depends."""

    def __init__(self, name: str, **markers: str) -> None:
        self.name = name
        self.markers = markers

    def get_closest_marker(self, name: str) -> Any:
        return SimpleNamespace(args=(self.markers[name],), kwargs={}) if name in self.markers else None


def test_the_largest_group_begins_first_then_slow_tests():
    items = [
        Item("quick"),
        Item("slow", slow=""),
        Item("few", xdist_group="few"),
        Item("many 1", xdist_group="many"),
        Item("many 2", xdist_group="many"),
    ]
    long_tests_first(cast("list[pytest.Item]", items))
    assert [each.name for each in items] == ["many 1", "many 2", "few", "slow", "quick"]
