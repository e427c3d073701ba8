"""Members of lists and programs, run by run: members leave and return; leads, lists and programs are deleted."""

from __future__ import annotations

import json
import os
from contextlib import closing

import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.resync import resync
from tests.task_groups.test_warehouse import Run, group

SCHEMA = "memberships"
"""A schema that no other test has: all share the database."""

STEPS = (
    "ranges",
    "extract_reference",
    "extract_program_members",
    "extract_custom_objects",
    "extract_removals",
    "load_reference",
    "load_program_members",
    "load_removals",
)


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.services)])
def database(request, tmp_path, monkeypatch):
    in_a_file = json.dumps({"conn_type": "duckdb", "host": str(tmp_path / "wh.db")})
    monkeypatch.setenv("AIRFLOW_CONN_WH", in_a_file if request.param == "duckdb" else os.environ["TEST_POSTGRES"])
    monkeypatch.setattr(variables, "read_json", lambda *_, **__: None)
    monkeypatch.setattr(variables, "write_json", lambda *_, **__: None)
    with closing(connect("wh", SCHEMA)) as engine:
        engine.execute(f'DROP SCHEMA IF EXISTS "{SCHEMA}" CASCADE')


def pairs(table: str, container: str, *, live: bool = True) -> set[tuple[int, int]]:
    condition = "IS NULL" if live else "IS NOT NULL"
    with closing(connect("wh", SCHEMA)) as engine:
        found = engine.query(f"SELECT {container}, lead_id FROM {engine.table(table)} WHERE _deleted_at {condition}")
    return {(int(one), int(other)) for one, other in found}


@pytest.mark.slow(reason="it lists an instance four times")
@pytest.mark.xdist_group("the schema of the task group")
def test_tables_of_members_say_who_is_a_member_now(marketo, governed, database, tmp_path):
    instance = marketo(leads=60, activities=20, assets=3, limits=False)
    client = MarketoClient(instance.url, instance.client_id, instance.client_secret)
    store = instance.instance.store
    tables = {"list_members": {}}
    tasks = group(tmp_path, schema=SCHEMA, tables=tables)
    lists = sorted(store.lists.all)

    def in_lists() -> set[tuple[int, int]]:
        known = store.assets.by_family["static_lists"]
        return {(each, lead) for each in known for lead in store.lists.members(each)}

    def in_programs() -> set[tuple[int, int]]:
        known = store.assets.by_family["programs"]
        return {(each, member["leadId"]) for each in known for member in store.programs.members(each)}

    def run(name: str) -> None:
        one = Run(tasks, name)
        for step in STEPS:
            one.one(step)
        assert pairs("list_members", "list_id") == in_lists(), name
        assert pairs("program_members", "program_id") == in_programs(), name

    run("r1")
    staying = sorted(lead for program, lead in in_programs() if program == 1001)
    leaver, deleted = staying[:2]
    client.call("static_list_membership.add_to_list", listId=lists[0], input=[{"id": leaver}, {"id": deleted}])
    client.call("program_members.delete", programId=1001, input=[{"leadId": leaver}])
    other = sorted(lead for program, lead in in_programs() if program == 1002)[0]
    client.call("program_members.sync_status", programId=1001, statusName="Attended", input=[{"leadId": other}])
    run("r2")
    assert (1001, leaver) in pairs("program_members", "program_id", live=False)

    client.call("static_list_membership.remove_from_list", listId=lists[0], id=[leaver])
    client.call("program_members.sync_status", programId=1001, statusName="Attended", input=[{"leadId": leaver}])
    elsewhere = max(lead for program, lead in in_programs() if program == 1004)
    client.call("leads.delete", input=[{"id": deleted}, {"id": elsewhere}])
    run("r3")
    assert {(1004, elsewhere), (1001, deleted)} <= pairs("program_members", "program_id", live=False)

    client.call("static_list_membership.add_to_list", listId=lists[0], input=[{"id": leaver}])
    for campaign in client.call("smart_campaigns.get", maxReturn=200).records:
        if campaign["parentProgramId"] == 1003 and campaign["isActive"]:
            client.call("smart_campaigns.deactivate", id=campaign["id"])
    client.call("programs.delete", id=1003)
    client.call("static_lists.delete", id=lists[-1])
    resync("wh", SCHEMA, "programs")  # so that r4 reads all reference data, as the first run of a day does
    run("r4")
    assert {1003} <= {program for program, _ in pairs("program_members", "program_id", live=False)}
