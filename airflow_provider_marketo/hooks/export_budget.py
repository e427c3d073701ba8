"""
A task's share of the day's export volume (*experimental*).

All tasks of a DAG with ``daily_export_mb`` run one export job at a time on a connection. So a DAG exceeds the
budget of a day by at most a part of one file. Marketo's second place stays free for others.
"""

from __future__ import annotations

import hashlib
import math
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJobs
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.counts import counted, duration
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import (
    MarketoError,
    MarketoInvalidRequestError,
    MarketoQueueFullError,
    MarketoQuotaExhaustedError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.quota_day import RESET_MARGIN, next_reset
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.hooks.export_account import (
    MEGABYTE,
    Entry,
    ExportAccount,
    Size,
    variable_name,
)
from airflow_provider_marketo.hooks.runtime import runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.client.bulk.jobs import ExportJob
    from airflow_provider_marketo.client.bulk.plan import Slice
    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)

_DESCRIPTION = "What Airflow's DAGs have exported from Marketo today. Tasks with daily_export_mb need it."
_MEASURE_EVERY = timedelta(minutes=30)
"""How old Marketo's count of exports may be. It adds the exports of others with this API user to our account."""

_LOCK_FOR, _LOCK_POLL = 30.0, 0.05


class MarketoExportTurnError(MarketoQueueFullError):
    """Another job of the DAG runs, and a DAG with a budget runs one export job at a time."""


class ExportBudget(Protocol):
    """The budget of a DAG. An extract asks it before each export job, and reports the job to it."""

    def check(self, one: Slice) -> None:
        """
        Check whether a job may start now, before it is created.

        :raises MarketoExportTurnError: another job of the DAG runs.
        :raises MarketoQuotaExhaustedError: the day's share is spent; its ``until`` says when the next day begins.
        """

    def start(self, one: Slice, export_id: str) -> None:
        """
        Write down a job that is about to enter Marketo's queue. Raises the errors of :meth:`check`.

        :param export_id: Marketo's id of the job.
        """

    def end(self, one: Slice, size: int) -> None:
        """
        Write down that a job has ended. A second time changes nothing.

        :param size: bytes of its file; 0 without a file.
        """

    def outlook(self, slices: Sequence[Slice]) -> str | None:
        """
        Return how long the rest is likely to take, as a sentence for the log.

        :param slices: what is still to be exported.
        :return: None if there is no budget, or nothing is known of the sizes.
        """


def export_budget(
    hook: MarketoHook,
    context: Mapping[str, Any],
    *,
    object_type: str,
    custom_object: str | None,
    daily_mb: float | None,
) -> ExportBudget:
    """
    Return the budget of a task.

    :param hook: the connection.
    :param context: the running task's context.
    :param object_type: what is exported.
    :param custom_object: API name of the custom object type.
    :param daily_mb: megabytes that the DAG may export a day; None for no limit.
    """
    if daily_mb is None:
        return NoBudget(hook, context, object_type=object_type, custom_object=custom_object)
    return DailyBudget(hook, context, object_type=object_type, custom_object=custom_object, daily_mb=daily_mb)


class _Account:
    """
    The account of a connection, as a task changes it.

    :param hook: the connection.
    :param context: the running task's context.
    :param object_type: what is exported.
    :param custom_object: API name of the custom object type.
    """

    def __init__(
        self, hook: MarketoHook, context: Mapping[str, Any], *, object_type: str, custom_object: str | None
    ) -> None:
        self._hook = hook
        self._client = hook.get_conn()
        self._ti = context["ti"]
        self._context = context
        self._object_type = object_type
        self._custom_object = custom_object
        self.name = variable_name(hook.settings.conn_id)

    def _key(self, one: Slice) -> str:
        ti = self._ti
        parts = (ti.dag_id, ti.task_id, ti.run_id, str(ti.map_index), one.name)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def _change(self, edit: Callable[[ExportAccount, datetime], ExportAccount]) -> ExportAccount:
        """
        Change the account while no other process of this Airflow changes it.

        With the coordination ``pool``, processes have no common lock, so a change may be lost.

        :raises OSError: Airflow did not say what the account holds.
        :raises MarketoStateError: the account is damaged.
        """
        with self._lock():
            text, now = variables.read(self.name), datetime.now(timezone.utc)
            account = edit(ExportAccount.load(text, self.name).at(now), now)
            if (changed := account.dump()) != text:
                variables.write(self.name, changed, _DESCRIPTION)
            return account

    @contextmanager
    def _lock(self) -> Iterator[None]:
        governor, chore = self._client.governor, f"exports:{self._hook.settings.conn_id}"
        until = time.monotonic() + _LOCK_FOR
        while not governor.claim(chore, _LOCK_FOR) and time.monotonic() < until:
            time.sleep(_LOCK_POLL)
        try:
            yield
        finally:
            governor.postpone(chore, 0.0)

    def _ended(self, account: ExportAccount, one: Slice, size: int, now: datetime) -> ExportAccount:
        account = account.ended(self._key(one), size, now)
        if not size:
            return account
        last = Size(self._object_type, size, one.seconds, now)
        return replace(account, sizes={**account.sizes, f"{self._ti.dag_id}.{self._ti.task_id}": last})


