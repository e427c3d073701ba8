"""
Views with Fivetran's names beside our tables, so that the models of ``dbt_marketo`` run unchanged.

They are made again in a transaction of their own once the tables of a task are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.columns import MISFITS
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import literal, names, quote
from airflow_provider_marketo.warehouse.fivetran_layout import (
    ACTIVITY,
    DELETED,
    FIVETRAN_TABLES,
    LEAD_DESCRIBE,
    SYNCED,
    FivetranTable,
    activity_table,
    fivetran_names,
)
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.names import AS_OF, DELETED_AT, OVERFLOW, SYNCED_AT
from airflow_provider_marketo.warehouse.views import MadeViews

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.warehouse.engine import Engine
    from airflow_provider_marketo.warehouse.fivetran_layout import FieldPlace, FivetranColumn

__all__ = ["FivetranViews", "refuse_schema"]

log = printable_logger(__name__)

_NOT_PASSED_ON = (MISFITS, OVERFLOW)
"""Columns with several values, which no table of Fivetran's has."""


def refuse_schema(engine: Engine, schema: str) -> None:
    """:raises MarketoInvalidRequestError: the views cannot be in a schema."""
    if not engine.has_schemas:
        raise MarketoInvalidRequestError(
            f"{engine.name} has no schemas, and the views need one of their own",
            parameter="fivetran_schema",
            remedy="Leave fivetran_schema out, or load into DuckDB.",
        )
    if schema == engine.schema or (engine.ignores_case and schema.lower() == (engine.schema or "").lower()):
        raise MarketoInvalidRequestError(
            f"the tables are in {schema}, and some views have the names of tables",
            parameter="fivetran_schema",
            remedy=f"Give the views a schema of their own, such as {schema}_fivetran.",
        )


@dataclass(frozen=True)
class _Source:
    """One of our tables: its name, the column of each field, and the type of each column; None if it is unknown."""

    table: str
    columns: Mapping[str, str]
    kinds: Mapping[str, str | None]


@dataclass(frozen=True)
class _Value:
    """A column of a view: its name, what computes it, and its type; None for a type that no load writes."""

    name: str
    expression: str
    kind: str | None


