"""
How much each DAG has exported today: an account in a Variable, and the rules of daily budgets (*experimental*).

A connection has one account. Each export job is an entry that its task writes before the job may run, and completes
with the size of the file. Nothing here waits, reads a clock or knows where the account is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.quota_day import quota_date
from airflow_provider_marketo.client.serializable import Serializable

PREFIX = "marketo_exports_"
MEGABYTE = 1_000_000

_REMEMBERED = timedelta(days=7)
_LONGEST_JOB = timedelta(days=2)
"""Time after which a job no longer counts, even if no task has reported its end."""

_REMEDY = "Delete it; today's exports are then counted from zero."


def variable_name(conn_id: str) -> str:
    """Return the name of a connection's Variable."""
    return PREFIX + key_part(conn_id)


@dataclass(frozen=True)
class Entry(Serializable):
    """
    The export job of one window of one task instance, also after the job was recreated.

    :param dag_id: id of the DAG.
    :param since: when the entry was last changed.
    :param spent: bytes of its files today.
    :param expected: bytes of the file that Marketo makes now; None if it makes no file.
    :param export_id: Marketo's id of the job that makes it.
    :param object_type: what the job exports.
    :param custom_object: API name of the custom object type.
    """

    SPARSE: ClassVar[bool] = True
    dag_id: str
    since: datetime
    spent: int = 0
    expected: int | None = None
    export_id: str = ""
    object_type: str = ""
    custom_object: str | None = None


@dataclass(frozen=True)
class Budget(Serializable):
    """
    What a DAG may export in a day.

    :param mb: its ``daily_export_mb``.
    :param day: when the DAG last used the budget, a date in Chicago.
    """

    mb: float
    day: str


@dataclass(frozen=True)
class Size(Serializable):
    """
    The size of a task's last export file.

    :param object_type: what was exported.
    :param bytes: size in bytes of the file.
    :param seconds: length of the window; 0 for a list, which has no window.
    :param measured_at: when Marketo had made the file.
    """

    object_type: str
    bytes: int
    seconds: float
    measured_at: datetime

    def of(self, seconds: float) -> int:
        """Return the bytes that a window of another length is likely to have."""
        return self.bytes if not self.seconds or not seconds else round(self.bytes * seconds / self.seconds)


@dataclass(frozen=True)
class ExportAccount(Serializable):
    """
    What this Airflow has exported on a connection, as the Variable ``marketo_exports_<conn_id>`` keeps it.

    :param day: the quota day of the entries, a date in Chicago.
    :param entries: entries of jobs, by keys of their tasks.
    :param budgets: budgets of the DAGs that have had one in the last seven days.
    :param days: bytes of earlier days, by day and DAG.
    :param sizes: the size of the last file of each task, by ``dag_id.task_id``.
    """

    VERSION: ClassVar[int] = 1
    day: str = ""
    entries: Mapping[str, Entry] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    days: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sizes: Mapping[str, Size] = field(default_factory=dict)

    @classmethod
    def load(cls, text: str | None, name: str) -> ExportAccount:
        """
        Return the account in a Variable's text; an empty one if there is no text.

        :param name: name of the Variable, for the error.
        :raises MarketoStateError: the text is damaged, or a later release wrote it.
        """
        if text is None:
            return cls()
        place = f"the Variable {name}"
        return stored.revive(cls, stored.parse(text, dict, place=place, remedy=_REMEDY), place=place, remedy=_REMEDY)

    def dump(self) -> str:
        """Return the account as the Variable's text."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def at(self, now: datetime) -> ExportAccount:
        """Return the account of the day: with a new day only the jobs that still run stay."""
        today = quota_date(now)
        if self.day == today:
            return self
        oldest = quota_date(now, ago=_REMEMBERED)
        days = {**self.days, **({self.day: self.spent_by_dag()} if self.day else {})}
        return replace(
            self,
            day=today,
            entries={
                key: replace(entry, spent=0)
                for key, entry in self.entries.items()
                if entry.expected is not None and now - entry.since < _LONGEST_JOB
            },
            budgets={dag_id: budget for dag_id, budget in self.budgets.items() if oldest <= budget.day},
            days={day: spent for day, spent in days.items() if oldest <= day < today},
        )

    def with_budget(self, dag_id: str, mb: float) -> ExportAccount:
        """Return the account with the budget that a DAG has today."""
        return replace(self, budgets={**self.budgets, dag_id: Budget(mb, self.day)})

    def spent_by_dag(self) -> dict[str, int]:
        """Return today's bytes by DAG."""
        spent: dict[str, int] = {}
        for entry in self.entries.values():
            spent[entry.dag_id] = spent.get(entry.dag_id, 0) + entry.spent
        return spent

    def spent(self, dag_id: str) -> int:
        """Return today's bytes of a DAG, with those of its jobs that never reported their size."""
        return sum(each.spent + (each.expected or 0) for each in self.entries.values() if each.dag_id == dag_id)

    def used_since(self, when: datetime | None) -> int:
        """Return the bytes of files since a time, and of the jobs that run now."""
        entries = self.entries.values()
        done = sum(each.spent for each in entries if when is None or each.since >= when)
        return done + sum(each.expected or 0 for each in entries)

    def running(self, dag_id: str, *, besides: str) -> dict[str, Entry]:
        """Return the other jobs of a DAG that have not ended, as far as their tasks have reported."""
        return {
            key: each
            for key, each in self.entries.items()
            if each.dag_id == dag_id and each.expected is not None and key != besides
        }

    def needed_by_others(self) -> int:
        """
        Return the bytes that DAGs without a budget are likely to export in the rest of the day.

        That is the most that each has exported on one of the last seven days, less what it has exported today.
        """
        most: dict[str, int] = {}
        for spent in self.days.values():
            for dag_id, size in spent.items():
                most[dag_id] = max(size, most.get(dag_id, 0))
        today = self.spent_by_dag()
        return sum(max(0, size - today.get(dag_id, 0)) for dag_id, size in most.items() if dag_id not in self.budgets)

    def started(self, key: str, job: Entry) -> ExportAccount:
        """Return the account with a job that is about to start, or that still runs."""
        before = self.entries.get(key, job)
        return self._with(key, replace(job, spent=before.spent))

    def ended(self, key: str, size: int, now: datetime) -> ExportAccount:
        """Return the account with a job that has ended: 0 bytes if it has made no file. A second time adds nothing."""
        entry = self.entries.get(key)
        if entry is None or entry.expected is None:
            return self
        return self._with(key, replace(entry, expected=None, spent=entry.spent + size, since=now))

    def _with(self, key: str, entry: Entry) -> ExportAccount:
        return replace(self, entries={**self.entries, key: entry})