class NoBudget(_Account):
    """The account of a DAG without a budget: it is kept for the DAGs that have one, and never stops a task."""

    def check(self, one: Slice) -> None:
        """Let the job start."""

    def start(self, one: Slice, export_id: str) -> None:
        """Let the job start. Its size is written down when it has ended."""

    def end(self, one: Slice, size: int) -> None:
        """Write down the size of a file. Failures are logged, not raised."""
        if runtime().task is None or not size:
            return

        def edit(account: ExportAccount, now: datetime) -> ExportAccount:
            key = self._key(one)
            if key in account.entries:  # an earlier try has written the job down, and died
                return account
            return self._ended(account.started(key, Entry(self._ti.dag_id, now, expected=size)), one, size, now)

        try:
            self._change(edit)
        except (OSError, MarketoError) as error:
            log.warning("The %d bytes of this export could not be added to the Variable %s: %s", size, self.name, error)

    def outlook(self, slices: Sequence[Slice]) -> str | None:
        """Return nothing: the task takes what it needs."""
        return None


class DailyBudget(_Account):
    """
    A share of each day that all runs, tries and mapped tasks of a DAG use together.

    :param daily_mb: megabytes a day.
    """

    def __init__(self, *args: Any, daily_mb: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._daily_mb = daily_mb

    def check(self, one: Slice) -> None:
        """Check whether a job may start."""
        self._settle_lost(one)
        self._change(lambda account, now: self._with_budget(self._admitted(account, one, now)))

    def start(self, one: Slice, export_id: str) -> None:
        """Write down a job that is about to start."""

        def edit(account: ExportAccount, now: datetime) -> ExportAccount:
            expected = self._expected(self._admitted(account, one, now), one)
            job = Entry(
                self._ti.dag_id,
                now,
                expected=expected or 0,
                export_id=export_id,
                object_type=self._object_type,
                custom_object=self._custom_object,
            )
            return self._with_budget(account).started(self._key(one), job)

        self._change(edit)

    def end(self, one: Slice, size: int) -> None:
        """Write down that a job has ended."""
        self._change(lambda account, now: self._ended(account, one, size, now))

    def outlook(self, slices: Sequence[Slice]) -> str | None:
        """Return the megabytes and days of the rest, and which of Airflow's timeouts is shorter."""
        account = self._change(lambda account, now: account)
        sizes = [self._expected(account, each) for each in slices]
        total = sum(each or 0 for each in sizes)
        if not total:
            return None
        days = total / (self._daily_mb * MEGABYTE)
        said = (
            f"About {_mb(total)} in {counted(len(slices), 'window')} are still to be exported:"
            f" {days:.1f} days at daily_export_mb={self._daily_mb:g}."
        )
        return " ".join([said, *(f"{each}." for each in self._too_short(timedelta(days=math.ceil(days) - 1)))])

    def _too_short(self, needed: timedelta) -> Iterator[str]:
        task, dag = self._context.get("task"), self._context.get("dag")
        for owner, name in ((task, "execution_timeout"), (dag, "dagrun_timeout")):
            limit = getattr(owner, name, None)
            if limit is not None and limit < needed:
                said = f"{name}={duration(limit)}"
                yield f"{said} is shorter and may end the task first: remove it, or raise daily_export_mb"

    def _admitted(self, account: ExportAccount, one: Slice, now: datetime) -> ExportAccount:
        key, dag_id = self._key(one), self._ti.dag_id
        if account.running(dag_id, besides=key):
            raise MarketoExportTurnError(
                f"another export job of the DAG {dag_id} is running, and a DAG with daily_export_mb runs one job"
                " at a time",
                remedy="The task continues when that job has ended.",
            )
        expected = self._expected(account, one) or 0
        spent, budget = account.spent(dag_id), self._daily_mb * MEGABYTE
        if spent and spent + expected > budget:
            raise self._spent(
                f"the DAG {dag_id} has exported {_mb(spent)} today and the next file has about {_mb(expected)}:"
                f" more than daily_export_mb={self._daily_mb:g}",
                "raise daily_export_mb",
                now,
            )
        self._check_others(account, expected, now)
        return account

    def _check_others(self, account: ExportAccount, expected: int, now: datetime) -> None:
        """Leave others the connection's reserve, and what DAGs without a budget are likely to need today."""
        settings = self._hook.settings
        used, measured_at = self._used(now)
        used += account.used_since(measured_at)
        reserve, needed = settings.export_reserve_mb * MEGABYTE, account.needed_by_others()
        day = settings.export_daily_mb * MEGABYTE - reserve
        if expected > day:
            raise MarketoInvalidRequestError(
                f"the next file has about {_mb(expected)}, and exports may use only {_mb(day)} a day, because"
                " export_reserve_mb keeps the rest",
                parameter="window",
                remedy="Use a shorter window, or lower the connection's export_reserve_mb.",
            )
        left = day - used - needed
        if expected > left or left <= 0:
            raise self._spent(
                f"the next file (about {_mb(expected)}) does not fit into the day's {settings.export_daily_mb} MB:"
                f" {_mb(used)} are exported, {_mb(reserve)} are reserved, and DAGs without a budget are likely to need"
                f" {_mb(needed)}",
                "lower the connection's export_reserve_mb, or raise its export_daily_mb if your subscription allows it",
                now,
            )

    def _used(self, now: datetime) -> tuple[int, datetime | None]:
        """Return the bytes that Marketo has counted, and when; 0 and None if Marketo does not say."""
        reader = self._hook.quota
        known = reader.stored()
        types = {self._custom_object} - {None} if self._custom_object else set()
        try:
            if (
                known is None
                or known.age(now, exports=True) > _MEASURE_EVERY.total_seconds()
                or not types <= set(known.custom_objects)
            ):
                known = reader.refresh(exports=True, custom_objects=[each for each in types if each], known=known)
        except MarketoQuotaExhaustedError:
            raise
        except MarketoError as error:
            log.warning("Marketo did not say what is exported today; only this Airflow's exports count: %s", error)
            return 0, None
        return known.exported_bytes, parse_date(known.exports_measured_at or known.measured_at)

    def _expected(self, account: ExportAccount, one: Slice) -> int | None:
        last = account.sizes.get(f"{self._ti.dag_id}.{self._ti.task_id}")
        return None if last is None or last.object_type != self._object_type else last.of(one.seconds)

    def _with_budget(self, account: ExportAccount) -> ExportAccount:
        return account.with_budget(self._ti.dag_id, self._daily_mb)

    def _settle_lost(self, one: Slice) -> None:
        """Settle running jobs of the DAG that have ended in Marketo: their tasks may have been killed."""
        account = self._change(lambda account, now: account)
        for key, entry in account.running(self._ti.dag_id, besides=self._key(one)).items():
            jobs = ExportJobs(self._client, export_object(entry.object_type), entry.custom_object)
            job = jobs.status(entry.export_id)
            if job is None or not job.waiting:
                self._change(partial(_with_end, key, _size(job)))

    def _spent(self, message: str, step: str, now: datetime) -> MarketoQuotaExhaustedError:
        until = next_reset(now) + RESET_MARGIN
        return MarketoQuotaExhaustedError(
            message,
            until=until,
            quota="export",
            remedy=f"To export more in a day, {step}.",
        )


def _with_end(key: str, size: int, account: ExportAccount, now: datetime) -> ExportAccount:
    return account.ended(key, size, now)


def _size(job: ExportJob | None) -> int:
    return (job.size or 0) if job is not None and job.status == COMPLETED else 0


def _mb(size: float) -> str:
    megabytes = size / MEGABYTE
    return f"{megabytes:.2g} MB" if 0 < megabytes < 1 else f"{megabytes:.1f} MB"
