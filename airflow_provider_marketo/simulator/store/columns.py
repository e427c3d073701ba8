"""
Realistic values for any number of rows, computed from a seed without storing rows.

Each column repeats a sequence of values whose length is a prime number that no other column has. Row *i* gets the value
at *i* modulo that length. Any row is therefore computed at once, and columns do not repeat together. Successive rows
are generated at the speed of :func:`itertools.cycle`.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.store.csvfile import cell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.simulator.store.fields import Field

FIRST = (
    "Ada",
    "Grace",
    "Alan",
    "José",
    "Zoë",
    "Łukasz",
    "Mei",
    "Omar",
    "Priya",
    "Søren",
    "Noor",
    "Björn",
    "Ines",
    "Kofi",
)
LAST = (
    "Lovelace",
    "Hopper",
    "O'Neill",
    "García",
    "Müller",
    "de la Cruz",
    "Ng",
    "Haddad",
    "Šimić",
    "Kowalska",
    "Okafor",
)
COMPANIES = (
    "Acme, Inc.",
    "Globex",
    "Initech",
    "Müller & Söhne GmbH",
    'The "Best" Company',
    "Umbrella",
    "Hooli",
    "日本商事",
)
TITLES = ("CEO", "VP, Marketing", "Engineer", "Data Analyst", "Head of Demand Generation", "Buyer", "CTO", "Student")
CITIES = ("Berlin", "San José", "New York", "São Paulo", "東京", "London", "Lagos", "Sydney", "Mumbai", "Zürich")
COUNTRIES = (
    "Germany",
    "United States",
    "Brazil",
    "Japan",
    "United Kingdom",
    "Nigeria",
    "Australia",
    "India",
    "Switzerland",
)
STATES = ("CA", "NY", "BE", "SP", "NSW", "TX", "WA")
INDUSTRIES = ("Software", "Retail", "Finance & Insurance", "Healthcare", "Education", "Energy, Utilities", "Media")
SOURCES = ("Webinar", "Trade Show", "Web", "Referral", "List Import", "Partner")
STATUSES = ("New", "Open", "Working", "Qualified", "Customer", "Disqualified")
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "omega")
TEXTS = (
    "Called twice.\nAsked for a quote.",
    'Said: "maybe, next year"',
    "naïve café ☕ 👋",
    "semi;colon, comma and\ttab",
    "Window 1\r\nWindow 2",
)
_FIRST_PRIME = 101
_SHARE_EMPTY, _SHARE_TRUE = 0.2, 0.3


class Column(Protocol):
    """A column of a table of any length."""

    def value(self, row: int) -> Any:
        """Return the value of a row, as JSON has it."""
        ...

    def cells(self, start: int, stop: int) -> Iterable[str]:
        """Return the values of successive rows, as CSV has them."""
        ...

    def find(self, texts: Collection[str], count: int) -> Iterator[int]:
        """Iterate over the first ``count`` rows whose folded value is one of the texts, in no order."""
        ...


class CyclicColumn:
    """
    A column that repeats a fixed sequence of values.

    :param values: the values, or a function that returns them at the first access. Use a prime number of values.
    """

    def __init__(self, values: Sequence[Any] | Callable[[], Sequence[Any]]) -> None:
        self._values = values

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """The values, which repeat row after row."""
        return tuple(self._values() if callable(self._values) else self._values)

    @cached_property
    def _cells(self) -> tuple[str, ...]:
        return tuple(map(cell, self.values))

    def value(self, row: int) -> Any:
        """Return the value of a row."""
        return self.values[row % len(self.values)]

    def cells(self, start: int, stop: int) -> Iterator[str]:
        """Yield the cells of rows, as an export has them."""
        offset = start % len(self.values)
        end = offset + stop - start
        return iter(self._cells[offset:end]) if end <= len(self._cells) else islice(cycle(self._cells), offset, end)

    def find(self, texts: Collection[str], count: int) -> Iterator[int]:
        """Yield the rows that have one of the given values."""
        for position, value in enumerate(self.values):
            if folded(value) in texts:
                yield from range(position, count, len(self.values))


class ComputedColumn:
    """
    A column that is computed from the row number.

    :param value: returns the value of a row number.
    :param row: returns the row number of a value in lower case; None for a text that no row has. Without this
        function, a search computes every row.
    """

    def __init__(self, value: Callable[[int], Any], row: Callable[[str], int | None] | None = None) -> None:
        self.value = value
        self._row = row

    def cells(self, start: int, stop: int) -> Iterator[str]:
        """Yield the cells of rows, as an export has them."""
        return map(cell, map(self.value, range(start, stop)))

    def find(self, texts: Collection[str], count: int) -> Iterator[int]:
        """Yield the rows that have one of the given values."""
        candidates: Iterable[int | None] = range(count) if self._row is None else {self._row(text) for text in texts}
        for row in candidates:
            if row is not None and 0 <= row < count and folded(self.value(row)) in texts:
                yield row


def folded(value: Any) -> str | None:
    """Return a value in the form in which lookups compare it: as text in lower case."""
    return None if value is None else cell(value).lower() if isinstance(value, bool) else str(value).lower()


def primes() -> Iterator[int]:
    """Iterate over the lengths of cyclic columns: prime numbers from 101 on."""
    number = _FIRST_PRIME
    while True:
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield number
        number += 2


def cyclic_columns(seed: int, table: str, fields: Iterable[Field]) -> dict[str, CyclicColumn]:
    """
    Return a cyclic column for each field, by field name.

    :param seed: number that the values depend on.
    :param table: name of the table that the fields belong to; fields of two tables get different values.
    :param fields: the fields.
    """
    return {field.name: _cyclic_column(seed, table, field, size) for field, size in zip(fields, primes(), strict=False)}


@lru_cache(maxsize=1_024)
def _cyclic_column(seed: int, table: str, field: Field, size: int) -> CyclicColumn:
    """Return a column; instances of one seed share it, because it never changes."""
    make = _BY_NAME.get(field.name) or _BY_TYPE[field.type]
    empty = 0.0 if field.name in _ALWAYS or field.type == "boolean" else _SHARE_EMPTY

    def values() -> list[Any]:
        chance = random.Random(f"{seed} {table} {field.name}")
        return [None if chance.random() < empty else make(chance) for _ in range(size)]

    return CyclicColumn(values)


def _choice(values: Sequence[str]) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(values)


def _day(chance: random.Random) -> str:
    return (date(1960, 1, 1) + timedelta(days=chance.randrange(16_000))).isoformat()


def _moment(chance: random.Random) -> str:
    return timestamp(1_700_000_000 + chance.randrange(60_000_000))


_ALWAYS = frozenset({"lastName", "leadScore", "leadStatus", "country"})

_BY_TYPE: Mapping[str, Callable[[random.Random], Any]] = {
    "string": lambda chance: f"{chance.choice(WORDS)} {chance.choice(WORDS)} {chance.randrange(1000)}",
    "text": lambda chance: " ".join([chance.choice(TEXTS), *chance.choices(WORDS, k=4)]),
    "email": lambda chance: f"{chance.choice(WORDS)}.{chance.randrange(10_000)}@example.net",
    "phone": lambda chance: f"+1 555 01{chance.randrange(100):02d}",
    "url": lambda chance: f"https://www.example.com/{chance.choice(WORDS)}?id={chance.randrange(10_000)}&x=1",
    "reference": lambda chance: str(chance.randrange(1_000_000)),
    "formula": lambda chance: f"{chance.choice(CITIES)}, {chance.choice(COUNTRIES)}",
    "integer": lambda chance: chance.randrange(100_000),
    "score": lambda chance: chance.randrange(-20, 200),
    "percent": lambda chance: chance.randrange(101),
    "float": lambda chance: round(chance.random() * 10, 3),
    "currency": lambda chance: round(chance.random() * 1_000_000, 2),
    "boolean": lambda chance: chance.random() < _SHARE_TRUE,
    "date": _day,
    "datetime": _moment,
}

_BY_NAME: Mapping[str, Callable[[random.Random], Any]] = {
    "firstName": _choice(FIRST),
    "middleName": _choice(FIRST),
    "lastName": _choice(LAST),
    "company": _choice(COMPANIES),
    "inferredCompany": _choice(COMPANIES),
    "title": _choice(TITLES),
    "city": _choice(CITIES),
    "billingCity": _choice(CITIES),
    "inferredCity": _choice(CITIES),
    "country": _choice(COUNTRIES),
    "billingCountry": _choice(COUNTRIES),
    "inferredCountry": _choice(COUNTRIES),
    "state": _choice(STATES),
    "billingState": _choice(STATES),
    "industry": _choice(INDUSTRIES),
    "leadSource": _choice(SOURCES),
    "leadStatus": _choice(STATUSES),
    "salutation": _choice(("Ms.", "Mr.", "Dr.", "Mx.")),
    "rating": _choice(("Hot", "Warm", "Cold")),
    "preferredLanguage": _choice(("en", "de", "pt-BR", "ja")),
    "postalCode": lambda chance: f"{chance.randrange(100_000):05d}",
    "anonymousIP": lambda chance: f"192.0.2.{chance.randrange(256)}",
}
