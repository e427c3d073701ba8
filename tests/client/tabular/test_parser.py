"""For the lines that Arrow reads, its result is ours. Other lines are read field by field."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_marketo.client.tabular.arrow import Parser
from airflow_provider_marketo.client.tabular.records import Splitter
from tests.properties import examples

NAMES = {"a": 0, "b": 1}

# Texts that people type, with quotes that are doubled or not. A quote before a comma or a line end would end the field
# for any reader, so another text always stands between them.
pieces = st.sampled_from(["x", '"', '""', ",", "\n", "\r\n", " ", 'say "hi" ', "null", "\u2028"])
inside = st.lists(pieces, max_size=6).map(lambda parts: "x" + "x".join(parts) + "x")
cells = inside.map(lambda text: (f'"{text}"', text.replace('""', '"'))) | st.sampled_from(
    [
        ("null", None),
        ('"null"', "null"),
        ("", ""),
        ('""', ""),
        ('5"', '5"'),
        ('5" x', '5" x'),
        ("x", "x"),
        ('"x"""', 'x"'),
    ]
)


def read_in_blocks(data: bytes, block: int):
    """Read data in blocks, as an extract does."""
    parser = Parser(len(NAMES), NAMES)
    splitter = Splitter(block, parser.lines)
    rows = []
    for part in [*splitter.feed(data), *splitter.finish()]:
        table = parser.parse(part, len(rows) + 1)
        rows += zip(*(table.column(name).to_pylist() for name in NAMES), strict=True)
    return rows


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.sampled_from([4, 16, 1 << 20]))
def test_quotes_that_were_not_doubled_are_read_as_they_were_meant(table, block):
    data = "".join(f"{first[0]},{second[0]}\n" for first, second in table).encode()
    assert read_in_blocks(data, block) == [(first[1], second[1]) for first, second in table]
