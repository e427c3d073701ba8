"""Values of records, checked and converted by the data type of their field."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import parse_day, parse_moment, timestamp
from airflow_provider_marketo.simulator.problems import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.simulator.store.fields import Field

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MAX_TEXT_BYTES = 30_000


def typed_record(fields: Mapping[str, Field], record: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a record as it is stored.

    :param fields: fields that a record may have.
    :param record: the record that the client sent.
    :raises RecordError: 1006 for an unknown field, 1003 for a read-only field, 1001 or 1003 for a value that does not
        fit its field.
    """
    found = {}
    for name, value in record.items():
        field = fields.get(name)
        if field is None or field.hidden:
            raise RecordError("1006", f"Field '{name}' not found")
        if not field.updateable:
            raise RecordError("1003", f"Field '{name}' is read only")
        found[name] = typed(field, value)
    return found


def typed(field: Field, value: Any) -> Any:
    """
    Return a value as it is stored. Null and an empty text are the same.

    :raises RecordError: the value does not fit the field.
    """
    if value is None or value == "":
        return None
    make = _BY_TYPE.get(field.type)
    if make is None:
        return _text(field, value)
    try:
        return make(value)
    except (ValueError, TypeError, OverflowError):
        raise RecordError("1001", f"Invalid value for '{field.name}'. Required of type '{field.type}'") from None


def _text(field: Field, value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise RecordError("1001", f"Invalid value for '{field.name}'. Required of type '{field.type}'")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    too_long = len(text.encode()) > _MAX_TEXT_BYTES if field.type == "text" else len(text) > (field.length or 255)
    if too_long:
        raise RecordError("1003", f"Value of '{field.name}' is too long")
    if field.type == "email" and not (text.isascii() and _EMAIL.fullmatch(text)):
        raise RecordError("1003", f"Invalid email address in '{field.name}'")
    return text


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return float(value)


def _boolean(value: Any) -> bool:
    text = str(value).lower()
    if text not in _WORDS:
        raise ValueError
    return _WORDS[text]


_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _date(value: Any) -> str:
    return parse_day(str(value)[:10]).isoformat()


def _moment(value: Any) -> str:
    return timestamp(int(parse_moment(str(value)).timestamp()))


_BY_TYPE: Mapping[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "score": _integer,
    "percent": _integer,
    "float": _number,
    "currency": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _moment,
}
