"""State that outlives a process, read so that damage is never taken for absence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_marketo.client.errors import MarketoStateError
from airflow_provider_marketo.client.serializable import UPDATE, LaterFormatError, Serializable

if TYPE_CHECKING:
    from collections.abc import Mapping

State = TypeVar("State", bound=Serializable)

_JSON_NAMES: Mapping[type, str] = {dict: "a JSON object", list: "a JSON list", str: "a JSON text"}


def parse(text: str | bytes, kind: type, *, place: str, remedy: str) -> Any:
    """
    Return a JSON value that an earlier process wrote.

    :param text: what is stored. An empty text is damage: this provider never writes one.
    :param kind: ``dict``, ``list`` or ``str``.
    :param place: where it is stored, for the error.
    :param remedy: the way out, for the error.
    :raises MarketoStateError: the text is not JSON of this kind.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(place, error, remedy) from error
    return checked(value, kind, place=place, remedy=remedy)


def checked(value: Any, kind: type, *, place: str, remedy: str) -> Any:
    """
    Check the kind of a stored value, and return the value. The parameters are those of :func:`parse`.

    :raises MarketoStateError: the value is of another kind.
    """
    if not isinstance(value, kind):
        raise damaged(place, f"it is not {_JSON_NAMES[kind]}", remedy)
    return value


def revive(kind: type[State], facts: Any, *, place: str, remedy: str) -> State:
    """
    Return the object that an earlier process stored.

    :param kind: its class.
    :param facts: what is stored.
    :param place: where it is stored, for the error.
    :param remedy: the way out, for the error.
    :raises MarketoStateError: the object is damaged, or a later release wrote it.
    """
    try:
        return kind.from_dict(facts)
    except LaterFormatError as error:
        raise MarketoStateError(f"{place} cannot be read: {error.fact}", remedy=UPDATE) from error
    except ValueError as error:
        raise damaged(place, error, remedy) from error


def damaged(place: str, why: object, remedy: str) -> MarketoStateError:
    """
    Return the error for state that cannot be read.

    :param place: where it is stored.
    :param why: what is wrong with it.
    :param remedy: the way out.
    """
    return MarketoStateError(f"{place} is damaged ({why})", remedy=remedy)
