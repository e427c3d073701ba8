"""
State that another process or a later release reads: dataclasses as plain JSON, and back.

A class whose objects are stored inherits from :class:`Serializable`. Its fields' types say how they are read. Unknown
members are ignored and missing members take their default, so fields may be added at any time. Any other change of a
format raises the class's ``VERSION``.

Not stored this way: the state of the governor (:class:`~.governor.state.State` says why), sets of keys that do not fit
into memory (:class:`~.tabular.keys.SeenKeys`), and bare texts and lists of names, which have no members.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from functools import cache
from types import UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from airflow_provider_marketo.client.dates import exact, parse_date

Self = TypeVar("Self", bound="Serializable")


UPDATE = "Update airflow-provider-marketo on all workers."


class LaterFormatError(ValueError):
    """
    A later release wrote the state in a format that this release does not read.

    :param fact: what was read, without the remedy.
    """

    def __init__(self, fact: str) -> None:
        super().__init__(f"{fact}. {UPDATE}")
        self.fact = fact


class Serializable:
    """
    A dataclass that is stored as JSON.

    Fields may be JSON's own types, dates, spans of time, tuples, sequences, sets, mappings and dataclasses.
    """

    VERSION: ClassVar[int | None] = None
    """Version of the stored format; None for a class that is only stored as a part of others."""

    SPARSE: ClassVar[bool] = False
    """Whether members that equal their default are left out, so that many objects take little room."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, with the format's version."""
        version = {} if self.VERSION is None else {"version": self.VERSION}
        return version | _members(self)

    @classmethod
    def from_dict(cls: type[Self], facts: Mapping[str, Any]) -> Self:
        """
        Read what :meth:`to_dict` wrote.

        :raises LaterFormatError: a later release with another format wrote it.
        :raises ValueError: the state is damaged: a member is missing or of another type.
        """
        try:
            version = facts.get("version", cls.VERSION)
            is_later = cls.VERSION is not None and version > cls.VERSION
            made: Self | None = None if is_later else _made(cls, facts)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError(f"this is not a {cls.__name__}: {error}") from error
        if made is None:
            raise LaterFormatError(
                f"this {cls.__name__} has format {version}, and this release reads formats up to {cls.VERSION}"
            )
        return made


def _members(value: Any) -> dict[str, Any]:
    members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, Serializable) and value.SPARSE:
        members = {name: member for name, member in members.items() if member != _default(type(value), name)}
    return {name: _plain(member) for name, member in members.items()}


def _default(kind: Any, name: str) -> Any:
    field = kind.__dataclass_fields__[name]
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


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
    if hint is Any or (value is None and (hint is type(None) or origin in (Union, UnionType))):
        return value
    if value is None:
        raise TypeError("a member is null")
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
    if origin is tuple and Ellipsis not in arguments:
        return tuple(_read(each, member) for each, member in zip(arguments, value, strict=True))
    if isinstance(origin, type) and issubclass(origin, (Sequence, Set)):
        if isinstance(value, str):
            raise TypeError(f"{value!r} is not a list")
        items = (_read(arguments[0], each) for each in value)
        return origin(items) if origin in (list, set, frozenset) else tuple(items)
    if hint in _SCALARS and (
        not isinstance(value, _SCALARS[hint]) or (value is True or value is False) != (hint is bool)
    ):
        raise TypeError(f"{value!r} is not a {hint.__name__}")
    return int(value) if hint is int else value


_SCALARS: Mapping[Any, Any] = {str: str, bool: bool, int: (int, str), float: (int, float)}
"""How JSON stores each simple type. A number that is the key of an object is stored as text."""


def _read_one_of(hints: Sequence[Any], value: Any) -> Any:
    """Read a value of a union: a text as text if it may be one, anything else as the first type that is not a text."""
    if isinstance(value, (str, int, float, bool)) and type(value) in hints:
        return value
    return _read(next((hint for hint in hints if hint is not str), str), value)
