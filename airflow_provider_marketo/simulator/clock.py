"""Time as the simulated instance sees it."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Protocol


class Clock(Protocol):
    """The time that the simulator needs."""

    @property
    def scale(self) -> float:
        """Simulated seconds in a real second."""
        ...

    @property
    def waits(self) -> bool:
        """Whether time stands still until a test moves it."""
        ...

    def now(self) -> datetime:
        """Simulated wall-clock time, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for simulated seconds."""
        ...


class ScaledClock:
    """
    A clock that starts at the real time and runs faster.

    :param scale: simulated seconds that pass in a real second.
    """

    waits = False

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._start = datetime.now(timezone.utc)
        self._zero = time.monotonic()

    def now(self) -> datetime:
        """Return the instance's time, which runs faster than that of the machine."""
        return self._start + timedelta(seconds=(time.monotonic() - self._zero) * self.scale)

    def sleep(self, seconds: float) -> None:
        """Wait for a time of the instance."""
        time.sleep(seconds / self.scale)


class ManualClock:
    """
    A clock that moves only when told to, so that tests of hours take no time.

    :param start: the first time that it shows.
    """

    scale = 1.0
    waits = True

    def __init__(self, start: datetime = datetime(2026, 3, 15, 12, tzinfo=timezone.utc)) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time to which the clock was set."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance the clock instead of waiting."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """
        Move the time forward.

        :param seconds: simulated seconds.
        """
        with self._lock:
            self._now += timedelta(seconds=seconds)
