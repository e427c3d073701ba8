"""Write typed rows in the format of a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_marketo.client.tabular import arrow
from airflow_provider_marketo.client.tabular.background import InBackground
from airflow_provider_marketo.client.tabular.columns import Typing
from airflow_provider_marketo.client.tabular.partitions import ACTIVITY_TYPE_ID
from airflow_provider_marketo.client.tabular.records import Block, Splitter
from airflow_provider_marketo.client.tabular.tables import TableWriter
from airflow_provider_marketo.client.tabular.transform import Rules, Transform, key_value, position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_marketo.client.tabular.files import OpenFile, WrittenFile
    from airflow_provider_marketo.client.tabular.keys import SeenKeys
    from airflow_provider_marketo.client.tabular.tables import Sink


class TypedTransform(Transform):
    """
    Writes typed rows. The columns and their types depend on the rules alone, never on the data.

    :param rules: how rows are converted and written.
    :param seen: keys of rows that must not be written again.
    :param open_file: opens the files to write.
    :param sink: what writes the format, such as jsonl.
    """

    def __init__(self, rules: Rules, seen: SeenKeys | None, open_file: OpenFile, sink: type[Sink]) -> None:
        super().__init__(rules, seen, Splitter(sink.block, self._lines))
        self._typing = Typing(rules, self._misfits)
        self._writer = InBackground(TableWriter(rules, open_file, sink))
        self._parser = arrow.Parser(0, {})

    def abort(self) -> None:
        """Close the files without finishing them."""
        self._writer.abort()

    def _header(self, names: list[str], raw: bytes) -> None:
        rules = self.rules
        needed: dict[str, str] = {}
        if rules.span is not None and rules.schema.date is not None:
            needed[rules.schema.date] = "which says whether a row belongs to its window"
        if rules.attributes == "typed":
            needed[ACTIVITY_TYPE_ID] = "which says to which dataset a row belongs"
        for name, why in needed.items():
            position(names, name, why)
        known = [*(column.name for column in rules.schema.columns), rules.schema.helper]
        self._parser = arrow.Parser(len(names), {name: names.index(name) for name in known if name in names})

    def _finish(self) -> Iterable[WrittenFile]:
        self.outcome.unknown.update(self._typing.unknown)
        return self._writer.finish()

    def _lines(self, data: bytes) -> Block | None:
        return self._parser.lines(data)

    def _write(self, block: Block) -> None:
        texts = self._parser.parse(block, self.outcome.rows_read + 1)
        texts = self._without_duplicates(self._inside(texts))
        if texts.num_rows:
            if self.rules.schema.helper in texts.column_names:
                texts = texts.drop_columns([self.rules.schema.helper])
            for item in self._typing.tables(texts):
                self._writer.feed(item)

    def _inside(self, texts: Any) -> Any:
        if self.rules.span is None or self.rules.schema.date is None:
            return texts
        outside = arrow.outside(texts.column(self.rules.schema.date), self.rules.span)
        cut = pc.sum(outside).as_py() or 0
        self.outcome.rows_cut += cut
        return texts.filter(pc.invert(outside)) if cut else texts

    def _without_duplicates(self, texts: Any) -> Any:
        if self.outcome.keys is None:
            return texts
        by_name = {column.name: column.kind for column in self.rules.schema.columns}
        keys = [
            [key_value(text, by_name[name]) for text in texts.column(name).to_pylist()]
            for name in self.rules.schema.key
        ]
        new = self._new(list(zip(*keys, strict=True)))
        return texts if all(new) else texts.filter(pa.array(new))
