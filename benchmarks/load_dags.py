"""DAG files of the load, of five kinds, each also without this provider."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROWS_PER_CALL = 300
FIRST_LEAD = 1001
CAMPAIGN = 2001
POLL = 10
"""Seconds between two polls of the tasks that wait in the triggerer."""

TEXT = '''
"""{about}"""

from datetime import timedelta

from airflow.sdk import DAG
{imported}

with DAG("{dag_id}", schedule=None, max_active_tasks=64) as dag:
    {operator}.partial(task_id="{kind}", pool="marketo", **{partial!r}).expand_kwargs({mapped!r})
'''

WITHOUT = '''
from airflow.sdk import BaseOperator


class {operator}(BaseOperator):
    """The same arguments, and nothing that the provider does."""

    template_fields = {names!r}

    def __init__(self, *, {signature}, **kwargs):
        super().__init__(**kwargs)
        self.__dict__.update({fields})
'''


@dataclass(frozen=True)
class Load:
    """
    The DAGs and their tasks.

    :param dags: the number of DAGs.
    :param tasks: tasks of each DAG, all mapped.
    :param calls: calls of a task that reads or writes leads.
    :param lake: folder that all workers share.
    """

    dags: int
    tasks: int
    calls: int
    lake: Path

    @property
    def rows(self) -> int:
        """Leads that a task reads or writes."""
        return ROWS_PER_CALL * self.calls

    @property
    def leads(self) -> int:
        """Leads that the instance must have."""
        return max(self.rows, self.dags * self.tasks)

    def kind(self, number: int) -> str:
        """Return the kind of a DAG. Of ten DAGs four read and three write."""
        return ("read", "write", "wait", "read", "extract", "write", "read", "campaign", "write", "read")[number % 10]

    def count(self, kind: str) -> int:
        """Return the number of tasks of a kind."""
        return self.tasks * sum(self.kind(number) == kind for number in range(self.dags))

    def dag_ids(self) -> list[str]:
        """Return the DAG ids, without those of the DAGs that do not use the provider."""
        return [_dag_id(number) for number in range(self.dags)]

    def files(self) -> dict[str, str]:
        """Return the texts of all DAG files by name, and write the rows that the tasks send."""
        texts = {}
        for number in range(self.dags):
            kind = self.kind(number)
            module, operator, partial = OPERATORS[kind]
            mapped = [self._mapped(kind, number, task) for task in range(self.tasks)]
            names = tuple({**partial, **mapped[0]})
            without = WITHOUT.format(
                operator=operator,
                names=names,
                signature=", ".join(f"{name}=None" for name in names),
                fields=", ".join(f"{name}={name}" for name in names),
            )
            facts = {"operator": operator, "kind": kind, "partial": partial, "mapped": mapped}
            imported = f"\nfrom airflow_provider_marketo.{module} import {operator}"
            texts[_dag_id(number)] = TEXT.format(
                about="With the provider", dag_id=_dag_id(number), imported=imported, **facts
            )
            plain = plain_id(_dag_id(number))
            texts[plain] = TEXT.format(about="Without the provider", dag_id=plain, imported=without, **facts)
        return texts

    def _mapped(self, kind: str, number: int, task: int) -> Mapping[str, Any]:
        """Return the arguments of a task that differ from those of the DAG's other tasks."""
        unique = number * self.tasks + task
        if kind == "read":
            return {"lookup_values": list(range(FIRST_LEAD, FIRST_LEAD + self.rows))}
        if kind == "write":
            rejects = str(self.lake / f"rejects-{unique}")
            return {"source": str(self._written(unique)), "rejects_path": rejects}
        if kind == "wait":  # for a lead that a task of the DAG before this one writes
            return {"lookup_values": [_email(unique - self.tasks, 0)]}
        if kind == "campaign":
            return {"lead_ids": [FIRST_LEAD + unique]}
        start = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=40)
        return {
            "start": (start + timedelta(hours=unique)).isoformat(),
            "end": (start + timedelta(hours=unique + 1)).isoformat(),
            "output_path": str(self.lake / f"extract-{unique}"),
        }

    def _written(self, unique: int) -> Path:
        """Write the rows of one task; return their file."""
        file = self.lake / "rows" / f"{unique}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = ({"email": _email(unique, row), "firstName": f"Load {row}"} for row in range(self.rows))
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        return file


OPERATORS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "read": ("operators.leads", "MarketoGetLeadsOperator", {"lookup_field": "id"}),
    "write": ("operators.sync", "MarketoSyncLeadsOperator", {}),
    "extract": (
        "operators.bulk_extract",
        "MarketoBulkExtractOperator",
        {"object_type": "activities", "file_format": "jsonl", "deferrable": True, "poll_interval": POLL},
    ),
    "wait": ("sensors.leads", "MarketoLeadSensor", {"deferrable": True, "poke_interval": POLL, "timeout": 3_600}),
    "campaign": (
        "operators.campaigns",
        "MarketoTriggerCampaignOperator",
        {"campaign_id": CAMPAIGN, "max_audience": 100_000, "on_unknown": "fail"},
    ),
}
"""Modules, operators and the arguments that all tasks of a kind share."""


def plain_id(dag_id: str) -> str:
    """Return the DAG id of the same DAG without the provider."""
    return f"{dag_id}_without"


def _dag_id(number: int) -> str:
    return f"load_{number:02}"


def _email(unique: int, row: int) -> str:
    return f"load.{unique}.{row}@example.com"
