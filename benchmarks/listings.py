"""
How long a list of all Marketo assets takes, compared with the least time that Marketo's window of 20 seconds allows.

::

    python -m benchmarks.listings                    ten thousand assets of each of 14 types: three minutes
    python -m benchmarks.listings --assets 2000      a minute

The simulator runs in a process of its own; the task has four pool slots. Of ``n`` calls, the window allows the first
``rate_limit`` at once; the others take ``(n - rate_limit) / rate_limit * 20`` seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.simulator.store.assets import Folder, Location, RedirectRule
from benchmarks.table import Row, markdown

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LATENCY = 0.1
POOL_SLOTS = 4
RATE_LIMIT, WINDOW = 90, 20.0
MOST = 1.2


def serve(assets: int, wire: Connection) -> None:
    """Run an instance with a number of assets of each type until a message arrives; then send its number of calls."""
    with Simulator(Settings(leads=100, activities=10, custom_objects=1, assets=assets, latency=LATENCY)) as simulator:
        store = simulator.instance.store.assets
        first, parent = max(store.folders) + 1, min(store.folders)
        for number in range(first, first + assets):
            store.folders[number] = Folder(number, f"Folder {number}", Location("Folder", parent), "Campaigns", 0, 0)
        target = {"type": "url", "value": "https://example.com"}
        for number in range(assets):
            source = {"type": "path", "value": f"page-{number}"}
            values = {"hostname": "info.example.com", "redirectFrom": source, "redirectTo": target}
            store.rules[number] = RedirectRule(number, 0, 0, values)
        wire.send((simulator.url, simulator.client_id, simulator.client_secret))
        wire.recv()
        wire.send(simulator.report().total_calls)


def measure(assets: int) -> Row:
    """Measure one full list."""
    wire, other = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(assets, other))
    server.start()
    host, login, password = wire.recv()
    connection = {"conn_type": "marketo", "host": host, "login": login, "password": password}
    os.environ["AIRFLOW_CONN_MARKETO_DEFAULT"] = json.dumps(connection)
    from airflow_provider_marketo.listings.table import ASSETS
    from airflow_provider_marketo.operators.listings import MarketoListingOperator

    with tempfile.TemporaryDirectory() as folder:
        task = MarketoListingOperator(
            task_id="assets",
            object_types=[*ASSETS, "assets"],  # type: ignore[list-item]
            output_path=folder,
            pool_slots=POOL_SLOTS,
        )
        began = time.monotonic()
        ti = SimpleNamespace(dag_id="a_dag", task_id="assets", run_id="a run", map_index=-1, try_number=1, max_tries=0)
        found = task.execute({"ti": ti})  # type: ignore[typeddict-item]
        took = time.monotonic() - began
    sizes = {window["name"]: window["rows"] for window in found["windows"]}
    wire.send("stop")
    calls = wire.recv()
    server.join()
    dictated = (calls - RATE_LIMIT) / RATE_LIMIT * WINDOW
    return Row(
        what="assets",
        how=f"{sizes['assets']:,} assets of {len(ASSETS)} types, "
        f"{LATENCY * 1000:.0f} ms a call, {POOL_SLOTS} pool slots",
        reached=f"{took:.0f} s for {calls} calls",
        reference=f"{dictated:.0f} s, which the window dictates",
        value=took / dictated,
        target=MOST,
        at_most=True,
    )


def main() -> int:
    """Run the command; return 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=10_000, help="assets of each type (default: 10000)")
    assets = parser.parse_args().assets
    with tempfile.TemporaryDirectory(prefix="marketo-listings-") as home:
        os.environ["AIRFLOW_HOME"] = home  # before anything imports Airflow
        row = measure(assets)
    print(markdown([row]))
    return 0 if row.passed else 1


if __name__ == "__main__":
    sys.exit(main())
