"""What an author wants of a stream, checked before the first call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.retention import DELETE_LEAD
from airflow_provider_marketo.client.tabular.schema import ActivityType, Column, TableSchema, activity_types
from airflow_provider_marketo.client.tabular.sources import RAW, SOURCE
from airflow_provider_marketo.extract.plan import ExtractPlan, activity_type_id, require_known, without_excluded
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.output.manifest import CHANGES, DELETES, Removal
from airflow_provider_marketo.streams.feeds import (
    ACTIVITIES,
    FEEDS,
    LEAD_CHANGES,
    LEADS_PER_PASS,
    MERGE_LEADS,
    MERGED_LEADS,
    TYPES_PER_PASS,
    Feed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.client.bulk.objects import ExportObject
    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)


@dataclass(frozen=True)
class Pass:
    """
    One cursor through a feed.

    :param name: name of the cursor; the same in every run with the same filter.
    :param parameters: its filter, in Adobe's spelling.
    """

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class StreamRequest(ExtractRequest):
    """
    What is wanted of a stream. ``object_type`` is the feed's name.

    ``start`` and ``end`` are empty until the run's range is settled.

    :param changed_fields: REST API names of the fields whose changes are wanted, for ``lead_changes``.
    :param lead_ids: at most 30 leads; empty for all.
    :param list_id: only leads of a static list.
    :param asset_ids: only activities with these primary attributes, such as forms; with a single activity type.
    :param journal: whether the rows come from the journal of Adobe I/O Events, and say so in a column.
    :param include_raw: whether a column has the JSON of each event.
    """

    changed_fields: Sequence[str] = ()
    lead_ids: Sequence[int] = ()
    list_id: int | None = None
    asset_ids: Sequence[int] = ()
    journal: bool = False
    include_raw: bool = False

    @property
    def feed(self) -> Feed:
        """The stream's row in the table of feeds."""
        return FEEDS[self.object_type]

    @property
    def export(self) -> ExportObject:
        """The bulk object whose rows have the same shape."""
        return self.feed.export

    @property
    def kind(self) -> str:
        """What the rows are: changes or deletes."""
        return CHANGES if self.removal is None else DELETES

    @property
    def removal(self) -> Removal | None:
        """How the feed names removed leads; None for a feed that removes no leads."""
        return self.feed.removal

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.lead_ids) > LEADS_PER_PASS:
            raise MarketoInvalidRequestError(
                f"Marketo filters a feed by at most {LEADS_PER_PASS} leads, and {len(self.lead_ids)} are given",
                parameter="lead_ids",
                remedy="Use a static list (list_id), or read all leads and filter afterwards.",
            )
        if self.asset_ids and len(self.activity_types) != 1:
            raise MarketoInvalidRequestError(
                "asset_ids are ids of one kind of asset and need exactly one activity type", parameter="asset_ids"
            )
        if self.object_type == LEAD_CHANGES and not self.changed_fields:
            raise MarketoInvalidRequestError(
                "Marketo needs the names of the fields whose changes it lists",
                parameter="fields",
                remedy="Give a list of REST API names.",
            )

    def _check_object(self, export: ExportObject) -> None:
        if self.attributes == "typed" and not export.has_types:
            raise MarketoInvalidRequestError(
                f"attributes='typed' makes a dataset of each activity type, and {self.object_type} has no activity"
                " types",
                parameter="attributes",
                remedy="Use 'map' or 'json'.",
            )

    def _check_dates(self, export: ExportObject) -> None:
        if self.start is not None:
            super()._check_dates(export)

    def plan(self, client: MarketoClient) -> ExtractPlan:
        """
        Ask the instance for the names of activity types or fields, and return the plan.

        :param client: the instance.
        :raises MarketoInvalidRequestError: the instance lacks a name of the request; the message has the nearest names.
        """
        feed = self.feed
        columns = tuple(Column(name, kind) for name, kind in {**feed.columns, **self._more_columns()}.items())
        kinds = self._activity_types(client) if feed.kept is None and self._names_matter else {}
        if self.changed_fields:
            records = client.call("leads.describe").records
            with reading("leads.describe"):
                described = {str(each["rest"]["name"]): each for each in records if each.get("rest")}
                labels = {name: str(each.get("displayName")) for name, each in described.items()}
            require_known("fields", self.changed_fields, labels)
            scores = [name for name in self.changed_fields if described[name].get("dataType") == "score"]
            if scores:
                log.warning(
                    "Marketo's feed of lead changes does not list changes of scores (%s): read activities of the type"
                    " Change Score",
                    scores,
                )
        plan = ExtractPlan(
            fields=tuple(column.name for column in columns),
            schema=TableSchema(columns, feed.export.key, feed.export.cut_by[feed.export.date_filters[0]]),
            activity_types=kinds,
            filters={},
            dropped={},
        )
        plan = without_excluded(plan, self, client)
        if self.include_raw and (self.hash_fields or plan.changed_fields):
            raise MarketoInvalidRequestError(
                f"the JSON of events in {RAW} would show the values that other columns hash or leave out",
                parameter="include_raw",
                remedy="Leave out include_raw. Otherwise remove hash_fields, and take the lead fields out of"
                " exclude_fields.",
            )
        return plan

    @property
    def _names_matter(self) -> bool:
        """Whether activity types have to be looked up: a feed's calls need ids, a journal's events name their type."""
        by_type = "activity_type" in self.partition_by or self.attributes_form == "typed"
        return not self.journal or bool(self.activity_types) or by_type

    def _more_columns(self) -> dict[str, str]:
        more = {SOURCE: self.journal, RAW: self.include_raw}
        return {name: "string" for name, is_wanted in more.items() if is_wanted}

    def passes(self, plan: ExtractPlan) -> list[Pass]:
        """The cursors to read: ten activity types each, Marketo's maximum."""
        common: dict[str, Any] = {}
        if self.lead_ids:
            common["leadIds"] = list(self.lead_ids)
        if self.list_id is not None:
            common["listId"] = self.list_id
        if self.asset_ids:
            common["assetIds"] = list(self.asset_ids)
        if self.changed_fields:
            common["fields"] = list(self.changed_fields)
        types = sorted(plan.activity_types)
        filters = [{**common, "activityTypeIds": group} for group in batches(types, TYPES_PER_PASS)] or [common]
        return [Pass(_name(parameters), parameters) for parameters in filters]

    def _activity_types(self, client: MarketoClient) -> dict[int, ActivityType]:
        known = activity_types(client.call("activities.get_types").records)
        if self.object_type == MERGED_LEADS:
            wanted: Sequence[str | int] = [MERGE_LEADS]
        elif self.activity_types:
            wanted = self.activity_types
        else:
            wanted = [kind.id for kind in known.values() if kind.name != DELETE_LEAD]
        return {each: known[each] for each in (activity_type_id(one, known) for one in wanted)}

    def describe(self) -> str:
        """Return what is extracted, for the log."""
        kind = "activities" if self.object_type == ACTIVITIES else self.object_type.replace("_", " ")
        return f"{kind} as {self.file_format}"


def _name(parameters: Mapping[str, Any]) -> str:
    parts = (
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in sorted(parameters.items())
    )
    return "&".join(parts) or "all"
