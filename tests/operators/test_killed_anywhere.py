"""SIGKILL at any moment of a task that writes files: its next try leaves what an undisturbed task leaves."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime
from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.incremental_leads import MarketoIncrementalLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator, MarketoLeadChangesOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from tests.killing import DiskStore, killed_at, moments_of, use_variables
from tests.support import run_task, task_context
from tests.survive.run import _instance
from tests.warehouse.published import published

FIRST = 1001
NEW = [{"email": f"new{number}@example.com", "firstName": str(number)} for number in range(320)]
SPAN = {"start": "2026-03-10T00:00:00Z", "end": "2026-03-12T00:00:00Z"}
_HEX = re.compile(r"[0-9a-f]{12,}")


def bulk_import(folder: Path) -> Any:
    source = folder / "in.csv"
    if not source.exists():
        source.write_text("email\n" + "".join(f"{row['email']}\n" for row in NEW) + "no address\n")
    return MarketoBulkImportOperator(
        task_id="a_task",
        object_type="leads",
        source=str(source),
        rejects_path=f"{folder}/out",
        max_reject_ratio=1.0,
        deferrable=False,
        poll_interval=0.05,
    )


def sync(folder: Path) -> Any:
    rows = [*NEW, {"email": "no address", "firstName": "x"}]
    return MarketoSyncLeadsOperator(
        task_id="a_task", records=rows, rejects_path=f"{folder}/out", max_reject_ratio=1.0, deferrable=False
    )


def custom_activities(folder: Path) -> Any:
    rows = [{"leadId": FIRST + at, "activityDate": "2026-03-10T10:00:00Z", "eventName": "Killed"} for at in range(320)]
    return MarketoCustomActivitiesOperator(
        task_id="a_task",
        activity_type="attendedEvent_c",
        records=rows,
        rejects_path=f"{folder}/out",
        max_reject_ratio=1.0,
        deferrable=False,
    )


def mirror(folder: Path) -> Any:
    return MarketoListMembersOperator(
        task_id="a_task",
        list_id=1001,
        mode="mirror",
        lead_ids=list(range(FIRST, FIRST + 320)),
        max_removals=10_000,
        rejects_path=f"{folder}/out",
        deferrable=False,
    )


def campaign(folder: Path) -> Any:
    return MarketoTriggerCampaignOperator(
        task_id="a_task",
        campaign_id=2001,
        records=[{"leadId": FIRST + at} for at in range(150)],
        max_audience=None,
        rejects_path=f"{folder}/out",
        ledger=f"{folder}/ledger",
    )


def erase(folder: Path) -> Any:
    return MarketoEraseLeadsOperator(
        task_id="a_task",
        lead_ids=[1490],
        confirm=True,
        allow_none_found=True,
        evidence=f"{folder}/out",
    )


def activities(folder: Path) -> Any:
    return MarketoActivitiesOperator(
        task_id="a_task", stream="s", output_path=f"{folder}/out", file_format="jsonl", **SPAN
    )


def lead_changes(folder: Path) -> Any:
    return MarketoLeadChangesOperator(
        task_id="a_task", stream="s", fields=["email"], output_path=f"{folder}/out", **SPAN
    )


def incremental(folder: Path) -> Any:
    return MarketoIncrementalLeadsOperator(
        task_id="a_task",
        output_path=f"{folder}/out",
        fields=["id", "email"],
        deferrable=False,
        poll_interval=0.05,
        **SPAN,
    )


def extract(folder: Path) -> Any:
    return MarketoBulkExtractOperator(
        task_id="a_task",
        object_type="leads",
        date_field="createdAt",
        fields=["id", "email"],
        output_path=f"{folder}/out",
        deferrable=False,
        poll_interval=0.05,
        **SPAN,
    )


def leads(folder: Path) -> Any:
    return MarketoGetLeadsOperator(
        task_id="a_task", lookup_field="id", lookup_values=list(range(FIRST, FIRST + 310)), output_path=f"{folder}/out"
    )


def listing(folder: Path) -> Any:
    return MarketoListingOperator(
        task_id="a_task", object_types=["programs", "static_lists", "smart_campaigns"], output_path=f"{folder}/out"
    )


def warehouse(folder: Path) -> Any:
    if not (folder / "out").exists():
        published(
            folder / "out", [(number, f"{number}@example.com", 1, "2026-01-02T00:00:00Z") for number in range(50)]
        )
    return MarketoToSqlOperator(
        task_id="a_task", manifest=f"{folder}/out/_marketo/manifests/leads.json", sql_conn_id="wh", table="leads"
    )


WORKS: dict[str, Callable[[Path], Any]] = {
    "bulk import": bulk_import,
    "sync": sync,
    "custom activities": custom_activities,
    "mirror of a list": mirror,
    "campaign from rows": campaign,
    "erasure": erase,
    "stream of activities": activities,
    "lead changes": lead_changes,
    "incremental leads": incremental,
    "extract": extract,
    "leads": leads,
    "listing": listing,
    "load of a warehouse": warehouse,
}


class Place:
    """
    The folders, states and Variables of one task.

    :param root: an empty folder.
    :param has_store: whether Airflow has a state store for tasks, as from 3.3 on.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *, has_store: bool) -> None:
        self.root = root
        self.folder = root / "folder"
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir(parents=True)
        self._states = DiskStore(root / "states.json")
        self._assets = DiskStore(root / "assets.json") if has_store else None
        self._has_store = has_store
        use_variables(monkeypatch, DiskStore(root / "variables.json"))
        monkeypatch.setattr(tempfile, "tempdir", str(self.temporary))
        wh = {"conn_type": "duckdb", "host": f"{self.folder}/wh.duckdb"}
        monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps(wh))

    def undisturbed(self, make: Callable[[Path], Any]) -> tuple[list[str], int]:
        """Run a task to its end; return the names of the files that are there, and how many moments it had."""
        make(self.folder)  # writes what the task reads
        count = moments_of(self.folder, lambda: self._run(make))
        return self._files(), count

    def killed(self, make: Callable[[Path], Any], moment: int) -> tuple[bool, list[str]]:
        """Kill a task at a moment, run its next try, and return the names of the files that are there."""
        make(self.folder)
        killed = killed_at(moment, self.folder, lambda: self._run(make))
        self._run(make, try_number=2)
        return killed, self._files()

    def _run(self, make: Callable[[Path], Any], try_number: int = 1) -> Any:
        replace_runtime(TaskRuntime())
        context = task_context(self._states if self._has_store else None, try_number=try_number, max_tries=3)
        context["ti"].task = SimpleNamespace(outlets=[Asset("killed")])
        if self._assets is not None:
            context["asset_state_store"] = self._assets
        return run_task(lambda: make(self.folder), context)

    def _files(self) -> list[str]:
        names = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        # A claim of a dead process is harmless: it holds the name of the process, and the ledger prunes it.
        return sorted(_HEX.sub("#", str(name)) for name in names if not name.name.endswith("_claim.json"))


@pytest.fixture(scope="module")
def instance() -> Iterator[None]:
    """An instance that answers all tests of this file: a killed task leaves it as usable as it was."""
    with _instance():
        yield


@pytest.mark.usefixtures("instance")
@pytest.mark.parametrize("name", WORKS)
def test_the_next_try_leaves_what_an_undisturbed_task_leaves(tmp_path, monkeypatch, name):
    # Each work is killed at another moment, and every second one has a state store. The moments cover a task's life.
    make, number = WORKS[name], list(WORKS).index(name)
    has_store = bool(number % 2)
    wanted, moments = Place(tmp_path / "undisturbed", monkeypatch, has_store=has_store).undisturbed(make)
    moment = max(1, moments * (number + 1) // (len(WORKS) + 1))
    killed, left = Place(tmp_path / "killed", monkeypatch, has_store=has_store).killed(make, moment)
    assert killed
    assert left == wanted
