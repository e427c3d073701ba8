"""Faults on request: errors, broken connections and damaged files that a test asks for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB_ENDS = ("failed", "cancelled", "stuck", "vanished")
_WAYS = ("code", "status", "drop", "delay", "spoil", "ignore_range", "endless", "drip", "expire", "job")
_KINDS: Mapping[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}
_OF_ADOBE = ("journal.read", "ims.token")
"""Operations of Adobe I/O Events, which the catalogue does not have."""

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


@dataclass
class Fault:
    """
    A fault, and to how many calls it happens.

    :param operation: name in the catalogue, such as ``leads.sync``; ``*`` matches anything, as in ``bulk_export_*``.
    :param code: Marketo error code of the whole call. For the download of a file, JSON with this code replaces the
        file, with HTTP 200.
    :param message: error message; None for the usual message of the code.
    :param status: HTTP status with a page that is not JSON, such as 502; 404 on a file means that it is missing.
    :param body: text of that page; with status 200 it replaces the answer.
    :param drop: reset the connection.
    :param executed: run the operation first, then fail, so that the caller cannot know.
    :param delay: real seconds before the answer; without another fault the call succeeds.
    :param truncate: send only this many bytes of a file or of a journal's page, then close the connection.
    :param spoil: change one byte of a file, so that its checksum is wrong.
    :param ignore_range: answer a request for a part of a file with the whole file.
    :param endless: announce no length, and send the file again and again until the client leaves.
    :param drip: real seconds before each byte of a file.
    :param expire: let every token expire, and refuse the call with 602.
    :param job: how the job that the call creates or enqueues ends: ``failed``, ``cancelled``, ``stuck`` in the queue
        for ever, or ``vanished``, as if there had never been one.
    :param times: how many calls fail; None for all.
    :param skip: how many calls succeed first.
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
    endless: bool = False
    drip: float = 0.0
    expire: bool = False
    job: str | None = None
    times: int | None = 1
    skip: int = 0

    def __post_init__(self) -> None:
        if self.code is not None:
            self.code = str(self.code)
        if self.job is not None and self.job not in JOB_ENDS:
            raise ValueError(f"job={self.job!r} is not one of {', '.join(JOB_ENDS)}")
        if self.truncate is None and not any(getattr(self, way) for way in _WAYS):
            raise ValueError(f"a fault needs at least one of truncate, {', '.join(_WAYS[:-1])} or {_WAYS[-1]}")
        for each in fields(self):
            value = getattr(self, each.name)
            kind = _KINDS[str(each.type).partition(" |")[0]]
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool) != (kind is bool)):
                raise ValueError(f"{each.name}={value!r} is of a wrong type")
        known = (*(each.name for each in operations.all_operations()), *_OF_ADOBE)
        if not any(fnmatchcase(name, self.operation) for name in known):
            raise ValueError(f"operation={self.operation!r} is neither an operation nor a pattern that matches one")

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Fault:
        """
        Return the fault that a JSON object describes.

        :raises ValueError: a member is unknown, or no member makes a fault.
        """
        known = {each.name for each in fields(cls)}
        unknown = set(facts) - known
        if unknown or "operation" not in facts:
            raise ValueError(f"a fault has the members {', '.join(sorted(known))}; operation is required")
        return cls(**facts)


class Faults:
    """The faults that wait for their call. Not thread-safe: the instance calls it under its lock."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault; those added earlier happen first."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """Return the fault that a call of an operation meets; None without one."""
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
