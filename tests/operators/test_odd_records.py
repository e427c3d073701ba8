"""
Replies that Marketo does not document: each is a typed error, or is counted as unknown; never a bare exception.

Members of records are changed one by one. Each run also changes a sample of the other members: those inside members
of records, and those of the reply around the records. The name of the task chooses the sample. ``ODD_MEMBERS=1000``
changes everything and takes a quarter of an hour.
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowSensorTimeout

from airflow_provider_marketo.client import answer
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.records import ReplyRecord
from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.incremental_leads import MarketoIncrementalLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from airflow_provider_marketo.operators.streams import (
    MarketoActivitiesOperator,
    MarketoDeletedLeadsOperator,
    MarketoLeadChangesOperator,
    MarketoMergedLeadsOperator,
)
from airflow_provider_marketo.operators.sync import MarketoSyncOperator
from airflow_provider_marketo.sensors.activities import MarketoActivitySensor
from airflow_provider_marketo.sensors.assets import MarketoAssetSensor
from airflow_provider_marketo.sensors.campaigns import MarketoCampaignRunSensor
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor
from airflow_provider_marketo.sensors.members import MarketoListMembershipSensor, MarketoProgramMemberSensor
from tests.operators.importing import governed
from tests.operators.test_stop import WRITERS
from tests.streams.conftest import variables
from tests.support import StateStore, run_task, task_context

__all__ = ["governed", "variables"]

ALIKE = frozenset({"bulk_import_leads.import", "programs.get", "static_list_membership.remove_from_list"})
"""Operations whose replies are read like others here, or that have tests of odd replies elsewhere (bulk imports)."""

AT_ONCE = {"poke_interval": 0.01, "timeout": 0.0}
SPAN = {"start": "", "stream": "s"}
TASKS: dict[str, tuple[Any, dict[str, Any]]] = {
    **{name: task for name, task in WRITERS.items() if name not in ALIKE},
    "leads of a list": (MarketoGetLeadsOperator, {"list_id": 1001}),
    "leads of a program": (MarketoGetLeadsOperator, {"program_id": 1001}),
    "leads to files": (
        MarketoGetLeadsOperator,
        {"lookup_field": "id", "lookup_values": [1001, 1002], "output_path": ""},
    ),
    "activities": (MarketoActivitiesOperator, SPAN),
    "merged leads": (MarketoMergedLeadsOperator, SPAN),
    "change feed": (MarketoIncrementalLeadsOperator, {"start": "", "mode": "change_feed", "fields": ["email"]}),
    "sensor of activities": (MarketoActivitySensor, {"activity_types": "Click Email", **AT_ONCE}),
    "sensor of an asset": (MarketoAssetSensor, {"asset_type": "emails", "asset_id": 3001, **AT_ONCE}),
    "sensor of a campaign": (MarketoCampaignRunSensor, {"campaign_id": 2001, **AT_ONCE}),
    "sensor of a lead": (
        MarketoLeadSensor,
        {"lookup_field": "id", "lookup_values": 1001, "field": "rating", **AT_ONCE},
    ),
    "sensor of a list": (MarketoListMembershipSensor, {"list_id": 1001, "lead_ids": 1001, **AT_ONCE}),
    "sensor of a program": (MarketoProgramMemberSensor, {"program_id": 1001, "statuses": "Attended", **AT_ONCE}),
    "export": (MarketoBulkExtractOperator, {"start": "", "object_type": "leads", "fields": ["email"]}),
}


MORE_TASKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "custom activities": (
        MarketoCustomActivitiesOperator,
        {
            "activity_type": "attendedEvent_c",
            "records": [{"leadId": 1001, "activityDate": "2026-03-10T10:00:00Z", "eventName": "Odd"}],
        },
    ),
    "campaign from rows": (
        MarketoTriggerCampaignOperator,
        {"campaign_id": 2001, "records": [{"leadId": 1001}], "max_audience": None},
    ),
    "mirror": (
        MarketoListMembersOperator,
        {"list_id": 1001, "lead_ids": [1001, 1002], "mode": "mirror", "max_removals": 1_000},
    ),
    "custom objects": (
        MarketoSyncOperator,
        {"object_type": "custom_objects", "custom_object": "car_c", "records": [{"vin": "1"}]},
    ),
    "lead changes": (MarketoLeadChangesOperator, {**SPAN, "fields": ["email"]}),
    "deleted leads": (MarketoDeletedLeadsOperator, SPAN),
    "export of activities": (MarketoBulkExtractOperator, {"start": "", "object_type": "activities"}),
    "listing of forms": (
        MarketoListingOperator,
        {"object_types": ["form_fields", "program_costs", "smart_list_rules"]},
    ),
    "listing of types": (
        MarketoListingOperator,
        {"object_types": ["custom_object_fields", "activity_type_attributes"]},
    ),
}
"""Tasks that only the test of deeper members runs: tasks of ``TASKS`` read the same records in the same way."""

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
    kind, arguments = (TASKS | MORE_TASKS)[name]
    if "poke_interval" in arguments:
        run_task(kind(task_id="a_task", **arguments), task_context(StateStore()))
        return
    names = [each for each in ("rejects_path", "evidence", "ledger") if each in kind.argument_checks]
    if kind is MarketoTriggerCampaignOperator and "records" not in arguments:
        names.remove("rejects_path")  # it needs rows
    if kind is not MarketoGetLeadsOperator or "output_path" in arguments:
        names += ["output_path"] if "output_path" in kind.argument_checks else []
    arguments = arguments | {each: str(folder / each) for each in names}
    if kind is MarketoBulkExtractOperator:
        arguments |= {"timeout": 0.5, "poll_interval": 0.05, "deferrable": False}
    if "start" in arguments:
        now = instance.clock.now()
        arguments |= {"start": now - timedelta(days=3), "end": now}
    arguments |= {each: arguments[each][:2] for each in ("lead_ids", "lookup_values", "records") if each in arguments}
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


def of_another_type(member: str) -> Any:
    def change(record: Any) -> Any:
        value = record[member]
        other = 7 if isinstance(value, str) else {"a": 1} if isinstance(value, list) else "x"
        return ReplyRecord({**record, member: other})

    return change


def changes_of(record: Any) -> dict[str, Any]:
    """Return what can be wrong with a record."""
    members = record if isinstance(record, dict) else ()
    given = {
        label: change for label, change in CHANGES.items() if label.rpartition(" ")[2] in ("null", "empty", *members)
    }
    return given | {f"has a {member} of another type": of_another_type(member) for member in members}


@pytest.mark.slow(reason="it runs a task for each member of each record")
@pytest.mark.usefixtures("governed", "variables")
@pytest.mark.parametrize("name", TASKS)
def test_every_record_may_lack_anything_or_have_it_of_another_type(name, marketo, tmp_path, monkeypatch):
    """The task ends with a typed error, or counts unknown outcomes: any other exception fails this test."""
    shared = None if name in WRITERS else marketo(leads=10, activities=100)

    def attempt(operation: str, change: Any) -> Damage:
        with monkeypatch.context() as patched:
            damage = Damage(operation, change)
            patched.setattr(answer, "parse_json", damage)
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            with suppress(AirflowSensorTimeout):
                run(name, folder, shared or marketo(leads=10, activities=100))
        return damage

    seen = attempt("", None).seen
    assert seen
    for operation, record in seen.items():
        for change in changes_of(record).values():
            with suppress(MarketoError, AirflowException):
                attempt(operation, change)


SAMPLE = int(os.environ.get("ODD_MEMBERS", "3"))
DEEPEST = 6
Place = tuple[str | int, ...]


class DeepDamage:
    """Changes one place in every reply of one operation."""

    def __init__(self, operation: str = "", place: Place = (), how: str = "") -> None:
        self.operation, self.place, self.how, self.seen = operation, place, how, {}
        self.parse = answer.parse_json

    def __call__(self, operation: str, *arguments: Any) -> Any:
        body = self.parse(operation, *arguments)
        if isinstance(body, dict):
            self.seen.setdefault(operation, copy.deepcopy(body))
            if operation == self.operation:
                with suppress(LookupError, TypeError):  # another reply of the operation has no such place
                    self._spoil(body)
        return body

    def _spoil(self, body: Any) -> None:
        *way, last = self.place
        for step in way:
            body = body[step]
        value = body[last]
        if self.how == "missing":
            del body[last]
        elif self.how == "null":
            body[last] = None
        else:
            body[last] = 7 if isinstance(value, str) else ReplyRecord({"a": 1}) if isinstance(value, list) else "x"


def places(value: Any, way: Place = ()) -> Iterator[Place]:
    """Yield the path to each member of a reply, and to those of the first item of each list."""
    steps = list(value) if isinstance(value, dict) else [0] if isinstance(value, list) and value else []
    for step in steps if len(way) < DEEPEST else ():
        yield (*way, step)
        yield from places(value[step], (*way, step))


def deep_changes(name: str, seen: dict[str, Any]) -> list[tuple[str, Place, str]]:
    """Return at most ``SAMPLE`` changes to a task's replies, none of them to a direct member of a record."""
    found = [
        (operation, place, how)
        for operation, body in sorted(seen.items())
        for place in places(body)
        if place != ("success",) and not (len(place) == 3 and place[0] == "result")
        for how in ("missing", "null", "of another type")
    ]
    return random.Random(name).sample(found, min(SAMPLE, len(found)))


@pytest.mark.slow(reason="it runs a task for each member of a sample")
@pytest.mark.usefixtures("governed", "variables")
@pytest.mark.parametrize("name", [*TASKS, *MORE_TASKS])
def test_deeper_members_may_be_missing_null_or_of_another_type(name, marketo, tmp_path, monkeypatch):
    reads = name not in WRITERS and "records" not in (TASKS | MORE_TASKS)[name][1]
    shared = marketo(leads=10, activities=100) if reads else None

    def attempt(damage: DeepDamage) -> dict[str, Any]:
        with monkeypatch.context() as patched:
            patched.setattr(answer, "parse_json", damage)
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            with suppress(MarketoError, AirflowException):
                run(name, folder, shared or marketo(leads=10, activities=100))
        return damage.seen

    seen = attempt(DeepDamage())
    assert seen
    for change in deep_changes(name, seen):
        attempt(DeepDamage(*change))
