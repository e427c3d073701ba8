"""Fixtures: a small instance whose time stands still, and a caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from tests.seed import DATES
from tests.simulator.support import Api

Make = Callable[..., Api]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that starts an instance with other settings and returns a caller."""
    with ExitStack() as stack:

        def make_one(**settings: Any) -> Api:
            small = {"leads": 100, "activities": 500, "custom_objects": 30, **DATES, **settings}
            return Api(stack.enter_context(Simulator(Settings(**small), clock=ManualClock())))

        yield make_one


@pytest.fixture
def api(make: Make) -> Api:
    return make()


@pytest.fixture
def sim(api: Api) -> Simulator:
    return api.simulator


@pytest.fixture
def clock(sim: Simulator) -> ManualClock:
    assert isinstance(sim.clock, ManualClock)
    return sim.clock
