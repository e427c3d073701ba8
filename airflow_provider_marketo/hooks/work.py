"""
The work of an operator in one try, and what it may have to wait for.

Work knows Marketo and files. The operator decides whether a worker or the triggerer waits. So work never sleeps and
never defers: it does what can be done now and says what it needs next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Wait:
    """
    Let time pass.

    :param until: when to continue, aware; None for one poll interval from now.
    """

    until: datetime | None = None

    @property
    def xcoms(self) -> Mapping[str, Any]:
        """What the task publishes about itself before it is deferred, by XCom key."""
        return {}


class Work(ABC):
    """
    One try of a task.

    :ivar poll_interval: the connection's time between two polls of Marketo.
    """

    poll_interval: timedelta = timedelta(seconds=60)

    @property
    def deadline(self) -> datetime | None:
        """When waiting for Marketo ends, aware; None for work that never waits."""
        return None

    @abstractmethod
    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """
        Do everything that can be done now.

        :param found: what the trigger found; None to ask Marketo.
        :return: what to wait for, or None when all is done.
        """

    @abstractmethod
    def finish(self) -> Any:
        """Settle the rest, and return the task's result."""

    def pause(self, until: datetime) -> Wait:
        """
        Return the wait that lets time pass, and keeps the jobs that Marketo works on.

        :param until: when to continue, aware.
        """
        return Wait(until)

    def extend_deadline(self, idle_until: datetime) -> None:  # noqa: B027 - nothing to do by default
        """
        Move the deadline: time in which Marketo answers no calls does not count.

        :param idle_until: when calls are answered again, aware.
        """

    def answer(self, *, sent: bool) -> None:  # noqa: B027 - nothing to do by default
        """
        Accept a person's answer to whether a request ran.

        :param sent: whether the request ran. If not, it is sent again.
        """

    def kill(self) -> None:  # noqa: B027 - nothing to do by default
        """
        Stop, from a signal handler: nothing more is started, published or written down.

        The interrupted code continues for some seconds and may hold locks, so this uses none of its objects.
        """

    def give_up(self) -> None:  # noqa: B027 - nothing to do by default
        """Cancel what Marketo still works on, because no later try resumes it."""


def moved(deadline: datetime, idle_until: datetime) -> datetime:
    """Return a deadline that is later by the time from now until ``idle_until``."""
    return deadline + max(timedelta(0), idle_until - datetime.now(timezone.utc))
