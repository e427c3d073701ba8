"""Keys of records that Marketo only looks up, found in the loaded tables."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.listings.read import whole_keys
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import quote
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.names import AS_OF, DELETED_AT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_provider_marketo.warehouse.engine import Engine

__all__ = ["FOUND_IN", "with_found_keys"]

log = printable_logger(__name__)


@dataclass(frozen=True)
class KeySource:
    """
    Where the keys of a table are.

    :param dataset: the dataset whose table has them.
    :param field: the field of that dataset.
    :param looked_up_by: the field by which Marketo looks the keys up, if it is not that of given keys.
    """

    dataset: str
    field: str
    looked_up_by: str | None = None


FOUND_IN: Mapping[str, KeySource] = {
    "companies": KeySource("leads", "externalCompanyId"),
    "sales_persons": KeySource("leads", "externalSalesPersonId"),
    "named_accounts": KeySource("leads", "company"),
    "opportunity_roles": KeySource("leads", "id", looked_up_by="leadId"),
    "opportunities": KeySource("opportunity_roles", "externalOpportunityId"),
}

_BY_TABLE = ("fields", "exclude_fields", "hash_fields")


def with_found_keys(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the arguments of a listing with the keys that the tables have.

    A table without keys is left out: Marketo cannot be asked for it. If the same task also lists the table that has the
    keys, they come from the rows that it reads, and need not be loaded first.

    :param arguments: the operator's arguments, checked: ``found_keys`` names the tables. Keys are looked up for the
        rows that were read since ``start``; None for all rows.
    :raises MarketoInvalidRequestError: a table has no column for the keys.
    """
    given = dict(arguments)
    keys, by, without = dict(given["keys"] or {}), {}, []
    listed = [table for table in given["found_keys"] if FOUND_IN[table].dataset in given["also"]]
    others = [table for table in given["found_keys"] if table not in listed]
    if others:
        with closing(connect(given["sql_conn_id"], given["schema"])) as engine:
            for table in others:
                keys[table] = _keys(engine, table, given["start"])
    for table in others:
        if not keys[table]:
            log.info("%s: no keys in %s, so there is nothing to look up", table, FOUND_IN[table].dataset)
            without.append(table)
        elif (field := FOUND_IN[table].looked_up_by) is not None:
            by[table] = field
    without += [table for table in listed if FOUND_IN[table].dataset in without]
    for name in _BY_TABLE:
        if isinstance(given[name], dict):
            given[name] = {table: names for table, names in given[name].items() if table not in without}
    given["also"] = [table for table in given["also"] if table not in without]
    given["keys"] = {table: some for table, some in keys.items() if table not in without}
    keys_in = {table: (FOUND_IN[table].dataset, FOUND_IN[table].field) for table in listed if table not in without}
    return {**given, "looked_up_by": by, "keys_in": keys_in}


def _keys(engine: Engine, table: str, start: datetime | None) -> list[str]:
    """Return the keys of a table's records, in order."""
    place, known = FOUND_IN[table], Log(engine)
    holds = {dataset: name for name, dataset in known.datasets()} if known.exists else {}
    if place.dataset not in holds:
        return []
    fields = known.known(holds[place.dataset])
    if place.field not in fields:
        raise MarketoInvalidRequestError(
            f"the keys of {table} are in {place.field} of {place.dataset}, and {holds[place.dataset]} has no such"
            " column",
            parameter="tables",
            remedy=f"Extract this field, or give keys: tables={{{table!r}: {{'keys': [...]}}}}.",
        )
    column = quote(fields[place.field][0])
    since = f" AND {quote(AS_OF)} >= {engine.timestamp(iso(start))}" if start is not None else ""
    found = engine.query(
        f"SELECT DISTINCT {engine.cast(column, types.TEXT)} FROM {engine.table(holds[place.dataset])}"
        f" WHERE {column} IS NOT NULL AND {quote(DELETED_AT)} IS NULL{since} ORDER BY 1"
    )
    return whole_keys(table, (key for (key,) in found))
