"""How many of Marketo's calls a sync of a whole instance costs."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.warehouse.descriptions import OPERATIONS, ask_and_share, use_shared
from tests.task_groups.test_warehouse import Run, database, group

__all__ = ["database"]

LOOKS = ".get_jobs"
"""One call for all jobs of an object, once in ``poll_interval``: how many there are depends on Marketo's speed."""

AT_ONCE = {"time_scale": 1.0, "job_seconds": 0.0, "job_seconds_per_mb": 0.0, "status_refresh": 0.001}
"""Settings of a Marketo whose jobs are done as soon as they have begun."""

RUNS = {"scheduled__1": (50, 2), "scheduled__2": (44, 1)}
"""
Calls of each run that are not about export jobs. A new listing or a new task changes them. The second number counts the
calls for the list of programs, which two tasks read: its pages and an empty page, or only an empty page.
"""


def calls_of(instance, run: Run) -> Counter[str]:
    before = Counter(instance.report().calls)
    run.all()
    found = Counter(instance.report().calls) - before
    return Counter({name: count for name, count in found.items() if not name.startswith("identity.")})


@pytest.mark.slow(reason="it loads 50,000 leads and 100,000 activities twice")
def test_a_sync_costs_little_more_than_its_windows_and_pages(marketo, governed, database, tmp_path):
    instance = marketo(leads=50_000, activities=100_000, custom_objects=1, limits=False, **AT_ONCE)
    start = (datetime.now(timezone.utc) - timedelta(days=40)).date().isoformat()
    for run_id, (pages, of_programs) in RUNS.items():
        before = len(instance.jobs())
        calls = calls_of(instance, Run(group(tmp_path, start=start), run_id))
        jobs = len(instance.jobs()) - before
        assert {operation: calls[operation] for operation in OPERATIONS} == dict.fromkeys(OPERATIONS, 1)
        of_jobs = Counter({name: count for name, count in calls.items() if name.startswith("bulk_export_")})
        looks = sum(count for name, count in of_jobs.items() if name.endswith(LOOKS))
        assert sum((calls - of_jobs).values()) == pages, calls
        assert calls["programs.get"] == of_programs
        assert sum(of_jobs.values()) - looks <= 3 * jobs  # create, enqueue, and fetch or cancel


def test_replies_that_are_an_hour_old_are_asked_for_again(tmp_path):
    clock = ManualClock()
    with Simulator(Settings(leads=5, activities=5, limits=False), clock=clock) as instance:

        def client() -> MarketoClient:
            return MarketoClient(instance.url, instance.client_id, instance.client_secret)

        ask_and_share(client(), OutputFolder(str(tmp_path)))
        for hours, asked in ((0, 1), (2, 2)):
            clock.advance(hours * 3600)
            other = client()
            use_shared(other, str(tmp_path))
            assert len(other.call("leads.describe").records) > 10
            assert instance.report().calls["leads.describe"] == asked
