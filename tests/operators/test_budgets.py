"""Budgets that an author gives a task, and the rest of an instance's daily quota."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.sdk.execution_time.context import set_current_context

from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
from airflow_provider_marketo.hooks import usage
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime
from airflow_provider_marketo.hooks.task import RunningTask
from tests.operators.importing import governed
from tests.simulated import extract
from tests.support import StateStore, run_task, task_context
from tests.variables import airflow_variables

__all__ = ["airflow_variables", "governed"]


@pytest.mark.parametrize(("most", "deferrable"), [(4, False), (8, True)])  # the eighth call comes after a deferral
@pytest.mark.usefixtures("airflow_variables", "governed")
def test_no_call_is_made_beyond_an_operators_max_calls_but_those_that_tidy_up(marketo, tmp_path, most, deferrable):
    instance = marketo()
    context = task_context(StateStore())
    deferrals: list = []

    def task():
        """Return the operator as Airflow makes it in a new process."""
        replace_runtime(TaskRuntime())
        context["ti"].task = extract(tmp_path, file_format="csv", deferrable=deferrable, max_calls=most)
        return context["ti"].task

    error = f"^max_calls: .* the {most} calls that this task may make are used up"
    with set_current_context(context), pytest.raises(AirflowFailException, match=error):
        run_task(task, context, deferrals.append)
    calls = Counter(instance.report().calls)
    assert calls.pop("bulk_export_activities.cancel_job") > 0
    del calls["identity.post_token"]
    if deferrals:  # calls of the triggerer are not the task's
        del calls["bulk_export_activities.get_jobs"]
    assert calls.total() == most
    assert bool(deferrals) is deferrable


@pytest.mark.parametrize("choice", ["defer", "fail"])
def test_extracts_stop_at_the_reserve_as_the_author_chose(marketo, tmp_path, choice):
    instance = marketo({"daily_quota": 1000, "reserve": 100}, time_scale=1)
    instance.spend(calls=950)
    hook = MarketoHook("marketo_default")
    hook.get_conn().governor.tell_used(951, 900)
    task = extract(tmp_path, file_format="csv", on_quota_exhausted=choice)
    with pytest.raises(TaskDeferred if choice == "defer" else MarketoQuotaExhaustedError) as caught:
        task.execute(task_context(StateStore()))
    if choice == "defer":
        assert caught.value.trigger.moment > datetime.now(caught.value.trigger.moment.tzinfo)
    else:
        assert "bulk jobs and streams leave the rest to other calls" in str(caught.value)
    assert instance.jobs() == []


def test_usage_is_counted_over_deferrals(monkeypatch):
    class Instance:
        task_id, map_index = "a_task", -1
        xcoms: dict = {}  # noqa: RUF012

        def xcom_push(self, key, value):
            self.xcoms[key] = json.loads(json.dumps(value))

        def xcom_pull(self, *, task_ids, map_indexes, key):
            return self.xcoms.get(key)

    ti = Instance()
    task = RunningTask("a_dag", "a_task", "marketo", 1, max_calls=3)
    monkeypatch.setattr(usage, "get_current_context", lambda: {"ti": ti})
    replace_runtime(TaskRuntime(lambda: task))
    before = usage.tally_of("marketo_default", lambda *_: None)
    before.begin("leads.describe")
    before.add_rows(7)
    before.rejected["606"] += 1
    usage.keep_usage()

    replace_runtime(TaskRuntime(lambda: task))  # another process
    usage.recall_usage(ti)
    after = usage.tally_of("marketo_default", lambda *_: None)
    after.begin("leads.describe")
    assert (after.calls, after.rows, after.rejected["606"], after.max_calls) == (2, 7, 1, 3)
