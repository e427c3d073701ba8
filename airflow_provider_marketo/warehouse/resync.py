"""Make the next run read tables again from the beginning."""

from __future__ import annotations

from contextlib import closing
from typing import get_args

from airflow_provider_marketo.choices import ListingObject
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.warehouse.engine import literal
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.ranges import ACTIVITIES, LEADS, MEMBERS, OBJECTS, REFERENCE, REMOVALS
from airflow_provider_marketo.warehouse.watermarks import WATERMARKS

__all__ = ["resync", "source_of"]

_SOURCES = {LEADS: LEADS, MEMBERS: MEMBERS, "deleted_leads": REMOVALS, "merged_leads": REMOVALS}
_BY_PREFIX = {"activity_": ACTIVITIES, "custom_": OBJECTS}


def resync(sql_conn_id: str, schema: str | None, table: str) -> str:
    """
    Make the next run of the task group read a table again, from ``start``.

    The rows are merged: rows that Marketo sends replace those of the table, and rows that Marketo has forgotten stay.
    No other table changes, since a row that is read again is the same.

    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :param table: name of the table.
    :return: the source whose watermark was removed: tables of one source are read together.
    :raises MarketoInvalidRequestError: the task group has loaded no such table.
    """
    with closing(connect(sql_conn_id, schema)) as engine:
        log = Log(engine)
        datasets = dict(log.datasets()) if log.exists else {}
        source = source_of(datasets[table]) if table in datasets else None
        if source is None or not engine.declared_columns(WATERMARKS):
            raise MarketoInvalidRequestError(
                f"the task group has loaded no table {with_nearest(table, list(datasets))}",
                parameter="--table",
                remedy="Name one of the tables in _marketo_loads. If another task loads the table, clear the extract"
                " before that task instead.",
            )
        engine.begin()
        engine.execute(f"DELETE FROM {engine.table(WATERMARKS)} WHERE source = {literal(source)}")
        engine.commit()
    return source


def source_of(dataset: str) -> str | None:
    """Return the source of the task group to which a dataset belongs; None if it belongs to no source."""
    if dataset in get_args(ListingObject):
        return REFERENCE
    found = (source for prefix, source in _BY_PREFIX.items() if dataset.startswith(prefix))
    return _SOURCES.get(dataset) or next(found, None)
