"""Hide values of lead fields in the rows that report their changes: a hashed field is also hashed there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_marketo.client.tabular.schema import folded

CHANGE_DATA_VALUE, CHANGE_SCORE = "13", "22"
"""Activity types whose primary attribute is a lead field."""

CHANGED_FIELD = ("primaryAttributeValueId", "primaryAttributeValue")
"""Columns of activities that tell which field a change is about: by its id, and by its display name."""

TYPE, ATTRIBUTES = "activityTypeId", "attributes"
FIELD_NAME, VALUES = "fieldName", ("oldValue", "newValue")
"""The columns of the stream of lead changes."""

_VALUES = frozenset(map(folded, ("New Value", "Old Value", "Change Value", "Relative Score")))

Row = Mapping[str, str | None]
Names = Mapping[str, Sequence[str]]
"""The names that rows of changes give to a lead field, by its REST API name: its id, its labels."""


def names_of_fields(described: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """
    Return how rows of changes may name each lead field.

    :param described: what ``leads.describe`` answers.
    """
    found: dict[str, tuple[str, ...]] = {}
    for each in described:
        names = [(each.get(api) or {}).get("name") for api in ("rest", "soap")]
        if names[0]:
            every = (each.get("id"), each.get("displayName"), *names)
            found[str(names[0])] = tuple(dict.fromkeys(str(name) for name in every if name is not None))
    return found


@dataclass(frozen=True)
class HiddenChanges:
    """
    The fields whose values are hidden in the rows of their changes.

    :param hashed: names of fields whose values become digests, as rows name them, folded.
    :param dropped: names of fields whose values become null.
    """

    hashed: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Names, *, hashed: Iterable[str], dropped: Iterable[str]) -> HiddenChanges:
        """
        Return the fields to hide.

        :param names: names of the fields, by REST API name.
        :param hashed: REST API names. A name that ``names`` does not have is only a column, not a lead field.
        :param dropped: REST API names of the fields whose values become null.
        """

        def spelled(fields: Iterable[str]) -> frozenset[str]:
            return frozenset(folded(name) for field in fields for name in names.get(field, ()))

        return cls(spelled(hashed), spelled(dropped))

    def columns(self, names: Sequence[str]) -> list[str]:
        """
        Return the columns that name a changed field or hold its values; none if nothing is hidden.

        :param names: names of the columns that rows have.
        """
        needed = (TYPE, *CHANGED_FIELD, ATTRIBUTES, FIELD_NAME, *VALUES)
        return [name for name in needed if name in names] if self.hashed or self.dropped else []

    def hide(self, row: Row, digest: Callable[[str], str]) -> dict[str, str | None]:
        """
        Return the cells that replace cells of a row; none if the row has nothing to hide.

        A score becomes null, since a digest is not a number.

        :param row: the cells of :meth:`columns`, by name.
        :param digest: the digest of a value.
        """
        if FIELD_NAME in row:
            is_score, named = False, [row[FIELD_NAME]]
        elif row.get(TYPE) in (CHANGE_DATA_VALUE, CHANGE_SCORE):
            is_score, named = row[TYPE] == CHANGE_SCORE, [row.get(name) for name in CHANGED_FIELD]
        else:
            return {}
        spelled = {folded(name) for name in named if name}
        is_dropped = bool(spelled & self.dropped)
        if not is_dropped and not spelled & self.hashed:
            return {}

        def replaced(value: Any) -> str | None:
            if value is None or is_dropped or is_score:
                return None
            return digest(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

        changed = {name: replaced(row[name]) for name in VALUES if name in row}
        if row.get(ATTRIBUTES):
            changed[ATTRIBUTES] = _replaced(row[ATTRIBUTES] or "", replaced)
        return changed


def _replaced(cell: str, replace: Callable[[Any], str | None]) -> str | None:
    """Replace the values in a cell of attributes. A cell that cannot be read becomes null."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and all(isinstance(item, dict) for item in found):
        made: Any = [
            {**item, "value": replace(item.get("value"))} if folded(str(item.get("name"))) in _VALUES else item
            for item in found
        ]
    elif isinstance(found, dict):
        made = {name: replace(value) if folded(name) in _VALUES else value for name, value in found.items()}
    else:
        return None
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))
