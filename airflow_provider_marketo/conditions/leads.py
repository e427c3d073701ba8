"""The condition that leads exist, and that one of their fields has a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client import codes, meanings
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.lead_fields import suggest_lead_fields
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller, distinct_batches

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

VALUES_PER_CALL = 300

Lead = Mapping[str, Any]

_PARAMETERS = {codes.FIELD_NOT_SEARCHABLE: "lookup_field", codes.UNKNOWN_FIELD: "field"}
_NOT_SHOWN = frozenset({"cookies"})
"""
Fields by which Marketo finds leads, but which it does not return, because a lead may have several cookies.

So each value needs a call of its own.
"""


@dataclass(frozen=True)
class LeadCondition(Condition):
    """
    A lead exists for each looked-up value, and one of its fields has one of the wanted values.

    :param lookup_field: a searchable field, such as ``email`` or ``id``.
    :param lookup_values: values of that field, as text.
    :param field: REST API name of the field that must have a value; None if the leads only have to exist.
    :param field_values: the wanted values of the field, as text; ``""`` stands for no value. Without any, every value
        will do.
    """

    VERSION: ClassVar[int] = 2
    kind: ClassVar[str] = "lead"
    lookup_field: str
    lookup_values: tuple[str, ...]
    field: str | None = None
    field_values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.lookup_values:
            raise MarketoInvalidRequestError(
                "lookup_values is empty: the sensor has no value to look for", parameter="lookup_values"
            )
        if any("," in value for value in self.lookup_values):
            raise MarketoInvalidRequestError(
                "a value contains a comma, which Marketo reads as two values",
                parameter="lookup_values",
                remedy="Look the lead up by another field.",
            )
        if self.lookup_field == "id" and not all(value.isdigit() for value in self.lookup_values):
            raise MarketoInvalidRequestError("a value is not an id: an id is a number", parameter="lookup_values")
        if self.field_values and self.field is None:
            raise MarketoInvalidRequestError(
                "field_values are given, but no field", parameter="field", remedy="Give field as well."
            )

    @property
    def group(self) -> Hashable:
        """The fields that one call can filter by and return."""
        return self.lookup_field, self.field

    def describe(self) -> str:
        """Return what the sensor waits for, without a person's data."""
        condition = f" and a wanted value of {self.field}" if self.field else ""
        count = len(self.lookup_values)
        leads = "a lead with the given" if count == 1 else f"{count} leads with the given values of"
        return f"{leads} {self.lookup_field}{condition}"


class LeadPoller(ConditionPoller[LeadCondition]):
    """Look leads up (``leads.get_by_filter_type``), 300 values in a call."""

    def _ask(self, conditions: Sequence[LeadCondition]) -> Mapping[LeadCondition, Answer]:
        first = conditions[0]
        found: dict[str, Sequence[Lead] | MarketoError] = {}
        values = (value for condition in conditions for value in condition.lookup_values)
        wanted = list(dict.fromkeys(filter(None, ("id", first.lookup_field, first.field))))
        for batch in distinct_batches(values, 1 if first.lookup_field in _NOT_SHOWN else VALUES_PER_CALL):
            found.update(self._find(first.lookup_field, batch, wanted))
        answers = {condition: _judge(condition, found) for condition in conditions}
        return {condition: answer for condition, answer in answers.items() if answer is not None}

    def _find(
        self, lookup_field: str, values: list[str], fields: list[str]
    ) -> Mapping[str, Sequence[Lead] | MarketoError]:
        """
        Return the leads by value.

        Marketo returns at most 1,000 leads for a call. If more match, each half of the values gets a call of its own,
        until a call has one value only.
        """
        query = {"filterType": lookup_field, "filterValues": values, "fields": fields}
        try:
            leads = list(self._client.paginate("leads.get_by_filter_type", **query))
        except MarketoInvalidRequestError as error:
            if not meanings.exceeds_limit(error):
                if error.code in _PARAMETERS:
                    error.parameter = _PARAMETERS[error.code]
                    suggest_lead_fields(self._client, error, [lookup_field, *fields])
                raise
            if len(values) == 1:
                return {_folded(values[0]): _too_many(lookup_field, error)}
            half = len(values) // 2
            return {
                **self._find(lookup_field, values[:half], fields),
                **self._find(lookup_field, values[half:], fields),
            }
        by_value: dict[str, list[Lead]] = {}
        for lead in leads:
            shown = values[0] if lookup_field in _NOT_SHOWN else lead.get(lookup_field)
            by_value.setdefault(_folded(shown), []).append(lead)
        return by_value


def _judge(condition: LeadCondition, found: Mapping[str, Sequence[Lead] | MarketoError]) -> Answer | None:
    ids: list[int] = []
    for value in condition.lookup_values:
        leads = found.get(_folded(value), ())
        if isinstance(leads, MarketoError):
            return leads
        fitting = [lead_id_of(lead) for lead in leads if _fits(condition, lead)]
        if not fitting:
            return None
        ids += fitting
    return {"lead_ids": sorted(set(ids))}


def _too_many(lookup_field: str, error: MarketoError) -> MarketoError:
    return MarketoInvalidRequestError(
        f"more than 1,000 leads have one of the values of {lookup_field}, and Marketo returns none of them",
        operation=error.operation,
        code=error.code,
        request_id=error.request_id,
        parameter="lookup_values",
        remedy="Look the lead up by a field that few leads share, such as email or id.",
    )


def _fits(condition: LeadCondition, lead: Mapping[str, Any]) -> bool:
    if condition.field is None:
        return True
    value = lead.get(condition.field)
    if not condition.field_values:
        return value not in (None, "")
    return _folded(value) in {_folded(wanted) for wanted in condition.field_values}


def _folded(value: Any) -> str:
    """Return a value in the form that Marketo compares: in lower case, with booleans as in JSON."""
    return "" if value is None else str(value).strip().lower()
