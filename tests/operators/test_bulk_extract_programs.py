"""Members of programs that the author does not name: of all programs, or of those whose memberships changed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.extract.programs import _programs
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.output.manifest import FULL, Manifest, read_manifest
from tests.simulated import POLL, extract
from tests.support import StateStore, run_task, task_context

MEMBERS = {"object_type": "program_members", "fields": ["statusName"], "start": None, "end": None}


@pytest.fixture
def instance(marketo) -> Any:
    return marketo(leads=100, activities=50, assets=9, limits=False)


def members(output, context: dict[str, Any] | None = None, **arguments: Any) -> Manifest:
    given = {**MEMBERS, "poll_interval": POLL, **arguments}
    return read_manifest(run_task(lambda: extract(output, **given), context or task_context(StateStore())))


def enrol(instance: Any, program_id: int) -> tuple[datetime, datetime]:
    """A lead changes its status in a program. Return a span that has this change and no other."""
    start = instance.clock.now().replace(microsecond=0)
    status = "Engaged" if program_id == 1002 else "Attended"
    people = [{"leadId": 1050}]
    MarketoHook().call("program_members.sync_status", programId=program_id, statusName=status, input=people)
    return start, instance.clock.now().replace(microsecond=0) + timedelta(seconds=1)


def test_all_programs_are_exported_ten_to_a_job(instance, tmp_path):
    manifest = members(tmp_path, programs="all")
    programs = sorted(instance.instance.store.assets.by_family["programs"])
    assert [job["filter"]["programIds"] for job in filters(instance)] == [programs[:10], programs[10:]]
    (dataset,) = manifest.datasets
    assert (dataset.kind, dataset.scope) == (FULL, {"programId": tuple(programs)})
    assert manifest.rows == sum(member_count(instance, each) for each in programs)
    assert manifest.start is None


def test_changed_programs_are_exported_whole(instance, tmp_path):
    start, end = enrol(instance, 1001)
    manifest = members(tmp_path, programs="changed", start=start, end=end)
    (dataset,) = manifest.datasets
    assert (dataset.kind, dataset.scope) == (FULL, {"programId": (1001,)})
    assert manifest.rows == member_count(instance, 1001)
    assert (manifest.requested_end, manifest.files[0].name) == (
        f"{end:%Y-%m-%dT%H:%M:%SZ}",
        f"program_members_{start:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}_programs-1001-1001.csv",
    )


def test_a_program_is_exported_when_a_field_of_a_member_has_changed(instance, tmp_path):
    lead = next(instance.instance.store.programs.members(1001))["leadId"]
    start = instance.clock.now().replace(microsecond=0)
    MarketoHook().call("program_members.sync_data", programId=1001, input=[{"leadId": lead, "seatNumber": 77}])
    end = instance.clock.now().replace(microsecond=0) + timedelta(seconds=1)
    manifest = members(tmp_path, programs="changed", start=start, end=end)
    assert manifest.datasets[0].scope == {"programId": (1001,)}


def test_an_activity_may_name_the_program_in_an_attribute():
    attributes = [{"name": "Program ID", "value": "1002"}, {"name": "New Value", "value": "7"}]
    assert list(_programs({"primaryAttributeValue": "Seat", "attributes": attributes})) == [1002]


def test_a_span_without_a_change_exports_nothing(instance, tmp_path):
    end = datetime(2026, 1, 1, 1, tzinfo=timezone.utc)
    manifest = members(tmp_path, programs="changed", start=end - timedelta(seconds=2), end=end)
    assert (manifest.rows, manifest.files, len(instance.jobs())) == (0, (), 0)
    assert manifest.datasets[0].scope == {"programId": ()}


def test_a_program_that_was_deleted_is_left_out(instance, tmp_path):
    start, _ = enrol(instance, 1002)
    _, end = enrol(instance, 1001)
    assets = instance.instance.store.assets
    assets.remove(assets.find("programs", 1002))
    manifest = members(tmp_path, programs="changed", start=start, end=end)
    assert manifest.datasets[0].scope == {"programId": (1001,)}


def test_a_retry_exports_the_programs_of_the_first_try(instance, tmp_path):
    store = StateStore()
    start, end = enrol(instance, 1001)
    end += timedelta(seconds=1)
    arguments = {**MEMBERS, "programs": "changed", "start": start, "end": end, "poll_interval": POLL}
    with pytest.raises(TaskDeferred):
        extract(tmp_path, **arguments).execute(task_context(store))
    before = instance.report().calls["activities.get_lead_activities"]
    manifest = members(tmp_path, task_context(store, try_number=2), programs="changed", start=start, end=end)
    assert instance.report().calls["activities.get_lead_activities"] == before
    assert (manifest.datasets[0].scope, len(instance.jobs())) == ({"programId": (1001,)}, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"programs": "changed"}, "programs='changed' needs a span of time"),
        ({"programs": "all", "filters": {"programIds": [1]}}, "programs and filters.'programIds'. say the same thing"),
        ({"programs": "all", "date_field": "updatedAt"}, "date_field"),
        ({"programs": "all", "object_type": "leads"}, "programs is for program_members only"),
        ({"programs": "changed", "start": "2999-01-01", "end": "2999-01-02"}, "lies in the future"),
    ],
)
def test_what_does_not_go_together_is_refused(instance, tmp_path, arguments, message):
    with pytest.raises(AirflowFailException, match=message):
        members(tmp_path, **arguments)
    assert instance.jobs() == []


def test_another_word_is_refused_when_the_dag_is_parsed(tmp_path):
    with pytest.raises(MarketoInvalidRequestError, match="programs='some' is not one of 'changed', 'all'"):
        extract(tmp_path, **MEMBERS, programs="some")


def member_count(instance: Any, program_id: int) -> int:
    return len(list(instance.instance.store.programs.members(program_id)))


def filters(instance: Any) -> list[dict[str, Any]]:
    with instance.instance.lock:
        return [{"filter": job.filter} for job in instance.instance.exports.all()]
