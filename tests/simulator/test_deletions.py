"""A deletion fails the jobs that need the deleted object, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.simulator.problems import ApiError
from tests.simulator.conftest import Make
from tests.simulator.examples import example
from tests.simulator.support import JANUARY, Api, Export, codes
from tests.simulator.world import File, World

LEADS, MEMBERS, OBJECTS = (
    "/bulk/v1/leads.json",
    "/bulk/v1/program/1001/members/import.json",
    "/bulk/v1/customobjects/car_c/import.json",
)


def upload(api: Api, path: str, text: str, **query: Any) -> int:
    file = {"file": ("a.csv", text.encode(), "text/csv")}
    reply = api.send("POST", path, files=file, params={"format": "csv", **query}).json()
    assert reply["success"], reply
    return int(reply["result"][0]["batchId"])


def delete(api: Api, what: str) -> None:
    if "program" in what:
        assert api.post("/rest/asset/v1/smartCampaign/2001/deactivate.json")["success"]
    assert api.post(what)["success"]


@pytest.mark.parametrize(
    ("path", "text", "query", "deletion", "status"),
    [
        (
            MEMBERS,
            "email\nada@example.org\n",
            {"programMemberStatus": "Attended"},
            "/rest/asset/v1/program/1001/delete.json",
            "/bulk/v1/program/members/import/{}/status.json",
        ),
        (
            OBJECTS,
            "vin\nA1\n",
            {},
            "/rest/v1/customobjects/schema/car_c/delete.json",
            "/bulk/v1/customobjects/car_c/import/{}/status.json",
        ),
        (
            LEADS,
            "email\nada@example.org\n",
            {"listId": 1001},
            "/rest/asset/v1/staticList/1001/delete.json",
            "/bulk/v1/leads/batch/{}.json",
        ),
    ],
    ids=["program", "object type", "list"],
)
def test_an_import_whose_target_is_deleted_while_it_waits_fails_and_others_continue(
    api: Api, path: str, text: str, query: dict[str, Any], deletion: str, status: str
):
    doomed = upload(api, path, text, **query)
    other = upload(api, LEADS, "email\ngrace@example.org\n")
    delete(api, deletion)
    api.wait(120)
    (shown,) = api.result(status.format(doomed))

    assert shown["status"] == "Failed"
    assert "not found" in shown["message"]
    assert api.result(f"/bulk/v1/leads/batch/{other}.json")[0]["status"] == "Complete"


@pytest.mark.parametrize(
    ("kind", "fields", "job_filter", "deletion"),
    [
        ("leads", ["id"], {"staticListId": 1001}, "/rest/asset/v1/staticList/1001/delete.json"),
        ("program/members", ["leadId"], {"programId": 1001}, "/rest/asset/v1/program/1001/delete.json"),
        ("customobjects/car_c", ["vin"], {"updatedAt": JANUARY}, "/rest/v1/customobjects/schema/car_c/delete.json"),
    ],
    ids=["list", "program", "object type"],
)
def test_an_export_is_not_enqueued_when_what_it_needs_is_gone_and_does_not_run(
    api: Api, kind: str, fields: list[str], job_filter: dict[str, Any], deletion: str
):
    export = Export(api, kind)
    export_id = export.created(fields, job_filter)
    delete(api, deletion)

    assert codes(export.enqueue(export_id)) == ["1013"]
    api.wait(120)
    assert export.status(export_id)["status"] == "Created"
    assert Export(api, "leads").run(["id"], {"createdAt": JANUARY})


def test_an_export_fails_when_what_it_needs_is_deleted_while_it_waits(make: Make):
    api = make(export_running=1)
    leads = Export(api, "leads")
    first = leads.created(["id"], {"createdAt": JANUARY})
    doomed, last = (leads.created(["id"], each) for each in ({"staticListId": 1001}, {"createdAt": JANUARY}))
    for export_id in (first, doomed, last):
        assert leads.enqueue(export_id)["success"]
    delete(api, "/rest/asset/v1/staticList/1001/delete.json")
    api.wait(600)

    assert [leads.status(each)["status"] for each in (first, doomed, last)] == ["Completed", "Failed", "Completed"]
    assert "List '1001' not found" in leads.status(doomed)["errorMsg"]


DELETIONS = (
    ("smart_campaigns.deactivate", 2001),
    ("programs.delete", 1001),
    ("smart_campaigns.deactivate", 2003),
    ("programs.delete", 1002),
    ("static_lists.delete", 1001),
    ("smart_lists.delete", 5001),
    ("forms.delete", 7001),
    ("smart_campaigns.delete", 2004),
)


@pytest.mark.slow
def test_no_operation_has_a_traceback_after_everything_was_deleted(tmp_path: Path):
    for operation in operations.all_operations():
        if operation.family == "identity":
            continue
        world = World(tmp_path)
        try:
            call = example(world, operation.name)
        except ApiError as error:
            pytest.fail(f"{operation.name}: {error}")
        for deletion, number in DELETIONS:
            ask(world, deletion, {"id": number})
        ask(world, "activities.delete_custom_type", {"apiName": "attendedEvent_c"})
        ask(world, "custom_object_schema.delete_type", {"apiName": "car_c"})
        ask(world, "leads.delete", {"id": [1001, 1002]})
        ask(world, operation.name, call)
        world.clock.advance(600)
        ask(world, "bulk_export_leads.get_jobs", {})
        ask(world, "bulk_import_leads.import", {"file": File(b"email\nada@example.org\n")})


def ask(world: World, name: str, parameters: dict[str, Any]) -> None:
    """Send a call that may be refused."""
    try:
        world.send(name, parameters)
    except Exception as error:
        if type(error).__name__ not in ("ApiError", "HttpError", "IngestionError"):
            raise
