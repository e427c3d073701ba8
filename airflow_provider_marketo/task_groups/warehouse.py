"""A whole Marketo instance in a database, kept current by one line of a DAG file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import AssetAlias, TaskGroup, TriggerRule

from airflow_provider_marketo.argument_names import NamesArguments
from airflow_provider_marketo.arguments import (
    Check,
    count,
    flag,
    is_filled_in_later,
    moment,
    narrowing,
    number,
    period,
    text,
    texts,
)
from airflow_provider_marketo.choices import ListingObject, LookedUpObject, RemovalFeed
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.conversions import shown
from airflow_provider_marketo.options import options
from airflow_provider_marketo.task_groups.tasks import (
    CustomObjectInRangeOperator,
    ExtractInRangeOperator,
    LeadsInRangeOperator,
    LoadSourceOperator,
    RangesOfRunOperator,
    ReferenceInRangeOperator,
    RemovalsInRangeOperator,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LEADS, ACTIVITIES, REFERENCE, MEMBERS = "leads", "activities", "reference", "program_members"
OBJECTS, REMOVALS = "custom_objects", "removals"
_TIMES = ("createdAt", "updatedAt")
"""Fields that members have of their own, under the names of fields of leads."""

_FORM = "Write tables={'leads': {'exclude_fields': [...]}}; a table without options is {'program_tokens': {}}."
_FILTERS = ("exclude_fields", "hash_fields")
_OPTIONS: Mapping[str, Sequence[str]] = {
    LEADS: ("fields", *_FILTERS, "history", "max_columns"),
    ACTIVITIES: ("activity_types", *_FILTERS),
    MEMBERS: ("fields", *_FILTERS, "history", "max_deletes"),
    OBJECTS: (*_FILTERS, "history"),
}
OPTIONS: Mapping[str, Sequence[str]] = {
    **_OPTIONS,
    **dict.fromkeys(get_args(ListingObject), ("fields", *_FILTERS, "max_deletes")),
    **dict.fromkeys(get_args(LookedUpObject), ("keys", "fields", *_FILTERS)),
}
"""Options that an author may set for each table."""

FOUND = "found"
"""Given instead of keys: use the keys that leads and other tables have."""

_WAITS = ("deferrable", "poll_interval", "timeout", "on_quota_exhausted")
"""Arguments that Airflow leaves in ``default_args`` for a mapped task."""


class MarketoWarehouseTaskGroup(NamesArguments, TaskGroup):
    """
    Keep the tables of a whole Marketo instance current in a database.

    *Experimental.* Leads, activities (a table for each type), reference data, program members, custom objects (a table
    for each type), deletions and merges: twelve tasks, however many tables there are. The first task settles the range
    that the run reads: from the end of the loaded data, minus ``lookback``, to the present by Marketo's clock. A retry
    or a clear reads the same range again. So the group works under any schedule, and after any pause. A run with a data
    interval loads this interval and moves no watermark.

    The DAG needs ``max_active_runs=1``. Nothing calls Marketo or the database while the DAG is parsed.

    :param group_id: id of the group, which the ids of its tasks start with.
    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables; it is created if it does not exist. None for the database's own.
    :param start: where the first run begins: the day of the first lead; a datetime or ISO 8601, in UTC if it names no
        zone.
    :param tables: options by table: ``{"leads": {"exclude_fields": [...], "hash_fields": [...], "history": True},
        "activities": {"activity_types": [...]}}``, also for ``program_members``, ``custom_objects`` (all types) and the
        tables of reference data. A table of reference data that is not listed by default, such as ``program_tokens``,
        is listed if it is named: ``{"program_tokens": {}}``. Tables that Marketo only looks up need keys:
        ``{"companies": {"keys": [...]}}``, or ``"found"`` for the keys that leads have; for opportunities, the keys
        that their roles have. Fields that leads exclude or hash are also hidden in the activities that change them
        and in program members.
        ``"max_columns"`` of leads, and ``"max_deletes"`` of members and tables of reference data, are passed to the
        load.
    :param output_path: folder for the files: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or
        ``abfs://``. Default: a folder of the DAG and the group in ``[marketo] output_path``.
    :param lookback: how far before the end of the loaded data a run reads again, for rows that became visible late: a
        timedelta or an ISO 8601 duration.
    :param fivetran_schema: a schema for views with Fivetran's names and types, on which the models of ``dbt_marketo``
        run unchanged. Default: no views.
    :param keep_files: age after which the files of the extracts are removed, once they are loaded: a timedelta or an
        ISO 8601 duration; None keeps them.
    :param daily_export_mb: megabytes that the DAG may export in bulk in a day, as for the bulk extract. A first load
        that is larger takes several days.
    :param marketo_conn_id: id of the connection to Marketo.
    :param pool: the pool of all tasks. Default: as the DAG says.
    :param default_args: arguments of all tasks.
    """

    def __init__(
        self,
        group_id: str = "marketo",
        *,
        sql_conn_id: str,
        schema: str | None,
        start: datetime | str,
        tables: Mapping[str, Mapping[str, Any]] | None = None,
        output_path: str | None = None,
        lookback: timedelta | str = timedelta(hours=1),
        fivetran_schema: str | None = None,
        keep_files: timedelta | str | None = timedelta(days=7),
        daily_export_mb: float | None = None,
        marketo_conn_id: str = "marketo_default",
        pool: str | None = None,
        default_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        by_table = _checked_tables(tables or {})
        given: dict[str, tuple[Any, Check]] = {
            "sql_conn_id": (sql_conn_id, text(required=True)),
            "fivetran_schema": (fivetran_schema, text()),
            "start": (start, moment(required=True)),
            "lookback": (lookback, period()),
            "keep_files": (keep_files, period(required=False)),
            "daily_export_mb": (daily_export_mb, number(required=False)),
        }
        for name, (value, check) in given.items():
            if not is_filled_in_later(value):
                check(name, value)
        arguments: Any = {**(default_args or {}), **({} if pool is None else {"pool": pool})}
        super().__init__(group_id=group_id, default_args=arguments, **kwargs)
        if self.dag.max_active_runs != 1:
            raise MarketoInvalidRequestError(
                f"the DAG {self.dag.dag_id} may have several runs at a time, which would read the same ranges",
                parameter="max_active_runs",
                remedy="Give the DAG max_active_runs=1.",
            )
        self._folder = self._root(output_path)
        self._settled = f"{self._folder}/ranges"
        self._warehouse: dict[str, Any] = {"sql_conn_id": sql_conn_id, "schema": schema}
        self._fivetran_schema = fivetran_schema
        self._marketo: dict[str, Any] = {"marketo_conn_id": marketo_conn_id}
        self._keep_files = keep_files
        self._history: list[str] = []
        self._max_deletes = {name: each["max_deletes"] for name, each in by_table.items() if "max_deletes" in each}
        given = {**self.dag.default_args, **self.default_args}
        self._waits = {name: given[name] for name in _WAITS if name in given}
        self._budget: dict[str, Any] = {"daily_export_mb": daily_export_mb}
        with self:
            self._ranges: Any = RangesOfRunOperator(
                task_id="ranges",
                **self._warehouse,
                **self._marketo,
                start=start,
                lookback=lookback,
                output_path=self._settled,
            ).output
            self._add_tasks(start, by_table)

    def _add_tasks(self, start: datetime | str, tables: Mapping[str, Mapping[str, Any]]) -> None:
        leads, activities, members, objects = (
            dict(tables.get(name, {})) for name in (LEADS, ACTIVITIES, MEMBERS, OBJECTS)
        )
        for name, each in ((LEADS, leads), (MEMBERS, members), (OBJECTS, objects)):
            if each.pop("history", False):
                self._history.append(name)
        members.pop("max_deletes", None)
        most = leads.pop("max_columns", None)
        changed = LeadsInRangeOperator(
            task_id="extract_leads",
            **self._common(LEADS),
            **self._budget,
            mode=self._ranges["leads_mode"],
            first_lead=start,
            **leads,
        )
        leads_loaded = self._load({LEADS: changed}, max_columns=most)
        for option in _FILTERS:  # a value that leads do not show must not come in with its change, or with a membership
            for other, own in ((activities, ()), (members, _TIMES)):
                of_leads = [each for each in _listed(leads, option) if each not in own]
                if hidden := [*_listed(other, option), *of_leads]:
                    other[option] = list(dict.fromkeys(hidden))
        happened = ExtractInRangeOperator(
            task_id="extract_activities",
            object_type="activities",
            attributes="typed",
            **self._common(ACTIVITIES),
            **self._budget,
            **activities,
        )
        self._load({ACTIVITIES: happened})
        listed = ReferenceInRangeOperator(
            task_id="extract_reference", **self._common(REFERENCE), **self._warehouse, **_listing_arguments(tables)
        )
        if listed.found_keys:  # the leads of this run also have keys
            leads_loaded >> listed
        self._load({REFERENCE: listed})
        enrolled = ExtractInRangeOperator(
            task_id="extract_program_members",
            object_type="program_members",
            programs=self._ranges["programs"],
            **self._common(MEMBERS),
            **self._budget,
            **{"fields": "all", **members},
        )
        owned = CustomObjectInRangeOperator.partial(
            task_id="extract_custom_objects", **self._common(OBJECTS), **self._budget, **self._waits, **objects
        ).expand(custom_object=self._ranges)
        self._load({MEMBERS: enrolled, OBJECTS: owned}, trigger_rule=TriggerRule.NONE_FAILED)
        removed = RemovalsInRangeOperator.partial(
            task_id="extract_removals", **self._common(REMOVALS), on_gap="skip"
        ).expand(object_type=list(get_args(RemovalFeed)))
        self._load({REMOVALS: removed})

    def _common(self, source: str) -> dict[str, Any]:
        """Return the arguments that every extract has."""
        return {
            **self._marketo,
            "descriptions": self._settled,
            "output_path": f"{self._folder}/{source}",
            "start": self._ranges[f"{source}_start"],
            "end": self._ranges[f"{source}_end"],
        }

    def _load(self, extracts: Mapping[str, Any], **arguments: Any) -> LoadSourceOperator:
        """Add the load of extracts, by source."""
        return LoadSourceOperator(
            task_id=f"load_{next(iter(extracts))}",
            manifest={source: extract.output for source, extract in extracts.items()},
            until=self._ranges["until"],
            history_of=[source for source in extracts if source in self._history],
            keep_files=self._keep_files,
            max_deletes_of=self._max_deletes,
            fivetran_schema=self._fivetran_schema,
            outlets=[AssetAlias(f"{self._warehouse['sql_conn_id']}.{self._warehouse['schema'] or 'default'}")],
            **self._warehouse,
            **arguments,
        )

    def _root(self, output_path: str | None) -> str:
        if output_path is not None:
            return str(output_path).rstrip("/")
        root = options.text("output_path")
        if root is None:
            raise MarketoInvalidRequestError(
                "there is no folder for the files",
                parameter="output_path",
                remedy="Give output_path, or set [marketo] output_path in Airflow's configuration.",
            )
        return f"{root.rstrip('/')}/{self.dag.dag_id}/{self.group_id}"


def _listed(given: Mapping[str, Any], option: str) -> Sequence[str]:
    """Return the names that an author has given as a list, or as a text with commas."""
    return texts()(option, given.get(option)) or ()


def _listing_arguments(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the author's options for tables of reference data, by argument of the operator."""
    named = [table for table in tables if table in get_args(ListingObject)]
    searched = [table for table in named if tables[table].get("keys") == FOUND]
    found: dict[str, Any] = {"also": named, "found_keys": searched}
    for option in ("fields", *_FILTERS, "keys"):
        given = {table: tables[table][option] for table in named if option in tables[table]}
        if option == "keys":
            given = {table: keys for table, keys in given.items() if table not in searched}
        if given:
            found[option] = given
    return found


