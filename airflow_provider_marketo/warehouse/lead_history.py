"""
The history of leads, computed from their changes: ``lead_field_history`` has each value of each field, and its time.

It goes back as far as the changes that are loaded. Marketo forgets changes of values after 90 days, so the view knows
more with each day. Before the first change a field had the old value of this change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import literal, quote
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.names import AS_OF, COLUMNS, DELETED_AT
from airflow_provider_marketo.warehouse.views import MadeViews

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.warehouse.engine import Engine

VIEW = "lead_field_history"
LEADS, FIELDS = "leads", "lead_fields"
VALUES, SCORES = "activity_change_data_value", "activity_change_score"

_NEEDED: Mapping[str, tuple[str, ...]] = {
    LEADS: ("id", "createdAt"),
    FIELDS: ("id", "restName", "displayName"),
    VALUES: ("marketoGUID", "leadId", "activityDate", "primaryAttributeValueId", "old_value", "new_value"),
    SCORES: ("marketoGUID", "leadId", "activityDate", "primaryAttributeValue", "old_value", "new_value"),
}
_WITHOUT_HISTORY = ("id", "updatedAt")
"""Fields whose changes Marketo does not log. Today's value does not show the past."""


class LeadHistory:
    """
    The view of the history of leads, in the schema of the tables.

    :param engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._log = Log(engine)
        self._made = MadeViews(engine, engine.schema, "schema")

    @property
    def is_wanted(self) -> bool:
        """Whether the tables that the view needs are loaded."""
        tables = self._tables()
        return LEADS in tables and FIELDS in tables and bool({VALUES, SCORES} & set(tables))

    def make(self) -> None:
        """Make the view, if the tables that it needs are loaded."""
        if not self.is_wanted:
            return
        tables = self._tables()
        self._made.prepare()
        query = self._query(tables)
        if not (self._made.columns(VIEW) and self._made.says(VIEW, query)):
            self._made.replace(VIEW, query)
            self._made.note(VIEW, query)

    def release(self, table: str) -> bool:
        """Drop the view, so that a column of a table can be widened; return whether it was dropped."""
        return table in _NEEDED and self._made.look() and self._made.drop(VIEW)

    def _tables(self) -> dict[str, dict[str, str]]:
        """Return the loaded tables that have the needed fields, each with the columns of its fields."""
        holds = {dataset: table for table, dataset in self._log.datasets()}
        found = {}
        for dataset, needed in _NEEDED.items():
            if dataset not in holds or not self._engine.declared_columns(holds[dataset]):
                continue
            known = {source: column for source, (column, _, _) in self._log.known(holds[dataset]).items()}
            if set(needed) <= set(known):
                found[dataset] = {**known, "": holds[dataset]}
        return found

    def _query(self, tables: Mapping[str, Mapping[str, str]]) -> str:
        leads = tables[LEADS]
        lead, created, table = quote(leads["id"]), quote(leads["createdAt"]), self._engine.table(leads[""])
        changes = " UNION ALL ".join(self._changes(kind, tables) for kind in (VALUES, SCORES) if kind in tables)
        order = "ORDER BY changed_at, LENGTH(change_id), change_id"
        window = f"OVER (PARTITION BY lead_id, field {order})"
        end = f"l.{quote(DELETED_AT)}"
        never = [
            f"SELECT l.{lead} AS lead_id, {literal(column)} AS field, {self._text(f'l.{quote(column)}')} AS value,"
            f" l.{created} AS valid_from, {end} AS valid_to FROM {table} AS l WHERE l.{quote(AS_OF)} IS NOT NULL"
            f" AND NOT EXISTS (SELECT 1 FROM ordered AS o WHERE o.lead_id = l.{lead}"
            f" AND o.field = {literal(column)})"
            for field, column in leads.items()
            if field not in ("", *_WITHOUT_HISTORY)
        ]
        joined = f"FROM ordered AS o JOIN {table} AS l ON l.{lead} = o.lead_id"
        parts = [
            f"SELECT o.lead_id, o.field, o.old_value AS value, l.{created} AS valid_from, o.changed_at AS valid_to"
            f" {joined} WHERE o.number = 1",
            f"SELECT o.lead_id, o.field, o.new_value, o.changed_at, COALESCE(o.next_at, {end}) {joined}",
            *never,
        ]
        return (
            f"WITH changes AS ({changes}), ordered AS (SELECT lead_id, field, changed_at, old_value, new_value,"
            f" LEAD(changed_at) {window} AS next_at, ROW_NUMBER() {window} AS number FROM changes)"
            f" {' UNION ALL '.join(parts)}"
        )

    def _changes(self, kind: str, tables: Mapping[str, Mapping[str, str]]) -> str:
        """Return the query of the changes of one kind. A change of a score has the field's name, others its id."""
        engine, fields, activity = self._engine, tables[FIELDS], tables[kind]
        told_by = ("id", "primaryAttributeValueId") if kind == VALUES else ("displayName", "primaryAttributeValue")
        field, told = f"f.{quote(fields[told_by[0]])}", f"a.{quote(activity[told_by[1]])}"
        old, new = (self._text(f"a.{quote(activity[name])}") for name in ("old_value", "new_value"))
        return (
            f"SELECT a.{quote(activity['leadId'])} AS lead_id, c.column_name AS field,"
            f" a.{quote(activity['activityDate'])} AS changed_at, a.{quote(activity['marketoGUID'])} AS change_id,"
            f" {old} AS old_value, {new} AS new_value FROM {engine.table(activity[''])} AS a"
            f" JOIN {engine.table(fields[''])} AS f ON {field} = {told}"
            f" JOIN {engine.table(COLUMNS)} AS c ON c.source = f.{quote(fields['restName'])}"
            f" AND c.table_name = {literal(tables[LEADS][''])}"
        )

    def _text(self, expression: str) -> str:
        return self._engine.cast(expression, types.TEXT)
