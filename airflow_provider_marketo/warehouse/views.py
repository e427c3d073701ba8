"""
The views that loads make: ``_marketo_views`` lists them, and loads replace or drop no other view.

A view with the same query is left alone, so a load that changes no column waits for no reader.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import literal, names
from airflow_provider_marketo.warehouse.names import VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.warehouse.engine import Engine

_COLUMNS = {"view_schema": types.TEXT, "view_name": types.TEXT, "definition": types.TEXT}


class MadeViews:
    """
    The views of loads in a schema.

    :param engine: the database, on the schema with the tables, which has the list.
    :param schema: where the views are.
    :param parameter: the operator's argument for the schema, for errors.
    """

    def __init__(self, engine: Engine, schema: str | None, parameter: str) -> None:
        self._engine = engine
        self._schema = schema
        self._parameter = parameter
        self._list = engine.table(VIEWS)
        self._known: dict[str, str] = {}

    def prepare(self) -> None:
        """Create the list and the schema, and make other loads of views wait until the transaction ends."""
        engine = self._engine
        if not engine.declared_columns(VIEWS):
            engine.create_table(VIEWS, _COLUMNS, ("view_schema", "view_name"))
        engine.lock(VIEWS)
        with self.inside():
            engine.create_schema()
        self.look()

    def look(self) -> bool:
        """Read the list; return whether there is one."""
        if not self._engine.declared_columns(VIEWS):
            return False
        found = self._engine.query(f"SELECT view_name, definition FROM {self._list} WHERE {self._is_here}")
        self._known = {str(name): str(definition) for name, definition in found}
        return True

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let the engine look at the schema of the views."""
        before, self._engine.schema = self._engine.schema, self._schema
        try:
            yield
        finally:
            self._engine.schema = before

    def columns(self, name: str) -> dict[str, str]:
        """
        Return the columns of a view, with the database's words for their types; empty if there is no such view.

        :raises MarketoInvalidRequestError: something else has its name.
        """
        with self.inside():
            found = self._engine.declared_columns(name)
            written = self._engine.table(name)
        if found and name not in self._known:
            raise MarketoInvalidRequestError(
                f"{written.replace(chr(34), '')} exists, and no load of this provider has made it",
                parameter=self._parameter,
                remedy="Give the views a schema of their own; existing objects stay unchanged."
                if self._parameter == "fivetran_schema"
                else "Load into another schema, or rename what is there.",
            )
        return found

    def exists(self, name: str) -> bool:
        """Whether there is a table or view of this name."""
        with self.inside():
            return bool(self._engine.declared_columns(name))

    def says(self, name: str, definition: str) -> bool:
        """Whether a view was made of this definition."""
        return self._known.get(name) == _digest(definition)

    def replace(self, name: str, query: str) -> bool:
        """
        Make a view.

        :return: False if other views use it, and the database therefore refuses the change.
        """
        with self.inside():
            return self._engine.replace_view(name, query)

    def drop(self, name: str) -> bool:
        """Drop a view that a load has made; return whether it is gone."""
        if name not in self._known:
            return False
        with self.inside():
            return self._engine.drop_view(name)

    def note(self, name: str, definition: str) -> None:
        """Add a view to the list."""
        values = self._engine.values(self._schema or "", name, _digest(definition))
        self._engine.execute(f"DELETE FROM {self._list} WHERE {self._is_here} AND view_name = {literal(name)}")
        self._engine.execute(f"INSERT INTO {self._list} ({names(list(_COLUMNS))}) VALUES ({values})")

    @property
    def _is_here(self) -> str:
        return f"view_schema = {literal(self._schema or '')}"


def made_schemas(engine: Engine) -> list[str]:
    """
    Return the schemas in which loads have made views that are still there.

    To stop the views, a person drops their schema; no later load makes it again.

    :param engine: the database, on the schema with the tables.
    """
    if not engine.declared_columns(VIEWS):
        return []
    views = engine.query(f"SELECT view_schema, view_name FROM {engine.table(VIEWS)} ORDER BY view_schema, view_name")
    by_schema = {str(schema): [str(name) for _, name in some] for schema, some in groupby(views, itemgetter(0))}
    return [
        schema
        for schema, names_there in by_schema.items()
        if any(map(MadeViews(engine, schema or None, "schema").exists, names_there))
    ]


def _digest(definition: str) -> str:
    return hashlib.sha256(definition.encode()).hexdigest()[:32]
