"""The arguments that a class takes, and what an author who wrote another name probably meant."""

from __future__ import annotations

from functools import cache
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_marketo.client.suggest import did_you_mean, nearest, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES_OF_AIRFLOW = {"default_args", "params"}
"""Arguments that Airflow's metaclass takes before it calls ``__init__``. It also takes names that begin with ``_``."""

OTHER_NAMES: Mapping[str, Sequence[str]] = {
    # Adobe's parameters. Case and underscores make no difference.
    "filterType": ("lookup_field",),
    "filterValues": ("lookup_values",),
    "filter": ("filters", "lookup_field"),
    "lookupValue": ("lookup_values",),
    "input": ("records", "source"),
    "id": ("asset_id", "campaign_id", "email_id", "list_id", "program_id"),
    "ids": ("lead_ids", "lookup_values"),
    "leads": ("lead_ids", "records"),
    "staticListId": ("list_id", "filters"),
    "staticListName": ("filters",),
    "smartListId": ("filters",),
    "smartListName": ("filters",),
    "programIds": ("programs", "program_id"),
    "statusName": ("program_member_status", "statuses"),
    "statusNames": ("statuses", "filters"),
    "status": ("program_member_status", "statuses", "state"),
    "activityTypeId": ("activity_types", "activity_type"),
    "activityTypeIds": ("activity_types", "activity_type"),
    "primaryAttributeValueIds": ("asset_ids", "filters"),
    "primaryAttributeValues": ("filters",),
    "apiName": ("custom_object", "activity_type"),
    "createdAt": ("date_field", "start"),
    "updatedAt": ("date_field", "start"),
    "startAt": ("start",),
    "endAt": ("end",),
    "sinceDatetime": ("start",),
    "columnHeaderNames": ("columns",),
    "format": ("file_format", "source_format"),
    "emailAddress": ("email_addresses",),
    "programName": ("template", "name"),
    "folderId": ("folder",),
    "jobId": ("export_id", "batch_id"),
    # Names in other clients and connectors.
    "parameters": ("arguments",),
    "attributionWindow": ("lookback",),
    "lateArrivals": ("lookback",),
    "windowInDays": ("window",),
    "maxExportDays": ("window",),
    "maxDailyCalls": ("max_calls",),
    "maxExportMb": ("daily_export_mb", "min_export_mb"),
    "jobTimeout": ("timeout",),
    "since": ("start",),
    "until": ("end",),
    "untilDatetime": ("end",),
    "objectName": ("custom_object", "object_type"),
    "entity": ("object_type", "asset_type"),
    "rows": ("records", "source"),
    "file": ("source", "manifest"),
    "path": ("output_path", "source", "manifest"),
    "output": ("output_path",),
    "destination": ("output_path", "table"),
    "query": ("sql",),
    "connId": ("marketo_conn_id",),
    "postgresConnId": ("sql_conn_id",),
    "snowflakeConnId": ("sql_conn_id",),
    "dbConnId": ("sql_conn_id",),
    "rejectedPath": ("rejects_path",),
    "preview": ("dry_run",),
}
"""Our arguments by the names that others give them. Errors suggest only arguments that the class has."""

_CONNECTION = "It is a field of the connection that marketo_conn_id names."
ELSEWHERE: Mapping[str, str] = {
    "hashSalt": "The key of hash_fields is the connection's extra hash_secret.",
    **dict.fromkeys(("clientId", "clientSecret", "munchkinId", "domainUrl", "endpoint", "baseUrl"), _CONNECTION),
    **dict.fromkeys(
        ("nextPageToken", "maxReturn", "offset"), "The task reads all pages, and chooses their size itself."
    ),
}
"""Hints for names that no class takes as an argument."""


class NamesArguments:
    """Mixin that refuses unknown arguments without their values, and says which argument was meant."""

    def __new__(cls, *_: Any, **given: Any) -> Any:
        """Refuse unknown arguments. Airflow's own refusal shows their values, and suggests no near name."""
        known = argument_names(cast("Any", cls))
        for name in given:
            if name not in known and not name.startswith("_"):
                raise TypeError(f"{cls.__name__} has no argument {name!r}. {_hint(name, known)}")
        return super().__new__(cls)


@cache
def argument_names(kind: type) -> frozenset[str]:
    """Return the names of all arguments of a class and of its bases."""
    inits = [vars(each)["__init__"] for each in kind.__mro__[:-1] if "__init__" in vars(each)]
    parameters = [each for init in inits for each in signature(init).parameters.values()]
    named = {each.name for each in parameters if each.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)}
    return frozenset(named - {"self"} | _NAMES_OF_AIRFLOW)


def _hint(name: str, known: frozenset[str]) -> str:
    written = plain(name)
    for term, where in ELSEWHERE.items():
        if plain(term) == written:
            return where
    meant = [each for term, names in OTHER_NAMES.items() if plain(term) == written for each in names if each in known]
    near = meant or nearest(name, sorted(known), most=3)
    return did_you_mean([repr(each) for each in near]) if near else "docs/arguments.md lists its arguments."
