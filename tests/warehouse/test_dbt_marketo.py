"""The models of ``dbt_marketo``, unchanged, run by dbt over the views with Fivetran's names."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import BaseHook

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.warehouse.engines import connect
from tests.operators.importing import governed
from tests.simulated import marketo
from tests.task_groups.test_warehouse import Run, group
from tests.warehouse.conftest import DATABASES, databases, drop_schema

__all__ = ["governed", "marketo"]

PACKAGES, DBT = os.environ.get("DBT_MARKETO"), os.environ.get("DBT")
pytestmark = [
    pytest.mark.slow(reason="dbt runs all models twice"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (PACKAGES and DBT), reason="DBT_MARKETO and DBT do not name dbt's packages and its program"),
    pytest.mark.parametrize("kind", databases("duckdb", "postgres")),
    pytest.mark.xdist_group("the schema of the views"),
]

VIEWS = "marketo_fivetran"
TABLES = ("leads", "activities", "reference", "removals")
"""The sources of the task group that the models read."""

TODAY = datetime.now(timezone.utc).date()
SINCE = TODAY - timedelta(days=30)
"""The models have a row for each lead and each day until today, so the leads are young."""

COUNTS = {"opens": 10, "bounces": 8, "clicks": 11, "deliveries": 7, "unsubscribes": 9}
"""The columns of the models that count activities of e-mails, and the type of these activities."""

MODELS = {
    f"marketo__{each}" for each in ("leads", "email_sends", "lead_history", "email_templates", "campaigns", "programs")
}


class Dbt:
    """A dbt project that has nothing but the packages, and the database that its profile leads to."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        folder.mkdir()
        project = {
            "name": "of_a_test",
            "profile": "wh",
            "packages-install-path": str(Path(PACKAGES or "").resolve()),
            "flags": {"send_anonymous_usage_stats": False},
            "vars": {"marketo_schema": VIEWS},
        }
        (folder / "dbt_project.yml").write_text(json.dumps(project))
        (folder / "profiles.yml").write_text(
            json.dumps({"wh": {"target": "wh", "outputs": {"wh": self._profile(kind)}}})
        )

    @staticmethod
    def _profile(kind: str) -> dict:
        connection = BaseHook.get_connection("wh")
        common = {"type": kind, "schema": "dbt", "threads": 1}
        if kind == "duckdb":
            return {**common, "path": connection.host}
        parts = {"user": "login", "password": "password", "host": "host", "port": "port", "dbname": "schema"}
        return {**common, **{name: getattr(connection, part) or "" for name, part in parts.items()}}

    def build(self, *options: str) -> set[str]:
        """Run all models and tests; return the names of the models. None of them may fail or be skipped."""
        arguments = [DBT, "build", "--project-dir", ".", "--profiles-dir", ".", *options]
        subprocess.run(arguments, cwd=self.folder, check=False, timeout=600)
        results = json.loads((self.folder / "target/run_results.json").read_text())["results"]
        failed = {each["unique_id"]: each["message"] for each in results if each["status"] not in ("success", "pass")}
        assert failed == {}
        return {each["unique_id"].rpartition(".")[2] for each in results if each["status"] == "success"}


@pytest.fixture
def warehouse(kind, tmp_path, monkeypatch):
    """An empty database, what asks it, and a dbt project on it."""
    monkeypatch.setattr(variables, "read_json", lambda *_, **__: None)
    monkeypatch.setattr(variables, "write_json", lambda *_, **__: None)
    monkeypatch.setenv("AIRFLOW_CONN_WH", DATABASES[kind].connection(tmp_path))
    for schema in ("marketo", VIEWS, "dbt_marketo", "dbt_marketo_source"):
        with closing(connect("wh", schema)) as engine:
            drop_schema(engine)

    def query(sql: str):
        with closing(connect("wh", "dbt_marketo")) as engine:
            return engine.query(sql)

    return SimpleNamespace(query=query, dbt=Dbt(tmp_path / "dbt", kind))


def load(tmp_path, run_id: str, *sources: str) -> None:
    run = Run(group(tmp_path, fivetran_schema=VIEWS, start=SINCE.isoformat()), run_id)
    run.one("ranges")
    for source in sources:
        run.one(f"extract_{source}")
        run.one(f"load_{source}")


def second(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc).timestamp())


def send_emails(store) -> None:
    """Send e-mails that are opened, clicked, bounced or unsubscribed from: no generated opening has its sending."""
    emails, campaigns = (list(store.assets.by_family[family]) for family in ("emails", "smart_campaigns"))
    for number, lead in enumerate(sorted(store.leads.keys())[:20]):
        happened = [6, 8] if number % 5 == 0 else [6, 7, *[10] * (number % 3), *[11] * (number % 2)]
        happened += [9] if number == 7 else []
        for hour, kind in enumerate(happened):
            store.activities.add(
                second(TODAY - timedelta(days=9)) + 3600 * hour,
                lead,
                kind,
                primary_id=emails[number % len(emails)],
                primary="An e-mail",
                campaign_id=campaigns[number % len(campaigns)],
                attributes={"Campaign Run ID": 100 + number},
            )


