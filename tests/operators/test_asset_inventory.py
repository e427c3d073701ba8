"""The inventory: complete tables, what has changed, and runs that can be repeated."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.assets import MarketoAssetInventoryOperator
from tests.support import task_context

TYPES = ["programs", "emails", "snippets", "static_lists"]


class Nightly:
    """The task of a DAG that runs every night."""

    def __init__(self, marketo: Any, output: Path) -> None:
        self.marketo, self.output = marketo, output
        self.night = 0

    def run(self, *, again: bool = False, **arguments: Any) -> dict[str, Any]:
        self.night += not again
        context = task_context()
        context["ti"].run_id = f"night {self.night}"
        given = {"asset_types": TYPES, "output_path": str(self.output), "file_format": "jsonl", **arguments}
        return MarketoAssetInventoryOperator(task_id="a_task", **given).execute(context)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.output / f"{table}.jsonl").read_text("utf-8").splitlines()]

    def changes(self) -> set[tuple[str, str, str]]:
        return {(row["change"], row["asset_type"], row["name"]) for row in self.rows("changes")}

    @property
    def assets(self) -> Any:
        return self.marketo.instance.store.assets

    def change(self) -> None:
        """Something is added, changed, removed, and changed without being approved."""
        now = self.marketo.instance.now
        home = self.assets.find("static_lists", 1001).location
        self.assets.add("static_lists", "New", home, {}, now)
        self.assets.remove(self.assets.find("static_lists", 1002))
        self.assets.change(self.assets.find("programs", 1001), now, "Summer Webinar")
        snippet = next(asset for asset in self.assets.records("snippets") if asset.live is not None)
        self.assets.change(snippet, now, content=[])


CHANGES = {  # the e-mail in the program has another path now
    ("added", "static_lists", "New"),
    ("removed", "static_lists", "Webinar Attendees"),
    ("changed", "programs", "Summer Webinar"),
    ("changed", "emails", "Invitation"),
    ("changed", "snippets", "Snippet 00002"),
    ("unapproved_draft", "snippets", "Snippet 00002"),
}


@pytest.fixture
def nightly(marketo, tmp_path) -> Nightly:
    return Nightly(marketo(assets=3, time_scale=1.0), tmp_path)


def test_every_asset_is_in_the_table_of_its_type_once(nightly):
    done = nightly.run(asset_types=None)
    assert len(done["assets"]) == 14
    for asset_type, assets in nightly.assets.by_family.items():
        if asset_type in done["assets"]:
            assert {row["id"] for row in nightly.rows(asset_type)} == set(assets)
            assert done["assets"][asset_type] == len(assets)
    assert len(nightly.rows("folders")) == len(nightly.assets.folders)
    assert nightly.marketo.report().violations == {}


def test_a_row_says_where_the_asset_is_and_in_what_state(nightly):
    nightly.run()
    (program,) = [row for row in nightly.rows("programs") if row["name"] == "Spring Webinar"]
    assert program == {
        "id": 1001,
        "name": "Spring Webinar",
        "type": "Event",
        "folder_path": "/Marketing Activities",
        "workspace": "Default",
        "status": "",
        "has_draft": None,
        "created": "2024-03-12T00:00:00Z",
        "updated": "2024-03-12T00:00:00Z",
        "url": "https://app-sim.marketo.com/#PG1001A1",
    }
    places = {row["folder_path"]: (row["status"], row["has_draft"]) for row in nightly.rows("emails")}
    assert places["/Marketing Activities/Whitepaper: Data & You"] == ("draft", True)


def test_pages_are_followed_and_rows_written_whole(marketo, tmp_path):
    nightly = Nightly(marketo(assets=450), tmp_path)
    done = nightly.run(asset_types=["snippets"])
    assert done["assets"] == {"snippets": 450}
    approved = sum(asset.live is not None for asset in nightly.assets.records("snippets"))
    assert sum(row["status"] == "approved" for row in nightly.rows("snippets")) == approved


def test_as_many_types_are_read_at_once_as_the_task_has_slots(marketo, tmp_path):
    alone = Nightly(marketo(assets=250, latency=0.02), tmp_path / "alone")
    alone.run()
    together = Nightly(marketo(assets=250, latency=0.02), tmp_path / "together")
    together.run(pool_slots=4)
    assert (alone.marketo.report().peak_concurrency, together.marketo.report().peak_concurrency > 1) == (1, True)
    assert {table: alone.rows(table) for table in TYPES} == {table: together.rows(table) for table in TYPES}


def test_a_type_that_cannot_be_read_stops_the_others(marketo, tmp_path):
    nightly = Nightly(marketo(assets=2_000, latency=0.02), tmp_path)
    nightly.marketo.fail("static_lists.get", "603")
    with pytest.raises(AirflowFailException, match="603"):
        nightly.run(pool_slots=4)
    assert nightly.marketo.report().total_calls < 40  # all pages are 70


def test_the_first_run_has_nothing_to_compare_with(nightly):
    assert nightly.run()["changes"] == {"added": 0, "changed": 0, "removed": 0, "unapproved_draft": 0}


def test_the_next_run_says_what_has_changed(nightly):
    nightly.run()
    nightly.change()
    done = nightly.run()
    assert nightly.changes() == CHANGES
    assert done["changes"] == {"added": 1, "changed": 3, "removed": 1, "unapproved_draft": 1}
    (program,) = [row for row in nightly.rows("changes") if row["asset_type"] == "programs"]
    assert program["columns"] == "name,updated"
    nightly.run()
    assert nightly.changes() == {("unapproved_draft", "snippets", "Snippet 00002")}


def test_a_repeated_run_compares_with_the_run_before_it(nightly):
    nightly.run()
    nightly.change()
    nightly.run()
    nightly.run(again=True)
    assert nightly.changes() == CHANGES


def test_an_incremental_run_reads_what_changed_and_keeps_the_rest(marketo, tmp_path):
    nightly = Nightly(marketo(assets=450, time_scale=1.0), tmp_path)
    nightly.run(asset_types=["static_lists", "programs"])
    before = nightly.marketo.report().calls["static_lists.get"]
    nightly.change()
    done = nightly.run(asset_types=["static_lists", "programs"], incremental=True)
    assert nightly.marketo.report().calls["static_lists.get"] - before == 2
    assert done["assets"]["static_lists"] == 456
    assert nightly.changes() == {("added", "static_lists", "New"), ("changed", "programs", "Summer Webinar")}
    nightly.run(asset_types=["static_lists", "programs"])
    assert nightly.changes() == {("removed", "static_lists", "Webinar Attendees")}


def test_a_failed_run_leaves_the_tables_as_they_were(nightly):
    nightly.run()
    before = {path: path.read_bytes() for path in nightly.output.rglob("*") if path.is_file()}
    nightly.change()
    nightly.marketo.fail("static_lists.get", "603")
    with pytest.raises(AirflowFailException):
        nightly.run()
    assert {path: path.read_bytes() for path in nightly.output.rglob("*") if path.is_file()} == before
    nightly.run(again=True)
    assert nightly.changes() == CHANGES


@pytest.mark.parametrize("text", ["", '{"run_id": "night 1"', "[]", "{}"])
def test_a_damaged_record_of_the_run_before_is_named(nightly, text):
    nightly.run()
    index = nightly.output / "_marketo/inventory/index.json"
    index.write_text(text)
    calls = nightly.marketo.report().total_calls
    with pytest.raises(AirflowFailException, match=r"index\.json, the record of .* is damaged.*Delete this file"):
        nightly.run()
    assert nightly.marketo.report().total_calls == calls
    index.unlink()
    nightly.run()


def test_tables_come_as_csv_and_parquet_too(nightly):
    nightly.run(file_format="csv")
    with (nightly.output / "programs.csv").open(encoding="utf-8", newline="") as file:
        assert {row["name"] for row in csv.DictReader(file)} >= {"Whitepaper: Data & You"}
    nightly.run(file_format="parquet")
    table = pq.read_table(nightly.output / "snippets.parquet")
    assert str(table.schema.field("created").type) == "timestamp[us, tz=UTC]"
    assert table.column("has_draft").to_pylist().count(True) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"asset_types": ["email"]}, "asset_types.*='email' is not one of .*Did you mean 'emails'"),
        ({"file_format": "xml"}, "file_format='xml' is not one of 'parquet', 'jsonl', 'csv'"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(nightly, arguments, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        nightly.run(**arguments)
    assert nightly.marketo.report().total_calls == 0
