"""Values for the placeholders of a statement may be addresses: only the database sees them."""

from __future__ import annotations

import copy
import json
import logging

import pytest
from airflow.sdk import DAG
from airflow.serialization import serialized_objects

from airflow_provider_marketo.operators.hidden import Hidden
from airflow_provider_marketo.transfers.sql_to_marketo import SqlToMarketoOperator

ADDRESS = "ada@example.com"
GIVEN = [(ADDRESS,), [ADDRESS], {"mail": ADDRESS}, json.dumps([ADDRESS])]

SERIALIZATION = getattr(serialized_objects, "DagSerialization", None) or getattr(serialized_objects, "SerializedDAG")  # noqa: B009
"""Airflow 3.1 has both in one class."""


def operator(parameters, **arguments) -> SqlToMarketoOperator:
    return SqlToMarketoOperator(
        task_id="a_task", sql="SELECT 1", sql_conn_id="db", rejects_path="/tmp/x", parameters=parameters, **arguments
    )


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_nothing_that_shows_attributes_shows_them(given, caplog):
    caplog.set_level(logging.DEBUG)
    with DAG("a_dag", schedule=None) as dag:
        task = operator(given)
    task_info = pytest.importorskip("airflow.providers.openlineage.utils.utils").TaskInfo
    shown = [
        json.dumps(SERIALIZATION.to_dict(dag)),
        json.dumps(dict(task_info(task)), default=str),
        repr(task.parameters),
        f"{task.parameters} %s" % task.parameters,
        json.dumps(task.parameters),
        caplog.text,
    ]
    assert not [text for text in shown if ADDRESS in text]
    assert task_info(task)["parameters"] == "***"


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_the_statement_gets_them(given):
    found = operator(given).argument("parameters")
    assert list(found.values() if isinstance(found, dict) else found) == [ADDRESS]


def test_templates_are_rendered_behind_the_stars():
    task = operator({"mail": "{{ mail }}"})
    task.render_template_fields({"mail": ADDRESS})
    assert (task.parameters, type(task.parameters)) == ("***", Hidden)
    assert task.argument("parameters") == {"mail": ADDRESS}


def test_a_copy_has_the_same_value():
    assert list(copy.deepcopy(operator([ADDRESS])).argument("parameters")) == [ADDRESS]


def test_no_parameters_stay_none():
    assert operator(None).parameters is None
