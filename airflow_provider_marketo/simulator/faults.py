"""Bad weather on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

JOB_ENDS = ("failed", "cancelled", "stuck")
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


@dataclass
class Fault:
    """
    What goes wrong, and how often. Without any of the ways below, the code decides.

    :param operation: name in the catalogue, such as ``leads.sync``; ``*`` stands for anything, as in ``bulk_export_*``.
    :param code: Marketo's, at the level of the whole call. On the download of a file it comes as JSON in place of the
        file, with HTTP 200.
    :param message: Marketo's; None for the usual text of the code.
    :param status: an HTTP status with a page that is not JSON, such as 502; 404 on a file is one that is missing.
    :param body: the text of that page; with status 200 it takes the place of the answer.
    :param drop: reset the connection.
    :param executed: carry the operation out first, then fail: the caller cannot know.
    :param delay: real seconds before the answer; the call goes well unless something else is asked for.
    :param truncate: send only so many bytes of a file, then close the connection.
    :param spoil: change one byte of a file, so that its checksum is wrong.
    :param ignore_range: answer a request for a part of a file with all of it.
    :param job: how the export job ends that the call creates or enqueues: ``failed``, ``cancelled``, or ``stuck`` in
        the queue for ever.
    :param times: how many calls; None for all.
    :param skip: how many calls go well first.
    """

    operation: str
    code: str | None = None
    message: str | None = None
    status: int | None = None
    body: str | None = None
    drop: bool = False
    executed: bool = False
    delay: float = 0.0
    truncate: int | None = None
    spoil: bool = False
    ignore_range: bool = False
    job: str | None = None
    times: int | None = 1
    skip: int = 0

    def __post_init__(self) -> None:
        if self.code is not None:
            self.code = str(self.code)
        if self.job is not None and self.job not in JOB_ENDS:
            raise ValueError(f"job is one of {', '.join(JOB_ENDS)}")
        ways = (self.code, self.status, self.drop, self.delay, self.spoil, self.ignore_range, self.job)
        if not any(ways) and self.truncate is None:
            raise ValueError("a fault needs one of code, status, drop, delay, truncate, spoil, ignore_range and job")

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Fault:
        """
        :raises ValueError: a member that there is not, or none that makes a fault.
        """
        known = {each.name for each in fields(cls)}
        unknown = set(facts) - known
        if unknown or "operation" not in facts:
            raise ValueError(f"a fault has the members {', '.join(sorted(known))}; operation is required")
        return cls(**facts)


class Faults:
    """The faults that wait for their call. Not safe between threads: the instance calls it under its lock."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Ask for one; it comes after those asked for earlier."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Fair weather from now on."""
        self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """The fault that befalls this call, if any."""
        for fault in self._waiting:
            if not fnmatchcase(operation, fault.operation):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
            return fault
        return None
