"""
The ledger of requests that must not run twice.

Marketo has no idempotency keys, and Airflow runs a task again after a kill, a lost heartbeat or a clear. The process of
the earlier try may then still be alive. So a task writes an entry before each request, and a task that finds an entry
does not send.

No store that Airflow offers has compare-and-set, so two processes could each write an entry and believe that they own
it. Two registers decide between them (a *splitter*: Lamport's fast mutual exclusion without the waiting). A process
writes its name into the claim, reads the entry, writes the entry, and reads the claim again. At most one process finds
the entry unchanged and its own name in the claim; all others stop. If the store cannot be read, every process stops.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, get_args

from airflow_provider_marketo.at_most_once.entries import CLAIM, SETTLED, Entry, Sending
from airflow_provider_marketo.choices import OnAmbiguous
from airflow_provider_marketo.client.dates import stamp
from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError, MarketoError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.conversions import one_of

if TYPE_CHECKING:
    from collections.abc import Callable

log = printable_logger(__name__)

_LARGEST_RESULT = 16_384


class MarketoLedgerError(MarketoError):
    """The ledger cannot be read or written, or another process writes the same entry: this try does not send."""

    default_remedy = (
        "This try did not send the request, and the next try checks before it sends. If it fails again, check Airflow's"
        " API server, or the folder that the argument ledger names. Change this argument only if the run has sent"
        " nothing: another ledger does not know what a run has sent."
    )


class MarketoUnknownOutcomeError(MarketoAmbiguousOutcomeError):
    """
    It is unknown whether a request of the ledger ran.

    :param sending: the request.
    :param why: why it is unknown.
    """

    def __init__(self, message: str, *, sending: Sending, why: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.sending = sending
        self.why = why


class LedgerStore(Protocol):
    """
    Keeps the ledger's entries. A store that cannot tell whether an entry exists raises an exception.

    :ivar option: option of ``airflow marketo ledger`` that selects the store.
    """

    option: str

    def read(self, key: str) -> str | None:
        """Return the text under a key; None only if it certainly does not exist."""
        ...

    def write(self, key: str, text: str) -> None:
        """Store a text; it replaces an earlier one."""
        ...

    def delete(self, key: str) -> None:
        """Delete a text; it may be missing."""
        ...


@dataclass(frozen=True)
class Sent:
    """
    A request that was sent.

    :param result: Marketo's answer, as stored in the ledger.
    :param earlier: whether an earlier try sent it, so that nothing was sent now.
    """

    result: Any
    earlier: bool = False


class Ledger:
    """
    Sends requests that must not be sent twice.

    :param store: keeps the entries.
    :param on_ambiguous: what to do about a request that may or may not have run: ``stop``; ``resend``, once after each
        clear of the task, since a clear is a person's decision; or ``assume_sent``.
    :param force: whether to send a sent request again, once after each clear of the task.
    :raises MarketoInvalidRequestError: ``on_ambiguous`` has another value.
    """

    def __init__(self, store: LedgerStore, *, on_ambiguous: str = "stop", force: bool = False) -> None:
        one_of("on_ambiguous", on_ambiguous, get_args(OnAmbiguous))
        self._store = store
        self._on_ambiguous = on_ambiguous
        self._force = force
        self._me = uuid.uuid4().hex

    def once(self, sending: Sending, send: Callable[[], Any]) -> Sent:
        """
        Send a request, unless it has been or may have been sent.

        :param sending: the request.
        :param send: makes the call and returns the part of the answer to keep.
        :raises MarketoAmbiguousOutcomeError: the request may or may not have run, now or at an earlier try.
        :raises MarketoLedgerError: the ledger is not reliable; nothing was sent.
        :raises MarketoError: Marketo did not execute the request; the next try may send it.
        """
        claim = sending.key + CLAIM
        self._write(claim, self._me)
        before = self._read(sending.key)
        sent = self._already(sending, _entry(sending, before))
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
        Return a request that an earlier try has sent; None if the task should send it.

        :param sending: the request.
        :raises MarketoAmbiguousOutcomeError: the request may or may not have run.
        """
        return self._already(sending, _entry(sending, self._read(sending.key)))

    def knows(self, sending: Sending) -> bool:
        """
        Whether this task instance has sent a request, or was about to send it.

        :param sending: the request.
        """
        return self._read(sending.key) is not None

    def forget(self, sending: Sending) -> None:
        """
        Forget a request that certainly made nothing, so that a task may send it again.

        :param sending: the request.
        """
        self._restore(sending, None)

    def _already(self, sending: Sending, earlier: Entry | None) -> Sent | None:
        if earlier is None:
            return None
        cleared = earlier.generation != sending.generation
        if earlier.state == SETTLED:
            if self._force and cleared:
                return None
            log.info("%s was sent at %s (%s); it is not sent again", sending.what, earlier.since, sending.key)
            return Sent(earlier.result, earlier=True)
        if self._on_ambiguous == "assume_sent":
            self._settle(sending, earlier, None, "assume_sent")
            return Sent(None, earlier=True)
        if self._on_ambiguous == "resend" and cleared:
            log.warning("%s may have run before; it is sent again because of on_ambiguous=resend", sending.what)
            return None
        why = earlier.reason or f"a process began to send it at {earlier.since} and did not record the outcome"
        raise self._ambiguous(sending, why)

    def _begin(self, sending: Sending, claim: str) -> Entry:
        entry = Entry.of(sending, owner=self._me, since=stamp())
        self._write(sending.key, entry.to_json())
        if self._read(claim) != self._me:
            raise MarketoLedgerError(
                f"another process is about to send {sending.what}",
                operation=sending.operation,
                remedy="This try did not send it. The next try checks what the other process did.",
            )
        written = self._read(sending.key)
        if written != entry.to_json():
            raise MarketoLedgerError(
                "the ledger lost or changed an entry that was just written", operation=sending.operation
            )
        return entry

    def _settle(self, sending: Sending, entry: Entry, result: Any, by: str = "reply") -> None:
        small = result if len(json.dumps(result, default=str)) <= _LARGEST_RESULT else None
        settled = replace(entry, state=SETTLED, until=stamp(), result=small, reason=None, settled_by=by)
        try:
            self._store.write(sending.key, settled.to_json())
        except Exception as error:  # noqa: BLE001 - the request ran: a later try must not send it
            log.warning(
                "%s %s, but the ledger could not record this (%s). Before you %s, run `%s --sent`",
                sending.what,
                "was sent" if by == "reply" else "counts as sent (on_ambiguous=assume_sent)",
                type(error).__name__,
                "clear the task" if by == "reply" else "change on_ambiguous",
                self._settle_command(sending),
            )
            return
        self._forget(sending.key + CLAIM)

    def _note(self, sending: Sending, entry: Entry) -> None:
        try:
            self._store.write(sending.key, entry.to_json())
        except Exception:  # noqa: BLE001 - the stored entry says the same, without the reason
            log.info(
                "The ledger's entry %s could not be updated with the reason why the outcome is unknown", sending.key
            )

    def _restore(self, sending: Sending, before: str | None) -> None:
        """Restore the entry to its earlier text, because the request certainly did not run."""
        try:
            if before is None:
                self._store.delete(sending.key)
            else:
                self._store.write(sending.key, before)
        except Exception as error:  # noqa: BLE001 - the error of Marketo matters more
            log.warning(
                "%s did not run, but the ledger's entry could not be restored (%s). If the next try does not know"
                " whether it ran, run `%s --not-sent`",
                sending.what,
                type(error).__name__,
                self._settle_command(sending),
            )
        self._forget(sending.key + CLAIM)

    def _forget(self, key: str) -> None:
        try:
            self._store.delete(key)
        except Exception:  # noqa: BLE001 - a claim without a process does no harm
            log.debug("The ledger's claim %s could not be deleted", key)

    def _ambiguous(self, sending: Sending, why: str, error: MarketoError | None = None) -> MarketoUnknownOutcomeError:
        return MarketoUnknownOutcomeError(
            f"it is unknown whether {sending.what} ran: {why}",
            sending=sending,
            why=why,
            operation=sending.operation,
            code=error.code if error else None,
            request_id=error.request_id if error else None,
            remedy=f"{sending.how_to_check} Retries do not send it again. When you know, run "
            f"`{self._settle_command(sending)} --sent` or `--not-sent`, or set on_ambiguous to assume_sent or resend, "
            "and clear the task.",
            executed=True,
        )

    def _settle_command(self, sending: Sending) -> str:
        return f"airflow marketo ledger settle {sending.key}{self._store.option}"

    def _read(self, key: str) -> str | None:
        try:
            return self._store.read(key)
        except MarketoLedgerError:
            raise
        except Exception as error:
            raise MarketoLedgerError(f"the ledger cannot be read ({type(error).__name__}: {error})") from error

    def _write(self, key: str, text: str) -> None:
        try:
            self._store.write(key, text)
        except MarketoLedgerError:
            raise
        except Exception as error:
            raise MarketoLedgerError(f"the ledger cannot be written ({type(error).__name__}: {error})") from error


def _entry(sending: Sending, text: str | None) -> Entry | None:
    """Return the entry that a text holds; None only if nothing is stored. A malformed text counts as an entry."""
    return None if text is None else Entry.from_json(text) or Entry.unreadable(sending)
