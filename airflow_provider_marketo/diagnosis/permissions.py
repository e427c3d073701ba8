"""The permissions that tasks need, and calls that find out harmlessly whether the API user may read."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.marketo import PROBES
from airflow_provider_marketo.listings.table import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_provider_marketo.diagnosis.dag_tasks import DagTask

READ = "Read-Only "

READ_PROBES: tuple[tuple[str, dict[str, Any], str], ...] = (
    *PROBES,
    ("activities.get_custom_types", {}, "Read-Only Activity Metadata"),
    ("custom_objects.list", {}, "Read-Only Custom Object"),
    ("companies.describe", {}, "Read-Only Company"),
    ("opportunities.describe", {}, "Read-Only Opportunity"),
    ("sales_persons.describe", {}, "Read-Only Sales Person"),
    ("named_accounts.describe", {}, "Read-Only Named Account"),
)
"""Operation, its arguments and the permission that it needs. The hook's operations are always called."""

ALWAYS = frozenset(permission for _, _, permission in PROBES)

_LISTING = "MarketoListingOperator"
_LOOKUPS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "MarketoCustomActivitiesOperator": lambda given: bool(given.get("lookup_field")),
    "MarketoTriggerCampaignOperator": lambda given: not given.get("lead_ids"),  # it has rows
}
"""For operators that otherwise need no permission for leads: whether a task looks leads up."""


def needed(task: DagTask) -> tuple[str, ...]:
    """
    Return the permissions that a task needs, as far as they follow from its class and its stored arguments.

    :param task: a task of a DAG.
    """
    if task.operator == _LISTING:
        return _of_listings(task.arguments.get("object_types"))
    try:
        named = getattr(import_module(task.module), task.operator).permissions
    except (ImportError, AttributeError):  # the DAG was stored by another version of this package
        return ()
    looks_up = task.operator in _LOOKUPS and _LOOKUPS[task.operator](task.arguments)
    found = (one for each in named for one in _of(each, task.arguments))
    return (*found, "Read-Only Lead") if looks_up else tuple(found)


def tasks_by_permission(tasks: Iterable[DagTask]) -> dict[str, list[str]]:
    """Return the names of the tasks that need each permission."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        for permission in needed(task):
            found.setdefault(permission, []).append(task.name)
    return found


def _of_listings(names: Any) -> tuple[str, ...]:
    """Return the permissions of named tables. A task skips a default table that the user may not read."""
    known = [LISTINGS[name] for name in names if name in LISTINGS] if isinstance(names, (list, tuple)) else []
    wanted = [operations.get(listing.operation).permissions for listing in known]
    return tuple(dict.fromkeys(permissions[0] for permissions in wanted if permissions))


def _of(named: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a permission that a class names, or the least one that its operation needs."""
    if "{" not in named:
        return (named,)
    # Airflow stores arguments that may be templates. A stored template, or nothing, names no operation.
    given = {name: value for name, value in arguments.items() if isinstance(value, str)}
    try:
        return operations.get(named.format_map(given)).permissions[:1]
    except (KeyError, MarketoInvalidRequestError):
        written = named.replace("{", "<").replace("}", ">")
        return (f"The permission of {written} (this command does not see the argument)",)
