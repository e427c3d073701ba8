"""The tables of all Marketo assets: complete rows, what has changed, and runs that can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.listings.table import ASSETS
from airflow_provider_marketo.output.manifest import CHANGES as ONLY_CHANGES
from airflow_provider_marketo.output.manifest import FULL, Manifest
from tests.listings.support import dataset, rows, run
from tests.operators.importing import governed

__all__ = ["governed"]


class Nightly:
    """The task of a DAG that runs every night."""

    def __init__(self, marketo: Any, output: Path) -> None:
        self.marketo, self.output = marketo, output
        self.night = 0

    def run(self, *, again: bool = False, **arguments: Any) -> Manifest:
        self.night += not again
        return run(self.output, "assets", "asset_changes", run_id=f"night {self.night}", **arguments)

    def rows(self, asset_type: str) -> list[dict[str, Any]]:
        return [row for row in rows(self.output, "assets") if row["assetType"] == asset_type]

    def changes(self) -> set[tuple[str, str, str]]:
        return {(row["change"], row["assetType"], row["name"]) for row in rows(self.output, "asset_changes")}

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


UNAPPROVED = {("unapproved_draft", "snippets", "Snippet 00002")}
CHANGES = UNAPPROVED | {  # what is in the program has another path now
    ("added", "static_lists", "New"),
    ("removed", "static_lists", "Webinar Attendees"),
    ("changed", "programs", "Summer Webinar"),
    ("changed", "emails", "Invitation"),
    ("changed", "snippets", "Snippet 00002"),
    ("changed", "smart_campaigns", "Send Invitation"),
    ("changed", "smart_campaigns", "Weekly Send"),
}


@pytest.fixture
def nightly(marketo, governed, tmp_path) -> Nightly:
    return Nightly(marketo(leads=20, activities=20, assets=3, time_scale=1.0, limits=False), tmp_path)


def test_every_asset_is_in_the_table_once(nightly):
    manifest = nightly.run()
    assert {row["assetType"] for row in rows(nightly.output, "assets")} == set(ASSETS) - {"landing_page_redirect_rules"}
    for asset_type, assets in nightly.assets.by_family.items():
        if asset_type in ASSETS:
            assert sorted(row["id"] for row in nightly.rows(asset_type)) == sorted(assets)
    assert len(nightly.rows("folders")) == len(nightly.assets.folders)
    assert (dataset(manifest, "assets").kind, dataset(manifest, "asset_changes").kind) == (FULL, ONLY_CHANGES)
    assert nightly.marketo.report().violations == {}


def test_a_row_says_where_the_asset_is_and_in_what_state(nightly):
    nightly.run()
    (program,) = [row for row in nightly.rows("programs") if row["name"] == "Spring Webinar"]
    assert program == {
        "assetType": "programs",
        "id": 1001,
        "name": "Spring Webinar",
        "type": "Event",
        "folderPath": "/Marketing Activities",
        "workspace": "Default",
        "status": "",
        "hasDraft": None,
        "createdAt": "2024-03-12T00:00:00Z",
        "updatedAt": "2024-03-12T00:00:00Z",
        "url": "https://app-sim.marketo.com/#PG1001A1",
    }
    places = {row["folderPath"]: (row["status"], row["hasDraft"]) for row in nightly.rows("emails")}
    assert places["/Marketing Activities/Whitepaper: Data & You"] == ("draft", True)


def test_it_costs_no_call_more_than_the_listings_that_it_is_made_of(nightly):
    run(nightly.output / "alone", *ASSETS)
    before = sum(count for name, count in nightly.marketo.report().calls.items() if not name.startswith("identity"))
    run(nightly.output / "together", *ASSETS, "assets", "asset_changes")
    after = sum(count for name, count in nightly.marketo.report().calls.items() if not name.startswith("identity"))
    assert after == 2 * before


def test_the_first_run_has_nothing_to_compare_with(nightly):
    nightly.run()
    assert nightly.changes() == set()


def test_the_next_run_says_what_has_changed(nightly):
    nightly.run()
    nightly.change()
    manifest = nightly.run()
    assert nightly.changes() == CHANGES
    (program,) = [row for row in rows(nightly.output, "asset_changes") if row["assetType"] == "programs"]
    assert (program["columns"], program["seenAt"]) == ("name,updatedAt", dataset(manifest, "assets").as_of)
    nightly.run()
    assert nightly.changes() == UNAPPROVED


def test_a_repeated_run_compares_with_the_run_before_it(nightly):
    nightly.run()
    nightly.change()
    nightly.run()
    nightly.run(again=True)
    assert nightly.changes() == CHANGES


def test_a_run_with_a_start_reads_what_changed_and_keeps_the_rest(nightly):
    start = f"{nightly.marketo.instance.clock.now():%Y-%m-%dT00:00:00Z}"
    nightly.run(start=start)  # the first run reads everything
    everything = len(rows(nightly.output, "assets"))
    nightly.change()
    nightly.run(start=start)
    assert len(rows(nightly.output, "assets")) == everything + 1
    assert ("removed", "static_lists", "Webinar Attendees") not in nightly.changes()
    assert ("changed", "programs", "Summer Webinar") in nightly.changes()
    nightly.run()
    assert ("removed", "static_lists", "Webinar Attendees") in nightly.changes()


def test_a_failed_run_is_compared_with_the_run_before_it_by_its_retry(nightly):
    nightly.run()
    nightly.change()
    nightly.marketo.fail("static_lists.get", "603")
    with pytest.raises(AirflowFailException):
        nightly.run()
    nightly.run(again=True)
    assert nightly.changes() == CHANGES


@pytest.mark.parametrize("text", ["", '{"run_id": "night 1"', "[]", "{}"])
def test_a_damaged_record_of_the_run_before_is_named(nightly, text):
    nightly.run()
    index = nightly.output / "_marketo/assets/index.json"
    index.write_text(text)
    calls = nightly.marketo.report().total_calls
    with pytest.raises(AirflowFailException, match=r"index\.json is damaged .*or delete it"):
        nightly.run()
    assert nightly.marketo.report().total_calls == calls
    index.unlink()
    nightly.run()


@pytest.mark.parametrize("kept", [0, 1, -1])
def test_rows_of_the_run_before_that_are_cut_at_the_end_of_a_line_are_damaged(nightly, kept):
    """The assets after the cut would be reported as added."""
    nightly.run()
    (rows,) = (nightly.output / "_marketo/assets").glob("?.jsonl")
    rows.write_bytes(b"".join(rows.read_bytes().splitlines(keepends=True)[:kept]))
    with pytest.raises(AirflowFailException, match=r"\.jsonl is damaged .*Restore it, or delete .*index\.json"):
        nightly.run()


@pytest.mark.parametrize("damage", [None, b"", b"\xff", b'{"assetType": "pro', b"{}\n"])
def test_damaged_rows_of_the_run_before_are_named_and_never_taken_for_none(nightly, damage):
    nightly.run()
    (rows,) = (nightly.output / "_marketo/assets").glob("?.jsonl")
    rows.unlink()
    if damage is not None:
        rows.write_bytes(damage)
    with pytest.raises(AirflowFailException, match=r"\.jsonl is damaged .*Restore it, or delete .*index\.json"):
        nightly.run()
    (nightly.output / "_marketo/assets/index.json").unlink()
    nightly.run()
