"""``airflow marketo ledger``: the record of requests that must not run twice."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_marketo.airflow_compat import (
    Variable,
    action_cli,
    create_session,
    providers_configuration_loaded,
)
from airflow_provider_marketo.at_most_once.decision import decide
from airflow_provider_marketo.at_most_once.entries import CLAIM, DAMAGED, PREFIX, SETTLED, Entry, task_name
from airflow_provider_marketo.at_most_once.ledger import LedgerStore
from airflow_provider_marketo.at_most_once.stores import FolderStore
from airflow_provider_marketo.cli.tables import print_rows
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.printable import printable
from airflow_provider_marketo.hooks.task_states import states

if TYPE_CHECKING:
    from argparse import Namespace


class ListedStore(LedgerStore, Protocol):
    """A store that can list its keys."""

    def all_keys(self) -> list[str]:
        """Return the keys of all entries and claims."""
        ...


class _DatabaseStore:
    """The ledger's Variables in the metadata database. A command cannot read Variables as a task does."""

    option = ""

    def all_keys(self) -> list[str]:
        with create_session() as session:
            return list(session.scalars(select(Variable.key).where(Variable.key.startswith(PREFIX))))

    def read(self, key: str) -> str | None:
        with create_session() as session:
            found = session.scalar(select(Variable).where(Variable.key == key))
            # If Airflow cannot decrypt a Variable, its value is None, although the Variable exists.
            return None if found is None else found.val or ""

    def write(self, key: str, text: str) -> None:
        with create_session() as session:
            # Airflow deletes the description of a Variable that is set without one.
            description = session.scalar(select(Variable.description).where(Variable.key == key))
            Variable.set(key, text, description=description, session=session)

    def delete(self, key: str) -> None:
        with create_session() as session:
            Variable.delete(key, session=session)


@action_cli(check_db=False)
@providers_configuration_loaded
def list_entries(args: Namespace) -> None:
    """Print the entries, unresolved ones first."""
    entries = sorted(_entries(_store(args)), key=lambda found: (found[1].state == SETTLED, found[1].since))
    print_rows([_row(key, entry) for key, entry in entries], args.output)


@action_cli(check_db=False)
@providers_configuration_loaded
def settle(args: Namespace) -> None:
    """Record that a request ran, or that it did not."""
    if args.sent == args.not_sent:
        raise SystemExit("airflow marketo ledger settle: give either --sent or --not-sent")
    try:
        entry = decide(_store(args), args.key, sent=args.sent, state_of=_state)
    except MarketoError as error:
        raise SystemExit(f"airflow marketo ledger settle: {printable(error)}") from None
    task = "the task" if entry is DAMAGED else f"the task {entry.dag_id}.{entry.task_id}"
    if args.sent:
        print(printable(f"{entry.what} is recorded as sent. Clear {task}: it continues."))
    else:
        print(printable(f"{entry.what} is recorded as not sent. Clear {task}: it sends the request."))


def _state(entry: Entry) -> str | None:
    """Return the state of an entry's task instance; None if this Airflow's database does not have it."""
    instance = (entry.dag_id, entry.task_id, entry.run_id, entry.map_index)
    try:
        with create_session() as session:
            return states(session, [instance]).get(instance)
    except SQLAlchemyError:  # a ledger in a folder needs no database
        return None


@action_cli(check_db=False)
@providers_configuration_loaded
def prune(args: Namespace) -> None:
    """Delete entries that were settled long ago, and claims without an entry."""
    store = _store(args)
    before = datetime.now(timezone.utc) - timedelta(days=args.older_than_days)
    old = [key for key, entry in _entries(store) if entry.until and parse_date(entry.until) < before]
    for key in old:
        store.delete(key)
    left = {key for key in store.all_keys() if not key.endswith(CLAIM)}
    for key in store.all_keys():
        if key.endswith(CLAIM) and key.removesuffix(CLAIM) not in left:
            store.delete(key)
    deleted, age = counted(len(old), "entry", "entries"), counted(args.older_than_days, "day")
    print(f"Deleted {deleted} settled more than {age} ago; {len(left)} left")


def _store(args: Namespace) -> Any:
    try:
        return FolderStore(args.ledger) if args.ledger else _DatabaseStore()
    except MarketoError as error:
        raise SystemExit(f"airflow marketo ledger: {error}") from None


def _entry(text: str) -> Entry:
    try:
        return Entry.from_json(text) or DAMAGED
    except MarketoError as error:
        raise SystemExit(f"airflow marketo ledger: {error}") from None


def _entries(store: ListedStore) -> list[tuple[str, Entry]]:
    found = []
    for key in store.all_keys():
        text = None if key.endswith(CLAIM) else store.read(key)
        if text is not None:
            found.append((key, _entry(text)))
    return found


def _row(key: str, entry: Entry) -> dict[str, str]:
    return {
        "state": "sent" if entry.state == SETTLED else "unresolved",
        "what": entry.what,
        "task": "" if entry is DAMAGED else task_name(entry),
        "run": entry.run_id,
        "since": entry.since,
        "decided_by": entry.settled_by or "",
        "key": key,
    }
