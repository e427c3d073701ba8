"""
Pictures for README and the tutorial, from a real Airflow and the simulator: ``python -m tools.screenshots``.

They are committed in ``docs/images``, so only a person who changes them needs the programs that this module needs
besides the development environment: ``pip install playwright``, and Chromium.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow_provider_marketo.simulator import Settings, Simulator
from tools.demo import POLL_INTERVAL
from tools.documentation.check import BROWSERS
from tools.progress import stage
from tools.real_airflow import RealAirflow

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
DAG_ID = "marketo_activities_to_parquet"
TASK_ID = "activities"

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_SIZE = {"width": 1180, "height": 760}
_PATIENCE = 120_000
"""Milliseconds until something is on the page."""


def main() -> int:
    """Run one DAG and take all pictures."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("Chromium is not installed.", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    settings = Settings(leads=2_000, activities=20_000, time_scale=60)
    with tempfile.TemporaryDirectory(prefix="marketo-pictures-") as folder, Simulator(settings) as simulator:
        home = Path(folder)
        dags = home / "dags"
        dags.mkdir()
        shutil.copy(ROOT / "example_dags" / f"{DAG_ID}.py", dags)
        connection = json.loads(simulator.connection()) | {"extra": {"poll_interval": POLL_INTERVAL}}
        variables = {
            "AIRFLOW_CONN_MARKETO_DEFAULT": json.dumps(connection),
            "AIRFLOW_VAR_MARKETO_LAKE": str(home / "lake"),
        }
        with RealAirflow(home, dags, variables) as airflow:
            with stage("starting Airflow"):
                airflow.migrate()
                airflow.cli("setup", module="airflow_provider_marketo")
                airflow.start()
                airflow.wait_until_ready([DAG_ID])
            with stage("running the DAG"):
                end = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
                day = {
                    "data_interval_start": (end - timedelta(days=7)).isoformat(),
                    "data_interval_end": end.isoformat(),
                }
                run = airflow.trigger(DAG_ID, logical_date=end.isoformat(), **day)
                run.wait_for(TASK_ID, "success", within=40)
            with stage("taking pictures"):
                _take(f"http://127.0.0.1:{airflow.port}", browser)
    return 0


def _take(url: str, browser: str) -> None:
    playwright: Any = importlib.import_module("playwright.sync_api")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=browser, args=list(_ARGUMENTS))
        page = chromium.new_page(viewport=_SIZE)
        page.set_default_timeout(_PATIENCE)
        page.goto(f"{url}/dags/{DAG_ID}/runs", wait_until="networkidle")
        page.locator("tbody tr a").first.click()
        page.get_by_role("link", name=TASK_ID).first.wait_for()
        page.wait_for_timeout(3_000)
        page.screenshot(path=IMAGES / "dag_run.png")
        page.goto(f"{url}/connections", wait_until="networkidle")
        page.get_by_role("button", name="Add Connection").first.click()
        page.get_by_role("combobox").first.click()
        page.keyboard.type("marketo", delay=50)
        page.wait_for_timeout(1_000)
        page.keyboard.press("Enter")
        page.wait_for_timeout(2_000)
        page.screenshot(path=IMAGES / "connection.png")
        chromium.close()


if __name__ == "__main__":
    sys.exit(main())
