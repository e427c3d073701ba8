"""
State that another process or a later release reads: dataclasses as plain JSON, and back.

A class whose objects are stored inherits from :class:`Plain`. Its fields' types say how they are read. Members that a
class does not know are ignored and members that are missing take their default, so fields may be added at any time; any
other change of a format raises the class's ``VERSION``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from functools import cache
from types import UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from airflow_provider_marketo.client.dates import exact, parse_date

Self = TypeVar("Self", bound="Plain")


class Plain:
    """
    A dataclass that is stored as JSON.

    Fields may be what JSON has, dates, spans of time, tuples, sequences, sets, mappings and dataclasses.
    """

    VERSION: ClassVar[int | None] = None
    """Version of the stored format; None for a class that is only stored as a part of others."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, with the format's version."""
        version = {} if self.VERSION is None else {"version": self.VERSION}
        return version | _members(self)

    @classmethod
    def from_dict(cls: type[Self], facts: Mapping[str, Any]) -> Self:
        """
        Read what :meth:`to_dict` wrote.

        :raises ValueError: a later release with another format wrote it.
        """
        version = facts.get("version", cls.VERSION)
        if cls.VERSION is not None and version > cls.VERSION:
            raise ValueError(
                f"this {cls.__name__} has format {version}, and this release reads formats up to {cls.VERSION}:"
                " update airflow-provider-marketo on all workers"
            )
        made: Self = _made(cls, facts)
        return made


def _members(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    if dataclasses.is_dataclass(value):
        return _members(value)
    if isinstance(value, datetime):
        return exact(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, Set):
        return sorted(map(_plain, value))
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return list(map(_plain, value))
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def _made(kind: Any, facts: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    return kind(**{name: _read(hints[name], facts[name]) for name in names if name in facts})


_hints = cache(get_type_hints)


def _read(hint: Any, value: Any) -> Any:  # noqa: PLR0911 - one for each kind of type
    """Read a value as the type that a field has."""
    origin, arguments = get_origin(hint), get_args(hint)
    if value is None or hint is Any:
        return value
    if origin in (Union, UnionType):
        return _read_one_of([each for each in arguments if each is not type(None)], value)
    if hint is datetime:
        return parse_date(value)
    if hint is timedelta:
        return timedelta(seconds=value)
    if dataclasses.is_dataclass(hint):
        return _made(hint, value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, member = arguments
        return {_read(key, name): _read(member, each) for name, each in value.items()}
    if isinstance(origin, type) and issubclass(origin, (Sequence, Set)) and not isinstance(value, str):
        items = (_read(arguments[0], each) for each in value)
        return origin(items) if origin in (list, set, frozenset) else tuple(items)
    return int(value) if hint is int else value


def _read_one_of(hints: Sequence[Any], value: Any) -> Any:
    """Read a value of a union: a text as text if it may be one, anything else as the first type that is no text."""
    if isinstance(value, (str, int, float, bool)) and type(value) in hints:
        return value
    return _read(next((hint for hint in hints if hint is not str), str), value)
