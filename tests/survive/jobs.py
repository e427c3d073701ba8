"""
The jobs that survive faults, each with an independent check.

A check compares what was published or sent with what the simulator holds. It never asks the provider.
"""

from __future__ import annotations

import csv
import json
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet

from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from tests.simulated import Marketo

TRIGGER, STATIC_LIST = 2001, 1001
FIRST_LEAD, LEADS = 1001, 500
POLL = 0.05
CUSTOM_TYPE, CUSTOM_TYPE_ID = "attendedEvent_c", 100_001

LOST, DOUBLED, ORPHANED, WRONG = "lost", "doubled", "orphaned", "wrong"


class Job(ABC):
    """
    A task that a run tries until it succeeds.

    :param marketo: the instance.
    :param folder: of the run.
    :param chance: the run's.
    """

    operations: ClassVar[Sequence[str]]
    once: ClassVar[bool] = False
    """Whether a try may end with an outcome that a person has to find out."""

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        self.marketo = marketo
        self.folder = folder
        self.chance = chance
        self.text = type(self).__name__.lower()

    @property
    def store(self) -> Any:
        """What the simulated instance holds."""
        return self.marketo.instance.store

    @abstractmethod
    def operator(self) -> Any:
        """Return the operator of one process."""

    @abstractmethod
    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        """
        Yield what is not as it should be, as one of the words above and a text.

        :param result: of the task; None if no try succeeded.
        """

    def orphans(self) -> Iterable[tuple[str, str]]:
        """Yield jobs that Marketo works on for a task that has ended."""
        for record in self.marketo.jobs():
            if record["status"] in ("Queued", "Processing"):
                yield ORPHANED, f"export job {record['exportId']} is {record['status']}"


class Extract(Job):
    """A bulk extract of activities or leads, in any format."""

    operations = (
        "bulk_export_*.create_job",
        "bulk_export_*.enqueue_job",
        "bulk_export_*.get_job_status",
        "bulk_export_*.get_jobs",
        "bulk_export_*.get_file",
        "activities.get_types",
        "leads.describe",
    )

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._object = chance.choice(("activities", "leads"))
        self._format = chance.choice(("csv", "jsonl", "parquet"))
        self._first = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(days=chance.randrange(20))
        self._end = self._first + timedelta(days=chance.choice((1, 7, 40)))
        self._deferrable = chance.random() < 0.7
        self.text = f"extract of {self._object} as {self._format}, {(self._end - self._first).days} days"

    def operator(self) -> Any:
        more = {"date_field": "createdAt", "fields": ["id", "email", "createdAt"]} if self._object == "leads" else {}
        return MarketoBulkExtractOperator(
            task_id="a_task",
            object_type=self._object,
            start=self._first,
            end=self._end,
            output_path=str(self.folder / "out"),
            file_format=self._format,
            deferrable=self._deferrable,
            poll_interval=POLL,
            **more,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        first, end = int(self._first.timestamp()), int(self._end.timestamp())
        if self._object == "activities":
            wanted = Counter(str(each.number) for each in self.store.activities.between(first, end - 1))
            found = Counter(map(str, keys(self.folder / "out", "marketoGUID")))
        else:
            begin, stop = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (self._first, self._end))
            every = (self.store.leads.get(FIRST_LEAD + number) for number in range(LEADS))
            wanted = Counter(str(lead["id"]) for lead in every if begin <= lead["createdAt"] < stop)
            found = Counter(map(str, keys(self.folder / "out", "id")))
        yield from differences(wanted, found)
        if result is not None and result["rows"] != sum(wanted.values()):
            yield WRONG, f"the manifest says {result['rows']} rows, and Marketo has {sum(wanted.values())}"