def change_status(store) -> tuple[int, dict[date, str | None]]:
    """Change a lead's status three times, once to nothing; return the lead, and its status at the end of each day."""
    field = store.activities.field_ids["leadStatus"]
    changed = {each.lead_id for each in store.activities.between(0, 2**33, [types.CHANGE_DATA])}
    lead = next(each for each in sorted(store.leads.keys()) if each not in changed)
    values = [None, "New", None, store.leads.get(lead)["leadStatus"]]
    days = [TODAY - timedelta(days=ago) for ago in (15, 10, 4)]
    for day, old, new in zip(days, values, values[1:], strict=False):
        attributes = {"Old Value": old, "New Value": new}
        store.activities.add(
            second(day), lead, types.CHANGE_DATA, primary_id=field, primary="Lead Status", attributes=attributes
        )
    created = date.fromisoformat(store.leads.get(lead)["createdAt"][:10])
    all_days = [created + timedelta(days=number) for number in range((TODAY - created).days)]
    return lead, {day: values[sum(each <= day for each in days)] for day in all_days}


def emails_sent(store) -> dict[tuple, tuple[int, ...]]:
    """Return what became of each e-mail: by lead, campaign, e-mail and run, in the order of :data:`COUNTS`."""
    happened = Counter(
        (each.type_id, (each.lead_id, each.campaign_id, each.primary_id, each.attributes.get("Campaign Run ID")))
        for each in store.activities.between(0, 2**33)
    )
    sends = [send for kind, send in happened if kind == types.SEND_EMAIL]
    return {send: tuple(happened[kind, send] for kind in COUNTS.values()) for send in sends}


def approved(store) -> list[int]:
    return [each for each, email in store.assets.by_family["emails"].items() if email.live is not None]


def totals(sent, group_of) -> dict:
    """Return the sums of what became of e-mails, by group: how many were sent, and then each count."""
    found: dict = {}
    for send, counts in sent.items():
        before = found.get(group_of(*send), (0,) * (1 + len(COUNTS)))
        found[group_of(*send)] = tuple(map(sum, zip(before, (1, *counts), strict=True)))
    return found


def model(warehouse, name: str, *columns: str) -> list[tuple]:
    counts = ("count_sends", *(f"count_{each}" for each in COUNTS))
    wanted = ", ".join(each for column in columns for each in (counts if column == "counts" else [column]))
    return warehouse.query(f"SELECT {wanted} FROM dbt_marketo.marketo__{name} ORDER BY 1")


def by_group(rows) -> dict:
    return {key: tuple(map(int, counts)) for key, *counts in rows}


def test_all_models_build_and_agree_with_the_instance(marketo, governed, warehouse, tmp_path):
    instance = marketo(leads=60, activities=600, assets=3, limits=False, leads_since=SINCE, start=SINCE, end=TODAY)
    store = instance.instance.store
    load(tmp_path, "only leads", "leads")
    assert warehouse.dbt.build() >= MODELS
    leads = {each: store.leads.get(each) for each in sorted(store.leads.keys())}
    assert model(warehouse, "leads", "lead_id") == [(each,) for each in leads]
    assert model(warehouse, "email_sends", "lead_id") == model(warehouse, "programs", "program_id") == []
    # An incremental model that was built from nothing has no last day and adds no rows: the next build starts over.
    send_emails(store)
    followed, status = change_status(store)
    gone, winner, loser = list(leads)[-3:]
    client = MarketoClient(instance.url, instance.client_id, instance.client_secret)
    client.call("leads.merge", leadId=winner, leadIds=[loser])
    client.call("leads.delete", input=[{"id": gone}])
    load(tmp_path, "all", *TABLES)
    assert warehouse.dbt.build("--full-refresh") >= MODELS

    leads |= {each: store.leads.get(each) for each in leads if each in store.leads}
    found = model(warehouse, "leads", "lead_id", "email", "company", "is_deleted", "is_merged", "merged_into_lead_id")
    assert [row[:3] for row in found] == [(each, lead["email"], lead["company"]) for each, lead in leads.items()]
    assert [row[0] for row in found if row[3]] == [gone]
    assert [(row[0], row[5]) for row in found if row[4]] == [(winner, str(loser))]

    sent = emails_sent(store)
    key = ("lead_id", "campaign_id", "email_template_id", "campaign_run_id")
    found = model(warehouse, "email_sends", *key, *(f"count_{each}" for each in COUNTS))
    assert {row[:4]: row[4:] for row in found} == sent
    assert len(found) == len(sent)
    zeros = (0,) * (1 + len(COUNTS))
    programs = {
        each: campaign.newest.get("parentProgramId")
        for each, campaign in store.assets.by_family["smart_campaigns"].items()
    }
    for name, column, group_of, known in (
        ("leads", "lead_id", lambda lead, *_: lead, leads),
        ("campaigns", "campaign_id", lambda _, campaign, *__: campaign, programs),
        ("programs", "program_id", lambda _, campaign, *__: programs.get(campaign), store.assets.by_family["programs"]),
        ("email_templates", "email_template_id", lambda _, __, email, *___: email, approved(store)),
    ):
        expected = totals(sent, group_of)
        assert by_group(model(warehouse, name, column, "counts")) == {each: expected.get(each, zeros) for each in known}
        assert any(expected.get(each, zeros) != zeros for each in known), name

    history = warehouse.query(
        f"SELECT date_day, lead_status FROM dbt_marketo.marketo__lead_history WHERE lead_id = {followed}"
        f" AND date_day < DATE '{TODAY}'"
    )
    assert dict(history) == status
