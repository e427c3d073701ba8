"""Jobs that publish what Marketo has: extracts, streams and listings."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from tests.simulated import Marketo
from tests.survive.job import FIRST_LEAD, LEADS, POLL, WRONG, Job, differences, keys


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
            output_path=self.url("out"),
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
