"""
A Marketo for the tests of your own DAGs. In your ``conftest.py``::

    pytest_plugins = ["airflow_provider_marketo.simulator.pytest_plugin"]

and then, with a clean instance for each test::

    def test_my_dag(marketo_simulator, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", marketo_simulator.connection())
        marketo_simulator.fail("bulk_export_leads.get_file", status=502)
        dag.test()
        assert marketo_simulator.report().violations == {}

Override the fixture ``marketo_simulator_settings`` for another size, other limits or another seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_marketo.simulator.settings import Settings
from airflow_provider_marketo.simulator.simulator import Simulator


@pytest.fixture
def marketo_simulator_settings() -> Settings:
    """What kind of instance is simulated: a small one, on which a minute passes in a second."""
    return Settings(leads=200, activities=1_000, custom_objects=50, time_scale=60)


@pytest.fixture
def marketo_simulator(marketo_simulator_settings: Settings) -> Iterator[Simulator]:
    """A running simulator."""
    with Simulator(marketo_simulator_settings) as simulator:
        yield simulator
