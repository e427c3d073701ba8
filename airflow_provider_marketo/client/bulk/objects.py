"""What can be exported in bulk. Four kinds of object, one table: their differences are data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

LIST_FILTERS = ("staticListId", "staticListName", "smartListId", "smartListName")

OPTIONAL_FILTERS = frozenset({"updatedAt", "smartListId", "smartListName"})
"""What not every subscription offers (1035)."""

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
"""What Marketo exports of an activity when nothing is asked for; ``actionResult`` comes on request only."""


@dataclass(frozen=True)
class ExportObject:
    """
    One kind of exportable object.

    :param name: as operators call it.
    :param family: of its operations in the catalogue.
    :param key: the columns that make a row unique across windows; always exported.
    :param describe: the operation that lists its fields; None where the fields are fixed.
    :param date_filters: filters that take a window, the default first.
    :param row_date: column by which rows are cut to the window; None where only duplicates are removed.
    :param filters: other filters, by Adobe's names.
    :param exclusive: whether a filter takes the place of the window, as Marketo allows one filter only.
    :param window_required: whether no filter can take the place of the window.
    :param needs: filters of which one must be given.
    :param fields: fields exported when none are named; empty where they must be named.
    """

    name: str
    family: str
    key: tuple[str, ...]
    describe: str | None
    date_filters: tuple[str, ...]
    row_date: str | None = None
    filters: tuple[str, ...] = ()
    exclusive: bool = False
    window_required: bool = False
    needs: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

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
            describe="leads.describe",
            date_filters=("createdAt", "updatedAt"),
            filters=LIST_FILTERS,
            exclusive=True,
        ),
        ExportObject(
            name="activities",
            family="bulk_export_activities",
            key=("marketoGUID",),
            describe=None,
            date_filters=("createdAt",),
            row_date="activityDate",
            filters=("activityTypeIds", "primaryAttributeValueIds", "primaryAttributeValues"),
            window_required=True,
            fields=ACTIVITY_FIELDS,
        ),
        ExportObject(
            name="program_members",
            family="bulk_export_program_members",
            key=("leadId", "programId"),
            describe="program_members.describe",
            date_filters=("updatedAt",),
            filters=("programId", "programIds", "isExhausted", "nurtureCadence", "statusNames"),
            needs=("programId", "programIds"),
        ),
        ExportObject(
            name="custom_objects",
            family="bulk_export_custom_objects",
            key=("marketoGUID",),
            describe="custom_objects.describe",
            date_filters=("updatedAt",),
            filters=LIST_FILTERS,
            exclusive=True,
        ),
    )
}


def export_object(name: str) -> ExportObject:
    """
    :param name: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :raises MarketoInvalidRequestError: anything else.
    """
    try:
        return OBJECTS[name]
    except KeyError:
        raise MarketoInvalidRequestError(
            f"object_type={name!r} cannot be exported in bulk",
            parameter="object_type",
            remedy=f"Use one of {', '.join(OBJECTS)}.",
        ) from None
