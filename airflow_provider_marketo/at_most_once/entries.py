"""What the ledger stores: a request, the entry about it, and the entry's key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "marketo_once_"
"""How every key begins. Airflow masks the values of some names, and not of these."""

CLAIM = "_claim"
SENDING, SETTLED = "sending", "settled"


class MarketoLedgerError(MarketoError):
    """The ledger cannot be read or written, or another process writes the same entry: nothing was sent."""

    default_remedy = (
        "Nothing was sent. Try again when Airflow's API server answers, or set ledger= to a folder that every "
        "worker reaches."
    )


@dataclass(frozen=True)
class Sending:
    """
    A request, and the task instance that sends it.

    :param instance: Munchkin ID.
    :param operation: name of the operation.
    :param content: everything that makes this request different from another: campaign, audience or run time, tokens.
    :param what: the request in words, without lead data beyond ids and counts.
    :param how_to_check: how a person can check whether it ran.
    :param dag_id: id of the task's DAG.
    :param task_id: id of the task.
    :param run_id: id of the DAG run.
    :param map_index: index of a mapped task, otherwise -1.
    :param generation: ``max_tries`` of the task instance, which only a clear changes.
    """

    instance: str
    operation: str
    content: Any = field(repr=False)
    what: str
    how_to_check: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    generation: int

    @property
    def key(self) -> str:
        """Key of the entry. Another request, task instance or run has another key."""
        parts = [self.instance, self.operation, self.dag_id, self.task_id, self.map_index, self.run_id, self.content]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
        return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Entry:
    """
    An entry as it is stored.

    :param state: ``sending`` (the request may or may not have run) or ``settled`` (it ran, or a person says so).
    :param owner: the process that wrote the entry.
    :param instance: Munchkin ID.
    :param operation: name of the operation.
    :param what: the request in words.
    :param dag_id: id of the task's DAG.
    :param task_id: id of the task.
    :param run_id: id of the DAG run.
    :param map_index: index of a mapped task, otherwise -1.
    :param generation: ``max_tries`` of the task instance.
    :param since: when the entry was written, ISO 8601.
    :param until: when it was settled, ISO 8601.
    :param result: Marketo's answer, if it is small.
    :param reason: why it is unknown whether the request ran.
    :param settled_by: ``reply``, ``person`` or ``assume_sent``.
    """

    state: str
    owner: str
    instance: str
    operation: str
    what: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    generation: int
    since: str
    until: str | None = None
    result: Any = None
    reason: str | None = None
    settled_by: str | None = None

    @classmethod
    def from_json(cls, text: str) -> Entry:
        """
        Read an entry.

        :param text: the stored text.
        :raises MarketoLedgerError: the text is not an entry.
        """
        known = {each.name for each in fields(cls)}
        try:
            return cls(**{name: value for name, value in json.loads(text).items() if name in known})
        except (ValueError, TypeError, AttributeError):
            raise MarketoLedgerError(
                "an entry of the ledger is damaged", remedy="Nothing was sent. Check what else writes to the ledger."
            ) from None

    def to_json(self) -> str:
        """Return the text to store."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})


def sending_of(context: Mapping[str, Any], **facts: Any) -> Sending:
    """
    Return a request of the running task instance.

    :param context: Airflow's, of the running task.
    :param facts: the fields of :class:`Sending` that the context does not give.
    """
    ti = context["ti"]
    map_index: int | None = getattr(ti, "map_index", None)
    return Sending(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if map_index is None else map_index,
        generation=ti.max_tries,
        **facts,
    )