def _checked_tables(tables: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """
    Return the checked options by table.

    :raises MarketoInvalidRequestError: a table or an option that the group does not have.
    """
    if not isinstance(tables, Mapping):
        raise MarketoInvalidRequestError(
            f"tables={shown(tables)} is not a dict of options by table", parameter="tables", remedy=_FORM
        )
    for table, given in tables.items():
        if table not in OPTIONS:
            raise MarketoInvalidRequestError(
                f"there are no options for {with_nearest(table, list(OPTIONS))}",
                parameter="tables",
                remedy=f"Use {', '.join(OPTIONS)}.",
            )
        if not isinstance(given, Mapping):
            raise MarketoInvalidRequestError(
                f"tables[{table!r}]={shown(given)} is not a dict of options", parameter="tables", remedy=_FORM
            )
        for option, value in given.items():
            if option not in OPTIONS[table]:
                raise MarketoInvalidRequestError(
                    f"{table} has no {with_nearest(option, OPTIONS[table])}",
                    parameter="tables",
                    remedy=f"Use {', '.join(OPTIONS[table])}.",
                )
            if option == "max_columns":
                count(minimum=2)(f"tables[{table!r}][{option!r}]", value)
            elif option == "max_deletes":
                number()(f"tables[{table!r}][{option!r}]", value)
            elif option == "history":
                flag()(f"tables[{table!r}][{option!r}]", value)
            elif value != "all" and (option, value) != ("keys", FOUND):
                check = texts() if option in _FILTERS else narrowing(texts())
                check(f"tables[{table!r}][{option!r}]", value)
        if table in get_args(LookedUpObject) and not given.get("keys"):
            raise MarketoInvalidRequestError(
                f"Marketo does not list {table}: it only looks them up by keys",
                parameter="tables",
                remedy=f"Give tables={{{table!r}: {{'keys': [...]}}}}, or {{'keys': {FOUND!r}}} for the keys"
                " that other tables have.",
            )
    return tables
