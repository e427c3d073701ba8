"""A person's decision about a request that may or may not have run: one function for all ways to decide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_marketo.at_most_once.entries import CLAIM, DAMAGED, SETTLED, Entry
from airflow_provider_marketo.client.dates import stamp
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.at_most_once.ledger import LedgerStore

ALIVE = ("running", "queued", "restarting")
"""States of a task that may be sending its request at this moment."""


ASKING = ("awaiting_input", "deferred")
"""States of a task that waits for an answer in Airflow's Required Actions: ``deferred`` before Airflow 3.3."""


def decide(
    store: LedgerStore, key: str, *, sent: bool, by: str = "person", state_of: Callable[[Entry], str | None]
) -> Entry:
    """
    Record whether a request ran.

    :param store: keeps the entry.
    :param key: key of the entry.
    :param sent: whether the request ran. If it did not, the entry is deleted, and the task's next try sends it.
    :param by: who decides.
    :param state_of: returns the state of the entry's task instance in Airflow; None if Airflow does not have it.
    :return: the entry before the decision.
    :raises MarketoInvalidRequestError: the entry does not exist or is settled, or its task may be sending right now.
    """
    text = store.read(key)
    if text is None:
        raise _refused(
            f"there is no entry {key}",
            "List the entries: airflow marketo ledger list, with --ledger for those of a folder.",
        )
    entry = Entry.from_json(text) or DAMAGED
    if entry.state == SETTLED:
        raise _refused(f"{entry.what} is already settled ({entry.settled_by})", "")
    if entry is not DAMAGED and (state := state_of(entry)) in ALIVE:
        raise _refused(
            f"the task {entry.dag_id}.{entry.task_id} is {state} and may be sending {entry.what} right now",
            "Wait until the task has ended. If the entry is still unresolved then, settle it.",
        )
    if sent:
        store.write(key, replace(entry, state=SETTLED, until=stamp(), reason=None, settled_by=by).to_json())
    else:
        store.delete(key)
    store.delete(key + CLAIM)
    return entry


def _refused(what: str, remedy: str) -> MarketoInvalidRequestError:
    return MarketoInvalidRequestError(what, parameter="key", remedy=remedy or None)
