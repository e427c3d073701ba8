"""Waits for a lead, or for a value of one of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.conditions.condition import Condition


class MarketoLeadSensor(MarketoSensor):
    """
    Wait until there is a lead for each of some values, and a field of it has a value if that is asked for.

    Of several leads that share a value, one that has what is asked for is enough.

    Sensors that wait in the triggerer are asked for together, 300 values in a call.

    Adobe's operation: ``leads.get_by_filter_type``.

    :param filter_type: field to look in, such as ``email`` or ``id``; one of the searchable fields of describe.
    :param filter_values: one value or several; there must be a lead for each. No value may contain a comma. Airflow
        shows them as a rendered field.
    :param field: REST API name of a field to look at. Default: it is enough that the leads exist.
    :param field_values: the field must have one of these values, letters' case aside; None for no value. Default: any
        value.
    :return: ``{"lead_ids"}``, those that have what is asked for.
    """

    template_fields: Sequence[str] = (
        *MarketoSensor.template_fields,
        "filter_type",
        "filter_values",
        "field",
        "field_values",
    )

    def __init__(
        self,
        *,
        filter_type: str = "email",
        filter_values: Sequence[Any] | str | int,
        field: str | None = None,
        field_values: Sequence[Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filter_type = filter_type
        self.filter_values = filter_values
        self.field = field
        self.field_values = field_values

    def condition(self, context: Context) -> Condition:
        from airflow_provider_marketo.conditions.leads import LeadCondition

        return LeadCondition(
            filter_type=self.filter_type,
            # A template without a value renders to "None".
            filter_values=tuple(value for value in _texts(self.filter_values) if value not in ("", "None")),
            field=self.field or None,
            field_values=_texts(self.field_values),
        )


def _texts(values: Any) -> tuple[str, ...]:
    from airflow_provider_marketo.legacy_arguments import as_list

    return tuple(sorted({"" if value is None else str(value) for value in as_list(values) or ()}))
