"""A cell has one value, however it is read: alone, in a column of one spelling or of many, in csv, jsonl or parquet."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.tabular import cells
from airflow_provider_marketo.client.tabular.arrow import typed
from airflow_provider_marketo.client.tabular.partitions import Partitioning
from airflow_provider_marketo.client.tabular.tables import JsonLinesFiles, ParquetFiles
from airflow_provider_marketo.client.tabular.transform import Rules
from tests.client.tabular.transforming import NAME, Output, schema
from tests.properties import examples

UTC = timezone.utc


def joined(*parts: list[str]) -> st.SearchStrategy[str]:
    """Texts that join one choice of each part."""
    return st.tuples(*map(st.sampled_from, parts)).map("".join)


DAYS = joined(
    ["0000", "0001", "0987", "1969", "2024", "9999"], ["-", ""], ["01", "02", "12", "13"], ["-", ""], ["01", "29", "31"]
)
ZONES = ["", "", "Z", "z", "Z+0000", "t+0000", "-08:00", "+0800", "-08", "+23:59", "-23:59", "+24:00", "+99:99"]
TIMES = joined(
    ["T", " ", "t"],
    ["00", "08", "23", "24"],
    [":00", ":59", ":60", ""],
    [":00", ":59", ":60", ""],
    ["", "", ".0", ".5", ".000000", ".1234567", ".999999999", ".0000000001"],
    ZONES,
)
SPACE = st.sampled_from(["", "", "", " ", "\t", "\u3000"])
NUMBERS = joined(
    ["", "", "-", "+", "+-"],
    ["", "0", "007", "5", "70", "9223372036854775807", "9223372036854775808", "9" * 16, "10000000000000000", "0" * 30],
    ["", "", ".", ".0", ".00", ".5", ".1234", ".12340", ".12345", ",5"],
    ["", "", "", "e3", "E-3", "e15", "e400", "E-400", "e99999999999999999999"],
)
TEXTS = {
    "date": st.one_of(DAYS, st.tuples(DAYS, TIMES).map("".join)),
    "datetime": st.one_of(DAYS, st.tuples(DAYS, TIMES).map("".join)),
    "integer": NUMBERS,
    "float": NUMBERS,
    "decimal": NUMBERS,
    "boolean": st.sampled_from(["true", "TRUE", "False", "1", "0", "01", "yes", "\uff54rue", "fal\u017fe"]),
}
STRAY = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "null", "nan", "inf", "-Infinity", "0x1F", "1_000", "\u0663", "\x1f"]),
    st.text("0123456789-+:.TtZz eE", max_size=26),
)


def columns(kind: str) -> st.SearchStrategy[list[str | None]]:
    """Columns of texts: some of many spellings, some of one."""
    text = st.tuples(SPACE, TEXTS[kind], SPACE).map("".join)
    return st.one_of(
        st.lists(st.one_of(text, STRAY), min_size=1, max_size=12),
        TEXTS[kind].map(lambda text: [text] * 3),
    )


@pytest.mark.parametrize("kind", TEXTS)
@given(data=st.data())
@settings(max_examples=examples(400))
def test_a_column_is_read_as_each_of_its_cells_is(kind, data):
    texts = data.draw(columns(kind))
    expected = [None if text is None else cells.read(text, kind) for text in texts]
    values, misfits = typed(pa.array(texts, pa.string()), kind)
    assert values.to_pylist() == expected
    assert (misfits.to_pylist() if misfits is not None else [False] * len(texts)) == [
        value is None and text is not None and not cells.is_blank(text)
        for text, value in zip(texts, expected, strict=True)
    ]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("datetime", "2024-01-02T00:00:00-08:00", datetime(2024, 1, 2, 8, tzinfo=UTC)),
        ("datetime", "2024-01-02 00:00:00-0800", datetime(2024, 1, 2, 8, tzinfo=UTC)),
        ("datetime", "0001-01-01T00:00:00-08:00", datetime(1, 1, 1, 8, tzinfo=UTC)),
        ("datetime", "0001-01-01T00:00:00+08:00", None),
        ("datetime", "9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("datetime", "9999-12-31T23:59:59-08:00", None),
        ("datetime", "0000-01-01T00:00:00Z", None),
        ("datetime", "2024-01-02T00:00:00+24:00", None),
        ("date", "2024-01-02T00:00:00-08:00", date(2024, 1, 2)),
        ("date", "2024-01-02T08:00:00Z", None),
        ("date", "0000-01-01", None),
        ("integer", "-9223372036854775808", -(2**63)),
        ("integer", "9223372036854775808", None),
        ("integer", "+-5", None),
        ("integer", "0" * 5000 + "5", 5),
        ("decimal", "9999999999999999.9999", Decimal("9999999999999999.9999")),
        ("decimal", "1e16", None),
        ("float", "1e-400", 0.0),
        ("float", "1e400", None),
    ],
)
@pytest.mark.parametrize("among", [[], [" "], ["x", None]])
def test_a_value_at_the_edge_of_its_type_is_the_same_in_a_cell_and_in_a_column(kind, text, value, among):
    assert cells.read(text, kind) == value
    values, _ = typed(pa.array([text, *among], pa.string()), kind)
    assert values[0].as_py() == value


MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2024, 1, 4)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001
OFFSETS = st.sampled_from([-12, -8, 0, 5.5, 13]).map(lambda hours: timezone(timedelta(hours=hours)))


def spelled(moment: datetime, zone: timezone, style: int) -> str:
    """The moment in one of the spellings that Marketo uses or has used."""
    there = moment.replace(tzinfo=UTC).astimezone(zone)
    return [
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        moment.strftime("%Y-%m-%dT%H:%M:%SZ+0000"),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        there.isoformat(),
        there.strftime("%Y-%m-%dT%H:%M:%S%z"),
        there.strftime("%Y%m%dT%H:%M:%S.0t%z"),
        there.strftime('"%Y-%m-%dT%H:%M:%S.000%z"'),
    ][style]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    numbers = iter(range(100_000))
    base = tmp_path_factory.mktemp("values")
    return lambda: Output(base / str(next(numbers)))


@given(
    rows=st.lists(st.tuples(MOMENTS, OFFSETS, st.integers(0, 6)), min_size=1, max_size=20),
    block=st.sampled_from([40, 100, 1 << 20]),
)
@settings(max_examples=examples(60))
def test_all_formats_cut_the_same_rows_whatever_their_spellings_and_blocks(folders, rows, block):
    span = (datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))
    table = schema("id:integer", "at:datetime", "note", key=("id",), date="at")
    rules = Rules(table, NAME, span=span, partitions=Partitioning(("date",), "at"))
    data = b"id,at,note\n" + b"".join(f'{number},{spelled(*row)},"{{}}"\n'.encode() for number, row in enumerate(rows))
    expected = Counter(
        moment.strftime("%Y-%m-%d") for moment, *_ in rows if span[0] <= moment.replace(tzinfo=UTC) < span[1]
    )
    for file_format in ("csv", "jsonl", "parquet"):
        with pytest.MonkeyPatch.context() as patched:
            for sink in (JsonLinesFiles, ParquetFiles):
                patched.setattr(sink, "block", block)
            outcome = folders().run(rules, data, file_format, chunk=block)
        assert {file.name: file.rows for file in outcome.files} == {
            f"date={day}/{NAME}.{file_format}": count for day, count in expected.items()
        }


@pytest.mark.parametrize("kind", [*TEXTS, "string"])
@given(data=st.data())
@settings(max_examples=examples(60))
def test_a_value_goes_to_the_same_folder_and_is_the_same_in_all_formats(folders, kind, data):
    texts = data.draw(
        st.lists(st.one_of(TEXTS.get(kind, STRAY), st.sampled_from(["", "null"])), min_size=1, max_size=6)
    )
    texts = ["" if text is None else text for text in texts]
    marketo_type = {"decimal": "currency"}.get(kind, kind)
    table = schema(f"value:{marketo_type}", f"copy:{marketo_type}")
    rules = Rules(table, NAME, partitions=Partitioning(("value",)))
    content = b"value,copy\n" + "".join(f'"{text}","{text}"\n' for text in texts).encode()
    in_folders = {}
    values = {}
    for file_format in ("csv", "jsonl", "parquet"):
        output = folders()
        outcome = output.run(rules, content, file_format)
        in_folders[file_format] = {file.name.rpartition("/")[0]: file.rows for file in outcome.files}
        if file_format != "csv":
            rows = [row["copy"] for file in outcome.files for row in output.rows(file.name)]
            values[file_format] = Counter(map(as_json, rows))
    assert in_folders["csv"] == in_folders["jsonl"] == in_folders["parquet"]
    assert values["jsonl"] == values["parquet"]


def as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z") if value.microsecond else iso(value)
    return value.isoformat() if isinstance(value, date) else value
