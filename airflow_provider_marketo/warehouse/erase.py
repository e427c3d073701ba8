"""Erase given leads from all tables of a schema."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypedDict

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.warehouse import erasure
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.retention import remove_all_loaded_files
from airflow_provider_marketo.warehouse.transactions import repeated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_marketo.warehouse.engine import Engine

__all__ = ["Erased", "erase_leads", "erase_leads_and_files"]


class Erased(TypedDict):
    """
    What an erasure touched.

    ``tables`` has the number of emptied rows by table, ``files`` the names of removed files, and ``files_left`` those
    of files that are not loaded yet, which stay: their load empties the rows, and the task group removes them later.
    """

    tables: dict[str, int]
    files: list[str]
    files_left: list[str]


def erase_leads_and_files(
    sql_conn_id: str, schema: str | None, leads: Iterable[int], output_path: str | None = None
) -> Erased:
    """
    Erase leads from every table, and remove the loaded files, which also have their rows.

    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :param leads: ids of the leads.
    :param output_path: folder of the extracts, such as that of the task group; None leaves files alone.
    :raises MarketoWarehouseError: the database refused the erasure, which can be repeated.
    """
    tables = erase_leads(sql_conn_id, schema, leads)
    files, left = remove_all_loaded_files(output_path, sql_conn_id, schema) if output_path else ([], [])
    return {"tables": tables, "files": files, "files_left": left}


def erase_leads(sql_conn_id: str, schema: str | None, leads: Iterable[int]) -> dict[str, int]:
    """
    Erase leads from every table that has rows about them: only ids and the mark remain.

    Later loads, and loads at the same time, bring no data of these leads back. All tables that exist in the beginning
    are changed in one transaction.

    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :param leads: ids of the leads.
    :return: how many rows were emptied, by table.
    :raises MarketoWarehouseError: the database refused the erasure, which can be repeated.
    """
    with closing(connect(sql_conn_id, schema)) as engine:
        log, erased = Log(engine), list(leads)

        def transaction() -> tuple[set[str], dict[str, int]]:
            engine.begin_with(lambda: _define(engine, log))
            tables = log.tables_of_leads()
            for table in tables:
                engine.lock(table)
            erasure.note_erased(engine, erased, iso(datetime.now(timezone.utc)))
            emptied = erasure.erase(engine, log)
            engine.commit()
            return set(tables), emptied

        def again() -> tuple[set[str], dict[str, int]]:
            # First loads that have been committed meanwhile may not have seen the list of erased leads.
            missed = set(log.tables_of_leads()) - done
            return missed, erasure.erase_in(engine, log, missed) if missed else {}

        done, emptied = repeated(engine, transaction, "the erasure")
        while (more := repeated(engine, again, "the erasure"))[0]:
            done |= more[0]
            emptied = {table: emptied.get(table, 0) + more[1].get(table, 0) for table in {**emptied, **more[1]}}
        return emptied


def _define(engine: Engine, log: Log) -> None:
    log.create()
    erasure.create_erased(engine)
