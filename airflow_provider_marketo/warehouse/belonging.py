"""
Rows that end with another row: a membership ends with its lead, its program or its list.

Marketo says that a program is gone, but not that its memberships are. So a load of either table marks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.warehouse.engine import quote
from airflow_provider_marketo.warehouse.names import AS_OF, DELETED_AT, SYNCED_AT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_marketo.warehouse.engine import Engine
    from airflow_provider_marketo.warehouse.log import Log

BELONGS_TO: Mapping[str, Mapping[str, str]] = {
    "program_members": {"programId": "programs", "leadId": "leads"},
    "list_members": {"listId": "static_lists", "leadId": "leads"},
}
"""By dataset: the fields of its rows that hold the ``id`` of a row of another dataset, each with that other dataset."""

_ID = "id"


class Belongings:
    """
    The rows that a load marks because a row of another table, to which they belong, has ended.

    :param engine: the database.
    :param log: the log, which knows which table has the rows of a dataset.
    :param dataset: the dataset that is loaded, whose rows may have ended before.
    :param marked: the dataset whose rows the load may mark; None if it marks none.
    """

    def __init__(self, engine: Engine, log: Log, dataset: str, marked: str | None) -> None:
        self._engine = engine
        self._log = log
        self._concerned = [
            (each, field, other)
            for each, fields in BELONGS_TO.items()
            for field, other in fields.items()
            if each == dataset or other == marked
        ]

    def tables(self) -> set[str]:
        """Return the tables in which :meth:`mark` may mark rows."""
        return {table for table, _, _ in self._found()}

    def mark(self, now: str) -> None:
        """
        Mark the rows that have ended with a row of another table. A row that was read later stays as it is.

        :param now: time of the load.
        """
        engine = self._engine
        for table, field, other in self._found():
            column, key = (quote(self._log.known(each)[name][0]) for each, name in ((table, field), (other, _ID)))
            ended, marked = f"o.{quote(DELETED_AT)}", f"t.{quote(DELETED_AT)}"
            engine.execute(
                f"UPDATE {engine.table(table)} AS t SET {quote(DELETED_AT)} = {ended},"
                f" {quote(SYNCED_AT)} = {engine.timestamp(now)} FROM {engine.table(other)} AS o"
                f" WHERE t.{column} = o.{key} AND {ended} IS NOT NULL AND t.{quote(AS_OF)} <= {ended}"
                f" AND ({marked} IS NULL OR {marked} > {ended})"
            )

    def _found(self) -> Iterator[tuple[str, str, str]]:
        """Yield each table whose rows end with others: its name, its field, and the table of the others."""
        holds: dict[str, str] = {}
        for table, dataset in self._log.datasets() if self._concerned else ():
            holds.setdefault(dataset, table)
        for each, field, other in self._concerned:
            if all(name in holds and self._engine.declared_columns(holds[name]) for name in (each, other)):
                yield holds[each], field, holds[other]
