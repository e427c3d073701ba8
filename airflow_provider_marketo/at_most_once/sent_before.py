"""Digests of rows that runs of a task have sent, so that later runs do not send the same rows again."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.serializable import Serializable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.output.folder import OutputFolder

_RESERVING, _RESERVED = "reserving", "reserved"
_LOOKS, _PAUSE = 60, 0.5
"""
How many times, and after how many seconds, a run checks whether another run has decided. A run that has died does not
decide, so the rows that both runs want are left to its retry.
"""
_REMEDY = (
    "Restore the file from a backup. Without it, a task may send the rows of that run again: delete the file only"
    " if you accept that, and clear the task."
)


@dataclass(frozen=True)
class Reservation(Serializable):
    """
    The digests of one run.

    :param state: ``reserving`` while the run may still drop digests, then ``reserved``.
    :param at: when the state was written.
    :param digests: digests of the rows that the run may send.
    """

    VERSION: ClassVar[int] = 1

    state: str
    at: datetime
    digests: tuple[str, ...]


def digest(values: Sequence[Any], secret: Secret) -> str:
    """
    Return the digest of the values of ``once_by``. Without the secret, it reveals nothing about them.

    :param values: the values of one row.
    :param secret: the connection's ``hash_secret``.
    """
    text = json.dumps([str(value).strip().lower() for value in values])
    return hmac.new(secret.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()


class SentBefore:
    """
    The digests of a campaign, one file for each task instance.

    A run saves its own digests before it sends anything, then reads those of all other runs. So at most one of two
    overlapping runs sends the row of a digest: each run sees the digests that the other had saved before. If both runs
    save a digest before they read, the run whose name comes later drops it, and the other run waits for that.

    :param folder: a folder that every worker reaches.
    :param place: path in the folder, which names the campaign and the fields.
    :param run: name of the task instance.
    :param within: how long a digest counts; None for ever.
    :param sleep: waits for some seconds.
    """

    def __init__(
        self,
        folder: OutputFolder,
        place: str,
        run: str,
        within: timedelta | None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._folder = folder
        self._sleep = sleep
        self._place = place
        self._name = f"{place}/{key_part(run)}.json"
        self._within = within

    @property
    def is_reserved(self) -> bool:
        """
        Whether an earlier try has saved the digests that this run may send.

        :raises MarketoStateError: its file is damaged.
        """
        mine = self._read(self._name)
        return mine is not None and mine.state == _RESERVED

    def reserve(self, digests: Collection[str]) -> set[str]:
        """
        Return the digests that this run may send. A later try of the run gets the same ones.

        :param digests: digests of everything that the run would send.
        :raises MarketoStateError: the file of a run is damaged, so the rows that it has sent are unknown.
        """
        mine = self._read(self._name)
        if mine is not None and mine.state == _RESERVED:
            return set(mine.digests)
        wanted = set(digests) - _digests_of(self._others())
        self._write(wanted, _RESERVING)
        others = self._others()
        for _ in range(_LOOKS):
            undecided = [path for path, other in others.items() if path > self._name and _may_leave_out(other, wanted)]
            if not undecided:
                break
            self._sleep(_PAUSE)
            others.update({path: other for path in undecided if (other := self._read(path)) is not None})
        wanted -= _digests_of(others)
        self._write(wanted, _RESERVED)
        return wanted

    def known(self) -> set[str]:
        """Return the digests that this run would leave out, for a dry run."""
        return _digests_of(self._others())

    def _others(self) -> dict[str, Reservation]:
        oldest = datetime.now(timezone.utc) - self._within if self._within is not None else None
        paths = (f"{self._place}/{name}" for name in self._folder.names(self._place) if name.endswith(".json"))
        found = {path: other for path in paths if path != self._name and (other := self._read(path)) is not None}
        return {path: other for path, other in found.items() if oldest is None or other.at >= oldest}

    def _read(self, name: str) -> Reservation | None:
        return self._folder.read_state(Reservation, name, remedy=_REMEDY)

    def _write(self, digests: Iterable[str], state: str) -> None:
        now = datetime.now(timezone.utc).replace(microsecond=0)
        self._folder.write_state(self._name, Reservation(state, now, tuple(sorted(digests))))


def _digests_of(others: Mapping[str, Reservation]) -> set[str]:
    return {digest for other in others.values() for digest in other.digests}


def _may_leave_out(other: Reservation, wanted: set[str]) -> bool:
    return other.state == _RESERVING and not wanted.isdisjoint(other.digests)
