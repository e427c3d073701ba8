"""What the ledger stores: a request, the entry about it, and the entry's key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.errors import MarketoStateError
from airflow_provider_marketo.client.serializable import UPDATE, LaterFormatError, Serializable

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "marketo_once_"
"""The beginning of every key. Airflow masks Variables whose names sound like secrets; these names do not."""

CLAIM = "_claim"
SENDING, SETTLED = "sending", "settled"


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
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_stable)
        return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Entry(Serializable):
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

    VERSION: ClassVar[int] = 1
    SPARSE: ClassVar[bool] = True
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
    def from_json(cls, text: str) -> Entry | None:
        """
        Read an entry.

        :param text: the stored text.
        :return: the entry; None if the text is not an entry: it is empty, cut short, or not written by a ledger.
        :raises MarketoStateError: a later release wrote the entry, in a format that this release does not read.
        """
        try:
            return cls.from_dict(json.loads(text))
        except LaterFormatError as error:
            raise MarketoStateError(f"an entry of the ledger cannot be read: {error.fact}", remedy=UPDATE) from error
        except (ValueError, RecursionError):
            return None

    @classmethod
    def unreadable(cls, sending: Sending) -> Entry:
        """
        Return the entry that replaces a damaged one: something was stored, so the request may have run.

        It has the generation of the running task. Another generation would mean that a person cleared the task to send
        the request again.

        :param sending: the request.
        """
        reason = "its entry in the ledger is damaged, so an earlier try may have sent it"
        return cls.of(sending, owner="", since="an unknown time", reason=reason)

    @classmethod
    def of(cls, sending: Sending, *, owner: str, since: str, reason: str | None = None) -> Entry:
        """
        Return the entry of a request that is about to be sent.

        :param sending: the request.
        :param owner: the process that sends it.
        :param since: when it is sent, ISO 8601.
        :param reason: why it is unknown whether it ran.
        """
        shared = {each.name for each in fields(cls)} & {each.name for each in fields(sending)}
        facts = {name: getattr(sending, name) for name in shared}
        return cls(state=SENDING, owner=owner, since=since, reason=reason, **facts)

    def to_json(self) -> str:
        """Return the text to store."""
        return json.dumps(self.to_dict())


DAMAGED = Entry(
    state=SENDING,
    owner="",
    instance="",
    operation="",
    what="the request of a damaged entry",
    dag_id="",
    task_id="",
    run_id="",
    map_index=-1,
    generation=0,
    since="",
)
"""Replaces an entry that cannot be read: its request may have run, so a person decides."""


def sending_of(context: Mapping[str, Any], **facts: Any) -> Sending:
    """
    Return a request of the running task instance.

    :param context: the running task's context.
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


def task_name(task: Any) -> str:
    """Return a task instance's DAG and task, with the index of a mapped one: ``dag.task[2]``."""
    index: int | None = getattr(task, "map_index", None)
    return f"{task.dag_id}.{task.task_id}" + (f"[{index}]" if index is not None and index >= 0 else "")


def _stable(value: Any) -> Any:
    """Return a form that every process writes in the same way, for a value that JSON cannot hold, such as a set."""
    return sorted(map(repr, value)) if isinstance(value, Set) else str(value)
