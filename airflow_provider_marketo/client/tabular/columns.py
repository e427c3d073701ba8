"""The typed columns of a row, and the values that its texts become."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_marketo.client.tabular import arrow
from airflow_provider_marketo.client.tabular.attributes import (
    HALF_PAIR,
    QUOTED_RUN_ID,
    cells_to_map,
    columns_of,
    mappings,
    spread,
    to_map,
    with_run_id,
    without_half_pairs,
)
from airflow_provider_marketo.client.tabular.partitions import ACTIVITY_TYPE_ID
from airflow_provider_marketo.client.tabular.schema import ATTRIBUTES, STRING, ActivityType, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.client.tabular.transform import Misfits, Rules

MISFITS = "_misfits"
"""The column that keeps the texts of values that did not fit, with ``on_type_error="string"``."""


class Typing:
    """
    Converts texts to typed columns. The columns depend on the rules alone, never on the data.

    :param rules: how rows are converted.
    :param misfits: counts values that do not fit.
    """

    def __init__(self, rules: Rules, misfits: Misfits) -> None:
        self._rules = rules
        self._misfits = misfits
        self.unknown: Counter[str] = Counter()

    def tables(self, texts: Any) -> Iterator[tuple[str, Any]]:
        """
        Yield typed rows by dataset.

        :param texts: a table of texts; columns may be missing.
        :return: the folder of a dataset, with a slash at its end, and the rows of the dataset.
        """
        texts = self._hidden(texts)
        if self._rules.attributes != "typed":
            yield "", self._table(texts)
            return
        ids = pc.fill_null(texts.column(ACTIVITY_TYPE_ID), "")
        for type_id in sorted(pc.unique(ids).to_pylist()):
            rows = texts.filter(pc.equal(ids, type_id))
            kind = self._rules.activity_types.get(int(type_id) if type_id.isdecimal() else -1)
            if kind is None:
                self.unknown[f"activity type {type_id or 'unknown'}"] += rows.num_rows
            dataset = self._rules.partitions.type_folder(type_id)
            yield f"{dataset}/", self._table(rows, dataset, kind)

    def _hidden(self, texts: Any) -> Any:
        """Hide values of lead fields in the rows that report their changes."""
        hidden = self._rules.hidden
        names = hidden.columns(texts.column_names)
        cells = {name: texts.column(name).to_pylist() for name in names}
        written: dict[str, list[str | None]] = {}
        for number, values in enumerate(zip(*cells.values(), strict=True)):
            row = dict(zip(names, values, strict=True))
            for name, value in hidden.hide(row, lambda text: self._rules.digest(text.encode())).items():
                written.setdefault(name, cells[name])[number] = value
        for name, column in written.items():
            place = texts.column_names.index(name)
            texts = texts.set_column(place, name, pa.chunked_array([pa.array(column, pa.string())]))
        return texts

    def _table(self, texts: Any, dataset: str = "", kind: ActivityType | None = None) -> Any:
        table = _Table(self._misfits)
        for column in self._rules.schema.columns:
            if column.name in texts.column_names:
                cells = texts.column(column.name)
            else:
                cells = pa.chunked_array([pa.nulls(texts.num_rows, pa.string())])
            if column.kind == ATTRIBUTES:
                cells = self._mended(column.name, cells)
            if column.name in self._rules.hashed:
                cells = arrow.replace_each(cells, lambda text: self._rules.digest(text.encode()))
                table.add(column.name, STRING, cells)
            elif column.kind == ATTRIBUTES and self._rules.attributes != "json":
                self._add_attributes(table, column.name, cells, dataset, kind)
            else:
                table.add(column.name, column.type, cells)
        if self._rules.on_type_error == "string":
            table.columns[MISFITS] = table.misfits(texts.num_rows)
        return pa.table(table.columns)

    def _mended(self, name: str, cells: Any) -> Any:
        """Correct attributes: run ids that Marketo quoted twice, and halves of surrogate pairs, which are counted."""
        held = list(arrow.values_of(cells))
        if any(map(QUOTED_RUN_ID.search, held)):
            cells = arrow.replace_each(cells, with_run_id)
        if not any(map(HALF_PAIR.search, held)):  # run ids are digits: their quotes change no escapes
            return cells
        whole = arrow.replace_each(cells, without_half_pairs)
        if mended := pc.sum(pc.not_equal(whole, cells)).as_py():
            self._misfits.add(name, mended, "UTF-8")
        return whole

    def _add_attributes(self, table: _Table, name: str, cells: Any, dataset: str, kind: ActivityType | None) -> None:
        if kind is None:
            table.columns[name], bad = cells_to_map(cells.to_pylist())
        else:
            found, bad = mappings(cells.to_pylist())
            columns = columns_of(
                kind, [*(column.name for column in self._rules.schema.columns), *self._rules.partitions.by]
            )
            texts, rest = spread(found, columns)
            for attribute, (column, data_type) in columns.items():
                table.add(column, data_type, pa.array(texts[attribute], pa.string()), f"{dataset}.{column}")
            self.unknown.update(f"attribute {dataset}.{key}" for mapping in rest if mapping for key in mapping)
            table.columns[name] = to_map(rest)
        table.check(name, cells, pa.array(bad) if any(bad) else None, "JSON")


class _Table:
    """Columns under construction, and the cells that did not fit into them."""

    def __init__(self, counts: Misfits) -> None:
        self._counts = counts
        self._misfits: list[tuple[str, Any, Any]] = []
        self.columns: dict[str, Any] = {}

    def add(self, name: str, data_type: str, cells: Any, label: str | None = None) -> None:
        """Add a column of one of Marketo's types."""
        kind = kind_of(data_type)
        self.columns[name], bad = arrow.typed(cells, STRING if kind == ATTRIBUTES else kind)
        self.check(name, cells, bad, f"of type {data_type}", label)

    def check(self, name: str, cells: Any, bad: Any, what: str, label: str | None = None) -> None:
        """Count the cells for which ``bad`` is true; None means that no cell is bad."""
        if bad is not None:
            self._misfits.append((name, cells, bad))
            self._counts.add(label or name, pc.sum(bad).as_py(), what)

    def misfits(self, rows: int) -> Any:
        """Return the texts of the cells that did not fit, by column."""
        if not self._misfits:
            return pa.nulls(rows, arrow.arrow_type(ATTRIBUTES))
        kept: list[dict[str, str] | None] = [None] * rows
        for name, cells, bad in self._misfits:
            for row, (text, is_bad) in enumerate(zip(cells.to_pylist(), bad.to_pylist(), strict=True)):
                if is_bad:
                    kept[row] = {**(kept[row] or {}), name: text}
        return to_map(kept)
