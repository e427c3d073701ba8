"""The operator that loads published files into the tables of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_marketo.arguments import Check, ChecksArguments, choice, count, flag, manifest, number, text
from airflow_provider_marketo.choices import LoadMode, OnDelete
from airflow_provider_marketo.lineage.tables import PublishesTables
from airflow_provider_marketo.operators.base import UI_COLOR
from airflow_provider_marketo.operators.failures import fails_plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context


class MarketoToSqlOperator(PublishesTables, ChecksArguments, BaseOperator):
    """
    Load what another task has published into the tables of a database. Experimental.

    The manifest says what its rows are: changes are merged by key, never older rows over newer ones; a full list marks
    the rows that it no longer names; deletes are marked with their time. Tables are created and extended as needed.
    Each dataset has a table, a transaction and a row in ``_marketo_loads``. A table that fails does not stop the
    others; the task then fails and names it. Loads may be repeated, cleared, run in another order or at the same time:
    the tables are the same in the end.

    The task does not call Marketo. DuckDB and PostgreSQL are supported; SQLite serves tests and tutorials. Each needs
    the extra of its name, such as ``airflow-provider-marketo[duckdb]``.

    :param manifest: what the other task returned (``extract.output``), or the path or URL of a manifest.
    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables; it is created if it does not exist. Default: the database's default schema.
        SQLite has no schemas.
    :param table: name of the table, for a manifest with one dataset. For deletes, the table whose rows they mark.
        Default: named after the dataset, such as ``leads`` or ``activity_send_email``.
    :param mode: ``upsert``, ``snapshot`` or ``tombstones``, as a check: a mode that contradicts the manifest is
        refused.
    :param history: also keep the versions of rows in ``<table>_history``, with ``_valid_from`` and ``_valid_to``. With
        ``history``, a load that is older than the table is refused.
    :param on_delete: ``mark`` deleted leads, or ``erase`` them: then only ids and the mark remain, in every table.
    :param max_deletes: largest number of rows that a full list may mark; a number below 1 is a share of the live rows,
        but at least ten rows. If the list would mark more, nothing is loaded.
    :param max_columns: largest number of fields that get a column of their own; further fields are members of the JSON
        column ``_overflow``. Default: all, and a table that is too wide for the database is refused.
    :param fivetran_schema: a schema for views with Fivetran's names and types, such as ``marketo_fivetran``: the models
        of ``dbt_marketo`` run on them unchanged. Each load creates or replaces them. Default: no views.
    :param dry_run: load, log every statement and the counts, and undo everything.
    :return: ``{"place", "tables", "skipped"}`` (``LoadResult``): URL of the schema, counts by table, and datasets that
        Marketo refused, with the reason.
    """

    permissions: ClassVar[Sequence[str]] = ()
    argument_checks: ClassVar[Mapping[str, Check]] = {
        "manifest": manifest(),
        "sql_conn_id": text(required=True),
        "schema": text(),
        "table": text(),
        "mode": choice(LoadMode, required=False),
        "history": flag(),
        "on_delete": choice(OnDelete),
        "max_deletes": number(),
        "max_columns": count(minimum=2, required=False),
        "fivetran_schema": text(),
        "dry_run": flag(),
    }
    template_fields: Sequence[str] = ("manifest", "sql_conn_id", "schema", "table", "fivetran_schema")
    ui_color = UI_COLOR

    def __init__(
        self,
        *,
        manifest: Mapping[str, Any] | str,
        sql_conn_id: str,
        schema: str | None = None,
        table: str | None = None,
        mode: LoadMode | None = None,
        history: bool = False,
        on_delete: OnDelete = "mark",
        max_deletes: float = 0.2,
        max_columns: int | None = None,
        fivetran_schema: str | None = None,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.manifest = manifest
        self.sql_conn_id = sql_conn_id
        self.schema = schema
        self.table = table
        self.mode = mode
        self.history = history
        self.on_delete = on_delete
        self.max_deletes = max_deletes
        self.max_columns = max_columns
        self.fivetran_schema = fivetran_schema
        self._preview = dry_run
        self.check_arguments()

    @fails_plainly()
    def execute(self, context: Context) -> Any:
        """
        Load the tables.

        :param context: the running task's context.
        """
        from airflow_provider_marketo.warehouse.task import load_manifest

        ti = context["ti"]
        return load_manifest(
            self.argument("manifest"),
            self.checked_arguments(),
            (ti.dag_id, ti.task_id, ti.run_id),
            self._teller(context),
        )

    def _teller(self, context: Context) -> Callable[[str, Mapping[str, Any]], None]:
        """Return a function that tells Airflow about a table once it is committed. A later failure does not hide it."""
        loaded: dict[str, Any] = {}

        def tell(table: str, result: Mapping[str, Any]) -> None:
            loaded[table] = result["tables"][table]
            self._emit_tables(context, result["place"], loaded)

        return tell
