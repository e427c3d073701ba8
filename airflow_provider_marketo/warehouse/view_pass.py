"""The views of a schema: made after a load, and dropped if they keep it from widening a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.warehouse.fivetran import FivetranViews
from airflow_provider_marketo.warehouse.lead_history import LeadHistory
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.transactions import repeated
from airflow_provider_marketo.warehouse.views import made_schemas

if TYPE_CHECKING:
    from airflow_provider_marketo.warehouse.engine import Engine

__all__ = ["make_views", "release_views"]

log = printable_logger(__name__)


def make_views(engine: Engine, fivetran_schema: str | None, *, dry_run: bool = False) -> None:
    """
    Make the views of all tables that are loaded, in one transaction.

    :param engine: the database, on the schema with the tables.
    :param fivetran_schema: where Fivetran's views are; it is created if it does not exist. Views that earlier loads
        made in other schemas stay current until these schemas are dropped.
    :param dry_run: log the statements, and undo everything.
    :raises MarketoError: no view was changed; the text says why.
    """

    def transaction() -> None:
        engine.statements.clear()
        if not engine.definitions_commit:
            engine.begin()
        for each in _all(engine, fivetran_schema):
            each.make()
        if dry_run:
            engine.rollback()
            for statement in engine.statements:
                log.info("%s", statement)
        else:
            engine.commit()

    def are_wanted() -> bool:
        # There is no log if the first load of a schema has failed.
        return Log(engine).exists and any(each.is_wanted for each in _all(engine, fivetran_schema))

    if dry_run and engine.definitions_commit:
        return  # a dry run could not undo the views there
    what = f"the views of {engine.schema or 'the default schema'}"
    if repeated(engine, are_wanted, what):
        repeated(engine, transaction, what)


def release_views(engine: Engine, fivetran_schema: str | None, table: str) -> bool:
    """
    Drop the views of a table, so that one of its columns can be widened. :func:`make_views` makes them again.

    :return: whether a view was dropped.
    """
    return True in [each.release(table) for each in _all(engine, fivetran_schema)]


def _all(engine: Engine, fivetran_schema: str | None) -> list[FivetranViews | LeadHistory]:
    """Return the makers of views, also for schemas that earlier loads named: this load must not break those views."""
    schemas = [schema for schema in made_schemas(engine) if schema != (engine.schema or "")]
    if fivetran_schema is not None and fivetran_schema not in schemas:
        schemas.append(fivetran_schema)
    return [LeadHistory(engine), *(FivetranViews(engine, schema) for schema in schemas)]
