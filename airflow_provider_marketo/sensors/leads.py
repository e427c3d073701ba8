"""A sensor for a lead, or for a value of one of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import narrowing, text, texts
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.arguments import Check
    from airflow_provider_marketo.conditions.condition import Condition


class MarketoLeadSensor(MarketoSensor):
    """
    Wait until there is a lead for each of some values, and optionally until one of its fields has a value.

    If several leads share a value, one that fits is enough. Sensors that wait in the triggerer share calls of 300
    values.

    Adobe's operation: ``leads.get_by_filter_type``.

    :param lookup_field: field to look in, such as ``email`` or ``id``; one of the searchable fields of describe.
    :param lookup_values: one value or several; there must be a lead for each. No value may contain a comma. Airflow
        shows them as a rendered field.
    :param field: REST API name of a field to look at. Default: it is enough that the leads exist.
    :param field_values: the field must have one of these values, regardless of case; None for no value.
        Default: any value.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"lead_ids"}``, the leads that fit.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Lead",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoSensor.argument_checks,
        "lookup_field": text(required=True),
        "lookup_values": narrowing(texts(required=True)),
        "field": text(),
        "field_values": narrowing(texts(none_allowed=True)),
    }
    template_fields: Sequence[str] = (
        *MarketoSensor.template_fields,
        "lookup_field",
        "lookup_values",
        "field",
        "field_values",
    )

    def __init__(
        self,
        *,
        lookup_field: str = "email",
        lookup_values: Sequence[Any] | str | int,
        field: str | None = None,
        field_values: Sequence[Any] | str | int | None = None,
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.lookup_field = lookup_field
        self.lookup_values = lookup_values
        self.field = field
        self.field_values = field_values
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """Return the leads to wait for."""
        from airflow_provider_marketo.conditions.leads import LeadCondition

        return LeadCondition(
            lookup_field=self.argument("lookup_field"),
            lookup_values=tuple(sorted(set(filter(None, self.argument("lookup_values"))))),
            field=self.argument("field"),
            field_values=tuple(sorted({value or "" for value in self.argument("field_values") or ()})),
        )
