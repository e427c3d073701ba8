"""Check parameters against the catalogue before a call is spent, and convert them to what Marketo expects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import is_day, iso, parse_date
from airflow_provider_marketo.client.suggest import did_you_mean, nearest
from airflow_provider_marketo.client.values import FaultError, inside, plain, text

if TYPE_CHECKING:
    from airflow_provider_marketo.client.operation import Operation, Schema

_INTEGER = re.compile(r"\s*[+-]?\d{1,19}\s*", re.ASCII)


def checked(operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the parameters as plain JSON values, with defaults and without None.

    :param operation: the operation that takes them.
    :param parameters: parameters in Adobe's spelling.
    :raises FaultError: a parameter is unknown, missing, of the wrong type or too large.
    """
    given = {name: parameter.default for name, parameter in operation.parameters.items()}
    given |= {name: value for name, value in parameters.items() if value is not None}
    for name, parameter in operation.parameters.items():
        if parameter.type != "file":
            given[name] = plain(given[name], name)
    found = _object(operation.schema, given, "")
    if operation.body_required and found.keys().isdisjoint(operation.body_parameters):
        raise FaultError(operation.body_parameters[0], "or another parameter of the body must be given")
    return found


def _value(schema: Schema, value: Any, where: str) -> Any:
    if value is None and schema.nullable:
        return None
    meant, convert = _TYPES[schema.type]
    try:
        found = convert(schema, value, where)
    except TypeError:
        members = f" with {' and '.join(schema.required)}" if schema.type == "object" and schema.required else ""
        raise FaultError(where, f"must be {meant}{members}", _EXAMPLES.get(schema.type)) from None
    if schema.enum and found not in schema.enum:
        # Adobe's sources write CSV sometimes in capitals and sometimes in small letters.
        spelled = next((one for one in schema.enum if str(one).casefold() == str(found).casefold()), None)
        if spelled is not None:
            return spelled
        words = list(map(str, schema.enum))
        near = nearest(str(found), words)
        raise FaultError(where, f"must be one of {', '.join(words)}", did_you_mean(near) if near else None)
    if schema.maximum is not None and found > schema.maximum:
        raise FaultError(where, f"must be at most {schema.maximum}")
    if schema.max_length is not None and len(found) > schema.max_length:
        raise FaultError(where, f"has {len(found)} characters, and Marketo takes at most {schema.max_length}")
    if schema.pattern is not None and not re.fullmatch(schema.pattern, found):
        raise FaultError(where, "must begin with a letter or digit and hold only letters, digits and underscores")
    return found


def _object(schema: Schema, value: Any, where: str) -> dict[str, Any]:
    value = _parsed(value, where)
    if not isinstance(value, Mapping):
        raise TypeError
    # None means "not given", but in a record it empties the field.
    value = {name: member for name, member in value.items() if member is not None or _takes_null(schema, name)}
    _check_names(schema, value, where)
    found = {
        name: _value(schema.properties[name], member, inside(where, name)) if name in schema.properties else member
        for name, member in value.items()
    }
    if schema.max_days is not None and "startAt" in found and "endAt" in found:
        _check_window(schema.max_days, found, where)
    return found


def _takes_null(schema: Schema, name: str) -> bool:
    declared = schema.properties.get(name)
    return schema.open if declared is None else declared.type == "any" or declared.nullable


def _check_names(schema: Schema, value: Mapping[str, Any], where: str) -> None:
    for name in value:
        if name not in schema.properties and not schema.open:
            raise FaultError(inside(where, name), "is unknown to Marketo", _nearest(name, schema.properties))
    for name in schema.required:
        if name not in value:
            raise FaultError(inside(where, name), "is missing")
    for flag, names in schema.required_unless.items():
        lacking = next((name for name in names if name not in value), None)
        if lacking is not None and str(value.get(flag)).lower() in ("none", "false", "0"):
            raise FaultError(inside(where, lacking), f"is missing: it may be left out only with {flag}=true")
    for group in (*schema.one_of, *schema.exclusive):
        given = [name for name in group if name in value]
        if len(given) > 1:
            raise FaultError(inside(where, given[1]), f"cannot be used with {given[0]}: give one of them")
        if not given and group in schema.one_of:
            others = " or ".join(group[1:])
            raise FaultError(inside(where, group[0]), f"is missing, and so is its alternative: {others}")


