"""Jobs that publish what Marketo has: extracts, streams and listings."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from tests.simulated import Marketo
from tests.support import run_task
from tests.survive.job import FIRST_LEAD, LEADS, POLL, WRONG, Job, differences, keys

ZONES = ("UTC", "America/New_York", "Africa/Casablanca", "Asia/Kathmandu")
"""Time zones of accounts."""

LONG_DAYS = (45, 66)
"""Days since New Year 2026 that have 25 hours in Casablanca, and 23 in New York."""

LAST_DAY = 70
WINDOWED: dict[str, dict[str, Any]] = {
    "activities": {},
    "leads": {"date_field": "createdAt", "fields": ["id", "email", "createdAt"]},
    "custom_objects": {"custom_object": "car_c", "fields": "all"},
}
MEMBERS: dict[str, Any] = {
    "object_type": "program_members",
    "filters": {"programIds": [1001, 1002]},
    "fields": ["leadId", "program"],
}


class Extract(Job):
    """A bulk extract of any object in any format. Its days begin at midnight in an account's time zone."""

    reads = True

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
        self._object = chance.choice(
            ("activities", "activities", "leads", "leads", "custom_objects", "program_members")
        )
        self._format = chance.choice(("csv", "jsonl", "parquet"))
        zone, day = chance.choice(ZONES), chance.choice((*range(20), *LONG_DAYS, *LONG_DAYS))
        self._first = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)) + timedelta(days=day)
        self._end = self._first + timedelta(days=min(LAST_DAY - day, chance.choice((1, 7, 40))))
        self._deferrable = chance.random() < 0.7
        self.text = f"extract of {self._object} as {self._format}, {self._first.isoformat()} to {self._end.isoformat()}"

    def operator(self) -> Any:
        what = {
            "object_type": self._object,
            "start": self._first,
            "end": self._end,
            **WINDOWED.get(self._object, MEMBERS),
        }
        if self._object == "program_members":
            what |= {"start": None, "end": None}
        return MarketoBulkExtractOperator(
            task_id="a_task",
            output_path=self.url("out"),
            file_format=self._format,
            deferrable=self._deferrable,
            poll_interval=POLL,
            timeout=self.patience,
            **what,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        key, wanted = self._wanted()
        yield from differences(wanted, Counter(map(str, keys(self.folder / "out", key))))
        if result is not None and result["rows"] != sum(wanted.values()):
            yield WRONG, f"the manifest says {result['rows']} rows, and Marketo has {sum(wanted.values())}"

    def _wanted(self) -> tuple[str, Counter[str]]:
        """Return the name of the key, and how many rows Marketo has for each key."""
        store = self.store
        first, end = int(self._first.timestamp()), int(self._end.timestamp())
        begin, stop = (f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" for moment in (self._first, self._end))
        if self._object == "activities":
            return "marketoGUID", Counter(str(each.number) for each in store.activities.between(first, end - 1))
        if self._object == "leads":
            leads = (store.leads.get(FIRST_LEAD + number) for number in range(LEADS))
            return "id", Counter(str(lead["id"]) for lead in leads if begin <= lead["createdAt"] < stop)
        if self._object == "custom_objects":
            cars = store.custom_objects["car_c"]
            records = map(cars.get, list(cars.keys()))
            return "marketoGUID", Counter(
                str(each["marketoGUID"]) for each in records if begin <= each["updatedAt"] < stop
            )
        members = (member for program in MEMBERS["filters"]["programIds"] for member in store.programs.members(program))
        return "leadId", Counter(str(member["leadId"]) for member in members)


class Stream(Job):
    """A run of a stream of activities. During the run before it, Marketo did not show all activities yet."""

    reads = True
    operations = ("activities.get_types", "activities.get_paging_token", "activities.get_lead_activities")

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._format = chance.choice(("csv", "jsonl", "parquet"))
        self._first = datetime(2026, 3, 1, tzinfo=timezone.utc)
        self._between = self._first + timedelta(hours=chance.randrange(1, 96))
        self._end = self._between + timedelta(hours=chance.randrange(1, 96))
        self._is_second = chance.random() < 0.7
        self.text = f"{'second' if self._is_second else 'first'} run of a stream of activities as {self._format}"

    def prepare(self, context: dict[str, Any]) -> None:
        if self._is_second:
            with self.marketo.clock.at(self._between + timedelta(hours=1)):
                run_task(self._run(self._between), context)

    def operator(self) -> Any:
        return self._run(self._end)

    def _run(self, end: datetime) -> Any:
        return MarketoActivitiesOperator(
            task_id="a_task",
            stream="survive",
            start=self._first,
            end=end,
            lookback=timedelta(days=2),
            output_path=self.url("out"),
            file_format=self._format,
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        first, end = int(self._first.timestamp()), int(self._end.timestamp())
        wanted = Counter(
            str(each.number) for each in self.store.activities.between(first, end - 1) if each.type_id != 37
        )
        yield from differences(wanted, Counter(map(str, keys(self.folder / "out", "marketoGUID"))))


class Listing(Job):
    """Reference data as tables."""

    reads = True

    _TABLES = ("programs", "smart_campaigns", "static_lists", "files")
    operations = tuple(f"{name}.get" for name in _TABLES)

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        super().__init__(marketo, folder, chance)
        self._format = chance.choice(("csv", "jsonl", "parquet"))
        self._tables = chance.sample(self._TABLES, chance.randrange(1, 5))
        self.text = f"listing of {', '.join(self._tables)} as {self._format}"

    def operator(self) -> Any:
        return MarketoListingOperator(
            task_id="a_task", object_types=self._tables, output_path=self.url("out"), file_format=self._format
        )

    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        for table in self._tables if result is not None else ():
            wanted = Counter(str(asset.id) for asset in self.store.assets.records(table))
            yield from differences(wanted, Counter(map(str, keys(self.folder / "out" / table, "id"))))
