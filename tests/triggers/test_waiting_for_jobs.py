"""One poll of the job list serves all triggers that wait."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_marketo.client.bulk.jobs import CANCELLED, COMPLETED, CREATED, PROCESSING, ExportJob
from airflow_provider_marketo.client.errors import MarketoAuthError, MarketoError, MarketoQuotaExhaustedError
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.triggers.blocking import ended_exports
from airflow_provider_marketo.triggers.poller import wait_for_answer


class JobList:
    """Answers polls from a script: one entry per poll, and after the last entry always that one."""

    def __init__(self, *script: dict[str, str] | MarketoError) -> None:
        self.script = list(script)
        self.looks: list[frozenset[str]] = []

    async def __call__(self, export_ids):
        self.looks.append(frozenset(export_ids))
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(entry, MarketoError):
            raise entry
        return {each: ExportJob(each, entry[each]) for each in export_ids if each in entry}


async def wait_for_jobs(job_list, find, export_ids, interval):
    """Wait as the trigger of a bulk job does."""

    async def ask(wanted):
        return ended_exports(await find(frozenset().union(*wanted)), wanted)

    return await wait_for_answer(job_list, lambda: ask, frozenset(export_ids), interval, waits_out_quota=False)


def statuses(jobs):
    return {each: job.status for each, job in jobs.items()}


def test_all_waiting_triggers_share_a_poll():
    jobs = JobList({"a": PROCESSING, "b": PROCESSING}, {"a": COMPLETED, "b": COMPLETED})

    async def scenario():
        return await asyncio.gather(*(wait_for_jobs("a list", jobs, [each], 0) for each in "ab" for _ in range(50)))

    answers = asyncio.run(scenario())
    assert [statuses(answer) for answer in answers] == [{"a": COMPLETED}] * 50 + [{"b": COMPLETED}] * 50
    assert jobs.looks == [frozenset("ab")] * 2


def test_one_finished_job_of_several_is_enough_to_continue():
    jobs = JobList({"a": PROCESSING, "b": COMPLETED})
    answer = asyncio.run(wait_for_jobs("a list", jobs, ["a", "b"], 0))
    assert statuses(answer) == {"a": PROCESSING, "b": COMPLETED}


def test_a_job_that_marketo_has_forgotten_counts_as_cancelled():
    assert statuses(asyncio.run(wait_for_jobs("a list", JobList({}), ["a"], 0))) == {"a": CANCELLED}


def test_a_permanent_error_ends_the_wait_at_once():
    jobs = JobList(MarketoAuthError("refused"))
    with pytest.raises(MarketoAuthError):
        asyncio.run(wait_for_jobs("a list", jobs, ["a"], 0))
    assert len(jobs.looks) == 1


def test_a_spent_quota_ends_the_wait_so_that_the_task_can_sleep_until_the_reset():
    with pytest.raises(MarketoQuotaExhaustedError):
        asyncio.run(wait_for_jobs("a list", JobList(MarketoQuotaExhaustedError("spent")), ["a"], 0))


def test_a_job_that_was_enqueued_a_moment_ago_may_still_be_shown_as_created():
    jobs = JobList({"a": CREATED}, {"a": COMPLETED})
    assert statuses(asyncio.run(wait_for_jobs("a list", jobs, ["a"], 0))) == {"a": COMPLETED}


def test_without_a_waiting_trigger_there_is_no_poll():
    jobs = JobList({"a": PROCESSING})

    async def scenario():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wait_for_jobs("a list", jobs, ["a"], 0), timeout=0.05)
        await asyncio.sleep(0)
        looks = len(jobs.looks)
        await asyncio.sleep(0.05)
        assert len(jobs.looks) == looks
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not runtime().shared_on_loop()

    asyncio.run(scenario())


def test_tasks_with_different_intervals_share_the_polls_of_the_shortest():
    jobs = JobList({"a": PROCESSING, "b": PROCESSING}, {"a": COMPLETED, "b": COMPLETED})

    async def scenario():
        waits = (wait_for_jobs("a list", jobs, [each], interval) for each, interval in (("a", 3600), ("b", 0)))
        return await asyncio.wait_for(asyncio.gather(*waits), timeout=60)

    assert [statuses(answer) for answer in asyncio.run(scenario())] == [{"a": COMPLETED}, {"b": COMPLETED}]
    assert jobs.looks == [frozenset("ab")] * 2


def test_a_trigger_that_stops_waiting_does_not_disturb_others():
    jobs = JobList({"a": PROCESSING, "b": PROCESSING}, {"a": PROCESSING, "b": PROCESSING}, {"b": COMPLETED})

    async def scenario():
        killed = asyncio.create_task(wait_for_jobs("a list", jobs, ["a"], 0))
        patient = asyncio.create_task(wait_for_jobs("a list", jobs, ["b"], 0))
        await asyncio.sleep(0)
        killed.cancel()
        return await asyncio.wait_for(patient, timeout=60)

    assert statuses(asyncio.run(scenario())) == {"b": COMPLETED}


def test_another_event_loop_has_its_own_poller():
    for _ in range(3):
        jobs = JobList({"a": COMPLETED})
        assert statuses(asyncio.run(wait_for_jobs("a list", jobs, ["a"], 0))) == {"a": COMPLETED}
        assert len(jobs.looks) == 1
