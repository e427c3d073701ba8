"""The progress of an import, which must survive the task."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.output import progress as kept

if TYPE_CHECKING:
    from collections.abc import Iterable

STAGED, SENDING, QUEUED, DONE, LOST, UNTOLD = "staged", "sending", "queued", "done", "lost", "untold"
"""A chunk's states.

``sending`` is written down before a byte leaves: a try that finds it knows that the answer was lost. A chunk that is
``lost`` is sent again only if the author says so. For an ``untold`` chunk, Marketo did not say what became of some
rows, although its import has ended: the next try asks again."""


@dataclass
class Account(Serializable):
    """
    What became of rows. Every row that entered is in exactly one of the first six counts.

    :param accepted: rows that were imported.
    :param warned: rows that were imported with a warning.
    :param rejected: rows that were not imported, for a known reason.
    :param superseded: rows that were not sent because a later row has the same key.
    :param unknown: rows that may or may not be in Marketo.
    :param submitted: rows that data ingestion has taken; it reports their outcome elsewhere.
    :param created: accepted rows that created a record, if Marketo reports this.
    :param updated: accepted rows that updated a record, if Marketo reports this.
    """

    SPARSE: ClassVar[bool] = True
    accepted: int = 0
    warned: int = 0
    rejected: int = 0
    superseded: int = 0
    unknown: int = 0
    submitted: int = 0
    created: int = 0
    updated: int = 0

    @property
    def rows(self) -> int:
        """The number of rows in the account."""
        return self.accepted + self.warned + self.rejected + self.superseded + self.unknown + self.submitted

    def __add__(self, other: Account) -> Account:
        return Account(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Account)))

    def check(self, rows: int) -> None:
        """
        Check that every row is accounted for.

        :param rows: how many rows the input has.
        :raises MarketoDataError: the account has more or fewer rows.
        """
        if self.rows != rows:
            raise MarketoDataError(
                f"the input has {counted(rows, 'row')}, and the account has {self.rows}: {self}",
                remedy="This is a fault of this provider: please report it with the counts above.",
            )


@dataclass
class ChunkState(Serializable):
    """
    The progress of a chunk.

    :param state: one of the words above.
    :param batch_id: Marketo's id of its import.
    :param account: account of its rows, when it is done or lost.
    :param resent: whether it was sent before, with an unknown outcome.
    :param reopened: whether this try asks Marketo again about rows whose outcome an earlier try did not learn.
    :param losses: how many times the answer to its upload was lost.
    :param sent_at: when it was first sent, on Marketo's clock, ISO 8601. The chunk did not create older records.
    """

    SPARSE: ClassVar[bool] = True
    state: str = STAGED
    batch_id: int | None = None
    account: Account = field(default_factory=Account)
    resent: bool = False
    reopened: bool = False
    losses: int = 0
    sent_at: str = ""

    def to_resend(self) -> ChunkState:
        """Return the state of a chunk that is sent once more, because its outcome is unknown."""
        return ChunkState(resent=True, losses=self.losses + 1, sent_at=self.sent_at)


@dataclass
class ImportProgress(kept.Progress):
    """
    The progress of an import.

    :param plan: SHA-256 of the plan, which has the SHA-256 of every chunk.
    :param chunks: chunk name to state, without chunks that are only staged.
    :param calls: calls made to send rows, over all tries.
    :param result: what the task returns, once every chunk is done.
    :param host: the host of the process that staged the rows.
    :param error: the error that ends the task although everything was sent, in the form of ``MarketoError.to_dict``.
    """

    plan: str = ""
    chunks: dict[str, ChunkState] = field(default_factory=dict)
    calls: int = 0
    host: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)

    @property
    def binds(self) -> bool:
        """Whether a try without this progress would send rows a second time."""
        return self.sent

    @property
    def sent(self) -> bool:
        """Whether a row may have been sent."""
        states = map(self.chunk, self.chunks)
        return any(each.state != STAGED or each.resent for each in states)

    def chunk(self, name: str) -> ChunkState:
        """Return the state of a chunk; a copy, which :meth:`put` sets."""
        return replace(self.chunks.get(name, ChunkState()))

    def put(self, name: str, state: ChunkState) -> None:
        """Set a chunk's state; the keeper saves it."""
        self.chunks[name] = replace(state)


def total(accounts: Iterable[Account]) -> Account:
    """Add up accounts."""
    return sum(accounts, Account())
