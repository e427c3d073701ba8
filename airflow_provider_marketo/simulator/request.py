"""A call as the handlers see it: the operation, who calls, and parameters that the catalogue has approved of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_marketo.client.operation import Operation
from airflow_provider_marketo.simulator.faults import Fault
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.settings import ApiUser

MAX_BATCH = 300
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True)
class Upload:
    """
    A file in a multipart body.

    :param name: of the file.
    :param content_type: as the client says.
    """

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Request:
    """
    Parameters come from path, query, form, multipart or JSON body; to a handler they are one mapping with Adobe's names
    and with values of the catalogue's types: int, float, bool, str, aware datetime (``date`` stays text), list, dict
    and :class:`Upload`. What was not sent is not there.

    :param operation: of the catalogue.
    :param user: who calls.
    :param parameters: by name.
    :param headers: with names in lower case.
    :param fault: bad weather on request, for the handlers to which it is more than an error.
    """

    operation: Operation
    user: ApiUser
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter that may be missing."""
        return self.parameters.get(name, default)

    def required(self, name: str) -> Any:
        """A parameter that the catalogue calls optional and this use of the operation does not."""
        value = self.parameters.get(name)
        if value is None:
            raise missing(name)
        return value

    @property
    def batch_size(self) -> int:
        """Records wanted on a page, Marketo's default and maximum being the same."""
        size = int(self.get("batchSize", MAX_BATCH))
        if not 1 <= size <= MAX_BATCH:
            raise ApiError("1003", f"batchSize has to be between 1 and {MAX_BATCH}")
        return size


def missing(name: str) -> ApiError:
    """The error for a parameter that is not there."""
    return ApiError("1002", f"Missing value for the required parameter '{name}'")


def as_integer(value: Any) -> int:
    """
    A number, however it was sent.

    :raises ApiError: 1001, it is none.
    """
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(str(value))
    except ValueError:
        raise ApiError("1001", f"Invalid value '{value}'. Required of type 'integer'") from None


def as_moment(name: str, value: Any) -> datetime:
    """
    A point in time: ISO 8601 with an offset and without milliseconds.

    :raises ApiError: 1003, it is written in another way.
    """
    if isinstance(value, str) and _DATETIME.fullmatch(value):
        try:
            return parse_moment(value)
        except ValueError:
            pass
    raise ApiError("1003", f"Invalid date format for '{name}': {value}")


def parse_moment(value: str) -> datetime:
    """ISO 8601 with ``Z`` or an offset, which Python 3.10 takes only with a colon."""
    plain = re.sub(r"([+-]\d\d):?(\d\d)$", r"\1:\2", value.replace("Z", "+00:00"))
    return datetime.fromisoformat(plain).astimezone(timezone.utc)
