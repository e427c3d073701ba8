"""Chunks: whole rows, below the limit in bytes, without rows that a later row supersedes."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular.keys import NumberSet
from airflow_provider_marketo.imports.fields import Field
from airflow_provider_marketo.imports.plan import (
    Chunk,
    ImportPlan,
    decode_rows,
    digest,
    encode_header,
    encode_rows,
    numbers,
    verified,
    without,
)
from airflow_provider_marketo.imports.rows import Batch, Rows
from airflow_provider_marketo.imports.staging import ChunkLimits, ChunkWriter, Stager
from airflow_provider_marketo.output.folder import OutputFolder

HEADER = ("email", "comments")


@pytest.fixture
def area(tmp_path):
    with OutputFolder(str(tmp_path)).staging() as staging:
        yield staging


def content(area, chunk) -> bytes:
    with area.open(chunk.name, "rb") as file:
        data = bytes(file.read())
    assert (digest(data), len(data)) == (chunk.sha256, chunk.size)
    return data


def write(area, table, form="csv", **limits):
    writer = ChunkWriter(area, form, HEADER, ChunkLimits(**{"rows": None, "size": 1_000, "row": 1_000, **limits}))
    too_large = writer.write(range(len(table)), list(zip(*table, strict=True)))
    writer.close()
    return writer.chunks, too_large


@pytest.mark.parametrize("comment", ["😀" * 7, 'line\nof "quotes"\r\n, and more', "a\rb", "a,b", '"', "", "plain"])
@pytest.mark.parametrize("size", [60, 61, 62, 63, 64, 100, 1_000])
def test_no_row_is_cut_wherever_a_chunk_ends(area, comment, size):
    rows = [(f"a{n}@x", comment) for n in range(50)]
    chunks, too_large = write(area, rows, size=size)
    assert too_large == []
    assert all(chunk.size <= size for chunk in chunks)
    read = [tuple(row) for chunk in chunks for row in decode_rows("csv", content(area, chunk))]
    assert read == rows
    assert all(content(area, chunk).startswith(b"email,comments\n") for chunk in chunks)


def test_chunks_are_filled_although_rows_come_in_large_batches(area):
    chunks, _ = write(area, [(f"a{n:03}@x", "x" * 10) for n in range(100)], size=1_100, row=1_100)
    assert [chunk.rows for chunk in chunks] == [60, 40]


def test_a_chunk_of_calls_has_no_more_rows_than_they_take(area):
    chunks, _ = write(area, [(f"a{n}", n) for n in range(25)], form="jsonl", rows=10)
    assert [(chunk.rows, chunk.first, chunk.last) for chunk in chunks] == [(10, 0, 9), (10, 10, 19), (5, 20, 24)]
    assert decode_rows("jsonl", content(area, chunks[2]))[0] == ["a20", 20]


def test_a_row_that_fits_no_chunk_is_named_and_the_others_are_written(area):
    chunks, too_large = write(area, [("a", "x"), ("b", "x" * 2_000), ("c", "x")])
    assert too_large == [1]
    assert sum(chunk.rows for chunk in chunks) == 2


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("comment", ["plain", "a, b", "two\nlines"])
def test_rows_are_taken_out_of_a_chunk(form, comment):
    rows = [[f"a{n}", comment] for n in range(5)]
    data = encode_header(form, HEADER) + encode_rows(form, list(zip(*rows, strict=True)))
    left = without(form, data, 5, [0, 3])
    assert decode_rows(form, left) == [rows[1], rows[2], rows[4]]
    assert left.startswith(encode_header(form, HEADER))
    assert left.endswith(b"\n")


def staged(area, *batches, on_duplicates="last", size=40):
    plan = ImportPlan({}, "bulk", HEADER, ("email",), {name: name for name in HEADER})
    layout = [(0, Field("email", "email")), (1, Field("comments"))]
    stager = Stager(area, Rows(HEADER, map(Batch.of, batches)), layout, {}, plan, limits=ChunkLimits(None, size, size))
    return stager, stager.stage(on_duplicates)


def test_every_row_is_in_a_chunk_rejected_or_superseded(area):
    first = [["a@x", "b@x", None, "A@X"], ["1", "2", "3", "4"]]
    second = [["c@x", "b@x", "a@x", "d@x"], ["5", "6", "7", "x" * 60]]
    stager, plan = staged(area, first, second)
    assert (plan.rows, plan.rejected, plan.superseded) == (8, 2, 3)
    rows = {
        number: row
        for chunk in plan.chunks
        for number, row in zip(numbers(chunk, stager.left_out), decode_rows("csv", content(area, chunk)), strict=True)
    }
    assert rows == {4: ["c@x", "5"], 5: ["b@x", "6"], 6: ["a@x", "7"]}


def test_rows_of_a_chunk_know_their_numbers_when_others_were_left_out():
    marks = NumberSet()
    for number in (0, 5, 6, 9):
        marks.add(number)
    assert list(numbers(Chunk("", "", 0, 4, 4, 9), marks)) == [4, 7, 8]
    assert list(numbers(Chunk("", "", 0, 2, 1, 2), marks)) == [1, 2]


def test_a_plan_comes_back_as_it_was():
    chunk = Chunk("chunk-00000.csv", "aa", 10, 2, 0, 3)
    plan = ImportPlan(
        {"object_type": "leads"}, "bulk", HEADER, ("email",), {"email": "MAIL"}, 4, 1, 1, (chunk,), (("f", 0),)
    )
    assert ImportPlan.from_bytes(plan.to_bytes()) == plan
    parts = [Chunk("a", "", 5, 1, 0, 0), Chunk("b", "", 5, 1, 3, 3)]
    assert plan.with_split(chunk, parts).chunks == tuple(parts)


def test_a_staged_row_is_named_by_its_file_and_its_row_there():
    plan = ImportPlan({}, "bulk", HEADER, ("email",), {}, files=(("a.csv", 0), ("b.csv", 3)))
    assert plan.place(2) == {"file": "a.csv", "row": 3}
    assert plan.place(3) == {"file": "b.csv", "row": 1}
    assert ImportPlan({}, "bulk", HEADER, ("email",), {}).place(3) == {"row": 4}


@pytest.mark.parametrize("data", [None, b"other bytes"])
def test_bytes_that_are_not_those_that_were_staged_are_refused(data):
    with pytest.raises(MarketoDataError, match="staged chunk c is"):
        verified(Chunk("c", digest(b"bytes"), 5, 1, 0, 0), data)
