"""
A Marketo instance that runs on a laptop, for demos, tests and the CI of DAG authors.

.. code-block:: python

    from airflow_provider_marketo.simulator import Settings, Simulator

    with Simulator(Settings(leads=5000, time_scale=60)) as sim:
        print(sim.url, sim.client_id, sim.client_secret)
        sim.fail("leads.sync", "611", times=2)
        ...
        print(sim.report())

The command is ``python -m airflow_provider_marketo.simulator`` (:mod:`.__main__`), the pytest fixture
:mod:`.pytest_plugin`. A function in :mod:`.handlers` answers each operation; :mod:`.store` holds the data.
"""

from airflow_provider_marketo.simulator.clock import ManualClock, ScaledClock
from airflow_provider_marketo.simulator.report import Report
from airflow_provider_marketo.simulator.settings import ApiUser, Settings
from airflow_provider_marketo.simulator.simulator import Simulator

__all__ = ["ApiUser", "ManualClock", "Report", "ScaledClock", "Settings", "Simulator"]
