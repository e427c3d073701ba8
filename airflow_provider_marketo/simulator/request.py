"""A call as handlers see it: the operation, the API user, and the parameters, checked against the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.operation import Operation
    from airflow_provider_marketo.simulator.faults import Fault
    from airflow_provider_marketo.simulator.settings import ApiUser

MAX_BATCH = 300
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True)
class Upload:
    """
    A file in a multipart body.

    :param name: name of the file.
    :param content_type: as the client declares it.
    :param content: all bytes.
    """

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Request:
    """
    A call that passed all checks.

    Parameters come from path, query, form, multipart or JSON body. Handlers see one mapping with Adobe's names and with
    values of the catalogue's types: int, float, bool, str, aware datetime (``date`` stays text), list, dict and
    :class:`Upload`. A parameter that was not sent is missing from it.

    :param operation: row of the catalogue.
    :param user: API user of the token.
    :param parameters: by name.
    :param headers: with names in lower case.
    :param fault: fault on request, for handlers that do more than raise its error.
    """

    operation: Operation
    user: ApiUser
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter that may be missing."""
        return self.parameters.get(name, default)

    def required(self, name: str) -> Any:
        """
        Return a parameter that is optional in the catalogue and required in this use of the operation.

        :raises ApiError: 1002, it is missing.
        """
        value = self.parameters.get(name)
        if value is None:
            raise missing(name)
        return value

    @property
    def batch_size(self) -> int:
        """Records on a page; Marketo's default is its maximum."""
        size = int(self.get("batchSize", MAX_BATCH))
        if not 1 <= size <= MAX_BATCH:
            raise ApiError("1003", f"batchSize must be between 1 and {MAX_BATCH}")
        return size


def missing(name: str) -> ApiError:
    """Return the error for a missing parameter."""
    return ApiError("1002", f"Missing value for the required parameter '{name}'")


def as_integer(value: Any) -> int:
    """
    Return an integer from text or JSON.

    :raises ApiError: 1001, the value is not an integer.
    """
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(str(value))
    except ValueError:
        raise ApiError("1001", f"Invalid value '{value}'. Required of type 'integer'") from None


def as_moment(name: str, value: Any) -> datetime:
    """
    Return a point in time from ISO 8601 with an offset and without milliseconds.

    :raises ApiError: 1003, the value has another format.
    """
    if isinstance(value, str) and _DATETIME.fullmatch(value):
        try:
            return parse_moment(value)
        except ValueError:
            pass
    raise ApiError("1003", f"Invalid date format for '{name}': {value}")


def parse_moment(value: str) -> datetime:
    """Return a point in time from ISO 8601; Python 3.10 itself accepts an offset only with a colon."""
    plain = re.sub(r"([+-]\d\d):?(\d\d)$", r"\1:\2", value.replace("Z", "+00:00"))
    return datetime.fromisoformat(plain).astimezone(timezone.utc)
