"""Given leads erased from all tables of a schema."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.warehouse import erasure
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["erase_leads"]


def erase_leads(sql_conn_id: str, schema: str | None, leads: Iterable[int]) -> dict[str, int]:
    """
    Erase leads from every table that has rows about them, in one transaction: nothing but ids and the mark remains.

    Loads that come later bring nothing of them back.

    :param sql_conn_id: connection of the database.
    :param schema: where the tables are.
    :param leads: ids of the leads.
    :return: how many rows were emptied, by table.
    :raises MarketoWarehouseError: the database refused it; nothing was changed.
    """
    with closing(connect(sql_conn_id, schema)) as engine:
        log = Log(engine)
        try:
            engine.begin()
            log.create()
            for table in log.tables_of_leads():
                engine.lock(table)
            erasure.note_erased(engine, leads, iso(datetime.now(timezone.utc)))
            emptied = erasure.erase(engine, log)
            engine.commit()
        except Exception as error:
            engine.rollback()
            raise MarketoWarehouseError(f"{engine.name} refused the erasure: {engine.reason(error)}") from error
    return emptied
