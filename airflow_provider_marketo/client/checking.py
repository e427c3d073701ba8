"""Parameters checked and brought into shape before a call is spent. No error shows a value: it may be a lead's."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import Any
from uuid import UUID

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.operation import Operation, Schema

_INTEGER = re.compile(r"[+-]?\d+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_OFFSET = re.compile(r"(?<=\d)([+-]\d\d):?(\d\d)$")

_MEANT: Mapping[str, str] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "datetime": "a datetime, or ISO 8601 text such as 2024-01-31T00:00:00Z",
    "date": "a date, or text such as 2024-01-31",
    "array": "a list",
    "object": "a mapping",
    "file": "bytes, text, an open file, or a tuple of file name and one of these",
}


def checked(operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """
    The parameters as plain JSON values, defaults included and None left out.

    :param operation: what they are for.
    :param parameters: in Adobe's spelling.
    :raises MarketoInvalidRequestError: one is unknown, missing, of the wrong type or too large.
    """
    defaults = {name: parameter.default for name, parameter in operation.parameters.items()}
    checker = _Checker(operation.name)
    given = {**defaults, **{name: value for name, value in parameters.items() if value is not None}}
    for name in given.keys() & operation.parameters.keys():
        if operation.parameters[name].type != "file":
            given[name] = checker.plain(given[name], name)
    found = checker.object(operation.schema, given, "")
    if operation.body_required and not any(name in found for name in operation.body_parameters):
        raise checker.error(operation.body_parameters[0], "or another parameter of the body must be given")
    return found


class _Checker:
    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._by_type: Mapping[str, Callable[[Schema, Any, str], Any]] = {
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": self._boolean,
            "datetime": self._datetime,
            "date": self._date,
            "array": self._array,
            "object": self.object,
            "file": self._file,
            "any": lambda schema, value, where: value,
        }

    def value(self, schema: Schema, value: Any, where: str) -> Any:
        found = self._by_type[schema.type](schema, value, where)
        if schema.enum and found not in schema.enum:
            raise self.error(where, f"must be one of {', '.join(map(str, schema.enum))}")
        if schema.maximum is not None and found > schema.maximum:
            raise self.error(where, f"must be at most {schema.maximum}")
        if schema.max_length is not None and len(found) > schema.max_length:
            raise self.error(where, f"has {len(found)} characters, and Marketo takes {schema.max_length} at most")
        return found

    def object(self, schema: Schema, value: Any, where: str) -> dict[str, Any]:
        value = self._parsed(value)
        if not isinstance(value, Mapping):
            raise self._wrong_type(schema, where)
        # None is "not given", but in a record it empties the field.
        value = {name: member for name, member in value.items() if member is not None or _is_free(schema, name)}
        self._check_names(schema, value, where)
        found = {
            name: self.value(schema.properties[name], member, _inside(where, name))
            if name in schema.properties
            else member
            for name, member in value.items()
        }
        if schema.max_days is not None and "startAt" in found and "endAt" in found:
            self._check_window(schema.max_days, found, where)
        return found

    def _check_window(self, max_days: int, window: Mapping[str, str], where: str) -> None:
        start, end = _moment(window["startAt"]), _moment(window["endAt"])
        if start > end:
            raise self.error(_inside(where, "startAt"), "is after endAt")
        if end - start > timedelta(days=max_days):
            raise self.error(_inside(where, "endAt"), f"is more than {max_days} days after startAt")

    def _check_names(self, schema: Schema, value: Mapping[str, Any], where: str) -> None:
        for name in () if schema.open else value:
            if name not in schema.properties:
                raise self.error(
                    _inside(where, name), "is not a parameter of this operation", _nearest(name, schema.properties)
                )
        for name in schema.required:
            if name not in value:
                raise self.error(_inside(where, name), "is missing")
        for group in (*schema.one_of, *schema.exclusive):
            given = [name for name in group if name in value]
            if len(given) > 1:
                raise self.error(_inside(where, given[1]), f"excludes {given[0]}: give one of them")
            if not given and group in schema.one_of:
                others = " or ".join(group[1:])
                raise self.error(_inside(where, group[0]), f"is missing, and so is what may stand for it: {others}")

    def _array(self, schema: Schema, value: Any, where: str) -> list[Any]:
        value = self._parsed(value)
        if not isinstance(value, list):
            raise self._wrong_type(schema, where)
        if len(value) < schema.min_items:
            raise self.error(where, "is empty")
        if schema.max_items is not None and len(value) > schema.max_items:
            raise self.error(where, f"has {len(value)} entries, and Marketo takes {schema.max_items} at once")
        items = schema.items
        return value if items is None else [self.value(items, item, f"{where}[{n}]") for n, item in enumerate(value)]

    def _string(self, schema: Schema, value: Any, where: str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (str, int, float)):
            return str(value)
        raise self._wrong_type(schema, where)

    def _integer(self, schema: Schema, value: Any, where: str) -> int:
        # Templates and XCom hand over numbers as text.
        if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._wrong_type(schema, where)

    def _number(self, schema: Schema, value: Any, where: str) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        raise self._wrong_type(schema, where)

    def _boolean(self, schema: Schema, value: Any, where: str) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise self._wrong_type(schema, where)

    def _date(self, schema: Schema, value: Any, where: str) -> str:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return value
        raise self._wrong_type(schema, where)

    def _datetime(self, schema: Schema, value: Any, where: str) -> str:
        if isinstance(value, str):
            text = value.strip()
            if _DATE.fullmatch(text):
                return text
            try:
                return _utc(_moment(text))
            except ValueError:
                pass
        raise self._wrong_type(schema, where)

    def _file(self, schema: Schema, value: Any, where: str) -> Any:
        """Read here, so that a request that is sent again carries the same bytes."""
        named = isinstance(value, tuple) and len(value) in (2, 3)
        content = value[1] if named else value
        content = content.read() if hasattr(content, "read") else content
        content = content.encode() if isinstance(content, str) else content
        if not isinstance(content, bytes):
            raise self._wrong_type(schema, where)
        if schema.max_bytes is not None and len(content) > schema.max_bytes:
            raise self.error(where, f"has {len(content)} bytes, and Marketo takes {schema.max_bytes} at most")
        return (value[0], content, *value[2:]) if named else content

    def _parsed(self, value: Any) -> Any:
        """Adobe's documentation writes such values as JSON text, and templates do."""
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            try:
                return json.loads(value)
            except ValueError:
                return value
        return value

    def plain(self, value: Any, where: str) -> Any:
        """The value as JSON knows it."""
        if value is None or (isinstance(value, (str, bool, int)) and not isinstance(value, Enum)):
            return value
        if isinstance(value, Enum):
            return self.plain(value.value, where)
        if isinstance(value, (float, Decimal)):
            if not math.isfinite(value):
                raise self.error(where, "is not a finite number")
            return int(value) if isinstance(value, Decimal) and value == int(value) else float(value)
        if isinstance(value, datetime):
            return _utc(value)
        if isinstance(value, (date, UUID)):
            return str(value)
        if isinstance(value, Mapping):
            return {str(name): self.plain(member, _inside(where, str(name))) for name, member in value.items()}
        if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
            return [self.plain(item, f"{where}[{n}]") for n, item in enumerate(value)]
        raise self.error(where, f"is of type {type(value).__name__}, which has no form in a request")

    def _wrong_type(self, schema: Schema, where: str) -> MarketoInvalidRequestError:
        return self.error(where, f"must be {_MEANT[schema.type]}")

    def error(self, where: str, fault: str, remedy: str = "") -> MarketoInvalidRequestError:
        return MarketoInvalidRequestError(
            f"{where} {fault}", parameter=where, operation=self._operation, remedy=remedy or None
        )


def _is_free(schema: Schema, name: str) -> bool:
    declared = schema.properties.get(name)
    return schema.open if declared is None else declared.type == "any"


def _moment(text: str) -> datetime:
    return _aware(datetime.fromisoformat(_OFFSET.sub(r"\1:\2", text.replace("Z", "+00:00"))))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _utc(moment: datetime) -> str:
    """Without fractions of a second, which Marketo refuses."""
    return _aware(moment).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _nearest(name: str, names: Iterable[str]) -> str:
    known = {spelling.lower(): spelling for spelling in sorted(names)}
    near = get_close_matches(name.lower(), known, n=1)
    if near:
        return f"Did you mean {known[near[0]]}?"
    return f"It takes {', '.join(known.values())}." if known else "It takes none."