class FivetranViews:
    """
    Fivetran's views in a schema.

    :param engine: the database, on the schema with the tables.
    :param schema: where the views are.
    """

    def __init__(self, engine: Engine, schema: str) -> None:
        self._engine = engine
        self._schema = schema
        self._log = Log(engine)
        self._made = MadeViews(engine, schema, "fivetran_schema")

    @property
    def is_wanted(self) -> bool:
        """Whether to make the views: always, because some of them need no loaded table."""
        return True

    def make(self) -> None:
        """Make the views that are missing or have another query."""
        self._made.prepare()
        for table, source in self._wanted():
            if table.name == LEAD_DESCRIBE:
                self._fill_lead_describe(table, source)
            else:
                self._make_view(table.name, self._values(table, source), self._rows(table, source))

    def release(self, table: str) -> bool:
        """
        Drop the views of a table, so that one of its columns can be widened.

        :param table: name of the table.
        :return: whether a view was dropped. It is missing until :meth:`make` is called.
        """
        if not self._made.look():
            return False
        uses = [
            wanted.name
            for wanted, source in self._wanted()
            if source is not None and source.table == table and wanted.name != LEAD_DESCRIBE
        ]
        return True in [self._made.drop(name) for name in uses]

    # The views that are wanted.

    def _wanted(self) -> Iterator[tuple[FivetranTable, _Source | None]]:
        """Yield Fivetran's tables, each with our table that has its rows; None if nothing is loaded yet."""
        holds: dict[str, str] = {}
        for table, dataset in self._log.datasets():
            holds.setdefault(dataset, table)
        taken = {dataset for one in FIVETRAN_TABLES.values() for dataset in one.datasets}
        others = [each for each in holds if each.startswith(ACTIVITY) and each not in taken and _is_activity(each)]
        for wanted in (*FIVETRAN_TABLES.values(), *map(activity_table, sorted(others))):
            found = next((holds[dataset] for dataset in wanted.datasets if dataset in holds), None)
            source = self._source(found) if found is not None else None
            if source is not None or wanted.is_required:
                yield wanted, source

    def _source(self, table: str) -> _Source | None:
        kinds = self._engine.columns(table)
        if not kinds:
            return None
        known = {source: column for source, (column, _, _) in self._log.known(table).items()}
        order = list(kinds)
        in_order = sorted((each for each in known.items() if each[1] in kinds), key=lambda each: order.index(each[1]))
        return _Source(table, dict(in_order), kinds)

    def _values(self, wanted: FivetranTable, source: _Source | None) -> list[_Value]:
        named = _fields_by_column(wanted, source)
        values = [_Value(one.name, self._value(one, source, named), one.kind) for one in wanted.columns]
        if source is not None and wanted.passes_on:
            done = {column.name for column in wanted.columns}
            for field, column in source.columns.items():
                if (name := named[field]) not in done and field not in _NOT_PASSED_ON and not _is_used(wanted, field):
                    kind = source.kinds[column]
                    values.append(_Value(name, self._plain(f"t.{quote(column)}", kind), kind))
        written, deleted = f"t.{quote(SYNCED_AT)}", f"(t.{quote(DELETED_AT)} IS NOT NULL)"
        synced = self._engine.without_zone(written) if source else self._null(types.TIMESTAMP)
        values.append(_Value(SYNCED, synced, types.TIMESTAMP))
        if wanted.deletes:
            values.append(_Value(DELETED, deleted if source else self._null(types.BOOL), types.BOOL))
        return values

    def _value(self, column: FivetranColumn, source: _Source | None, named: Mapping[str, str]) -> str:
        if source is None:
            return self._null(column.kind)
        places = [(place.field, place) for place in column.places]
        found = [self._place(field, place, column.kind, source) for field, place in places if field in source.columns]
        if not column.places:
            fields = [field for field, name in named.items() if name == column.name]
            found = [self._field(field, column.kind, source) for field in fields]
        if not found:
            return self._null(column.kind)
        value = found[0] if len(found) == 1 else f"COALESCE({', '.join(found)})"
        return f"NULLIF({value}, 0)" if column.no_zero else value

    def _place(self, field: str, place: FieldPlace, kind: str, source: _Source) -> str:
        value = self._field(field, kind, source)
        if not place.where:
            return value
        other, wanted = place.where
        if other not in source.columns:
            return self._null(kind)
        return f"CASE WHEN t.{quote(source.columns[other])} = {literal(wanted)} THEN {value} END"

    def _field(self, field: str, kind: str, source: _Source) -> str:
        column = source.columns[field]
        return self._cast(f"t.{quote(column)}", source.kinds[column], kind)

    def _rows(self, wanted: FivetranTable, source: _Source | None) -> str:
        """Return what follows the columns: the table, and the condition for its rows."""
        if source is None:
            return " FROM (SELECT 1 AS one) AS o WHERE 1 = 0"
        conditions = [f"t.{quote(AS_OF)} IS NOT NULL"]  # a deleted lead that was never read has nothing but its id
        if wanted.where:
            conditions.append(f"t.{quote(source.columns[wanted.where[0]])} = {literal(wanted.where[1])}")
        return f" FROM {self._engine.table(source.table)} AS t WHERE {' AND '.join(conditions)}"

    # Values.

    def _cast(self, expression: str, has: str | None, wanted: str) -> str:
        """Return an expression as a value of a type; a value that does not fit is null, as it is at Fivetran."""
        engine = self._engine
        ways = {
            (types.TIMESTAMP, types.TIMESTAMP): engine.without_zone,
            (types.TEXT, types.INT): lambda text: engine.integer_or_null(f"REPLACE({text}, '\"', '')"),
            (types.TEXT, types.BOOL): _boolean_or_null,
        }
        if way := ways.get((has or "", wanted)):
            return way(expression)
        if has == wanted:
            return expression
        if wanted == types.TEXT:
            return engine.as_text(expression, has)
        return self._null(wanted) if wanted in (types.TIMESTAMP, types.BOOL) else engine.cast(expression, wanted)

    def _plain(self, expression: str, kind: str | None) -> str:
        return self._engine.without_zone(expression) if kind == types.TIMESTAMP else expression

    def _null(self, kind: str) -> str:
        return f"CAST(NULL AS {self._declared(kind)})"

    def _declared(self, kind: str) -> str:
        return self._engine.type_without_zone if kind == types.TIMESTAMP else self._engine.types[kind]

    # The views that exist.

    def _make_view(self, name: str, values: Sequence[_Value], rows: str) -> None:
        made, there = self._made, self._made.columns(name)
        query = _select(values, rows)
        if there and made.says(name, query):
            return
        ordered = sorted(values, key=lambda value: _place_of(value.name, there))
        if not made.replace(name, _select(ordered, rows)):
            query = _select(self._as_before(there, values), rows)
            if not made.says(name, query):
                made.replace(name, query)
                log.warning(
                    "%s.%s keeps the types of its columns, because other views use it; drop those views, and the next"
                    " load changes the types. Until then a value that does not fit is null, and its text is in"
                    " <column>__text",
                    self._schema,
                    name,
                )
        made.note(name, query)

    def _as_before(self, there: Mapping[str, str], values: Sequence[_Value]) -> list[_Value]:
        """Return the columns of a view that other views use: those it has, in their types, and then the new ones."""
        ours = {self._declared(kind).upper(): kind for kind in self._engine.types}
        by_name = {value.name: value for value in values}
        kept: list[_Value] = []
        more: list[_Value] = []
        for name, declared in there.items():
            kind = ours.get(declared.upper())
            value = by_name.pop(name, None)
            if value is not None and value.kind not in (None, kind) and kind is not None:
                text = self._engine.as_text(value.expression, value.kind)
                more.append(_Value(f"{name}__text", text, types.TEXT))
                value = _Value(name, self._cast(value.expression, value.kind, kind), kind)
            kept.append(value or _Value(name, f"CAST(NULL AS {declared})", kind))
        return [*kept, *by_name.values(), *(each for each in more if each.name not in there)]

    def _fill_lead_describe(self, wanted: FivetranTable, source: _Source | None) -> None:
        """
        Fill the one table among the views.

        The models turn ``restname`` into the name of a column of ``lead``, by a regular expression that is wrong on
        DuckDB and PostgreSQL. So it holds the name of that column, which the expression leaves alone on every engine.
        That depends on all columns of ``lead`` at once, which no view can know.
        """
        engine, made = self._engine, self._made
        there = made.columns(wanted.name)
        values = [_Value(each.name, self._restname(each, source), each.kind) for each in self._values(wanted, source)]
        query = _select(values, self._rows(wanted, source))
        definition = f"{self._log.newest(source.table) if source else None} {query}"
        if there and made.says(wanted.name, definition):
            return
        with made.inside():
            table = engine.table(wanted.name)
        if not there:
            engine.execute(f"CREATE TABLE {table} AS {query}")
        else:
            engine.execute(f"DELETE FROM {table} WHERE TRUE")
            engine.execute(f"INSERT INTO {table} ({names([value.name for value in values])}) {query}")
        made.note(wanted.name, definition)

    def _restname(self, value: _Value, source: _Source | None) -> str:
        if value.name != "restname" or source is None or "restName" not in source.columns:
            return value.expression
        column = source.columns["restName"]
        found = self._engine.query(f"SELECT {quote(column)} FROM {self._engine.table(source.table)}")
        fields = sorted(str(name) for (name,) in found if name is not None)
        leads = next((each for table, each in self._wanted() if table.name == "lead"), None)
        named = _fields_by_column(FIVETRAN_TABLES["lead"], leads)
        named = fivetran_names(fields, named)
        cases = [f"WHEN {literal(field)} THEN {literal(named[field])}" for field in fields]
        return f"CASE {value.expression} {' '.join(cases)} END" if cases else value.expression


def _boolean_or_null(text: str) -> str:
    lower = f"LOWER({text})"
    return f"CASE WHEN {lower} IN ('true', '1') THEN TRUE WHEN {lower} IN ('false', '0') THEN FALSE END"


def _fields_by_column(wanted: FivetranTable, source: _Source | None) -> dict[str, str]:
    """Return the name that each field of our table has at Fivetran."""
    if source is None:
        return {}
    given = {
        place.field: column.name
        for column in wanted.columns
        for place in column.places
        if len(column.places) == 1 and not place.where and not column.no_zero and place.field in source.columns
    }
    return fivetran_names(source.columns, given)


def _is_used(wanted: FivetranTable, field: str) -> bool:
    """Whether a field is in one of the columns that are always there, under another name."""
    return any(place.field == field for column in wanted.columns for place in column.places)


def _is_activity(dataset: str) -> bool:
    """Whether a dataset has activities of one type, and not the types themselves."""
    return not dataset.startswith("activity_type")


def _place_of(name: str, there: Mapping[str, str]) -> int:
    return list(there).index(name) if name in there else len(there)


def _select(values: Sequence[_Value], rows: str) -> str:
    return f"SELECT {', '.join(f'{value.expression} AS {quote(value.name)}' for value in values)}{rows}"
