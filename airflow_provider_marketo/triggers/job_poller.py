"""One look at Marketo's job list for everybody who waits in this triggerer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_marketo.triggers.poller import Ask, wait_for_answer

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.jobs import ExportJob

Jobs = Mapping[str, "ExportJob"]
Find = Callable[[Collection[str]], Awaitable[Jobs]]


async def wait_for_jobs(list_of: Hashable, find: Find, export_ids: Collection[str], interval: float) -> Jobs:
    """
    Wait until at least one of several jobs has ended; see :class:`~.poller.Poller`.

    :param list_of: the connection as it is set up at present, the object type and whatever else tells lists apart.
    :param find: looks several jobs up; the function of whoever came first is used.
    :param export_ids: at least one.
    :param interval: seconds between two looks; of several who wait, the most impatient decides.
    :return: the jobs by id; one that Marketo no longer knows counts as cancelled.
    :raises MarketoError: looking failed for good, or too often.
    """
    return await wait_for_answer(
        ("jobs", list_of), lambda: _asking(find), frozenset(export_ids), interval, waits_out_quota=False
    )


def _asking(find: Find) -> Ask[frozenset[str], Jobs]:
    """The condition is which of some jobs have ended. One look answers all of them."""

    async def ask(conditions: Collection[frozenset[str]]) -> Mapping[frozenset[str], Jobs]:
        found = await find(frozenset().union(*conditions))
        # Not before: looking has imported it, off the loop.
        from airflow_provider_marketo.client.bulk.jobs import CANCELLED, ExportJob

        answers = {ids: {each: found.get(each, ExportJob(each, CANCELLED)) for each in ids} for ids in conditions}
        return {ids: jobs for ids, jobs in answers.items() if not all(job.waiting for job in jobs.values())}

    return ask
