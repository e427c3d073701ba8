"""Every listing has every object of the instance exactly once, over several pages, with the types that it promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, get_args

import pyarrow.parquet as pq
import pytest

from airflow_provider_marketo.choices import AssetType, ListingObject, ObjectName, SyncObject
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.bulk.objects import OBJECTS
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.listings.table import DEFAULT, LISTINGS
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.output.manifest import FULL, read_manifest
from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.streams.feeds import FEEDS
from tests.listings.support import dataset, with_pages_of
from tests.support import ManualClock, task_context

NEW = {
    "programs.update_metadata": [
        {"id": 1001, "tags": [{"tagType": "Region", "tagValue": "EMEA"}]},
        {"id": 1002, "costs": [{"startDate": "2026-01-01", "cost": cost} for cost in (10, 20)]},
    ],
    "landing_page_redirect_rules.create": [
        {
            "hostname": "go.example.com",
            "redirectFrom": {"type": "path", "value": f"page-{number}"},
            "redirectTo": {"type": "url", "value": "https://example.com"},
        }
        for number in range(3)
    ],
}
"""Records that a new instance of the simulator lacks."""


TABLES = [name for name, listing in LISTINGS.items() if not listing.looked_up_by]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Every table of one instance, read in pages of two."""
    folder = tmp_path_factory.mktemp("listed")
    settings = Settings(leads=40, activities=40, custom_objects=1, assets=1, limits=False)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        simulator = stack.enter_context(Simulator(settings))
        governor = LocalGovernor(parallel=10, rate_limit=100_000, clock=ManualClock())
        client = MarketoClient(simulator.url, simulator.client_id, simulator.client_secret, governor=governor)
        for operation, calls in NEW.items():
            for arguments in calls:
                client.call(operation, **arguments)
        with_pages_of(patch, 2)
        patch.setattr(MarketoHook, "get_conn", lambda hook: client)
        patch.setattr(MarketoHook, "settings", SimpleNamespace(hash_key=lambda fields: None))
        operator = MarketoListingOperator(
            task_id="a_task", output_path=str(folder), object_types=TABLES, on_type_error="fail"
        )
        manifest = read_manifest(operator.execute(task_context()))
        yield SimpleNamespace(folder=folder, manifest=manifest, simulator=simulator, client=client)


def objects(listed: SimpleNamespace) -> dict[str, set[Any]]:
    """Return the keys of all objects of the instance, by table."""
    store, call = listed.simulator.instance.store, listed.client.call
    assets = store.assets
    found: dict[str, set[Any]] = {}
    for family, records in assets.by_family.items():
        drafts = family in LISTINGS and LISTINGS[family].versions
        found[family] = {
            (number, version) if drafts else (number,)
            for number, asset in records.items()
            for version, content in (("approved", asset.live), ("draft", asset.draft))
            if content is not None
        }
    found["email_versions"] = {
        (number, version, assets.find("emails", number).updated) for number, version in found["emails"]
    }
    found["folders"] = {(number, "Folder") for number in assets.folders}
    found["folders"] |= {(number, "Program") for (number,) in found["programs"]}
    found["landing_page_redirect_rules"] = {(number,) for number in assets.rules}
    found["list_members"] = {
        (number, lead) for (number,) in found["static_lists"] for lead in store.list_members("staticListId", number)
    }
    found["program_tags"] = {(1001, "Region")}
    found["program_costs"] = {(1002, 1), (1002, 2)}
    found["smart_list_rules"] = {(5002, 1)}
    found["lead_fields"] = {(record["id"],) for record in call("leads.describe").records}
    types = call("activities.get_types").records
    found["activity_types"] = {(kind["id"],) for kind in types}
    found["activity_type_attributes"] = {(kind["id"], each["name"]) for kind in types for each in kind["attributes"]}
    found["custom_object_types"] = {(name,) for name in store.custom_objects}
    found["lead_partitions"] = {(1,), (2,)}
    return found


