"""However a wait ends, the task comes back and cleans up."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.errors import MarketoError
from tests.simulated import extract, marketo
from tests.support import StateStore, run_task, task_context

__all__ = ["marketo"]


async def away(_):
    raise OSError("the API server is away")


def test_the_last_try_leaves_no_job_after_its_trigger_died(marketo, tmp_path, monkeypatch):
    instance = marketo(job_seconds=100_000)
    monkeypatch.setattr("airflow_provider_marketo.triggers.bulk_job.settings_of", away)
    with pytest.raises(MarketoError, match="OSError: the API server is away"):
        run_task(extract(tmp_path), task_context(StateStore()))
    assert instance.statuses().keys() == {"Cancelled"}


def test_the_next_try_continues_with_the_jobs_after_the_trigger_died(marketo, tmp_path, monkeypatch):
    instance, context = marketo(job_seconds=100_000), task_context(StateStore(), max_tries=1)
    monkeypatch.setattr("airflow_provider_marketo.triggers.bulk_job.settings_of", away)
    with pytest.raises(MarketoError):
        run_task(extract(tmp_path), context)
    assert "Cancelled" not in instance.statuses()
