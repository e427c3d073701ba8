"""The plan of an extract: a request, completed by the instance's fields and activity types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.custom_objects import naming_type
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.suggest import did_you_mean, nearest, with_nearest
from airflow_provider_marketo.client.tabular.attributes import columns_of
from airflow_provider_marketo.client.tabular.changed_values import (
    ATTRIBUTES,
    CHANGED_FIELD,
    FIELD_NAME,
    TYPE,
    VALUES,
    names_of_fields,
)
from airflow_provider_marketo.client.tabular.partitions import type_folders
from airflow_provider_marketo.client.tabular.schema import (
    ActivityType,
    TableSchema,
    activity_schema,
    activity_types,
    describe_change,
    from_describe,
)
from airflow_provider_marketo.extract.request import ALL_FIELDS, ExtractRequest
from airflow_provider_marketo.output import layout

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.output.folder import OutputFolder

NEVER_EXPORTED = frozenset({"formula"})
"""Data types of fields that Marketo describes but does not export."""

_NEEDED_FOR_TYPES = ("activityTypeId", "attributes")
"""Columns that are needed to make a dataset of each activity type."""


@dataclass(frozen=True)
class ExtractPlan(Serializable):
    """
    The plan of an extract, settled once and kept to its end.

    :param fields: API names of the exported columns.
    :param schema: the schema of the rows.
    :param activity_types: activity types by id; only where names or attributes of types matter.
    :param filters: filters that the task has found in Marketo, in addition to the author's.
    :param dropped: fields that were left out, with the reason.
    :param schema_changes: differences from the columns that this output held before.
    :param as_of: Marketo's time when the plan was made; ISO 8601, UTC.
    :param until: first second that is not read, if the span ends in the future; None if all of it is read.
    :param changed_fields: lead fields whose values are hidden in rows of changes, and the names of these fields in
        such rows.
    """

    VERSION: ClassVar[int] = 1

    fields: tuple[str, ...]
    schema: TableSchema
    activity_types: Mapping[int, ActivityType]
    filters: Mapping[str, Any]
    dropped: Mapping[str, str]
    schema_changes: tuple[Mapping[str, Any], ...] = ()
    as_of: str = ""
    until: datetime | None = None
    changed_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the rows."""
        return [column.name for column in self.schema.columns]

    def without(self, refused: Iterable[str], reason: str) -> ExtractPlan:
        """Return the plan without some fields."""
        gone = set(refused)
        columns = tuple(column for column in self.schema.columns if column.name not in gone)
        return replace(
            self,
            fields=tuple(name for name in self.fields if name not in gone or name == self.schema.date),
            schema=replace(self.schema, columns=columns),
            dropped={**self.dropped, **dict.fromkeys(sorted(gone), reason)},
        )

    def written(self, attributes: str, partition_by: Sequence[str] = ()) -> dict[str, Any]:
        """
        Return the columns of the output, to compare with those of another run.

        :param attributes: the form in which attributes of activities are written.
        :param partition_by: names of the partitions.
        """
        facts = self.schema.to_dict()
        if attributes == "typed":
            common = [*self.columns, *partition_by]
            folders = type_folders(self.activity_types)
            facts["columns"] += [
                {"name": f"{folders[kind.id]}.{name}", "type": data_type}
                for kind in self.activity_types.values()
                for name, data_type in columns_of(kind, common).values()
            ]
        return facts


def save_plan(folder: OutputFolder, run_folder: str, plan: ExtractPlan) -> None:
    """Store a plan for later tries."""
    folder.write_state(layout.plan(run_folder), plan)


def load_plan(folder: OutputFolder, run_folder: str) -> ExtractPlan | None:
    """Return the plan that an earlier try has stored; None without one."""
    place, remedy = layout.plan(run_folder), "Delete this file and clear the task: its export jobs are made again."
    return folder.read_state(ExtractPlan, place, remedy=remedy)


