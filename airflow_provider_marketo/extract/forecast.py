"""How many days an extract takes under a daily budget (*experimental*)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJobs
from airflow_provider_marketo.client.errors import MarketoExportFailedError
from airflow_provider_marketo.extract.plan import make_plan
from airflow_provider_marketo.hooks.export_account import MEGABYTE, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from airflow_provider_marketo.client.bulk.plan import Slice
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.extract.request import ExtractRequest


@dataclass(frozen=True)
class Forecast:
    """
    One window of a plan.

    :param one: the window.
    :param mb: megabytes that its file is likely to have; None if no size is known.
    :param day: the day of the plan on which it is exported, from 1; None without a size or a budget.
    """

    one: Slice
    mb: float | None
    day: int | None


def forecast(slices: Sequence[Slice], size: Size | None, daily_mb: float | None) -> list[Forecast]:
    """
    Return the windows of an extract with their sizes and days.

    :param slices: slices in the order in which they are exported.
    :param size: the size of a file that was seen; None if no file was seen.
    :param daily_mb: megabytes a day; None for no limit.
    """
    return list(_days(slices, size, daily_mb))


def _days(slices: Sequence[Slice], size: Size | None, daily_mb: float | None) -> Iterator[Forecast]:
    day, spent = 1, 0.0
    for one in slices:
        if size is None:
            yield Forecast(one, None, None)
            continue
        mb = size.of(one.seconds) / MEGABYTE
        if daily_mb is not None and spent and spent + mb > daily_mb:
            day, spent = day + 1, 0.0
        spent += mb
        yield Forecast(one, mb, None if daily_mb is None else day)


def sample(
    client: MarketoClient, request: ExtractRequest, *, wait: Callable[[], None], now: Callable[[], datetime]
) -> Size:
    """
    Export the window in the middle of an extract, and return its size. The file is not fetched.

    The window counts toward the day's export volume. This takes one call for the fields, two for the job, and one for
    each poll of it.

    :param client: the instance.
    :param request: the extract.
    :param wait: lets the time between two polls pass.
    :param now: the time, aware.
    :raises MarketoExportFailedError: the job did not complete.
    """
    plan = make_plan(request, client, None)
    slices = request.slices(plan.filters, plan.until)
    one = slices[len(slices) // 2]
    jobs = ExportJobs(client, request.export, request.custom_object)
    export_id = jobs.create(plan.fields, one.filter).export_id
    jobs.enqueue(export_id)
    while True:
        job = jobs.status(export_id)
        if job is None or not job.waiting:
            break
        wait()
    if job is None or job.status != COMPLETED:
        raise MarketoExportFailedError(
            f"the sample export {export_id} of {one.name} did not complete",
            remedy="Run the command again. If it happens again, give a shorter --window.",
        )
    return Size(request.object_type, job.size or 0, one.seconds, now())
