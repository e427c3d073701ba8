"""
A Marketo instance for tests of your own DAGs.

In your ``conftest.py``::

    pytest_plugins = ["airflow_provider_marketo.simulator.pytest_plugin"]

Each test then has its own instance::

    def test_my_dag(marketo_simulator, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", marketo_simulator.connection())
        marketo_simulator.fail("bulk_export_leads.get_file", status=502)
        dag.test()
        assert marketo_simulator.report().violations == {}

Override the fixture ``marketo_simulator_settings`` to change the size, the limits or the seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_marketo.simulator.settings import Settings
from airflow_provider_marketo.simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def marketo_simulator_settings() -> Settings:
    """Settings of the instance: small, with a minute passing in a second."""
    return Settings(leads=200, activities=1_000, custom_objects=50, time_scale=60)


@pytest.fixture
def marketo_simulator(marketo_simulator_settings: Settings) -> Iterator[Simulator]:
    """Run a simulator for one test."""
    with Simulator(marketo_simulator_settings) as simulator:
        yield simulator
