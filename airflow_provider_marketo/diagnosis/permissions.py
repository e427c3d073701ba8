"""The permissions that tasks need, and calls that find out harmlessly whether the API user may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.marketo import PROBES
from airflow_provider_marketo.listings.table import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_marketo.diagnosis.dag_tasks import DagTask

READ = "Read-Only "
WRITE = "Read-Write "

READ_PROBES: tuple[tuple[str, dict[str, Any], str], ...] = (
    *PROBES,
    ("custom_objects.list", {}, "Read-Only Custom Object"),
    ("companies.describe", {}, "Read-Only Company"),
    ("opportunities.describe", {}, "Read-Only Opportunity"),
    ("sales_persons.describe", {}, "Read-Only Sales Person"),
    ("named_accounts.describe", {}, "Read-Only Named Account"),
)
"""Operation, its arguments and the permission that it needs. Those of the hook are called always."""

ALWAYS = frozenset(permission for _, _, permission in PROBES)

_OBJECTS = {
    "leads": "Lead",
    "activities": "Activity",
    "program_members": "Lead",
    "custom_objects": "Custom Object",
    "companies": "Company",
    "opportunities": "Opportunity",
    "opportunity_roles": "Opportunity",
    "sales_persons": "Sales Person",
    "named_accounts": "Named Account",
}

_BY_OBJECT = {
    "MarketoBulkExtractOperator": READ,
    "MarketoBulkImportOperator": WRITE,
    "MarketoSyncOperator": WRITE,
    "SqlToMarketoOperator": WRITE,
}
"""Operators whose permission follows from ``object_type``."""

_FIXED: Mapping[str, tuple[str, ...]] = {
    "MarketoGetLeadsOperator": ("Read-Only Lead",),
    "MarketoIncrementalLeadsOperator": ("Read-Only Lead", "Read-Only Activity"),
    "MarketoActivitiesOperator": ("Read-Only Activity",),
    "MarketoLeadChangesOperator": ("Read-Only Activity",),
    "MarketoDeletedLeadsOperator": ("Read-Only Activity",),
    "MarketoMergedLeadsOperator": ("Read-Only Activity",),
    "MarketoLeadSensor": ("Read-Only Lead",),
    "MarketoListMembershipSensor": ("Read-Only Lead",),
    "MarketoProgramMemberSensor": ("Read-Only Lead", "Read-Only Assets"),
    "MarketoActivitySensor": ("Read-Only Activity",),
    "MarketoCampaignRunSensor": ("Read-Only Activity",),
    "MarketoAssetSensor": ("Read-Only Assets",),
    "MarketoCustomActivitiesOperator": ("Read-Write Activity",),
    "MarketoAssetOperator": ("Read-Write Assets",),
    "MarketoProgramTokensOperator": ("Read-Write Assets",),
    "MarketoCloneProgramOperator": ("Read-Write Assets",),
    "MarketoTriggerCampaignOperator": ("Execute Campaign", "Read-Only Assets"),
    "MarketoScheduleCampaignOperator": ("Execute Campaign", "Read-Only Assets"),
    "MarketoSendSampleOperator": ("Read-Write Assets",),
    "MarketoEraseLeadsOperator": ("Read-Write Lead",),
    "MarketoSyncLeadsOperator": ("Read-Write Lead",),
    "MarketoListMembersOperator": ("Read-Write Lead",),
    "MarketoProgramMembersOperator": ("Read-Write Lead",),
    "MarketoUserAuditsOperator": (),
    "MarketoBulkJobSensor": (),
    "MarketoQuotaSensor": (),
    "MarketoToSqlOperator": (),
}

KNOWN_OPERATORS = frozenset({*_BY_OBJECT, *_FIXED, "MarketoApiOperator", "MarketoListingOperator"})


def needed(task: DagTask) -> tuple[str, ...]:
    """
    Return the permissions that a task needs, as far as they follow from its stored arguments.

    :param task: of a DAG.
    """
    if task.operator in _BY_OBJECT:
        # Airflow stores arguments that may be templates. A stored template, or nothing, names no object type.
        named = _OBJECTS.get(str(task.arguments.get("object_type")), "of its object type")
        return (_BY_OBJECT[task.operator] + named,)
    if task.operator == "MarketoApiOperator":
        return _of_operation(str(task.arguments.get("operation", "")))
    if task.operator == "MarketoListingOperator":
        return _of_listings(task.arguments.get("object_types"))
    return _FIXED.get(task.operator, ())


def tasks_by_permission(tasks: Iterable[DagTask]) -> dict[str, list[str]]:
    """Return the names of the tasks that need each permission."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        for permission in needed(task):
            found.setdefault(permission, []).append(task.name)
    return found


def _of_listings(names: Any) -> tuple[str, ...]:
    """Return what named tables need. Those that are listed by default are skipped if the user may not read them."""
    known = [LISTINGS[name] for name in names if name in LISTINGS] if isinstance(names, (list, tuple)) else []
    wanted = [operations.get(listing.operation).permissions for listing in known]
    return tuple(dict.fromkeys(permissions[0] for permissions in wanted if permissions))


def _of_operation(name: str) -> tuple[str, ...]:
    try:
        return operations.get(name).permissions[-1:]
    except MarketoInvalidRequestError:  # a template
        return ()
