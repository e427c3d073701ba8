"""The names of tables and columns: snake case, the same in every engine, and never two columns with one name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.tabular.columns import MISFITS
from airflow_provider_marketo.client.tabular.schema import identifier, name_digest, snake_case
from airflow_provider_marketo.client.tabular.sources import RAW, SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST = 63
"""Longest name, in bytes. It is PostgreSQL's limit, the lowest of all engines: names are the same everywhere."""

AS_OF, LOAD, SYNCED_AT, DELETED_AT = "_marketo_as_of", "_marketo_load", "_synced_at", "_deleted_at"
SYSTEM_COLUMNS = (AS_OF, LOAD, SYNCED_AT, DELETED_AT)
ERASED_LEAD, ERASED_AT = "lead_id", "erased_at"

LOADS, COLUMNS, ERASED, LOCKS = "_marketo_loads", "_marketo_columns", "_marketo_erased", "_marketo_locks"
VIEWS = "_marketo_views"
HISTORY, VALID_FROM, VALID_TO = "_history", "_valid_from", "_valid_to"

OVERFLOW = "_overflow"
"""The column with the fields that have no column of their own."""

TAKEN_BY_DATABASES = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")
"""Columns that every table of PostgreSQL has."""

_OURS = (MISFITS, SOURCE, RAW, OVERFLOW)
"""Fields that this provider adds to those of Marketo."""

_PLAIN = re.compile(r"[A-Za-z0-9_ ]+")


def table_name(name: str) -> str:
    """Return the name of the table of a dataset."""
    return _short(snake_case(name))


def column_names(sources: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """
    Return the column of each field.

    Two fields that differ only in case or punctuation would get one name: the later field gets ``_2``, and keeps it. So
    does a field with the name of a column that every table of a database has.

    :param sources: names of fields, in order.
    :param known: names of fields that have a column already.
    """
    found = dict(known)
    taken = {*known.values(), *SYSTEM_COLUMNS, *TAKEN_BY_DATABASES}
    for source in sources:
        if source in found:
            continue
        name = column = _short(source if source in _OURS else _column(source))
        count = 1
        while column in taken:
            count += 1
            column = f"{_short(name, LONGEST - 4)}_{count}"
        found[source] = column
        taken.add(column)
    return {source: found[source] for source in sources}


def text_column(column: str, taken: Iterable[str]) -> str:
    """Return the name of the column that takes a column's values as text."""
    name = f"{_short(column, LONGEST - 10)}__text"
    return name if name not in taken else f"{name}_{name_digest(column)[:4]}"


def _column(source: str) -> str:
    return (snake_case(source) if _PLAIN.fullmatch(source) else identifier(source)) or f"column_{name_digest(source)}"


def _short(name: str, most: int = LONGEST) -> str:
    return name if len(name.encode()) <= most else f"{name[: most - 9]}_{name_digest(name)}"