def make_plan(request: ExtractRequest, client: MarketoClient, previous_schema: Mapping[str, Any] | None) -> ExtractPlan:
    """
    Ask the instance, once for the whole extract, for everything that the plan needs.

    :param request: the author's request.
    :param client: the instance.
    :param previous_schema: schema of the data that the output already holds; None for a new output.
    :raises MarketoInvalidRequestError: a field or activity type that the instance does not have, with the nearest
        names; a span that lies in the future; or a changed schema, if the author wants the task to fail on one.
    """
    plan = _plan_fields(request, client) if request.export.describes else _plan_activities(request, client)
    plan = without_excluded(plan, request, client)
    changes = describe_change(previous_schema, plan.written(request.attributes_form, request.partition_by))
    if changes and request.on_schema_change == "fail":
        listed = "; ".join(f"{change['column']} {change['change']}" for change in changes)
        raise MarketoInvalidRequestError(
            f"the columns differ from those that the output holds already: {listed}",
            parameter="on_schema_change",
            remedy="Write to another output, or use on_schema_change='evolve'.",
        )
    now = client.marketo_time().replace(microsecond=0)
    return replace(plan, schema_changes=tuple(changes), as_of=iso(now), until=request.cap(now))


def without_excluded(plan: ExtractPlan, request: ExtractRequest, client: MarketoClient) -> ExtractPlan:
    """
    Return the plan without the excluded columns, and with the lead fields to hide in rows of changes.

    In rows of changes, ``exclude_fields`` and ``hash_fields`` also name lead fields: their old and new values are left
    out or hashed. For program members they may name lead fields that are not exported: what leads hide is hidden there,
    too, whatever fields the members have.

    :param plan: the plan with all columns.
    :param request: the author's request.
    :param client: the instance.
    :raises MarketoInvalidRequestError: a column to exclude or to hash is missing, or the rows need it.
    """
    of_rows = {*request.exclude_fields, *request.hash_fields} - set(plan.columns)
    elsewhere: dict[str, Any] = {}
    if of_rows and (request.export.tells_changes or request.export.has_lead_fields):
        records = client.call("leads.describe").records
        with reading("leads.describe"):
            known = names_of_fields(records)
        elsewhere = {name: known[name] for name in sorted(of_rows & set(known))}
    if of_rows and request.export.tells_changes:
        plan = replace(plan, changed_fields=elsewhere)
        _require_columns_of_changes(plan)
    for name in request.exclude_fields:
        if name not in plan.columns and name not in elsewhere:
            raise MarketoInvalidRequestError(
                f"there is no {with_nearest(name, plan.columns)} to exclude", parameter="exclude_fields"
            )
        if name in request.export.key or (request.attributes_form == "typed" and name in _NEEDED_FOR_TYPES):
            raise MarketoInvalidRequestError(
                f"{name} tells the rows apart and cannot be excluded", parameter="exclude_fields"
            )
    plan = plan.without(request.exclude_fields, "excluded")
    unknown = [name for name in request.hash_fields if name not in plan.columns and name not in elsewhere]
    if unknown:
        names = ", ".join(with_nearest(name, plan.columns) for name in unknown)
        raise MarketoInvalidRequestError(
            f"{names} {'is' if len(unknown) == 1 else 'are'} not exported",
            parameter="hash_fields",
            remedy="Name fields that the extract exports.",
        )
    return plan


def _require_columns_of_changes(plan: ExtractPlan) -> None:
    """
    Refuse rows of changes without the columns that name the changed field.

    :raises MarketoInvalidRequestError: such a column is missing.
    """
    columns = set(plan.columns)
    tells = FIELD_NAME in columns or (TYPE in columns and columns & set(CHANGED_FIELD))
    if plan.changed_fields and not tells and columns & {ATTRIBUTES, *VALUES}:
        raise MarketoInvalidRequestError(
            f"without {TYPE} and {CHANGED_FIELD[0]}, the values of {', '.join(plan.changed_fields)} cannot be found in"
            " the rows",
            parameter="fields",
            remedy=f"Add {TYPE} and {CHANGED_FIELD[0]} to fields, or leave out {ATTRIBUTES}.",
        )


