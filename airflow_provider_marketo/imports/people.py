"""The leads in rows: their ids, found by a field such as the e-mail address."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.lead_fields import looking_up_by
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.client.values import is_utf8
from airflow_provider_marketo.imports.advice import INVALID_VALUE
from airflow_provider_marketo.imports.matching import plain
from airflow_provider_marketo.imports.rows import Batch, Rows
from airflow_provider_marketo.imports.targets import LEAD_ID, RECORDS_PER_CALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_marketo.client.client import MarketoClient

_READ = "leads.get_by_filter_type"
_ID = "id"

Fault = tuple[str, str]
"""The code and the text of the reason why a row cannot be sent."""


def with_lead_ids(client: MarketoClient, rows: Rows, column: str, lookup_field: str) -> Rows:
    """
    Return rows with a further column ``leadId``: the id of the lead that each row names.

    A row whose lead Marketo does not have, or has more than once, gets a fault and is not sent.

    :param client: the instance (``leads.get_by_filter_type``, 300 values a call).
    :param rows: the input.
    :param column: column of the input, with the values to look for.
    :param lookup_field: API name of the field in which Marketo looks.
    :raises MarketoInvalidRequestError: the input lacks the column.
    """
    if not rows.columns:
        return rows
    place = place_of(rows, column, lookup_field)
    kept = [at for at, name in enumerate(rows.columns) if name != LEAD_ID]
    names = [*(rows.columns[at] for at in kept), LEAD_ID]
    leads = _Leads(client, lookup_field)

    def found() -> Iterator[Batch]:
        for batch in rows.batches:
            yield leads.add_to(batch, kept, batch[place])

    return replace(rows, columns=names, batches=found())


def with_known_leads(client: MarketoClient, rows: Rows, column: str) -> Rows:
    """
    Return the same rows, with a fault for each row whose id belongs to no lead.

    This is for calls that Marketo refuses as a whole because of one unknown lead.

    :param client: the instance (``leads.get_by_filter_type``, 300 ids a call).
    :param rows: the input.
    :param column: column of the input, with the ids.
    :raises MarketoInvalidRequestError: the input lacks the column.
    """
    if not rows.columns:
        return rows
    place = place_of(rows, column, LEAD_ID)
    leads = _Leads(client, _ID)

    def checked() -> Iterator[Batch]:
        for batch in rows.batches:
            _, faults = leads.find(batch[place])
            yield Batch(batch.rows, len(rows.columns), batch.__getitem__, {**faults, **batch.faults})

    return replace(rows, batches=checked())


def place_of(rows: Rows, column: str, name: str) -> int:
    """
    Return the position of the column that identifies the leads.

    :param rows: the input.
    :param column: the column's name in the input.
    :param name: what ``columns`` maps it to: ``lookup_field``, or ``leadId``.
    :raises MarketoInvalidRequestError: the input lacks the column.
    """
    if column in rows.columns:
        return rows.columns.index(column)
    raise MarketoInvalidRequestError(
        f"the input has no column {with_nearest(column, rows.columns)}, by which leads are looked up",
        parameter="lookup_field" if column == name else "columns",
        remedy=f"Its columns are {', '.join(rows.columns)}. Map one to {name} with the argument columns"
        + (", or look leads up by a field: lookup_field='email'." if name == LEAD_ID else "."),
    )


class _Leads:
    """Looks leads up, each value once."""

    def __init__(self, client: MarketoClient, lookup_field: str) -> None:
        self._client = client
        self._field = lookup_field
        self._known: dict[str, tuple[int, ...]] = {}

    def add_to(self, batch: Batch, kept: Sequence[int], values: Sequence[Any]) -> Batch:
        ids, faults = self.find(values)

        def column(place: int) -> Sequence[Any]:
            return ids if place == len(kept) else batch[kept[place]]

        return Batch(batch.rows, len(kept) + 1, column, {**faults, **batch.faults})

    def find(self, values: Sequence[Any]) -> tuple[list[int | None], dict[int, Fault]]:
        """Return the lead's id for each value, and faults by position for values without exactly one lead."""
        self._look_up({plain(value): self._asked(value) for value in values if self._can_be_asked(value)})
        ids: list[int | None] = []
        faults: dict[int, Fault] = {}
        for at, value in enumerate(values):
            found = self._known.get(plain(value), ()) if self._can_be_asked(value) else ()
            ids.append(found[0] if len(found) == 1 else None)
            if len(found) != 1:
                faults[at] = self._fault(value, len(found))
        return ids, faults

    def _look_up(self, values: dict[str, str]) -> None:
        new = {key: value for key, value in values.items() if key not in self._known}
        for part in batches(list(new.values()), RECORDS_PER_CALL):
            query = {"filterType": self._field, "filterValues": part, "fields": list(dict.fromkeys((_ID, self._field)))}
            found: dict[str, set[int]] = {plain(value): set() for value in part}
            with looking_up_by(self._client, "lookup_field", self._field):
                for record in self._client.paginate(_READ, **query):
                    lead_id = lead_id_of(record)
                    found.setdefault(plain(record.get(self._field)), set()).add(lead_id)
            self._known.update({key: tuple(sorted(ids)) for key, ids in found.items()})

    def _asked(self, value: Any) -> str:
        return plain(value) if self._field == _ID else str(value).strip()

    def _can_be_asked(self, value: Any) -> bool:
        return not _is_empty(value) and self._obstacle(value) is None

    def _fault(self, value: Any, found: int) -> Fault:
        if _is_empty(value):
            return codes.LEAD_NOT_FOUND, f"{self._field} is empty, and the lead is looked up by it"
        if found:
            return codes.SEVERAL_LEADS_MATCH, f"{found} leads have this {self._field}"
        obstacle = self._obstacle(value)
        if obstacle is not None:
            return INVALID_VALUE, f"{self._field} {obstacle}"
        return codes.LEAD_NOT_FOUND, f"no lead has this {self._field}"

    def _obstacle(self, value: Any) -> str | None:
        """Return why Marketo cannot be asked for a value; None if it can."""
        if self._field == _ID and (isinstance(value, bool) or not plain(value).isdecimal()):
            return "is not a whole number, so it is not a lead's id"
        text = str(value)
        if "," in text:
            return "has a comma, which Marketo reads as two values"
        return None if is_utf8(text) else "contains half of a surrogate pair, which UTF-8 cannot encode"


def _is_empty(value: Any) -> bool:
    return value is None or str(value).strip() == ""
