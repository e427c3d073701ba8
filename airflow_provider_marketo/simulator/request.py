"""A call as handlers see it: the operation, the API user, and the parameters, checked against the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.operation import Operation
    from airflow_provider_marketo.simulator.faults import Fault
    from airflow_provider_marketo.simulator.settings import ApiUser

MAX_BATCH = 300
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_LARGEST = 1 << 63


@dataclass(frozen=True)
class Upload:
    """
    A file in a multipart body.

    :param name: name of the file.
    :param content_type: the content type that the client declares.
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
    :param parameters: parameters by name.
    :param headers: headers with names in lower case.
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
    if not isinstance(value, bool) and _INTEGER.fullmatch(str(value)) and abs(int(value)) < _LARGEST:
        return int(value)
    raise ApiError("1001", f"Invalid value '{value}'. Required of type 'integer'")