def keys(listed: SimpleNamespace, name: str) -> list[tuple[Any, ...]]:
    (file,) = listed.manifest.files_of(dataset(listed.manifest, name))
    table = pq.read_table(listed.folder / file.name)
    assert (table.num_rows, table.column_names) == (file.rows, [one.name for one in LISTINGS[name].columns])
    return list(zip(*(table.column(column).to_pylist() for column in LISTINGS[name].key), strict=True))


def comparable(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(int(value.timestamp()) if hasattr(value, "timestamp") else value for value in key)


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"api_errors", "asset_changes"}))  # these are empty
def test_every_object_is_in_its_table_once(listed: SimpleNamespace, name: str) -> None:
    found = list(map(comparable, keys(listed, name)))
    assert len(found) == len(set(found)) > 0
    expected = objects(listed).get(name)
    assert expected is None or set(found) == expected


@pytest.mark.parametrize("name", TABLES)
def test_the_manifest_has_the_types_that_the_files_have(listed: SimpleNamespace, name: str) -> None:
    described = dataset(listed.manifest, name)
    assert (described.key, described.folder) == (LISTINGS[name].key, name)
    assert (described.kind == FULL) == LISTINGS[name].complete
    for file in listed.manifest.files_of(described):
        schema = pq.read_schema(listed.folder / file.name)
        assert [(each.name, each.type) for each in described.columns] == [(f.name, str(f.type)) for f in schema]


def test_values_lie_where_the_columns_say(listed: SimpleNamespace) -> None:
    campaign = next(row for row in table(listed, "smart_campaigns") if row["id"] == 2001)
    assert (campaign["parentProgramId"], campaign["folderId"], campaign["folderType"]) == (1001, 1001, "Program")
    assert (campaign["isActive"], campaign["url"]) == (True, "https://app-sim.marketo.com/#SC2001A1")
    field = next(row for row in table(listed, "lead_fields") if row["restName"] == "email")
    assert (field["soapName"], field["restReadOnly"], field["dataType"]) == ("Email", False, "email")
    rule = table(listed, "smart_list_rules")[0]
    assert (rule["name"], '"values": ["Qualified"]' in rule["conditions"]) == ("Lead Status", True)
    cost = table(listed, "program_costs")[0]
    assert (cost["cost"], cost["startDate"].isoformat()) == (10, "2026-01-01T00:00:00+00:00")


def test_it_takes_the_calls_that_its_pages_and_rows_need(listed: SimpleNamespace) -> None:
    """With paging by offset, the last page is empty. Tables with one source share its calls."""
    calls = listed.simulator.report().calls
    sizes = {name: len(found) for name, found in objects(listed).items()}
    assert calls["programs.get"] == -(-sizes["programs"] // 2) + 1
    assert calls["programs.get_by_id"] == calls["tokens.get_by_folder_id"] - sizes["folders"] == sizes["programs"]
    assert calls["form_fields.get_fields_for_form"] == sizes["forms"]


def table(listed: SimpleNamespace, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(listed.folder / name / f"{name}.parquet").to_pylist()
    return rows


def test_authors_write_the_names_of_the_tables() -> None:
    assert get_args(ListingObject) == tuple(LISTINGS)


def test_objects_have_one_name_wherever_they_are_named() -> None:
    assert set(get_args(ObjectName)) == {*OBJECTS, *FEEDS, *LISTINGS, *get_args(SyncObject)}
    assert {name for name in get_args(AssetType) if not name.endswith("_v2")} <= set(LISTINGS)


def test_only_segments_take_a_call_per_row_unless_they_are_named() -> None:
    assert [name for name in DEFAULT if LISTINGS[name].cost == "row"] == ["segments"]


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_agrees_with_the_catalogue(name: str) -> None:
    listing = LISTINGS[name]
    known = operations.get(listing.operation).parameters
    assert listing.describe or set(listing.key) <= {column.name for column in listing.columns}
    assert {*listing.parameters, *listing.asks_with, *listing.page} <= set(known)
    assert not listing.versions or "draft" in known["status"].schema.enum
    assert listing.parent is None or LISTINGS[listing.parent].parent is None
