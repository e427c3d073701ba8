"""One look at the job list serves everybody who waits."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_marketo.client.bulk.jobs import CANCELLED, COMPLETED, PROCESSING, ExportJob
from airflow_provider_marketo.client.errors import MarketoAuthError, MarketoError, MarketoTransientError
from airflow_provider_marketo.triggers.job_poller import FAILURES_IN_A_ROW, JobPoller


class JobList:
    """Answers looks from a script: one entry a look, the last one for ever."""

    def __init__(self, *script: dict[str, str] | MarketoError) -> None:
        self.script = list(script)
        self.looks: list[frozenset[str]] = []

    async def __call__(self, export_ids):
        self.looks.append(frozenset(export_ids))
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(entry, MarketoError):
            raise entry
        return {each: ExportJob(each, entry[each]) for each in export_ids if each in entry}


def statuses(jobs):
    return {each: job.status for each, job in jobs.items()}


def test_everybody_who_waits_shares_a_look():
    jobs = JobList({"a": PROCESSING, "b": PROCESSING}, {"a": COMPLETED, "b": COMPLETED})

    async def scenario():
        poller = JobPoller(jobs, interval=0)
        return await asyncio.gather(*(poller.wait([each]) for each in ("a", "b") for _ in range(50)))

    answers = asyncio.run(scenario())
    assert [statuses(answer) for answer in answers] == [{"a": COMPLETED}] * 50 + [{"b": COMPLETED}] * 50
    assert jobs.looks == [frozenset("ab")] * 2


def test_one_finished_job_of_several_is_enough_to_go_on():
    jobs = JobList({"a": PROCESSING, "b": COMPLETED})
    answer = asyncio.run(JobPoller(jobs, interval=0).wait(["a", "b"]))
    assert statuses(answer) == {"a": PROCESSING, "b": COMPLETED}


def test_a_job_that_marketo_has_forgotten_counts_as_cancelled():
    assert statuses(asyncio.run(JobPoller(JobList({}), interval=0).wait(["a"]))) == {"a": CANCELLED}


def test_bad_looks_are_borne_until_there_are_too_many():
    bad = MarketoTransientError("502")
    patient = JobList(*[bad] * (FAILURES_IN_A_ROW - 1), {"a": COMPLETED})
    assert statuses(asyncio.run(JobPoller(patient, interval=0).wait(["a"]))) == {"a": COMPLETED}
    with pytest.raises(MarketoTransientError):
        asyncio.run(JobPoller(JobList(bad), interval=0).wait(["a"]))


def test_an_error_that_stays_is_told_at_once():
    jobs = JobList(MarketoAuthError("refused"))
    with pytest.raises(MarketoAuthError):
        asyncio.run(JobPoller(jobs, interval=0).wait(["a"]))
    assert len(jobs.looks) == 1


def test_nobody_waiting_means_nobody_looking():
    jobs = JobList({"a": PROCESSING})

    async def scenario():
        poller = JobPoller(jobs, interval=0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(poller.wait(["a"]), timeout=0.05)
        before = len(jobs.looks)
        for _ in range(20):
            await asyncio.sleep(0)
        return before

    assert len(jobs.looks) - asyncio.run(scenario()) <= 1
