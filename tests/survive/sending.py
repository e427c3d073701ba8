"""Jobs that change Marketo: rows, members, campaigns, programs, erasures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator
from airflow_provider_marketo.operators.assets import MarketoCloneProgramOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from tests.simulated import Marketo
from tests.survive.job import DOUBLED, FIRST_LEAD, LOST, POLL, WRONG, Job, differences

TRIGGER, STATIC_LIST = 2001, 1001
CUSTOM_TYPE, CUSTOM_TYPE_ID = "attendedEvent_c", 100_001


class Rows(Job):
    """A job that sends rows and accounts for each."""

    count = 0

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self.count = chance.choice((1, 299, 301, 900))
        self.text += f" of {self.count} rows"

    def how(self) -> dict[str, Any]:
        """Return the arguments that all of them take."""
        return {"task_id": "a_task", "rejects_path": self.url("rejects"), "deferrable": True}

    def account(self, result: Any) -> Iterable[tuple[str, str]]:
        """Check that each row ended as accepted: nothing of the input is wrong."""
        if result is not None and result["accepted"] + result["superseded"] != self.count:
            yield WRONG, f"{self.count} rows entered, and the account says {result['accepted']} accepted"


class Sync(Rows):
    """New leads by the sync endpoint."""

    operations = ("leads.sync", "leads.describe")

    def operator(self) -> Any:
        records = [{"email": f"new{number}@example.com", "firstName": str(number)} for number in range(self.count)]
        return MarketoSyncLeadsOperator(records=records, poll_interval=POLL, **self.how())

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        yield from self.account(result)
        yield from new_leads(self.store.leads, self.count)


class BulkImport(Rows):
    """New leads by bulk import."""

    operations = (
        "bulk_import_leads.import",
        "bulk_import_leads.get_status",
        "bulk_import_leads.get_failures",
        "bulk_import_leads.get_warnings",
        "leads.describe",
    )

    def prepare(self, context: dict[str, Any]) -> None:
        lines = [f"new{number}@example.com,{number}" for number in range(self.count)]
        self._source.write_text("\n".join(["email,firstName", *lines]) + "\n")

    @property
    def _source(self) -> Path:
        return self.folder / "in.csv"

    def operator(self) -> Any:
        return MarketoBulkImportOperator(
            object_type="leads", source=str(self._source), poll_interval=POLL, timeout=self.patience, **self.how()
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        yield from self.account(result)
        yield from new_leads(self.store.leads, self.count)


class Mirror(Job):
    """A static list made equal to a list of leads."""

    operations = (
        "static_list_membership.add_to_list",
        "static_list_membership.remove_from_list",
        "static_list_membership.get_leads_by_list_id",
        "static_list_membership.get_list_by_id",
    )

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._wanted = sorted(chance.sample(range(FIRST_LEAD, FIRST_LEAD + 480), chance.choice((1, 30, 400))))
        self.text = f"mirror of a list with {len(self._wanted)} leads"

    def operator(self) -> Any:
        return MarketoListMembersOperator(
            task_id="a_task",
            list_id=STATIC_LIST,
            mode="mirror",
            lead_ids=self._wanted,
            max_removals=100_000,
            rejects_path=self.url("rejects"),
            deferrable=True,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        if result is not None:
            yield from differences(Counter(self._wanted), Counter(self.store.lists.members(STATIC_LIST)))


class Once(Job):
    """A job whose requests must not run twice, with a ledger."""

    once = True

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self.ledger = self.url("ledger") if chance.random() < 0.6 else None


class Campaign(Once):
    """A campaign for leads, which may not be sent twice."""

    operations = ("campaigns.request", "smart_campaigns.get_by_id", "leads.get_by_filter_type")

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._leads = list(range(FIRST_LEAD, FIRST_LEAD + chance.choice((1, 100, 250))))
        self._rows = chance.random() < 0.5
        self.text = f"campaign for {len(self._leads)} {'rows' if self._rows else 'ids'}"

    def operator(self) -> Any:
        ledger = self.ledger
        if not self._rows:
            return MarketoTriggerCampaignOperator(
                task_id="a_task", campaign_id=TRIGGER, lead_ids=self._leads, ledger=ledger
            )
        return MarketoTriggerCampaignOperator(
            task_id="a_task",
            campaign_id=TRIGGER,
            records=[{"leadId": lead_id} for lead_id in self._leads],
            max_audience=None,
            rejects_path=self.url("rejects"),
            ledger=ledger,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        sent = Counter(lead_id for one in self.store.assets.sendings for lead_id in one.leads)
        wanted = Counter(self._leads)
        yield from differences(wanted if result is not None else sent & wanted, sent)
        if self.marketo.report().sent_twice:
            yield DOUBLED, f"the simulator counts {self.marketo.report().sent_twice} sent twice"


class CustomActivities(Rows):
    """Custom activities, which Marketo cannot delete."""

    operations = (
        "activities.add_custom_activities",
        "activities.get_custom_types",
        "activities.describe_custom_type",
    )
    once = True

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self.count = min(self.count, 480)

    def operator(self) -> Any:
        rows = [
            {"leadId": FIRST_LEAD + number, "activityDate": "2026-03-10T10:00:00Z", "eventName": "Survive"}
            for number in range(self.count)
        ]
        return MarketoCustomActivitiesOperator(activity_type=CUSTOM_TYPE, records=rows, **self.how())

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        found = self.store.activities.between(0, 1 << 33, {CUSTOM_TYPE_ID})
        added = Counter(each.lead_id for each in found if each.primary == "Survive")
        wanted = Counter(range(FIRST_LEAD, FIRST_LEAD + self.count))
        yield from differences(wanted if result is not None else added & wanted, added)
        yield from self.account(result)


class Clone(Once):
    """A program made of a template, with tokens."""

    operations = (
        "programs.clone",
        "programs.get_by_id",
        "programs.get_by_name",
        "tokens.get_by_folder_id",
        "tokens.create",
    )

    def operator(self) -> Any:
        return MarketoCloneProgramOperator(
            task_id="a_task",
            template="Spring Webinar",
            name="Survive",
            folder="/Marketing Activities/Campaigns",
            tokens={"Headline": "Survived"},
            ledger=self.ledger,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        made = self.store.assets.named("programs", "Survive")
        if len(made) > 1:
            yield DOUBLED, f"{len(made)} programs were made"
        if result is None:
            return
        if not made or [program.id for program in made] != [result["program_id"]]:
            yield LOST, f"there is no program {result['program_id']}"
            return
        tokens = [
            values.get(("Headline", "text"))
            for at, values in self.store.assets.tokens.items()
            if at == ("Program", made[0].id)
        ]
        if tokens != ["Survived"]:
            yield WRONG, f"the new program's token is {tokens}"


class Erase(Job):
    """An erasure of leads."""

    operations = ("leads.delete", "leads.get_by_filter_type")

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._leads = list(range(FIRST_LEAD, FIRST_LEAD + chance.choice((1, 301))))
        self.text = f"erasure of {len(self._leads)} leads"

    def operator(self) -> Any:
        return MarketoEraseLeadsOperator(
            task_id="a_task",
            lead_ids=self._leads,
            confirm=True,
            evidence=self.url("evidence"),
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        there = [lead_id for lead_id in self._leads if lead_id in self.store.leads]
        if result is not None and there:
            yield LOST, f"{len(there)} leads are still there"
        if result is not None and result["erased"] != len(self._leads):
            yield WRONG, f"the result says {result['erased']} erased of {len(self._leads)}"


def new_leads(leads: Any, count: int) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with the leads that rows make. Each lead must exist once, however often its row was sent."""
    there = Counter({number: len(list(leads.find("email", [f"new{number}@example.com"]))) for number in range(count)})
    yield from differences(Counter(range(count)), +there)
