"""The columns of a table: created, added, widened, never dropped and never narrowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.sources import EXTRACT, SOURCE
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import literal, quote
from airflow_provider_marketo.warehouse.names import (
    AS_OF,
    DELETED_AT,
    LOAD,
    OVERFLOW,
    SYNCED_AT,
    SYSTEM_COLUMNS,
    column_names,
    table_name,
    text_column,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_marketo.output.manifest import ManifestDataset
    from airflow_provider_marketo.warehouse.engine import Engine
    from airflow_provider_marketo.warehouse.log import Log

log = printable_logger(__name__)

SYSTEM_TYPES = {AS_OF: types.TIMESTAMP, LOAD: types.TEXT, SYNCED_AT: types.TIMESTAMP, DELETED_AT: types.TIMESTAMP}


@dataclass(frozen=True)
class Shape:
    """
    A table, as a load finds it or has made it.

    :param table: name of the table.
    :param columns: the column of each field of the dataset, in order.
    :param types: type of each of these columns in the table.
    :param key: columns that make a row unique.
    :param updated: the column with the time of a row's last change; None for a table without one.
    :param created: whether this load has made the table.
    """

    table: str
    columns: Mapping[str, str]
    types: Mapping[str, str]
    key: tuple[str, ...]
    updated: str | None
    created: bool

    @property
    def has_sources(self) -> bool:
        """Whether a column says which rows come from a journal and which were extracted."""
        return SOURCE in self.columns

    @property
    def others(self) -> list[str]:
        """The columns outside of the key."""
        return [column for column in self.columns.values() if column not in self.key]


def dataset_types(dataset: ManifestDataset) -> dict[str, str]:
    """
    Return the type of each field of a dataset, with those that only its scope names.

    :raises MarketoInvalidRequestError: it has a type that cannot be loaded, or no key.
    """
    found = {}
    for column in dataset.columns:
        kind = types.type_of(column.type)
        if kind is None:
            raise MarketoInvalidRequestError(
                f"{column.name} of {dataset.name} has the type {column.type}, which cannot be loaded",
                parameter="manifest",
                remedy="Extract again, without this column.",
            )
        found[column.name] = kind
    for name, values in dataset.scope.items():
        found.setdefault(name, types.INT if all(isinstance(each, int) for each in values) else types.TEXT)
    missing = [name for name in dataset.key if name not in found]
    if missing or not dataset.key:
        raise MarketoInvalidRequestError(
            f"the rows of {dataset.name} have no key" + (f": they lack {', '.join(missing)}" if missing else ""),
            parameter="manifest",
            remedy="Also extract the columns that tell rows apart.",
        )
    return found


def refuse_too_many(engine: Engine, table: str, count: int) -> None:
    """
    Refuse a table with more columns than the database takes.

    :raises MarketoInvalidRequestError: the table has too many.
    """
    if count > engine.most_columns:
        raise MarketoInvalidRequestError(
            f"{table} would have {count} columns, and {engine.name} takes {engine.most_columns}",
            parameter="manifest",
            remedy=f"Give max_columns={engine.most_columns - len(SYSTEM_COLUMNS) - 1} or less: the column {OVERFLOW}"
            " then takes the further fields. Or extract fewer fields: list the ones that you need in fields.",
        )


class TableShaper:
    """
    Creates a table, or adds to it what a load needs.

    :param engine: the database.
    :param log: the log, which knows the columns that earlier loads have made.
    :param table: name of the table.
    :param dataset: the dataset whose rows it holds.
    :param release: a function that drops views which keep a column from being widened, and returns whether it dropped
        one.
    """

    def __init__(
        self, engine: Engine, log: Log, table: str, dataset: str, release: Callable[[], bool] = lambda: False
    ) -> None:
        self._engine = engine
        self._log = log
        self._table = table
        self._dataset = dataset
        self._release = release
        self._found: Mapping[str, str | None] = {}

    def shape(self, fields: Mapping[str, str], key: Sequence[str]) -> Shape:
        """
        Make the table ready.

        :param fields: types of the fields by name.
        :param key: the fields that make a row unique.
        :raises MarketoInvalidRequestError: the table holds something else, or cannot take the columns.
        """
        known = self._log.known(self._table)
        self._found = self._engine.columns(self._table)
        if known and not self._found:
            known = self._forget_dropped(known, fields, key)
        if SOURCE in known:  # rows without a source were extracted
            fields = {SOURCE: types.TEXT, **fields}
        self._refuse_others(known, key)
        columns = column_names(fields, {source: column for source, (column, _, _) in known.items()})
        refuse_too_many(self._engine, self._table, len({*self._found, *columns.values(), *SYSTEM_COLUMNS}))
        wanted = {column: fields[source] for source, column in columns.items()}
        new = {source: column for source, column in columns.items() if source not in known}
        # Before the table, so that a load that ended in between recognizes the table as its own.
        self._log.remember(self._table, self._dataset, new, key)
        if self._found:
            missing = {name: kind for name, kind in wanted.items() if name not in self._found}
            self._engine.add_columns(self._table, missing)
            if columns.get(SOURCE) in missing:
                table, column = self._engine.table(self._table), quote(columns[SOURCE])
                self._engine.execute(f"UPDATE {table} SET {column} = {literal(EXTRACT)} WHERE TRUE")
        else:
            self._engine.create_table(self._table, {**wanted, **SYSTEM_TYPES}, [columns[name] for name in key])
        settled = {source: self._widened(source, columns[source], kind, key) for source, kind in fields.items()}
        columns = {source: column for source, (column, _) in settled.items()}
        kinds = dict(settled.values())
        updated = columns.get("updatedAt")
        return Shape(
            self._table,
            columns,
            kinds,
            tuple(columns[name] for name in key),
            updated if updated and kinds[updated] == types.TIMESTAMP else None,
            # Where other loads see a table before it is filled, it may have rows when this load begins.
            created=not self._found and not self._engine.definitions_commit,
        )

    def _forget_dropped(
        self, known: Mapping[str, tuple[str, str, bool]], fields: Mapping[str, str], key: Sequence[str]
    ) -> dict[str, tuple[str, str, bool]]:
        """Forget the table that a person has dropped; return the columns that it will have again."""
        kept = {
            source: (column, dataset, is_key)
            for source, (column, dataset, is_key) in known.items()
            if source in fields and dataset == self._dataset and is_key == (source in key)
        }
        log.warning(
            "%s does not exist any more, so this load creates it again. To restore its earlier rows, clear the tasks"
            " that loaded them",
            self._table,
        )
        self._log.forget_dropped(self._table, known.keys() - kept.keys())
        return kept

    def _widened(self, source: str, column: str, wants: str, key: Sequence[str]) -> tuple[str, str]:
        """Widen a column that is too narrow; return the column of the field, and its type."""
        has = self._found.get(column, wants)
        if has is None:
            raise MarketoInvalidRequestError(
                f"{self._table}.{column} has a type that no load of this provider writes",
                parameter="table",
                remedy="Load into another table or schema, or drop the column.",
            )
        to = types.wider(has, wants)
        if to == has:
            return column, to
        if self._alter(column, to):
            log.warning("%s.%s has the type %s from now on: %s was too narrow", self._table, column, to, has)
            return column, to
        if source in key:
            raise MarketoInvalidRequestError(
                f"{self._table}.{column} is a part of the key and cannot become {to} on {self._engine.name}",
                parameter="table",
                remedy="Load into a new table.",
            )
        return self._second_column(source, column, has), types.TEXT

    def _alter(self, column: str, to: str) -> bool:
        return self._engine.alter_type(self._table, column, to) or (
            self._release() and self._engine.alter_type(self._table, column, to)
        )

    def _second_column(self, source: str, column: str, has: str) -> str:
        """Add a column of text for a field whose column cannot be widened, and return its name."""
        name = text_column(column, self._found)
        engine = self._engine
        engine.add_columns(self._table, {name: types.TEXT})
        engine.execute(
            f"UPDATE {engine.table(self._table)} SET {quote(name)} = {engine.as_text(quote(column), has)}"
            f" WHERE {quote(column)} IS NOT NULL"
        )
        self._log.rename(self._table, source, name)
        log.warning(
            "%s.%s cannot be widened, because of its type or because a view uses it; its values are in %s from now on",
            self._table,
            column,
            name,
        )
        return name

    def _refuse_others(self, known: Mapping[str, tuple[str, str, bool]], key: Sequence[str]) -> None:
        """:raises MarketoInvalidRequestError: the table holds another dataset, has another key, or is not ours."""
        table = self._table
        if self._found and not known:
            raise MarketoInvalidRequestError(
                f"{table} exists, and no load of this provider has made it",
                parameter="table",
                remedy="Load into another table or schema, or rename the existing table.",
            )
        holds = {dataset for _, dataset, _ in known.values()} - {self._dataset}
        if holds:
            raise MarketoInvalidRequestError(
                f"{table} holds {', '.join(sorted(holds))}, and the manifest has {self._dataset}",
                parameter="table",
                remedy="Name another table with table=, or load into another schema."
                if table == table_name(self._dataset)
                else "Leave table out: each dataset then gets a table of its own.",
            )
        has = {source for source, (_, _, is_key) in known.items() if is_key}
        if self._found and has != set(key):
            raise MarketoInvalidRequestError(
                f"the key of {table} is {', '.join(sorted(has))}, and that of the manifest is {', '.join(key)}",
                parameter="table",
                remedy="Load into another table.",
            )


def removal_target(engine: Engine, log: Log, table: str, dataset: str, key: dict[str, str]) -> Shape:
    """Return the table from which rows are removed; create it if it does not exist yet."""
    known = log.known(table)
    if not known or not engine.declared_columns(table):
        return TableShaper(engine, log, table, dataset).shape(key, list(key))
    found = engine.columns(table)
    columns = {source: column for source, (column, _, is_key) in known.items() if is_key}
    if set(columns) != set(key):
        raise MarketoInvalidRequestError(
            f"the key of {table} is {', '.join(sorted(columns))}, and the manifest identifies deleted rows"
            f" by {', '.join(key)}",
            parameter="table",
            remedy=f"Set table to the table that holds {dataset}.",
        )
    kinds = {column: found[column] or key[source] for source, column in columns.items()}
    return Shape(table, columns, kinds, tuple(columns.values()), None, created=False)
