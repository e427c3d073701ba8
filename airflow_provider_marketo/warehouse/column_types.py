"""The types of columns, the same for every engine, and how one becomes wider."""

from __future__ import annotations

import pyarrow as pa

BOOL, INT, FLOAT, DECIMAL = "bool", "int", "float", "decimal"
DATE, TIMESTAMP, TEXT, JSON = "date", "timestamp", "text", "json"

TYPES = (BOOL, INT, FLOAT, DECIMAL, DATE, TIMESTAMP, TEXT, JSON)

DECIMAL_DIGITS, DECIMAL_SCALE = 23, 4
"""Room for every 64-bit integer and for the currencies of Marketo, which have four digits after the point."""

_BY_ARROW = {
    "bool": BOOL,
    "int32": INT,
    "int64": INT,
    "double": FLOAT,
    "float": FLOAT,
    "date32[day]": DATE,
    "timestamp[us, tz=UTC]": TIMESTAMP,
    "timestamp[ms, tz=UTC]": TIMESTAMP,
    "string": TEXT,
    "large_string": TEXT,
    "map<string, string>": JSON,
}

_ARROW = {
    BOOL: pa.bool_(),
    INT: pa.int64(),
    FLOAT: pa.float64(),
    DECIMAL: pa.decimal128(DECIMAL_DIGITS, DECIMAL_SCALE),
    DATE: pa.date32(),
    TIMESTAMP: pa.timestamp("us", "UTC"),
    TEXT: pa.string(),
    JSON: pa.string(),
}

_WIDER = {(INT, DECIMAL): DECIMAL, (DATE, TIMESTAMP): TIMESTAMP}


def type_of(arrow: str) -> str | None:
    """
    Return the type of a column of a manifest.

    :param arrow: Arrow's name.
    :return: one of the words above; None for a type that no load takes.
    """
    if arrow.startswith("decimal128("):
        return DECIMAL
    if arrow.startswith("list<"):
        return JSON
    return _BY_ARROW.get(arrow)


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type in which values of a type are passed to an engine."""
    return _ARROW[kind]


def wider(one: str, other: str) -> str:
    """
    Return the narrowest type that holds the values of two types.

    Integers and floats become text: a float would lose digits of integers beyond 2^53.
    """
    if one == other:
        return one
    return _WIDER.get((one, other)) or _WIDER.get((other, one)) or TEXT
