"""Records that Marketo does not document: each is a typed error, or is counted as unknown; never a bare exception."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_marketo.client import answer
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.records import ReplyRecord
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.incremental_leads import MarketoIncrementalLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.streams import (
    MarketoActivitiesOperator,
    MarketoMergedLeadsOperator,
)
from tests.operators.importing import governed
from tests.operators.test_stop import WRITERS
from tests.streams.conftest import variables
from tests.support import StateStore, run_task, task_context

__all__ = ["governed", "variables"]

ALIKE = frozenset({"bulk_import_leads.import", "programs.get", "static_list_membership.remove_from_list"})
"""Read like others here, or tested with their own odd answers (bulk imports)."""

SPAN = {"start": "", "stream": "s"}
TASKS: dict[str, tuple[Any, dict[str, Any]]] = {
    **{name: task for name, task in WRITERS.items() if name not in ALIKE},
    "leads of a list": (MarketoGetLeadsOperator, {"list_id": 1001}),
    "leads of a program": (MarketoGetLeadsOperator, {"program_id": 1001}),
    "leads to files": (
        MarketoGetLeadsOperator,
        {"filter_type": "id", "filter_values": [1001, 1002], "output_path": ""},
    ),
    "activities": (MarketoActivitiesOperator, SPAN),
    "merged leads": (MarketoMergedLeadsOperator, SPAN),
    "change feed": (MarketoIncrementalLeadsOperator, {"start": "", "mode": "change_feed", "fields": ["email"]}),
    "export": (MarketoBulkExtractOperator, {"start": "", "object_type": "leads", "fields": ["email"]}),
}


MEMBERS = ("id", "leadId", "status", "name", "exportId", "batchId", "folder")


class Damage:
    """Changes the first record of every reply of one operation."""

    def __init__(self, operation: str, change: Any) -> None:
        self.operation, self.change, self.seen = operation, change, {}
        self.parse = answer.parse_json

    def __call__(self, operation: str, *arguments: Any) -> Any:
        body = self.parse(operation, *arguments)
        result = body.get("result") if isinstance(body, dict) else None
        if isinstance(result, list) and result:
            self.seen.setdefault(operation, result[0])
            if operation == self.operation:
                result[0] = self.change(result[0])
        return body


def run(name: str, folder: Any, instance: Any) -> None:
    kind, arguments = TASKS[name]
    names = [each for each in ("rejects_path", "evidence", "ledger") if each in kind.argument_checks]
    if kind is not MarketoGetLeadsOperator or "output_path" in arguments:
        names += ["output_path"] if "output_path" in kind.argument_checks else []
    arguments = arguments | {each: str(folder / each) for each in names}
    if kind is MarketoBulkExtractOperator:
        arguments |= {"timeout": 0.5, "poll_interval": 0.05, "deferrable": False}
    if "start" in arguments:
        now = instance.clock.now()
        arguments |= {"start": now - timedelta(days=3), "end": now}
    arguments |= {each: arguments[each][:2] for each in ("lead_ids", "filter_values", "records") if each in arguments}
    task = kind(task_id="a_task", **arguments)
    context = task_context(StateStore())
    context["ti"].task = task
    run_task(task, context)


def without(member: str) -> Any:
    return lambda record: ReplyRecord({name: value for name, value in record.items() if name != member})


def null(member: str) -> Any:
    return lambda record: ReplyRecord({**record, member: None})


CHANGES: dict[str, Any] = {
    "is null": lambda _: None,
    "is empty": lambda _: ReplyRecord(),
    "has no id": without("id"),
    **{f"has a null {member}": null(member) for member in MEMBERS},
}


@pytest.mark.slow(reason="it runs a task for each member of each record")
@pytest.mark.usefixtures("governed", "variables")
@pytest.mark.parametrize("name", TASKS)
def test_every_record_may_lack_anything(name, marketo, tmp_path, monkeypatch):
    """The task ends with a typed error, or counts what it was not told: another exception fails this test."""

    def attempt(operation: str, change: Any) -> Damage:
        with monkeypatch.context() as patched:
            damage = Damage(operation, change)
            patched.setattr(answer, "parse_json", damage)
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            run(name, folder, marketo(leads=10, activities=100))
        return damage

    for operation, record in attempt("", None).seen.items():
        for label, change in CHANGES.items():
            if label in ("is null", "is empty") or label.rpartition(" ")[2] in record:
                with suppress(MarketoError, AirflowException):
                    attempt(operation, change)
