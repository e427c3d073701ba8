"""
What keeps a request that must not run twice from running twice: an entry, written before it, that outlives the process.

Marketo has no idempotency keys, and Airflow runs a task again after a kill, a lost heartbeat or a clear, sometimes
beside a process of the try before that is still alive. So the entry is written first, and a task that finds one does
not send.

No store behind Airflow knows compare-and-set, so two processes could each write an entry and take it for theirs. They
are told apart with two registers (a *splitter*: Lamport's fast mutual exclusion without the waiting): write one's name
into the claim, find the entry as it was, write the entry, and find one's name in the claim still. Of any number of
processes at most one finds both; the others stop. A store that cannot be read stops everybody.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from typing import Any, Protocol

from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoError,
    MarketoInvalidRequestError,
)

log = logging.getLogger(__name__)

PREFIX = "marketo_once_"
"""Of every key. No word in it makes Airflow mask the value."""

CLAIM = "_claim"
SENDING, SETTLED = "sending", "settled"
ON_AMBIGUOUS = ("stop", "resend", "assume_sent")
_LARGEST_RESULT = 16_384


class MarketoLedgerError(MarketoError):
    """The ledger cannot be read or written, or somebody else writes the same entry now: nothing was sent."""

    default_remedy = (
        "Nothing was sent. Try again when Airflow's API server answers, or name a folder that every worker reaches "
        "with ledger=."
    )


class LedgerStore(Protocol):
    """
    Where entries live. What cannot be told for certain is an exception, never None.

    :param option: what ``airflow marketo ledger`` has to be told to find it.
    """

    option: str

    def read(self, key: str) -> str | None:
        """The text under a key; None only if there certainly is none."""
        ...

    def write(self, key: str, text: str) -> None: ...

    def delete(self, key: str) -> None: ...


@dataclass(frozen=True)
class Sending:
    """
    What is about to be sent, and by whom.

    :param instance: Munchkin ID.
    :param operation: the operation's name.
    :param content: all that makes this request another one: campaign, audience or run time, tokens.
    :param what: the same for people, without lead data beyond ids and counts.
    :param how_to_check: how a person finds out whether it ran.
    :param dag_id: of the task, as the next three.
    :param generation: of the task instance: its ``max_tries``, which only a clear changes.
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
        """Of the entry, and of no other request, task instance or run."""
        parts = [self.instance, self.operation, self.dag_id, self.task_id, self.map_index, self.run_id, self.content]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
        return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Entry:
    """
    An entry as it is stored.

    :param state: ``sending`` (nobody knows, until it is settled) or ``settled`` (it ran, or a person says so).
    :param owner: the process that wrote it.
    :param since: when, ISO 8601.
    :param until: when it was settled.
    :param result: what Marketo answered, if it is small.
    :param reason: why it is not known whether it ran.
    :param settled_by: ``reply``, or what a person decided.
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
        :raises MarketoLedgerError: the text is not an entry.
        """
        known = {each.name for each in fields(cls)}
        try:
            return cls(**{name: value for name, value in json.loads(text).items() if name in known})
        except (ValueError, TypeError, AttributeError):
            raise MarketoLedgerError(
                "the ledger has an entry that cannot be read", remedy="Nothing was sent. See who else writes it."
            ) from None

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True)
class Sent:
    """
    :param result: Marketo's answer, as it was remembered.
    :param earlier: whether it had been sent before, so that nothing was sent now.
    """

    result: Any
    earlier: bool = False


