"""
Erased leads: only keys, ids and the mark remain in any table, and no later load brings their data back.

``_marketo_erased`` lists the erased leads. Each load empties the rows that it has loaded about these leads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import any_of, quote
from airflow_provider_marketo.warehouse.history import history_table
from airflow_provider_marketo.warehouse.names import (
    AS_OF,
    DELETED_AT,
    ERASED,
    ERASED_AT,
    ERASED_LEAD,
    SYSTEM_COLUMNS,
    VALID_FROM,
    VALID_TO,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from airflow_provider_marketo.warehouse.engine import Engine
    from airflow_provider_marketo.warehouse.log import Log

_MERGED = ("loserId", "winnerId")
LEAD_IDS = ("leadId", *_MERGED)
"""Fields by which an erasure finds the rows of a lead, beside the key of leads: they always have a column."""

_KEPT = (*SYSTEM_COLUMNS, VALID_FROM, VALID_TO)


def create_erased(engine: Engine) -> None:
    """Create the list of erased leads where it is missing."""
    if not engine.declared_columns(ERASED):
        engine.create_table(ERASED, {ERASED_LEAD: types.INT, ERASED_AT: types.TIMESTAMP}, (ERASED_LEAD,))


def note_erased(engine: Engine, leads: Iterable[int], now: str) -> None:
    """
    Add leads to the list.

    :param engine: the database.
    :param leads: ids of the leads.
    :param now: time of the erasure.
    """
    create_erased(engine)
    erased, moment = engine.table(ERASED), engine.timestamp(now)
    for lead in dict.fromkeys(leads):
        engine.execute(
            f"INSERT INTO {erased} ({ERASED_LEAD}, {ERASED_AT}) SELECT {int(lead)}, {moment}"
            f" FROM (SELECT 1 AS one) AS o WHERE NOT EXISTS (SELECT 1 FROM {erased} WHERE {ERASED_LEAD} = {int(lead)})"
        )


def note_marked(engine: Engine, table: str, column: str, now: str) -> None:
    """
    Add the leads that are marked as deleted to the list.

    :param engine: the database.
    :param table: the table of leads.
    :param column: its column with the lead's id.
    :param now: time of the erasure.
    """
    create_erased(engine)
    erased, column = engine.table(ERASED), quote(column)
    engine.execute(
        f"INSERT INTO {erased} ({ERASED_LEAD}, {ERASED_AT}) SELECT t.{column}, {engine.timestamp(now)}"
        f" FROM {engine.table(table)} AS t WHERE t.{quote(DELETED_AT)} IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM {erased} AS e WHERE e.{ERASED_LEAD} = t.{column})"
    )


def erase(engine: Engine, log: Log, tables: Iterable[str] | None = None) -> dict[str, int]:
    """
    Empty the rows of erased leads: all columns but keys, ids of leads and what the load itself wrote.

    Leads that were merged into an erased lead are also erased: they are the same person.

    :param engine: the database.
    :param log: the log, which knows which tables have rows about leads.
    :param tables: only these, unless a merged lead is found; None for all.
    :return: how many rows were emptied, by table.
    """
    if not engine.declared_columns(ERASED):
        return {}
    if _note_merged(engine, log):
        tables = None
    emptied: dict[str, int] = {}
    for table, leads in log.tables_of_leads().items():
        if tables is not None and table not in tables:
            continue
        key = [column for column, _, is_key in log.known(table).values() if is_key]
        for name in (table, history_table(table)):
            found = engine.columns(name)
            others = [column for column in found if column not in (*key, *leads, *_KEPT)]
            ids = {lead: found.get(lead) for lead in leads}
            if found and others and (count := _empty(engine, name, ids, others, marks=DELETED_AT in found)):
                emptied[name] = count
    return emptied


def erase_in(engine: Engine, log: Log, tables: Collection[str]) -> dict[str, int]:
    """
    Empty the rows of erased leads in some tables, in one transaction.

    :param engine: the database.
    :param log: the log, which knows which tables have rows about leads.
    :param tables: names of the tables.
    :return: how many rows were emptied, by table.
    """
    engine.begin()
    for table in sorted(tables):
        engine.lock(table)
    emptied = erase(engine, log, tables)
    engine.commit()
    return emptied


def _note_merged(engine: Engine, log: Log) -> bool:
    """Add leads that were merged into a lead of the list; return whether there was one."""
    erased, noted = engine.table(ERASED), False
    for table, dataset in log.datasets():
        if dataset != "merged_leads" or not engine.declared_columns(table):
            continue
        fields = log.known(table)
        if not fields.keys() >= set(_MERGED):  # extracted without them
            continue
        loser, winner = (f"m.{quote(fields[name][0])}" for name in _MERGED)
        found = (
            f"SELECT {loser}, MAX(e.{ERASED_AT}) FROM {engine.table(table)} AS m, {erased} AS e"
            f" WHERE {winner} = e.{ERASED_LEAD} AND {loser} IS NOT NULL"
            f" AND NOT EXISTS (SELECT 1 FROM {erased} AS o WHERE o.{ERASED_LEAD} = {loser}) GROUP BY {loser}"
        )
        while engine.query(found):  # the winner of one merge may be the loser of another
            engine.execute(f"INSERT INTO {erased} ({ERASED_LEAD}, {ERASED_AT}) {found}")
            noted = True
    return noted


def _empty(engine: Engine, table: str, leads: Mapping[str, str | None], others: Sequence[str], *, marks: bool) -> int:
    """Empty the rows of a table that say anything about an erased lead, and return their number."""
    target, erased = engine.table(table), engine.table(ERASED)
    full = any_of([f"t.{quote(column)} IS NOT NULL" for column in others])
    total = 0
    for lead, kind in leads.items():
        erased_id = f"e.{ERASED_LEAD}"
        if kind == types.TEXT:  # hashed, or of another system: it need not be a number
            erased_id = engine.as_text(erased_id, types.INT)
        condition = f"t.{quote(lead)} = {erased_id} AND ({full})"
        found = engine.query(f"SELECT COUNT(*) FROM {target} AS t, {erased} AS e WHERE {condition}")
        if not found or not found[0][0]:
            continue
        total += int(found[0][0])
        sets = [f"{quote(column)} = NULL" for column in others]
        if marks:
            when = f"e.{ERASED_AT}"
            sets += [
                f"{quote(DELETED_AT)} = COALESCE(t.{quote(DELETED_AT)}, {when})",
                # An older load of the row is then older than this, and brings nothing back.
                f"{quote(AS_OF)} = CASE WHEN t.{quote(AS_OF)} > {when} THEN t.{quote(AS_OF)} ELSE {when} END",
            ]
        engine.execute(f"UPDATE {target} AS t SET {', '.join(sets)} FROM {erased} AS e WHERE {condition}")
    return total
