"""Errors as plain JSON, for another process: in a trigger's event, or in the progress of a task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.serializable import Serializable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class StoredError(Serializable):
    """
    An error as another process reads it.

    :param error: name of its class; the other parameters are its attributes.
    """

    VERSION: ClassVar[int] = 1
    SPARSE: ClassVar[bool] = True
    error: str
    message: str = ""
    operation: str | None = None
    code: str | None = None
    request_id: str | None = None
    remedy: str | None = None
    executed: bool = False
    parameter: str | None = None
    until: datetime | None = None
    quota: str | None = None


_STORED = ("message", "operation", "code", "request_id", "remedy", "executed")
_STORED_OF_SOME = ("parameter", "until", "quota")


def to_dict(error: MarketoError) -> dict[str, Any]:
    """Return an error as plain JSON, so that another process can raise it again."""
    facts: dict[str, Any] = {name: getattr(error, name, None) for name in (*_STORED, *_STORED_OF_SOME)}
    return StoredError(type(error).__name__, **facts).to_dict()


def from_dict(facts: Mapping[str, Any]) -> MarketoError:
    """
    Return the error that :func:`to_dict` described.

    :raises LaterFormatError: a later release described it.
    """
    stored = StoredError.from_dict(facts)
    kinds = {kind.__name__: kind for kind in _all_errors(MarketoError)}
    names = [*_STORED, *(name for name in _STORED_OF_SOME if getattr(stored, name) is not None)]
    return kinds.get(stored.error, MarketoError)(**{name: getattr(stored, name) for name in names})


def _all_errors(kind: type[MarketoError]) -> list[type[MarketoError]]:
    return [kind, *(sub for child in kind.__subclasses__() for sub in _all_errors(child))]
