"""OpenLineage copies attributes of operators by their names: none of them holds lead data, for any arguments."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.utils.state import TaskInstanceState

from airflow_provider_marketo.operators.hidden import hide
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from tests.simulated import marketo
from tests.support import task_context
from tests.test_public_arguments import OPERATORS, SAMPLES_OF, sample
from tools.arguments_page import arguments

__all__ = ["marketo"]

HOSTILE = "ada@example.com and Bearer 0123-a-token"
HIDDEN = ("parameters",)
"""Arguments that common.sql names and OpenLineage copies: their values are hidden."""


@pytest.fixture
def openlineage(monkeypatch) -> Any:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
    manager = pytest.importorskip("airflow.providers.openlineage.extractors.manager", reason="only on Airflow 3.3")
    from airflow.providers.openlineage.utils import utils

    return SimpleNamespace(manager=manager.ExtractorManager(), utils=utils)


def filled_in(kind: type[BaseOperator]) -> Any:
    """Return a task whose every argument holds lead data, as one with rendered templates may."""
    given = {name: sample(name, one) for name, one in arguments(kind).items() if one.default is one.empty}
    with DAG("a_dag", schedule=None):
        task = kind(task_id="a_task", **given, **SAMPLES_OF.get(kind.__name__, {}))
    for name in arguments(kind):
        if name in vars(task):
            vars(task)[name] = hide([HOSTILE]) if name in HIDDEN else [HOSTILE]
    assert [HOSTILE] in list(vars(task).values())
    return task


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_no_argument_is_in_the_events_or_the_debug_log(kind, openlineage, caplog):
    caplog.set_level(logging.DEBUG)
    task = filled_in(kind)
    # Airflow's own attributes, such as deferrable and retries, are not about leads.
    for name in set(vars(task)) & set(openlineage.utils.TaskInfo.includes):
        if vars(task)[name] == [HOSTILE]:
            assert name == "deferrable"
            vars(task)[name] = False
    run = SimpleNamespace(run_id="a_run")
    context = task_context()
    shown: list[Any] = [dict(openlineage.utils.TaskInfo(task)), repr(task), str(task)]
    shown.append(openlineage.utils.get_unknown_source_attribute_run_facet(task=task))
    for state in (TaskInstanceState.RUNNING, TaskInstanceState.SUCCESS, TaskInstanceState.FAILED):
        found = openlineage.manager.extract_metadata(
            dagrun=run, task=task, task_instance_state=state, task_instance=context["ti"]
        )
        shown.append(repr(found))
    text = json.dumps(shown, default=str) + caplog.text
    assert "ada@example.com" not in text
    assert "0123-a-token" not in text


def test_not_even_the_full_task_info_holds_the_secret(marketo, openlineage):
    instance = marketo()
    task = MarketoGetLeadsOperator(task_id="a_task", lookup_field="id", lookup_values=[1001])
    task.execute(task_context())
    assert "hook" in vars(task)
    shown = json.dumps(dict(openlineage.utils.TaskInfoComplete(task)), default=repr)
    assert instance.client_secret not in shown