class Stream(Job):
    """Three runs of a stream of activities."""

    operations = ("activities.get_types", "activities.get_paging_token", "activities.get_lead_activities")

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._format = chance.choice(("csv", "jsonl", "parquet"))
        self._first = datetime(2026, 3, 1, tzinfo=timezone.utc)
        self._end = self._first + timedelta(hours=chance.randrange(1, 96))
        self.text = f"stream of activities as {self._format}"

    def operator(self) -> Any:
        return MarketoActivitiesOperator(
            task_id="a_task",
            stream="survive",
            start=self._first,
            end=self._end,
            output_path=str(self.folder / "out"),
            file_format=self._format,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        first, end = int(self._first.timestamp()), int(self._end.timestamp())
        wanted = Counter(
            str(each.number) for each in self.store.activities.between(first, end - 1) if each.type_id != 37
        )
        yield from differences(wanted, Counter(map(str, keys(self.folder / "out", "marketoGUID"))))


class Rows(Job):
    """What sends rows, with an account of each."""

    count = 0

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self.count = chance.choice((1, 299, 301, 900))
        self.text += f" of {self.count} rows"

    def how(self) -> dict[str, Any]:
        """Return the arguments that all of them take."""
        return {"task_id": "a_task", "rejects_path": str(self.folder / "rejects"), "deferrable": True}

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

    def operator(self) -> Any:
        source = self.folder / "in.csv"
        if not source.exists():
            lines = [f"new{number}@example.com,{number}" for number in range(self.count)]
            source.write_text("\n".join(["email,firstName", *lines]) + "\n")
        return MarketoBulkImportOperator(object_type="leads", source=str(source), poll_interval=POLL, **self.how())

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
            rejects_path=str(self.folder / "rejects"),
            deferrable=True,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        if result is not None:
            yield from differences(Counter(self._wanted), Counter(self.store.lists.members(STATIC_LIST)))


class Campaign(Job):
    """A campaign for leads, which may not be sent twice."""

    operations = ("campaigns.request", "smart_campaigns.get_by_id", "leads.get_by_filter_type")
    once = True

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._leads = list(range(FIRST_LEAD, FIRST_LEAD + chance.choice((1, 100, 250))))
        self._rows = chance.random() < 0.5
        self.text = f"campaign for {len(self._leads)} {'rows' if self._rows else 'ids'}"

    def operator(self) -> Any:
        ledger = str(self.folder / "ledger")
        if not self._rows:
            return MarketoTriggerCampaignOperator(
                task_id="a_task", campaign_id=TRIGGER, lead_ids=self._leads, ledger=ledger
            )
        return MarketoTriggerCampaignOperator(
            task_id="a_task",
            campaign_id=TRIGGER,
            records=[{"leadId": lead_id} for lead_id in self._leads],
            max_audience=None,
            rejects_path=str(self.folder / "rejects"),
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
            evidence=str(self.folder / "evidence"),
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        there = [lead_id for lead_id in self._leads if lead_id in self.store.leads]
        if result is not None and there:
            yield LOST, f"{len(there)} leads are still there"
        if result is not None and result["erased"] != len(self._leads):
            yield WRONG, f"the result says {result['erased']} erased of {len(self._leads)}"


JOBS: tuple[type[Job], ...] = (
    Extract,
    Extract,
    Stream,
    Sync,
    BulkImport,
    Mirror,
    Campaign,
    CustomActivities,
    Erase,
)
"""What a seed chooses from; extracts have the most steps and come twice."""


def keys(folder: Path, column: str) -> list[Any]:
    """Return a column of all files that readers of a dataset see."""
    found: list[Any] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(part.startswith("_") for part in path.relative_to(folder).parts):
            continue
        if path.suffix == ".parquet":
            found += pyarrow.parquet.ParquetFile(path).read([column]).column(column).to_pylist()
        elif path.suffix == ".jsonl":
            found += [json.loads(line)[column] for line in path.read_text("utf-8").splitlines()]
        else:
            with path.open(encoding="utf-8", newline="") as file:
                found += [row[column] for row in csv.DictReader(file)]
    return found


def differences(wanted: Counter[Any], found: Counter[Any]) -> Iterable[tuple[str, str]]:
    """Yield how many are missing, too many, or not wanted at all."""
    missing, surplus = wanted - found, found - wanted
    if missing:
        yield LOST, f"{sum(missing.values())} of {sum(wanted.values())} are missing, such as {next(iter(missing))}"
    twice = {key for key in surplus if key in wanted}
    if twice:
        yield DOUBLED, f"{len(twice)} of {sum(wanted.values())} are there twice, such as {next(iter(twice))}"
    if surplus.keys() - twice:
        yield WRONG, f"{len(surplus.keys() - twice)} were not asked for, such as {next(iter(surplus.keys() - twice))}"


def new_leads(leads: Any, count: int) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with the leads that rows make: each once, whatever was sent how often."""
    there = Counter({number: len(list(leads.find("email", [f"new{number}@example.com"]))) for number in range(count)})
    yield from differences(Counter(range(count)), +there)
