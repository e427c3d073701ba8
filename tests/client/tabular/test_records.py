"""Finding records: exact on any well-formed file, and right if a quote was not doubled."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular import records
from airflow_provider_marketo.client.tabular.records import Splitter, fields, header, line, outside_quotes


def blocks(data: bytes, *, block: int = 1 << 20, chunk: int = 1 << 20):
    splitter = Splitter(block)
    found = []
    for start in range(0, len(data), chunk):
        found += splitter.feed(data[start : start + chunk])
    return found + list(splitter.finish())


def rows(data: bytes, **how: int) -> list[list[bytes]]:
    return [[field.text for field in fields(record)] for block in blocks(data, **how) for record in block.records()]


# NUL is missing because the csv module does not take it in all versions.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8) | st.sampled_from(
    ['"', '""', ",", "\n", "\r\n", '",', ',"', '"\n', "null", "", 'x"y', "\u2028", "\U0001f600"]
)
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1))


@given(tables, st.sampled_from(["\n", "\r\n"]), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_records_are_those_of_the_csv_module_however_the_bytes_arrive(table, line_end, block, chunk, quote_all):
    if not quote_all:  # whether the csv module quotes a CR depends on its version
        table = [[text.replace("\r", "") for text in row] for row in table]
    written = io.StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(written, lineterminator=line_end, quoting=quoting).writerows(table)
    data = written.getvalue().encode()

    assert outside_quotes(data) is not None
    assert rows(data, block=block, chunk=chunk) == [[text.encode() for text in row] for row in table]
    cut = blocks(data, block=block, chunk=chunk)
    assert b"".join(part.data for part in cut) == data
    assert sum(part.rows for part in cut) == len(table)


@given(tables)
def test_what_is_written_is_read_again(table):
    data = b"".join(map(line, table))
    assert rows(data) == [[text.encode() for text in row] for row in table]


@given(st.binary(max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_any_bytes_come_through_whole_or_are_refused(data, block, chunk):
    try:
        cut = blocks(data, block=block, chunk=chunk)
    except MarketoDataError:
        return
    assert b"".join(part.data for part in cut) == data
    for part in cut:
        assert len(part.records()) == part.rows
        assert b"".join(part.records()) == part.data


@given(st.binary(max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_blocks_do_not_depend_on_how_the_bytes_arrive(data, block, chunk):
    def cut(size: int):
        try:
            return blocks(data, block=block, chunk=size)
        except MarketoDataError:
            return None

    assert cut(chunk) == cut(len(data) + 1)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b'1,"He said "hi" to me",x\n', [b"1", b'He said "hi" to me', b"x"]),
        (b'1,"He said "hi\nthere" to me",x\n', [b"1", b'He said "hi\nthere" to me', b"x"]),
        (b'1,5" pipe,x\n', [b"1", b'5" pipe', b"x"]),
        (b'1,5",x\n', [b"1", b'5"', b"x"]),
        (b'1,"a""b"c",x\n', [b"1", b'a"b"c', b"x"]),
        (b'1,"a"\rb",x\r\n', [b"1", b'a"\rb', b"x"]),
    ],
)
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_quote_that_was_not_doubled_closes_nothing(record, expected, block):
    data = b'0,"good, ""and"" fine",y\n' + record + b"2,last,z\n"
    assert rows(data, block=block) == [[b"0", b'good, "and" fine', b"y"], expected, [b"2", b"last", b"z"]]
    assert sum(part.rows for part in blocks(data, block=block)) == 3


def test_a_quote_in_a_bare_field_does_not_swallow_the_next_row():
    assert rows(b'1,5",x\n2,6",y\n') == [[b"1", b'5"', b"x"], [b"2", b'6"', b"y"]]


def test_only_an_unquoted_null_is_null():
    row = fields(b'null,"null",,"",NULL\n')
    assert [field.is_null for field in row] == [True, False, False, False, False]
    assert [field.text for field in row] == [b"null", b"null", b"", b"", b"NULL"]


@pytest.mark.parametrize("cell", [b"a\x00b", b"a\rb", "a\u2028b".encode(), "\U0001f600".encode(), b"x" * 300_000])
def test_odd_characters_are_part_of_their_field(cell):
    data = b"1," + cell + b',x\n2,"' + cell + b'",y\r\n'
    assert rows(data, block=1000) == [[b"1", cell, b"x"], [b"2", cell, b"y"]]


def test_the_last_record_may_lack_its_line_end():
    data = b'1,"a\nb"\n2,"c"'
    assert rows(data) == [[b"1", b"a\nb"], [b"2", b"c"]]
    assert b"".join(block.data for block in blocks(data)) == data


def test_a_file_that_ends_inside_a_field_is_refused():
    with pytest.raises(MarketoDataError, match="ends inside a quoted field"):
        blocks(b'1,"a\n2,b\n')


def test_a_record_without_an_end_is_refused_before_memory_runs_out(monkeypatch):
    monkeypatch.setattr(records, "LONGEST_RECORD", 1 << 10)
    with pytest.raises(MarketoDataError, match="does not end"):
        blocks(b'"' + b"x" * 5000, block=64, chunk=100)


def test_a_header_may_carry_a_byte_order_mark_quotes_and_line_ends():
    assert header(b"\xef\xbb\xbfid,email\r\n1,a") == (["id", "email"], 13)
    assert header(b'"id","e\nmail"\n') == (["id", "e\nmail"], 14)
    assert header(b'id,"ema') is None
    assert header(b"") is None


def test_values_are_written_as_marketo_writes_them():
    assert (
        line([1, None, "null", True, 'a "b"', "", ["x", "é"]])
        == '1,null,"null",true,"a ""b""",,"[""x"", ""é""]"\n'.encode()
    )