def _nearest(name: str, names: Iterable[str]) -> str:
    known = sorted(names)
    if near := nearest(name, known):
        return did_you_mean(near)
    return f"Marketo knows {', '.join(known)} here." if known else "Marketo knows no names here."


def _check_window(max_days: int, window: Mapping[str, str], where: str) -> None:
    start, end = parse_date(window["startAt"]), parse_date(window["endAt"])
    if start > end:
        raise FaultError(inside(where, "startAt"), "is after endAt")
    if end - start > timedelta(days=max_days):
        raise FaultError(inside(where, "endAt"), f"is more than {max_days} days after startAt")


def _array(schema: Schema, value: Any, where: str) -> list[Any]:
    value = _parsed(value, where)
    if not isinstance(value, list):
        raise TypeError
    if len(value) < schema.min_items:
        raise FaultError(where, "is empty")
    if schema.max_items is not None and len(value) > schema.max_items:
        raise FaultError(where, f"has {len(value)} entries, and Marketo takes at most {schema.max_items} at once")
    items = schema.items
    return value if items is None else [_value(items, item, f"{where}[{n}]") for n, item in enumerate(value)]


def _parsed(value: Any, where: str) -> Any:
    """Return the value of a JSON text: Adobe's documentation and templates write objects and lists as text."""
    if not isinstance(value, str):
        return value
    try:
        return plain(json.loads(value), where)
    except (json.JSONDecodeError, RecursionError):
        return value


def _string(schema: Schema, value: Any, where: str) -> str:
    if isinstance(value, (str, int, float)):
        return text(value)
    raise TypeError


def _integer(schema: Schema, value: Any, where: str) -> int:
    # Templates and XCom pass numbers as text.
    if (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and _INTEGER.fullmatch(value)
    ):
        return int(value)
    raise TypeError


def _number(schema: Schema, value: Any, where: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise TypeError


def _boolean(schema: Schema, value: Any, where: str) -> bool:
    written = text(value).lower()
    if written in ("true", "false"):
        return written == "true"
    raise TypeError


def _date(schema: Schema, value: Any, where: str) -> str:
    if isinstance(value, str) and is_day(value):
        return value
    raise TypeError


def _datetime(schema: Schema, value: Any, where: str) -> str:
    try:
        return iso(parse_date(str(value)))
    except ValueError:
        raise TypeError from None


def _file(schema: Schema, value: Any, where: str) -> Any:
    """Read a file now, so that each sending of the request has the same bytes."""
    named = isinstance(value, tuple) and len(value) in (2, 3)
    content = value[1] if named else value
    content = content.read() if hasattr(content, "read") else content
    content = content.encode() if isinstance(content, str) else content
    if not isinstance(content, bytes):
        raise TypeError
    if schema.max_bytes is not None and len(content) > schema.max_bytes:
        raise FaultError(where, f"has {len(content)} bytes, and Marketo takes at most {schema.max_bytes}")
    return (value[0], content, *value[2:]) if named else content


def _any(schema: Schema, value: Any, where: str) -> Any:
    return value


_TYPES: Mapping[str, tuple[str, Callable[[Schema, Any, str], Any]]] = {
    "string": ("a string", _string),
    "integer": ("an integer", _integer),
    "number": ("a number", _number),
    "boolean": ("true or false", _boolean),
    "datetime": ("a datetime, or ISO 8601 text such as 2024-01-31T00:00:00Z", _datetime),
    "date": ("a date, or text such as 2024-01-31", _date),
    "array": ("a list", _array),
    "object": ("a mapping", _object),
    "file": ("bytes, text, an open file, or a tuple of file name and one of these", _file),
    "any": ("any value", _any),
}
"""By type: what a value must be, in words, and the function that converts it. It raises TypeError for other values."""

_EXAMPLES: Mapping[str, str] = {
    "array": "Give a list, also for one value, such as [1001].",
    "object": 'Give a mapping, such as {"id": 12, "type": "Folder"}.',
}
