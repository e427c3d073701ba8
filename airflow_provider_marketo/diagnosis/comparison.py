"""What one comparison of ``airflow marketo verify`` says, and the forms that replies are expected to have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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

    def compare(self, subject: str, records: Sequence[Mapping[str, Any]]) -> Iterator[Comparison]:
        """Yield what the records have and lack."""
        expected = ", ".join(self.required)
        if not records:
            yield not_seen(f"{subject}: members", expected, "the instance has none")
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
            *([f"also has {', '.join(sorted(map(str, unknown)))}"] if unknown else []),
        ]
        seen = "; ".join(faults) or expected
        yield Comparison(f"{subject}: members", expected, seen, "differs" if faults else "as expected")


def json_type(value: Any) -> str:
    """Return the name of a value's JSON type."""
    for kinds, name in (((bool,), "boolean"), ((int,), "integer"), ((float,), "number"), ((str,), "string")):
        if isinstance(value, kinds):
            return name
    return "null" if value is None else "array" if isinstance(value, list) else "object"
