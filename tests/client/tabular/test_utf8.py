"""Text that is not UTF-8 is replaced and counted in every format, from bytes and from JSON."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular import arrow
from airflow_provider_marketo.client.tabular.attributes import without_half_pairs
from airflow_provider_marketo.client.tabular.records import is_utf8, line, utf8
from airflow_provider_marketo.client.tabular.schema import ActivityType
from airflow_provider_marketo.client.tabular.transform import Rules
from tests.client.tabular.transforming import ACTIVITIES, ACTIVITY_SCHEMA, NAME, schema

TABLE = schema("id:integer", "text", "note")
HEAD = line(["id", "text", "note"])
ALL_FORMATS = pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
HALF = "\ud83d"
BROKEN = [
    pytest.param(line([1, f"a{HALF}b", "x"]), "a\ufffdb", id="half an emoji"),
    pytest.param(line([1, HALF, "x"]), "\ufffd", id="half an emoji alone"),
    pytest.param(line([1, f'"{HALF},\n', "x"]), '"\ufffd,\n', id="half an emoji among quotes"),
    pytest.param(b"1,caf\xe9,x\n", "caf\ufffd", id="Latin-1"),
    pytest.param(b'1,"caf\xe9, ""bar""",x\n', 'caf\ufffd, "bar"', id="Latin-1 in quotes"),
    pytest.param(b"1,\xff,x\n", "\ufffd", id="no UTF-8 at all"),
]


def texts(output, file_format):
    if file_format != "csv":
        return [row["text"] for row in output.rows(f"{NAME}.{file_format}")]
    return [row["text"] for row in csv.DictReader(io.StringIO(output.bytes().decode(), newline=""))]


@ALL_FORMATS
@pytest.mark.parametrize(("row", "text"), BROKEN)
def test_bytes_that_are_not_utf8_are_replaced_and_counted(output, row, text, file_format):
    outcome = output.run(Rules(TABLE, NAME), HEAD + line([0, "\U0001f600", "x"]) + row, file_format)
    assert texts(output, file_format) == ["\U0001f600", text]
    assert outcome.type_errors == {"text": 1}
    assert outcome.rows_read == 2


@ALL_FORMATS
@pytest.mark.parametrize(("row", "text"), BROKEN)
def test_bytes_that_are_not_utf8_can_stop_the_extract(output, row, text, file_format):
    with pytest.raises(MarketoDataError, match="1 value of text is not UTF-8, in rows 1 to 1 of the file"):
        output.run(Rules(TABLE, NAME, on_type_error="fail"), HEAD + row, file_format)
    assert output.open_files == 0


@pytest.mark.parametrize("form", ["json", "map", "typed"])
@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_half_an_emoji_in_the_attributes_is_replaced_and_counted(output, form, file_format):
    types = {1: ActivityType(1, "Visit", {"Page": "string"})}
    cells = [r'{""Page"":""a\ud83d"",""Rest"":""\uDE00""}', r'{""Page"":""\ud83d\ude00"",""Rest"":""\\ud83d""}']
    data = ACTIVITIES + b"".join(f'{n},7,2026-01-01T00:00:00Z,1,"{cell}"\n'.encode() for n, cell in enumerate(cells))
    rules = Rules(ACTIVITY_SCHEMA, NAME, attributes=form, activity_types=types)
    outcome = output.run(rules, data, file_format)
    found = []
    for row in output.rows(outcome.files[0].name):
        attributes = json.loads(row["attributes"]) if isinstance(row["attributes"], str) else row["attributes"]
        found.append({**attributes, **({"Page": row["page"]} if form == "typed" else {})})
    assert found == [{"Page": "a\ufffd", "Rest": "\ufffd"}, {"Page": "\U0001f600", "Rest": r"\ud83d"}]
    assert outcome.type_errors == {"attributes": 1}
    with pytest.raises(MarketoDataError, match="1 value of attributes is not UTF-8"):
        output.run(Rules(ACTIVITY_SCHEMA, "second", attributes=form, on_type_error="fail"), data, file_format)


ANY_TEXT = st.text(st.one_of(st.characters(), st.characters(categories=["Cs"]), st.sampled_from('\\u"d83')), max_size=8)


@given(ANY_TEXT)
def test_escapes_of_whole_characters_stay(text):
    cell = json.dumps({"a": text})
    whole = json.loads(without_half_pairs(cell))["a"]
    assert whole == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert json.loads(without_half_pairs(json.dumps({"a": whole}))) == {"a": whole}


@given(st.binary(max_size=12) | ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_large_blocks_are_checked_as_small_cells_are(data):
    assert arrow.is_utf8(data) == is_utf8(data)


@given(st.binary(max_size=12))
def test_mended_bytes_are_utf8_and_keep_their_structure(data):
    mended = utf8(data)
    mended.decode()
    assert utf8(mended) == mended
    assert [byte for byte in mended if byte < 128] == [byte for byte in data if byte < 128]
