"""What all operators share: the hook, the count of calls, and one way to wait, to continue and to stop."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseOperator

from airflow_provider_marketo.arguments import Check, ChecksArguments, choice, count, duration, flag, text
from airflow_provider_marketo.choices import OnQuotaExhausted
from airflow_provider_marketo.client.errors import (
    MarketoDeadlineError,
    MarketoQuotaExhaustedError,
    MarketoStoppedError,
    MarketoThrottledError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.work import Wait
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.failures import PERMANENT_ERRORS, fails_plainly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.hooks.work import Work

log = printable_logger(__name__)

UI_COLOR = "#e9e3f5"

SPENT_LONGER = timedelta(minutes=1)
"""
How long to wait if a quota counts as spent, although this host's clock says that it was reset. The clock of another
host decides. If that clock is behind, the task would otherwise be deferred again and again without a pause.
"""


class MarketoOperator(ChecksArguments, BaseOperator):
    """
    Base of all operators: it counts each try's use of Marketo over all deferrals, and can limit the calls.

    A subclass says how its arguments are checked (``argument_checks``) and does its work in :meth:`_execute`, which
    imports one module of the package and calls it. Functions import what only a running task needs, so parsing a DAG
    file loads almost nothing.

    :param marketo_conn_id: id of the connection.
    :param max_calls: largest number of calls per try. A further call raises an error instead. Calls that tidy up, such
        as cancelling a job, are always made.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        "marketo_conn_id": text(required=True),
        "max_calls": count(minimum=1, required=False),
    }
    template_fields: Sequence[str] = ("marketo_conn_id",)
    operator_extra_links = (MarketoLink(),)
    ui_color = UI_COLOR
    marketo_url: str | None = None
    """Target of the link on the task's page, once the task knows it."""
    _killed: bool = False

    def __init__(
        self,
        *,
        marketo_conn_id: str = "marketo_default",
        max_calls: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.marketo_conn_id = marketo_conn_id
        self.max_calls = max_calls
        self.check_arguments()

    @cached_property
    def hook(self) -> MarketoHook:
        """The connection's hook, with as many calls at once as the task has slots in its pool."""
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        hook = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots)
        if self._killed:  # while it was being made
            hook.stop()
        return hook

    def on_kill(self) -> None:
        """
        Stop before the next call: a person marked the task as failed, or cleared it.

        Airflow calls this in a signal handler and lets the task run on for some seconds. A call that is under way runs
        to its end, and the task writes down as usual what it has sent.
        """
        self._killed = True
        if "hook" in vars(self):
            self.hook.stop()

    @fails_plainly()
    def execute(self, context: Context) -> Any:
        """
        Run the task.

        :param context: the running task's context.
        :return: counts, ids and places of files; never rows.
        """
        return self._execute(context)

    def _execute(self, context: Context) -> Any:
        """Import the module that does the work, and call it."""
        raise NotImplementedError

    def defer(self, **arguments: Any) -> NoReturn:
        """Defer as Airflow does, and keep the count of calls for the time after the wait."""
        from airflow_provider_marketo.hooks.usage import keep_usage

        keep_usage()
        super().defer(**arguments)

    @fails_plainly()
    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral: Airflow calls this in the new process."""
        from airflow_provider_marketo.hooks.link import recall_link
        from airflow_provider_marketo.hooks.usage import recall_usage

        recall_usage(context["ti"])
        self.marketo_url = recall_link(context["ti"])
        return super().resume_execution(next_method, next_kwargs, context)


class MarketoDeferrableOperator(MarketoOperator):
    """
    Base of the operators that may have to wait for Marketo: for jobs, or for a quota's reset.

    A subclass returns its work from :meth:`_begin`. The work says what it waits for. This class waits in the triggerer
    or in the worker, extends the deadline by the time in which Marketo answers no calls, continues, and stops.

    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOperator.argument_checks,
        "on_quota_exhausted": choice(OnQuotaExhausted),
    }
    deferrable: bool = False
    _work: Work | None = None
    _answered: bool | None = None
    """A person's answer to whether the request ran; None without an answer."""

    def __init__(
        self,
        *,
        on_quota_exhausted: OnQuotaExhausted = "defer",
        marketo_conn_id: str = "marketo_default",
        max_calls: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(marketo_conn_id=marketo_conn_id, max_calls=max_calls, **kwargs)
        self.on_quota_exhausted = on_quota_exhausted
        self.check_arguments()

    @fails_plainly()
    def execute(self, context: Context) -> Any:
        """
        Run the task, or its part up to the first deferral.

        :param context: the running task's context.
        """
        return self._advance(context)

    @fails_plainly()
    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """
        Continue after a deferral.

        :param context: the running task's context.
        :param event: what the trigger found; nothing useful if only time has passed.
        """
        return self._advance(context, event, resumed=True)

    @fails_plainly()
    def start_over(self, context: Context, event: Any = None) -> Any:
        """
        Begin after a deferral that came before any work: Marketo refused the first call.

        :param context: the running task's context.
        :param event: the event of Airflow's own trigger, which only let time pass.
        """
        return self._advance(context)

    def on_kill(self) -> None:
        """Stop as every operator does, and have the work cancel the jobs that Marketo would continue."""
        super().on_kill()
        if self._work is not None:
            self._work.kill()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        """
        Import the module that does the work, and return the work of this try.

        :param context: the running task's context.
        :param resumed: whether this is the same try after a deferral.
        """
        raise NotImplementedError

    def _finished(self, context: Context, result: Any) -> Any:
        """Return the task's result, when all is done."""
        return result

    def _advance(self, context: Context, event: Any = None, *, resumed: bool = False) -> Any:
        """Continue the work from where it stands to its end, or to the next deferral."""
        work: Work | None = None
        try:
            work = self._work = self._begin(context, resumed=resumed)
            if self._killed:  # while it was being made
                work.kill()
            if self._answered is not None:
                work.answer(sent=self._answered)
            wait = work.advance(_found_from(event))
            while wait is not None:
                self._wait(context, work, wait)
                wait = work.advance(None)
            result = work.finish()
        except MarketoStoppedError:
            raise
        except Exception as error:
            until = self._waits_out(work, error)
            if until is not None:
                # Jobs in Marketo's queue continue by themselves, and published files stay.
                # The remedy of a call without a turn is to wait in the triggerer, which this task does.
                said = f"{error.message}." if isinstance(error, MarketoThrottledError) else error
                log.warning("%s The task continues after %s.", said, until.isoformat(timespec="seconds"))
                if work is None and not resumed:
                    self._defer(context, Wait(until), timedelta(0), method_name="start_over")
                self._wait_until(context, work, until, error)
            if work is not None and self._gives_up(context, error):
                work.give_up()  # no later try continues it
            raise
        return self._finished(context, result)

    def _waits_out(self, work: Work | None, error: Exception) -> datetime | None:
        """Return the time at which the task can continue after an error; None if the error must be raised."""
        deadline = work.deadline if work is not None else None
        now = datetime.now(timezone.utc)
        if isinstance(error, MarketoQuotaExhaustedError):
            if self.on_quota_exhausted != "defer" or error.until is None:
                return None
            return error.until if error.until > now else now + SPENT_LONGER
        if isinstance(error, MarketoThrottledError) and self.deferrable and work is not None and deadline is not None:
            return now + self._interval(work) if now < deadline else None
        return None

    def _gives_up(self, context: Context, error: Exception) -> bool:
        last_try = context["ti"].try_number > context["ti"].max_tries
        return last_try or isinstance(error, (MarketoDeadlineError, *PERMANENT_ERRORS))

    def _wait(self, context: Context, work: Work, wait: Wait) -> None:
        """Wait in the triggerer, or here."""
        interval = self._interval(work)
        if not self.deferrable:
            time.sleep(interval.total_seconds())
            return
        if type(wait) is Wait:  # only time has to pass, and the work must keep its jobs meanwhile
            wait = work.pause(wait.until or datetime.now(timezone.utc) + interval)
        self._defer(context, wait, interval)

    def _wait_until(self, context: Context, work: Work | None, until: datetime, error: Exception) -> NoReturn:
        if work is None:
            self._defer(context, Wait(until), timedelta(0))
        if isinstance(error, MarketoQuotaExhaustedError):
            work.extend_deadline(until)
        self._defer(context, work.pause(until), self._interval(work))

    def _defer(
        self, context: Context, wait: Wait, interval: timedelta, *, method_name: str = "execute_complete"
    ) -> NoReturn:
        from airflow_provider_marketo.triggers.waits import trigger_for

        for key, value in wait.xcoms.items():
            context["ti"].xcom_push(key=key, value=value)
        self.defer(trigger=trigger_for(wait, self.marketo_conn_id, interval), method_name=method_name)

    def _interval(self, work: Work) -> timedelta:
        """Return the time between two polls of Marketo."""
        return work.poll_interval


class MarketoJobOperator(MarketoDeferrableOperator):
    """
    Base of the operators that wait for Marketo's jobs.

    A subclass has the three arguments in its signature and stores them.

    :param deferrable: wait in the triggerer, without a worker.
    :param poll_interval: time between two polls of Marketo. Default: as the connection says.
    :param timeout: how long the task waits for Marketo.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoDeferrableOperator.argument_checks,
        "deferrable": flag(),
        "poll_interval": duration(required=False),
        "timeout": duration(),
    }

    def _interval(self, work: Work) -> timedelta:
        given: timedelta | None = self.argument("poll_interval")
        return given or super()._interval(work)


def _found_from(event: Any) -> Mapping[str, Any] | None:
    if event is None:
        return None
    from airflow_provider_marketo.triggers.waits import found_from

    return found_from(event)
