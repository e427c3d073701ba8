"""What Marketo exports in bulk. Each kind of object is one row of a table: the differences are data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

LIST_FILTERS = ("staticListId", "staticListName", "smartListId", "smartListName")

OPTIONAL_FILTERS = frozenset({"updatedAt", "smartListId", "smartListName"})
"""Filters that not every subscription has (1035)."""

ACTIVITY_FIELDS = (
    "marketoGUID",
    "leadId",
    "activityDate",
    "activityTypeId",
    "campaignId",
    "primaryAttributeValueId",
    "primaryAttributeValue",
    "attributes",
)
"""The fields of activities that Marketo exports if none are named."""


@dataclass(frozen=True)
class BatchedFilter:
    """
    A filter that takes a limited number of ids per job.

    :param name: Adobe's name of the filter.
    :param most: how many ids one job takes.
    :param label: what the ids are, for the names of jobs.
    :param column: column that Marketo adds at the front of the file if, and only if, this filter is given.
    """

    name: str
    most: int
    label: str
    column: str


@dataclass(frozen=True)
class ExportObject:
    """
    One kind of object that can be exported.

    :param name: the value of ``object_type``.
    :param family: family of its operations in the catalogue.
    :param key: columns that make a row unique across windows; always exported.
    :param describes: operations that list its fields; empty if the fields are fixed.
    :param date_filters: filters that take a window, the default first.
    :param cut_by: by date filter, the column by which rows are cut to the window. Rows that another filter selects are
        never cut: the ``updatedAt`` that Marketo shows is not the one that its filter uses.
    :param filters: other filters, by Adobe's names.
    :param exclusive: whether a filter takes the place of the window, as Marketo allows one filter only.
    :param window_required: whether no filter can take the place of the window.
    :param needs: one of these filters is required.
    :param batched: the filter whose ids are spread over several jobs.
    :param fields: fields exported when the author names no fields; empty if the author must name them.
    :param all_by_default: whether every field is exported when the author names no fields.
    :param fields_on_request: fixed fields that are exported only when they are named.
    :param tells_changes: whether rows report changes of lead fields, and so hold their values.
    :param has_lead_fields: whether rows also have fields of their lead, as far as they are exported.
    :param has_types: whether each row has an activity type, which says what attributes it has and how long it is kept.
    :param arguments: arguments of an extract that only this kind of object takes.
    :param custom: whether this kind has several types, so that ``custom_object`` must name one.
    """

    name: str
    family: str
    key: tuple[str, ...]
    describes: tuple[str, ...]
    date_filters: tuple[str, ...]
    cut_by: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[str, ...] = ()
    exclusive: bool = False
    window_required: bool = False
    needs: tuple[str, ...] = ()
    batched: BatchedFilter | None = None
    fields: tuple[str, ...] = ()
    all_by_default: bool = False
    fields_on_request: tuple[str, ...] = ()
    tells_changes: bool = False
    has_lead_fields: bool = False
    has_types: bool = False
    arguments: tuple[str, ...] = ()
    custom: bool = False

    def operation(self, action: str) -> str:
        """The catalogue's name of one of the six export operations, such as ``create_job``."""
        return f"{self.family}.{action}"


OBJECTS: Mapping[str, ExportObject] = {
    export.name: export
    for export in (
        ExportObject(
            name="leads",
            family="bulk_export_leads",
            key=("id",),
            describes=("leads.describe",),
            date_filters=("createdAt", "updatedAt"),
            cut_by={"createdAt": "createdAt"},
            filters=LIST_FILTERS,
            exclusive=True,
            all_by_default=True,
        ),
        ExportObject(
            name="activities",
            family="bulk_export_activities",
            key=("marketoGUID",),
            describes=(),
            date_filters=("createdAt",),
            cut_by={"createdAt": "activityDate"},
            filters=("activityTypeIds", "primaryAttributeValueIds", "primaryAttributeValues"),
            window_required=True,
            fields=ACTIVITY_FIELDS,
            fields_on_request=("actionResult",),
            arguments=("activity_types", "attributes"),
            tells_changes=True,
            has_types=True,
        ),
        ExportObject(
            name="program_members",
            family="bulk_export_program_members",
            key=("leadId", "programId"),
            describes=("program_members.describe", "leads.describe"),
            date_filters=("updatedAt",),
            filters=("programId", "programIds", "isExhausted", "nurtureCadence", "statusNames"),
            needs=("programId", "programIds"),
            batched=BatchedFilter("programIds", most=10, label="programs", column="programId"),
            arguments=("programs",),
            has_lead_fields=True,
        ),
        ExportObject(
            name="custom_objects",
            family="bulk_export_custom_objects",
            key=("marketoGUID",),
            describes=("custom_objects.describe",),
            date_filters=("updatedAt",),
            filters=LIST_FILTERS,
            exclusive=True,
            arguments=("custom_object",),
            custom=True,
        ),
    )
}


def export_object(name: str) -> ExportObject:
    """
    Return the kind of object with a name.

    :param name: the value of ``object_type``.
    :raises MarketoInvalidRequestError: Marketo does not export such objects.
    """
    try:
        return OBJECTS[name]
    except KeyError:
        raise MarketoInvalidRequestError(
            f"object_type={name!r} cannot be exported in bulk",
            parameter="object_type",
            remedy=f"Use one of {', '.join(OBJECTS)}.",
        ) from None