def _plan_activities(request: ExtractRequest, client: MarketoClient) -> ExtractPlan:
    export = request.export
    known = (*export.fields, *export.fields_on_request)
    wanted = tuple(request.fields or export.fields) if request.fields != ALL_FIELDS else known
    require_known("fields", wanted, {name: name for name in known}, remedy=f"Use {', '.join(known)}.")
    fields = _with_key(wanted, (*export.key, *export.cut_by.values()))
    names_matter = request.activity_types or request.attributes == "typed" or "activity_type" in request.partition_by
    kinds: dict[int, ActivityType] = {}
    filters: dict[str, Any] = {}
    if names_matter:
        kinds = activity_types(client.call("activities.get_types").records)
    if request.activity_types:
        filters["activityTypeIds"] = sorted(
            activity_type_id(wanted_type, kinds) for wanted_type in request.activity_types
        )
    if "activityTypeId" not in fields and request.attributes == "typed":
        fields = (*fields, "activityTypeId")
    return ExtractPlan(fields, activity_schema(fields), kinds, filters, {})


def _plan_fields(request: ExtractRequest, client: MarketoClient) -> ExtractPlan:
    export = request.export
    items = _described(request, client)
    labels = {name: str(item.get("displayName") or name) for name, item in items.items()}
    computed: list[str] = []
    if request.fields == ALL_FIELDS:
        computed = [name for name, item in items.items() if str(item.get("dataType", "")).lower() in NEVER_EXPORTED]
        wanted = tuple(name for name in items if name not in computed)
    else:
        wanted = tuple(dict.fromkeys(request.fields or ()))
        require_known("fields", wanted, labels, remedy=_OF_CUSTOM_OBJECTS if request.custom_object else _OF_LEADS)
    batched = export.batched
    added = (batched.column,) if batched and batched.name in request.filters else ()
    key = tuple(name for name in export.key if name in added or not batched or name != batched.column)
    fields = _with_key(
        tuple(name for name in wanted if name not in added), tuple(name for name in key if name not in added)
    )
    columns = (*added, *fields)
    date = export.cut_by.get(request.date_filter or "")
    schema = from_describe(list(items.values()), columns, key=key, date=date)
    if schema.helper:
        fields = (schema.helper, *fields)
    return ExtractPlan(fields, schema, {}, {}, dict.fromkeys(computed, "computed when it is shown"))


def _described(request: ExtractRequest, client: MarketoClient) -> dict[str, Mapping[str, Any]]:
    described: dict[str, Mapping[str, Any]] = {}
    for operation in request.export.describes:
        path = {"customObjectName": request.custom_object} if request.custom_object else {}
        with naming_type(request.custom_object):
            records = client.call(operation, **path).records
        with reading(operation):
            for record in records:
                for item in record.get("fields") or [record]:
                    rest = item.get("rest") or {} if "rest" in item or "soap" in item else item
                    if name := rest.get("name"):
                        described.setdefault(str(name), item)
    return described


def _with_key(fields: Sequence[str], key: Sequence[str]) -> tuple[str, ...]:
    return (*(name for name in key if name not in fields), *fields)


_OF_LEADS = "Use REST API names, as in Admin > Field Management > Export Field Names."
_OF_CUSTOM_OBJECTS = "Use API names of the type's fields, as in Admin > Marketo Custom Objects."


def require_known(parameter: str, names: Sequence[str], labels: Mapping[str, str], *, remedy: str = _OF_LEADS) -> None:
    """Refuse names that the instance does not have, and say which ones were probably meant."""
    unknown = [name for name in names if name not in labels]
    if not unknown:
        return
    spellings = {name: name for name in labels} | {label: name for name, label in labels.items()}
    raise MarketoInvalidRequestError(
        f"the instance has no field {', '.join(with_nearest(name, spellings) for name in unknown)}",
        parameter=parameter,
        remedy=remedy,
    )


def activity_type_id(wanted: str | int, kinds: Mapping[int, ActivityType]) -> int:
    """
    Return the id of an activity type.

    :param wanted: the type's id, or its name in any case.
    :param kinds: the instance's activity types, by id.
    :raises MarketoInvalidRequestError: it does not exist; the message has the nearest names.
    """
    text = str(wanted).strip()
    if text.isdigit() and int(text) in kinds:
        return int(text)
    by_name = {kind.name.lower(): kind.id for kind in kinds.values()}
    if text.lower() in by_name:
        return by_name[text.lower()]
    near = nearest(text, [kind.name for kind in kinds.values()], most=3, likeness=0.5)
    raise MarketoInvalidRequestError(
        f"the instance has no activity type {wanted!r}",
        parameter="activity_types",
        remedy=did_you_mean(list(map(repr, near))) if near else "Give a name or an id from activities.get_types.",
    )
