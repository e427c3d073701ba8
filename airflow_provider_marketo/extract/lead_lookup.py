"""Leads that have values of a field, or are in a static list or a program, read through the lead API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes, meanings
from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.lead_fields import suggest_lead_fields
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.extract.rows import write_rows
from airflow_provider_marketo.hooks.link import push_place
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.output.manifest import Manifest

log = printable_logger(__name__)

VALUES_PER_CALL = 300
DEFAULT_FIELDS = ("id", "email", "firstName", "lastName", "createdAt", "updatedAt")

_WAYS = ("lookup_field", "list_id", "program_id")
_PARAMETERS = {
    "filterType": "lookup_field",
    "filterValues": "lookup_values",
    "listId": "list_id",
    "programId": "program_id",
}

Query = tuple[str, dict[str, Any]]


def look_up_leads(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Read leads, and write their rows if there is an output.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :return: ``{"count", "ids", "output", "files", "manifest"}``.
    :raises MarketoInvalidRequestError: an argument is wrong.
    """
    queries = _queries(arguments)
    client = hook.get_conn()
    fields = tuple(dict.fromkeys(("id", *(arguments["fields"] or DEFAULT_FIELDS))))
    rows = _once_each(_read(client, fields, queries, arguments))
    manifest: Manifest | None = None
    if arguments["output_path"] is None:
        ids = [row["id"] for row in rows]
    else:
        folder = OutputFolder.for_task(arguments["output_path"], context["ti"])
        folder.check_writable()
        map_index = context["ti"].map_index
        name = "leads" if map_index is None or map_index < 0 else f"leads_{map_index}"
        run_folder = layout.task_folder(context["ti"])
        ids, manifest = write_rows(
            folder, client, fields, rows, file_format=arguments["file_format"], name=name, run_folder=run_folder
        )
    push_place(context, hook, lead_id=ids[0] if len(ids) == 1 else None, list_id=arguments["list_id"])
    log.info("Read %s", counted(len(ids), "lead"))
    return {
        "count": len(ids),
        "ids": ids,
        "output": arguments["output_path"],
        "files": manifest.to_dict()["files"] if manifest else [],
        "manifest": manifest.manifest if manifest else None,
    }


def _queries(arguments: Mapping[str, Any]) -> list[Query]:
    """Return the calls to make, checked before the first one is made."""
    if sum(arguments[way] is not None for way in _WAYS) != 1:
        raise MarketoInvalidRequestError(
            "leads are read by exactly one of lookup_field, list_id and program_id", parameter="lookup_field"
        )
    if arguments["list_id"] is not None:
        return [("static_list_membership.get_leads_by_list_id", {"listId": arguments["list_id"]})]
    if arguments["program_id"] is not None:
        return [("leads.get_by_program_id", {"programId": arguments["program_id"]})]
    values = arguments["lookup_values"]
    if values is None:
        raise MarketoInvalidRequestError("lookup_field needs lookup_values", parameter="lookup_values")
    if not values:
        log.info("lookup_values is empty: there is nothing to look for")
    operation, lookup_field = "leads.get_by_filter_type", arguments["lookup_field"]
    return [
        (operation, {"filterType": lookup_field, "filterValues": batch}) for batch in batches(values, VALUES_PER_CALL)
    ]


def _read(
    client: MarketoClient, fields: Sequence[str], queries: Sequence[Query], arguments: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    for operation, parameters in queries:
        try:
            yield from client.paginate(operation, **parameters, fields=list(fields))
        except MarketoInvalidRequestError as error:
            _explain(client, error, fields, arguments)
            raise


def _explain(
    client: MarketoClient, error: MarketoInvalidRequestError, fields: Sequence[str], arguments: Mapping[str, Any]
) -> None:
    """Name the argument that Marketo, or the check before the call, complains about."""
    if meanings.exceeds_limit(error):
        error.parameter = "lookup_values"
        error.remedy = (
            "Marketo finds at most 1,000 leads per call. Ask for fewer values, or use"
            " MarketoBulkExtractOperator(object_type='leads')."
        )
    elif error.code == codes.UNKNOWN_FIELD:
        error.parameter = "fields"
        suggest_lead_fields(client, error, fields)
    elif error.code is None:
        error.parameter = _PARAMETERS.get((error.parameter or "").partition("[")[0], error.parameter)
    else:
        error.parameter = next(way for way in _WAYS if arguments[way] is not None)
        if error.code == codes.FIELD_NOT_SEARCHABLE:
            suggest_lead_fields(client, error, [arguments["lookup_field"]])


def _once_each(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Leave out repeats: several values may find one lead, and pages may overlap if leads change during the read."""
    seen: set[int] = set()
    for row in rows:
        lead_id = lead_id_of(row)
        if lead_id not in seen:
            seen.add(lead_id)
            yield {**row, "id": lead_id}