class Ledger:
    """
    Sends what must not be sent twice.

    :param store: where entries live.
    :param on_ambiguous: about a request of which nobody knows whether it ran: ``stop``; ``resend``, once after each
        clear of the task, which is taken for a person's word; ``assume_sent``.
    :param force: send again what was sent, once after each clear of the task.
    :raises MarketoInvalidRequestError: ``on_ambiguous`` is something else.
    """

    def __init__(self, store: LedgerStore, *, on_ambiguous: str = "stop", force: bool = False) -> None:
        if on_ambiguous not in ON_AMBIGUOUS:
            raise MarketoInvalidRequestError(
                f"on_ambiguous is {on_ambiguous!r} and must be one of {', '.join(ON_AMBIGUOUS)}",
                parameter="on_ambiguous",
            )
        self._store = store
        self._on_ambiguous = on_ambiguous
        self._force = force
        self._me = uuid.uuid4().hex

    def once(self, sending: Sending, send: Callable[[], Any]) -> Sent:
        """
        Send, unless it has been or may have been sent.

        :param sending: what.
        :param send: makes the call and returns what is to be remembered of the answer.
        :raises MarketoAmbiguousOutcomeError: nobody knows whether it ran, now or at an earlier try.
        :raises MarketoLedgerError: the ledger cannot be relied on; nothing was sent.
        :raises MarketoError: Marketo certainly did not act on the request; the next try may send it.
        """
        claim = sending.key + CLAIM
        self._write(claim, self._me)
        before = self._read(sending.key)
        earlier = Entry.from_json(before) if before else None
        sent = self._already(sending, earlier)
        if sent is not None:
            self._forget(claim)
            return sent
        entry = self._begin(sending, claim)
        try:
            result = send()
        except MarketoError as error:
            if error.executed:
                self._note(sending, replace(entry, reason=str(error)))
                raise self._ambiguous(sending, error.message, error) from error
            self._restore(sending, before)
            raise
        self._settle(sending, entry, result)
        return Sent(result)

    def earlier(self, sending: Sending) -> Sent | None:
        """
        What is known of an earlier try; None if the request is to be sent.

        :raises MarketoAmbiguousOutcomeError: nobody knows whether it ran.
        """
        text = self._read(sending.key)
        return self._already(sending, Entry.from_json(text) if text else None)

    def knows(self, sending: Sending) -> bool:
        """Whether this task instance has sent it, or was about to."""
        return self._read(sending.key) is not None

    def forget(self, sending: Sending) -> None:
        """It certainly left nothing behind: it may be sent again."""
        self._restore(sending, None)

    def _already(self, sending: Sending, earlier: Entry | None) -> Sent | None:
        if earlier is None:
            return None
        cleared = earlier.generation != sending.generation
        if earlier.state == SETTLED:
            if self._force and cleared:
                return None
            log.info("%s was sent at %s (%s): nothing is sent again", sending.what, earlier.since, sending.key)
            return Sent(earlier.result, earlier=True)
        if self._on_ambiguous == "assume_sent":
            self._settle(sending, earlier, None, "assume_sent")
            return Sent(None, earlier=True)
        if self._on_ambiguous == "resend" and cleared:
            log.warning("%s may have run before; it is sent again, as on_ambiguous=resend says", sending.what)
            return None
        why = earlier.reason or f"a process began to send it at {earlier.since} and never said how it went"
        raise self._ambiguous(sending, why)

    def _begin(self, sending: Sending, claim: str) -> Entry:
        entry = Entry(
            SENDING,
            self._me,
            sending.instance,
            sending.operation,
            sending.what,
            sending.dag_id,
            sending.task_id,
            sending.run_id,
            sending.map_index,
            sending.generation,
            _now(),
        )
        self._write(sending.key, entry.to_json())
        if self._read(claim) != self._me:
            raise MarketoLedgerError(f"another process is about to send {sending.what}", operation=sending.operation)
        written = self._read(sending.key)
        if written is None or Entry.from_json(written).state != SENDING:
            raise MarketoLedgerError("the ledger does not hold what was written to it", operation=sending.operation)
        return entry

    def _settle(self, sending: Sending, entry: Entry, result: Any, by: str = "reply") -> None:
        small = result if len(json.dumps(result, default=str)) <= _LARGEST_RESULT else None
        settled = replace(entry, state=SETTLED, until=_now(), result=small, reason=None, settled_by=by)
        try:
            self._store.write(sending.key, settled.to_json())
        except Exception as error:  # noqa: BLE001 - it ran: the task is done, and a try to come must not send
            log.warning(
                "%s was sent, but the ledger could not be told (%s): a clear of this task will ask a person about %s",
                sending.what,
                type(error).__name__,
                sending.key,
            )
            return
        self._forget(sending.key + CLAIM)

    def _note(self, sending: Sending, entry: Entry) -> None:
        try:
            self._store.write(sending.key, entry.to_json())
        except Exception:  # noqa: BLE001 - the entry of before says the same, but for the reason
            log.info("The reason could not be written to the ledger's entry %s", sending.key)

    def _restore(self, sending: Sending, before: str | None) -> None:
        """It certainly did not run: as if nothing had been sent now."""
        try:
            if before is None:
                self._store.delete(sending.key)
            else:
                self._store.write(sending.key, before)
        except Exception as error:  # noqa: BLE001 - Marketo's error says more than this one
            log.warning(
                "%s did not run, but the ledger's entry %s could not be taken back (%s)",
                sending.what,
                sending.key,
                type(error).__name__,
            )
        self._forget(sending.key + CLAIM)

    def _forget(self, key: str) -> None:
        try:
            self._store.delete(key)
        except Exception:  # noqa: BLE001 - a claim without a process stands in nobody's way
            log.debug("The claim %s stays behind", key)

    def _ambiguous(self, sending: Sending, why: str, error: MarketoError | None = None) -> MarketoAmbiguousOutcomeError:
        return MarketoAmbiguousOutcomeError(
            f"nobody knows whether {sending.what} ran: {why}",
            operation=sending.operation,
            code=error.code if error else None,
            request_id=error.request_id if error else None,
            remedy=f"{sending.how_to_check} It is not sent again by retries. When you know: run `airflow marketo "
            f"ledger settle {sending.key}{self._store.option} --sent` or `--not-sent`, or set on_ambiguous to "
            "assume_sent or resend, and clear the task.",
            executed=True,
        )

    def _read(self, key: str) -> str | None:
        try:
            return self._store.read(key)
        except Exception as error:
            raise MarketoLedgerError(f"the ledger cannot be read ({type(error).__name__}: {error})") from error

    def _write(self, key: str, text: str) -> None:
        try:
            self._store.write(key, text)
        except Exception as error:
            raise MarketoLedgerError(f"the ledger cannot be written ({type(error).__name__}: {error})") from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def sending_of(context: Mapping[str, Any], **facts: Any) -> Sending:
    """
    A request of the running task instance.

    :param context: Airflow's.
    :param facts: of :class:`Sending`, but for the task's.
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
