"""
The part of an operator that tells Airflow which tables it has loaded.

Airflow imports this file with the operator, so its methods import other modules only when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

log = printable_logger(__name__)


class PublishesTables:
    """An operator that loads tables. It calls :meth:`_emit_tables` once the tables are committed."""

    _loaded_place: str = ""
    _loaded_tables: Mapping[str, Mapping[str, Any]] = {}

    def _emit_tables(self, context: Context, place: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """
        Emit asset events and hook lineage, and store how new the tables are.

        A failure is logged, not raised, because the tables are loaded.

        :param context: the running task's context.
        :param place: URL of the schema, without credentials.
        :param tables: counts of the loaded tables by name.
        """
        from airflow_provider_marketo.lineage import publish

        self._loaded_place, self._loaded_tables = place, tables
        try:
            publish.emit_table_events(context, place, tables)
            publish.keep_tables(context, place, tables)
        except Exception:
            log.warning("The tables are loaded, but Airflow did not get their asset events or lineage", exc_info=True)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the lineage that the OpenLineage provider asks for: the tables that were loaded."""
        from airflow_provider_marketo.lineage import openlineage

        return openlineage.tables_lineage(self._loaded_place, self._loaded_tables)
