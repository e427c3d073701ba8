"""Does a lead exist, and does a field of it have a value?"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.questions.question import Answer, Found, Question, batches, by_group

VALUES_PER_CALL = 300


@dataclass(frozen=True)
class LeadQuestion(Question):
    """
    Is there, for each value, a lead with it, and does a field of that lead have one of some values?

    :param filter_type: a searchable field, such as ``email`` or ``id``.
    :param filter_values: values of it, as text.
    :param field: REST API name of a field to look at; None where it is enough that the leads exist.
    :param field_values: values of which the field must have one, as text; empty for any but none.
    """

    kind: ClassVar[str] = "lead"
    filter_type: str
    filter_values: tuple[str, ...]
    field: str | None = None
    field_values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.filter_values:
            raise MarketoInvalidRequestError("there is no value to look for", parameter="filter_values")
        if any("," in value for value in self.filter_values):
            raise MarketoInvalidRequestError(
                "a value contains a comma, which Marketo reads as two values",
                parameter="filter_values",
                remedy="Look for the lead by another field.",
            )
        if self.field_values and self.field is None:
            raise MarketoInvalidRequestError("field_values are given, but no field", parameter="field")

    @property
    def group(self) -> Hashable:
        return self.filter_type, self.field

    def describe(self) -> str:
        condition = f" whose {self.field} is as wanted" if self.field else ""
        count = len(self.filter_values)
        return f"{'a lead' if count == 1 else f'{count} leads'} by {self.filter_type}{condition}"


class LeadInquirer:
    """
    Asks ``leads.get_by_filter_type``, 300 values in a call.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client

    def ask(self, questions: Collection[LeadQuestion]) -> Mapping[LeadQuestion, Answer]:
        return by_group(questions, self._ask)

    def _ask(self, questions: Sequence[LeadQuestion]) -> Mapping[LeadQuestion, Answer]:
        first = questions[0]
        leads: dict[str, list[Mapping[str, Any]]] = {}
        values = (value for question in questions for value in question.filter_values)
        wanted = list(dict.fromkeys(filter(None, ("id", first.filter_type, first.field))))
        for batch in batches(values, VALUES_PER_CALL):
            for lead in self._find(first.filter_type, batch, wanted):
                leads.setdefault(_folded(lead.get(first.filter_type)), []).append(lead)
        return {question: found for question in questions if (found := _judge(question, leads))}

    def _find(self, filter_type: str, values: list[str], fields: list[str]) -> list[Mapping[str, Any]]:
        """Marketo finds at most 1,000 leads for a call: with more, the values are asked for in two halves."""
        query = {"filterType": filter_type, "filterValues": values, "fields": fields}
        try:
            return list(self._client.paginate("leads.get_by_filter_type", **query))
        except MarketoInvalidRequestError as error:
            if error.code != "1003" or "too many" not in error.message.lower() or len(values) == 1:
                raise
        half = len(values) // 2
        return self._find(filter_type, values[:half], fields) + self._find(filter_type, values[half:], fields)


def _judge(question: LeadQuestion, leads: Mapping[str, Sequence[Mapping[str, Any]]]) -> Found | None:
    ids: list[int] = []
    for value in question.filter_values:
        fitting = [int(lead["id"]) for lead in leads.get(_folded(value), ()) if _fits(question, lead)]
        if not fitting:
            return None
        ids += fitting
    return {"lead_ids": sorted(set(ids))}


def _fits(question: LeadQuestion, lead: Mapping[str, Any]) -> bool:
    if question.field is None:
        return True
    value = lead.get(question.field)
    if not question.field_values:
        return value not in (None, "")
    return _folded(value) in {_folded(wanted) for wanted in question.field_values}


def _folded(value: Any) -> str:
    """As Marketo compares: without regard to case. Booleans are spelled as in JSON."""
    return "" if value is None else str(value).strip().lower()
