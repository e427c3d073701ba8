"""
The result of one comparison of ``airflow marketo verify``, and the expected forms of replies.

Users send the report to others, and the server that answers may put records in odd places. So a text of a reply goes
into the report only through :func:`name` or :func:`names`. They pass no text that could be the value of a record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_/-]{0,39}|\d{1,4}")
"""Members, statuses, types and codes. E-mail addresses, sentences and long numbers do not fit."""

_MOST_NAMES = 40
_LARGEST = 10_000_000

Verdict = Literal["as expected", "differs", "not seen"]


@dataclass(frozen=True)
class Comparison:
    """
    One line of the report. It names members, types, codes and counts, and never a value of a record.

    :param subject: what was compared.
    :param expected: what this package expects.
    :param seen: what the instance did.
    :param verdict: ``as expected``, ``differs``, or ``not seen`` if the instance had nothing to show.
    """

    subject: str
    expected: str
    seen: str
    verdict: Verdict


def compare(subject: str, expected: Any, seen: Any) -> Comparison:
    """Compare two plain values that hold nothing personal."""
    return Comparison(subject, str(expected), str(seen), "as expected" if expected == seen else "differs")


def not_seen(subject: str, expected: Any, why: str) -> Comparison:
    """Return a comparison for which the instance had nothing to show."""
    return Comparison(subject, str(expected), why, "not seen")


@dataclass(frozen=True)
class Shape:
    """
    The members of a record.

    :param required: members of every record, with their JSON types.
    :param optional: members of some records, or of some subscriptions.
    """

    required: Mapping[str, str]
    optional: frozenset[str] = field(default_factory=frozenset)

    def compare(self, subject: str, records: Sequence[Any]) -> Iterator[Comparison]:
        """Yield what the records have and lack."""
        expected = ", ".join(self.required)
        strange = names({json_type(record) for record in records if not isinstance(record, dict)})
        if strange:
            yield Comparison(f"{subject}: records", "objects", strange, "differs")
            records = [record for record in records if isinstance(record, dict)]
        if not records:
            yield not_seen(f"{subject}: members", expected, "the instance has no such records")
            return
        missing = {name for record in records for name in self.required if name not in record}
        wrong = {
            f"{name} is {json_type(record[name])}, not {kind}"
            for record in records
            for name, kind in self.required.items()
            if name in record and json_type(record[name]) not in kind.split("|")
        }
        unknown = {name for record in records for name in record} - set(self.required) - self.optional
        faults = [
            *([f"lacks {', '.join(sorted(missing))}"] if missing else []),
            *sorted(wrong),
            *([f"also has {names(unknown)}"] if unknown else []),
        ]
        seen = "; ".join(faults) or expected
        yield Comparison(f"{subject}: members", expected, seen, "differs" if faults else "as expected")


def name(value: Any) -> str:
    """
    Return a name of a reply, such as a status or a code. If the value cannot be a name, return only its kind.

    :param value: any part of a reply.
    """
    if isinstance(value, str):
        return value if _NAME.fullmatch(value) else "a text that is not a name" if value else "an empty text"
    if isinstance(value, int):
        return str(value) if abs(value) < _LARGEST else "a large number"
    return json_type(value)


def names(values: Iterable[Any]) -> str:
    """
    Return the names among values of a reply, sorted, and the number of the others.

    :param values: any parts of a reply.
    """
    given = list(values)
    kept = sorted({each for each in given if isinstance(each, str) and _NAME.fullmatch(each)})
    shown, left = kept[:_MOST_NAMES], len({str(each) for each in given}) - len(kept[:_MOST_NAMES])
    return ", ".join([*shown, *([f"{left} more that cannot be shown"] if left else [])])


def json_type(value: Any) -> str:
    """Return the name of a value's JSON type."""
    for kinds, name in (((bool,), "boolean"), ((int,), "integer"), ((float,), "number"), ((str,), "string")):
        if isinstance(value, kinds):
            return name
    return "null" if value is None else "array" if isinstance(value, list) else "object"
