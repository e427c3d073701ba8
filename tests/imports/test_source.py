"""Input: what is read, and errors that say where a file cannot be read."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import re
import sqlite3
import tracemalloc
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowException
from airflow.sdk import BaseHook, ObjectStoragePath

from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError, MarketoStorageError
from airflow_provider_marketo.imports import database, text_files
from airflow_provider_marketo.imports import parquet as parquet_module
from airflow_provider_marketo.imports.database import from_query
from airflow_provider_marketo.imports.inputs import open_rows
from airflow_provider_marketo.imports.parquet_pages import page_sizes
from airflow_provider_marketo.imports.rows import BATCH_ROWS, Rows
from airflow_provider_marketo.imports.source import from_files, from_records


def rows_of(rows) -> list[dict]:
    return [dict(zip(rows.columns, row, strict=True)) for batch in rows.batches for row in zip(*batch, strict=True)]


def refusal(tmp_path, content: bytes, name: str = "in.csv") -> MarketoInvalidRequestError:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MarketoInvalidRequestError) as caught:
        rows_of(from_files(str(tmp_path / name)))
    return caught.value


ADA = {"email": "ada@example.org", "firstName": "Ada"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.csv", b"email,firstName\nada@example.org,Ada\n"),
        ("in.csv", b"\xef\xbb\xbfemail,firstName\r\nada@example.org,Ada\r\n"),
        ("in.csv", b"email,firstName\n\nada@example.org,Ada\n\n"),
        ("in.tsv", b"email\tfirstName\nada@example.org\tAda\n"),
        ("in.csv.gz", gzip.compress(b"email,firstName\nada@example.org,Ada\n")),
        ("in.jsonl", b'{"email": "ada@example.org", "firstName": "Ada"}\n\n'),
        ("in.ndjson.gz", gzip.compress(b'{"email": "ada@example.org", "firstName": "Ada"}\n')),
    ],
    ids=["csv", "BOM and CRLF", "blank lines", "tsv", "gzipped csv", "jsonl", "gzipped ndjson"],
)
def test_a_row_is_the_same_in_every_form_of_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert rows_of(from_files(str(tmp_path / name))) == [ADA]


@pytest.mark.parametrize("name", ["in.parquet", "in.parquet.gz"])
def test_parquet_keeps_its_types(tmp_path, name):
    pq.write_table(pa.table({"email": ["a@example.org", None], "score": [1, 2]}), tmp_path / "plain")
    content = (tmp_path / "plain").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert rows_of(from_files(str(tmp_path / name))) == [
        {"email": "a@example.org", "score": 1},
        {"email": None, "score": 2},
    ]


def test_a_group_of_rows_need_not_fit_into_memory(tmp_path):
    texts = pa.array([f"{number:0100}" for number in range(200_000)])
    pq.write_table(pa.table({"comments": texts}), tmp_path / "in.parquet", compression="none", use_dictionary=False)
    tracemalloc.start()
    try:
        rows = from_files(str(tmp_path / "in.parquet"))
        assert sum(len(batch[0]) for batch in rows.batches) == 200_000
        assert tracemalloc.get_traced_memory()[1] < (tmp_path / "in.parquet").stat().st_size / 4
    finally:
        tracemalloc.stop()


def test_quoted_cells_keep_delimiters_quotes_and_line_breaks(tmp_path):
    (tmp_path / "in.csv").write_bytes(b'email,comments\na@example.org,"1, ""2""\n\xe2\x82\xac\r\n3"\n')
    assert rows_of(from_files(str(tmp_path / "in.csv")))[0]["comments"] == '1, "2"\n€\r\n3'


def test_files_of_a_glob_are_one_table_whatever_the_order_of_their_columns(tmp_path):
    (tmp_path / "b.csv").write_text("firstName,email\nBo,bo@example.org\n")
    (tmp_path / "a.csv").write_text("email,firstName\nada@example.org,Ada\n")
    rows = from_files(f"{tmp_path}/*.csv")
    assert rows_of(rows) == [ADA, {"email": "bo@example.org", "firstName": "Bo"}]
    assert [(path.rpartition("/")[2], first) for path, first in rows.files] == [("a.csv", 0), ("b.csv", 1)]


def test_files_with_other_columns_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("email\na@example.org\n")
    (tmp_path / "b.csv").write_text("mail\nb@example.org\n")
    with pytest.raises(MarketoInvalidRequestError, match=r"b\.csv has other columns .* email, mail"):
        rows_of(from_files([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]))


def test_a_glob_may_find_nothing_and_a_path_may_not(tmp_path):
    assert list(from_files(f"{tmp_path}/*.csv").columns) == []
    with pytest.raises(MarketoInvalidRequestError, match="there is no file"):
        from_files(f"{tmp_path}/in.csv")


ODD = ["EU [test]", "Q?x", "a*b", "a#b", "a%2Fb", "[", "[!x]", "**"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("found_by", ["its name", "a pattern"])
def test_a_folder_with_signs_of_patterns_in_its_name_is_that_folder(tmp_path, name, found_by):
    for folder, lead in ((name, "mine"), ("EU t", "neighbour"), ("Qyx", "neighbour"), ("ayb", "neighbour")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "in.csv").write_text(f"email\n{lead}@example.org\n")
    rows = from_files(f"{tmp_path}/{name}/{'in.csv' if found_by == 'its name' else '*.csv'}")
    assert rows_of(rows) == [{"email": "mine@example.org"}]


def test_a_file_with_signs_of_patterns_in_its_name_is_that_file(tmp_path):
    for name in ("report[1].csv", "report1.csv"):
        (tmp_path / name).write_text(f"email\n{name}@example.org\n")
    assert rows_of(from_files(f"{tmp_path}/report[1].csv")) == [{"email": "report[1].csv@example.org"}]
    assert len(rows_of(from_files(f"{tmp_path}/report*.csv"))) == 2


def test_text_that_is_not_utf_8_is_named_by_file_line_and_byte(tmp_path):
    error = refusal(tmp_path, b"email,firstName\na@example.org,Ada\nb@example.org,Zo\xeb\n")
    assert "in.csv is not UTF-8: line 3, byte 50 of the file is 0xeb" in error.message
    assert error.parameter == "source"


def test_a_header_that_is_not_utf_8_is_named_too(tmp_path):
    assert "line 1, byte 2 of the file is 0xff" in refusal(tmp_path, b"em\xffail\n").message


def test_text_far_into_a_file_is_checked_as_well(tmp_path):
    good = b"email\n" + b"a@example.org\n" * 20_000
    assert f"line 20002, byte {len(good)} of the file" in refusal(tmp_path, good + b"\xe9@example.org\n").message


def test_a_ragged_row_is_named_by_its_line(tmp_path):
    error = refusal(tmp_path, b'email,firstName\na@example.org,"A\nda"\nb@example.org,Bo,Li\n')
    assert "in.csv, line 4: the row has 3 cells, and the header has 2" in error.message


def test_an_open_quote_is_named_by_its_line(tmp_path):
    assert "in.csv, line" in refusal(tmp_path, b'email,firstName\na@example.org,"Ada\n').message


@pytest.mark.parametrize(
    ("name", "content"),
    [("in.csv.gz", b"email\n"), ("in.tsv.gz", b"email\n"), ("in.jsonl.gz", b'{"email": "a@example.org"}\n')],
)
def test_a_line_that_would_fill_the_memory_is_not_read_to_its_end(tmp_path, monkeypatch, name, content):
    monkeypatch.setattr(text_files, "LONGEST_CELL", 1 << 20)
    packed = gzip.compress(content + b"a" * (64 << 20), compresslevel=1)
    tracemalloc.start()
    try:
        error = refusal(tmp_path, packed, name)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert f"{name}, line 2: the line is longer than" in error.message
    assert most < 16 << 20


@pytest.mark.parametrize(
    "first", ["ada@example.org,Ada", '"ada@example.org"', "ada@example.org;Ada", "1;ada@example.org"]
)
def test_a_file_without_a_header_is_refused_without_its_first_row(tmp_path, first):
    error = refusal(tmp_path, f"{first}\nbo@example.org,Bo\n".encode())
    assert "in.csv has no header: its first line holds an e-mail address" in error.message
    assert "ada@" not in str(error)


def test_an_empty_file_has_no_header(tmp_path):
    assert "is empty: it has no header" in refusal(tmp_path, b"").message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"email": "a"}\n{"email"\n', "line 2 is not JSON"),
        (b'["a"]\n', "line 1 is not a JSON object"),
        (b'{"email": "\xe9"}\n', "is not UTF-8: line 1"),
    ],
)
def test_jsonl_that_cannot_be_read_is_named_by_its_line(tmp_path, content, message):
    assert message in refusal(tmp_path, content, "in.jsonl").message


def test_jsonl_may_lack_a_member_and_may_not_bring_up_a_new_one_late(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "BATCH_ROWS", 2)
    lines = [{"email": "a"}, {"email": "b", "score": 1}, {"email": "c"}]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert [row["score"] for row in rows_of(from_files(str(tmp_path / "in.jsonl")))] == [None, 1, None]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, [*lines, {"vin": 1}])))
    with pytest.raises(
        MarketoInvalidRequestError, match=r"line 4: the first \d+ rows define the columns, and none of them has vin"
    ):
        rows_of(from_files(str(tmp_path / "in.jsonl")))


def test_a_name_that_says_nothing_needs_a_format(tmp_path):
    (tmp_path / "in.txt").write_text("email\na@example.org\n")
    with pytest.raises(
        MarketoInvalidRequestError, match="does not say whether it is csv, tsv, jsonl or parquet"
    ) as caught:
        from_files(str(tmp_path / "in.txt"))
    assert "source_format" in str(caught.value)
    assert rows_of(from_files(str(tmp_path / "in.txt"), "csv")) == [{"email": "a@example.org"}]


UTC = timezone.utc
NS = 1_704_164_645_123_456_789  # 2024-01-02T03:04:05.123456789Z
MICROSECONDS = datetime(2024, 1, 2, 3, 4, 5, 123_456)  # noqa: DTZ001 - the column has no time zone


def parquet(tmp_path, column, *, int96: bool = False) -> Rows:
    table = pa.table({"email": [f"a{n}@example.org" for n in range(len(column))], "value": column})
    pq.write_table(table, tmp_path / "in.parquet", use_deprecated_int96_timestamps=int96)
    return from_files(str(tmp_path / "in.parquet"))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([NS], pa.timestamp("ns")), MICROSECONDS),
        (pa.array([NS], pa.timestamp("ns", "UTC")), MICROSECONDS.replace(tzinfo=UTC)),
        (pa.array([1], pa.timestamp("ns", "+05:30")), datetime(1970, 1, 1, tzinfo=UTC)),
        (pa.array([NS], pa.timestamp("ns")).dictionary_encode(), MICROSECONDS),
        (pa.array([[NS, None]], pa.list_(pa.timestamp("ns"))), [MICROSECONDS, None]),
        (pa.array([{"at": NS}], pa.struct([("at", pa.timestamp("ns"))])), {"at": MICROSECONDS}),
        (pa.array([[("at", NS)]], pa.map_(pa.string(), pa.timestamp("ns"))), [("at", MICROSECONDS)]),
        (pa.array([3_723_000_000_001], pa.time64("ns")), time(1, 2, 3)),
        (pa.array([1_001], pa.duration("ns")), timedelta(microseconds=1)),
        (pa.array([Decimal("1.50")], pa.decimal256(50, 2)), Decimal("1.50")),
        (pa.array([1.5], pa.float32()), 1.5),
        (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
        (pa.array([b"\xff"]), b"\xff"),
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.array([None], pa.null()), None),
    ],
    ids=lambda column: str(getattr(column, "type", "")),
)
def test_parquet_is_read_with_microseconds_whatever_its_types(tmp_path, column, expected):
    [row] = rows_of(parquet(tmp_path, column))
    assert row["value"] == expected


@pytest.mark.parametrize("year", [1, 1677, 2024, 2263, 9999])
def test_dates_of_older_writers_are_read_in_every_year(tmp_path, year):
    moment = datetime(year, 1, 2, 3, 4, 5, 600_000)  # noqa: DTZ001 - INT96 has no time zone
    within_ns = datetime(1678, 1, 1) < moment < datetime(2262, 1, 1)  # noqa: DTZ001
    column = pa.array([moment], pa.timestamp("us"))
    [row] = rows_of(parquet(tmp_path, column, int96=within_ns))
    assert row["value"] == moment


YEAR_10000 = 253_402_300_800


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, YEAR_10000], pa.timestamp("s")),
        pa.array([0, YEAR_10000 * 1000], pa.timestamp("ms", "UTC")),
        pa.array([0, -YEAR_10000], pa.timestamp("s")),
        pa.array([0, YEAR_10000 // 86_400], pa.date32()),
        pa.array([[0], [YEAR_10000]], pa.list_(pa.timestamp("s"))),
        pa.array([0, 2**62], pa.timestamp("ms")),  # cut to 64 bits of microseconds, this would be 1970 again
        pa.array([0, 2**62], pa.duration("s")),
        pa.array([{"at": 0}, {"at": 2**62}], pa.struct([("at", pa.timestamp("ms", "UTC"))])),
        pa.array([0, 2**62], pa.timestamp("ms")).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_a_date_that_python_cannot_hold_is_named_by_file_column_and_row(tmp_path, column):
    with pytest.raises(
        MarketoInvalidRequestError, match=r"in\.parquet, column value, row 2: Python has no value for this"
    ):
        rows_of(parquet(tmp_path, column))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "GMT+5", "+24:00"])
def test_an_unknown_time_zone_is_named_by_file_column_and_row(tmp_path, zone):
    with pytest.raises(
        MarketoInvalidRequestError, match=r"in\.parquet, column value, row 1: Python has no value for this"
    ):
        rows_of(parquet(tmp_path, pa.array([0, 1], pa.timestamp("us", zone))))


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_column_that_is_there_twice_is_refused_where_it_is_used(tmp_path, name):
    """The file does not say which column is meant: an erasure must not look for the values of only one of them."""
    path = tmp_path / name
    if name == "in.csv":
        path.write_text("email,email,company\na@example.org,b@example.org,ACME\n", "utf-8")
    else:
        pq.write_table(pa.table([["a@example.org"], ["b@example.org"], ["ACME"]], ["email", "email", "company"]), path)
    with pytest.raises(MarketoInvalidRequestError, match="has more than one column email"):
        from_files(str(path))
    rows = from_files(str(path), wanted=frozenset({"company"}))
    [batch] = rows.batches
    assert list(batch[rows.columns.index("company")]) == ["ACME"]


def test_a_column_that_a_query_returns_twice_is_refused_where_it_is_used():
    hook = SimpleNamespace(get_conn=lambda: sqlite3.connect(":memory:"))
    query = "SELECT 'a@example.org' AS email, 'b@example.org' AS email, 'ACME' AS company"
    with pytest.raises(MarketoInvalidRequestError, match="the query has more than one column email") as refused:
        from_query(hook, query)
    assert refused.value.parameter == "sql"
    assert from_query(hook, query, wanted=frozenset({"company"})).columns == ["email", "email", "company"]


def test_a_column_that_is_not_asked_for_is_not_read(tmp_path):
    rows = parquet(tmp_path, pa.array([0, YEAR_10000], pa.timestamp("s")))
    [batch] = rows.batches  # all batches are read, as when the rows are counted
    assert batch.rows == 2
    assert batch[rows.columns.index("email")] == ["a0@example.org", "a1@example.org"]


def test_columns_of_parquet_stay_in_step_over_groups_and_batches(tmp_path):
    rows, late = 25_000, []
    table = pa.table({"id": range(rows), "text": [f"t{n}" for n in range(rows)]})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=777)
    opened = from_files(str(tmp_path / "in.parquet"))
    for number, batch in enumerate(opened.batches):
        assert len(batch[0]) == batch.rows
        if number > 2:  # a caller may ask for a column late
            late += batch[1]
            assert late[-1] == f"t{batch[0][-1]}"
    assert late == [f"t{n}" for n in range(3 * BATCH_ROWS, rows)]


def test_a_damaged_column_is_named(tmp_path):
    table = pa.table({"email": ["a"] * 5000, "value": [str(n) for n in range(5000)]})
    pq.write_table(table, tmp_path / "in.parquet", compression="gzip", use_dictionary=False)
    place = pq.ParquetFile(tmp_path / "in.parquet").metadata.row_group(0).column(1).data_page_offset
    content = bytearray((tmp_path / "in.parquet").read_bytes())
    content[place + 40 : place + 400] = bytes(360)
    (tmp_path / "in.parquet").write_bytes(content)
    with pytest.raises(MarketoInvalidRequestError, match=r"in\.parquet, column value cannot be read from row 1 on"):
        rows_of(from_files(str(tmp_path / "in.parquet")))


def test_what_is_called_parquet_and_is_not(tmp_path):
    assert "is not Parquet" in refusal(tmp_path, b"email\n", "in.parquet").message


@pytest.mark.parametrize(
    "content",
    [b"email\na@example.org\n", gzip.compress(b"email\n" + b"a@example.org\n" * 10_000)[:-9]],
    ids=["plain", "cut off"],
)
def test_what_is_called_gzipped_and_cannot_be_unpacked(tmp_path, content):
    assert "in.csv.gz cannot be unpacked" in refusal(tmp_path, content, "in.csv.gz").message


def test_records_may_have_different_fields():
    rows = from_records([{"email": "a"}, {"email": "b", "score": 1}])
    assert rows_of(rows) == [{"email": "a", "score": None}, {"email": "b", "score": 1}]
    with pytest.raises(MarketoInvalidRequestError, match="record 2 is of type str"):
        from_records([{"email": "a"}, "b"])  # type: ignore[list-item]


def test_a_query_streams_and_closes_its_connection(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BATCH_ROWS", 10)
    place = tmp_path / "db"
    with sqlite3.connect(place) as connection:
        connection.execute("CREATE TABLE t (email TEXT, score INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(f"a{n}", n) for n in range(25)])
    opened = sqlite3.connect(place)
    rows = from_query(SimpleNamespace(get_conn=lambda: opened), "SELECT * FROM t WHERE score >= ? ORDER BY score", (5,))
    assert rows.columns == ["email", "score"]
    sizes = [len(batch[0]) for batch in rows.batches]
    assert sizes == [10, 10]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.execute("SELECT 1")


def test_a_statement_without_rows_is_refused():
    hook = SimpleNamespace(get_conn=lambda: sqlite3.connect(":memory:"))
    with pytest.raises(MarketoInvalidRequestError, match="is not a query") as caught:
        from_query(hook, "CREATE TABLE t (x)")
    assert caught.value.parameter == "sql"


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_a_header_with_another_delimiter_says_which_argument_to_set(tmp_path, sign):
    path = tmp_path / "in.csv"
    path.write_text(f"email{sign}firstName\nada@example.com{sign}Ada\n")
    with pytest.raises(MarketoInvalidRequestError, match=r"has one column 'email.*firstName'") as caught:
        from_files(str(path))
    assert (caught.value.parameter, caught.value.remedy.split(".")[0]) == ("delimiter", f"Set delimiter={sign!r}")
    rows = rows_of(from_files(str(path), delimiter=sign))
    assert rows == [{"email": "ada@example.com", "firstName": "Ada"}]


def test_a_name_with_another_delimiter_is_read_if_the_author_says_so(tmp_path):
    (tmp_path / "in.csv").write_text("a;b\n1\n")
    assert rows_of(from_files(str(tmp_path / "in.csv"), delimiter=",")) == [{"a;b": "1"}]


def test_columns_that_nothing_uses_may_come_and_go(tmp_path):
    lines = [{"email": f"{n}@example.com", "old": 1} for n in range(BATCH_ROWS)] + [{"email": "x", "new": 1}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "b.csv").write_text("other,email\n1,y\n")
    options = {"wanted": {"email"}}
    read = rows_of(from_files([str(tmp_path / "a.jsonl"), str(tmp_path / "b.csv")], **options))
    assert [row["email"] for row in read[-2:]] == ["x", "y"]
    with pytest.raises(MarketoInvalidRequestError, match="none of them has new"):
        rows_of(from_files(str(tmp_path / "a.jsonl"), wanted={"email", "new"}))


@pytest.mark.parametrize(
    ("kind", "package"),
    [("exasol", "exasol"), ("spark_sql", "apache-spark"), ("redshift", "amazon"), ("hive_cli", "apache-hive")],
)
def test_a_database_without_its_provider_names_the_package(monkeypatch, kind, package):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": kind}))

    def unknown(conn_id, **_):
        raise AirflowException(f'Unknown hook type "{kind}"')

    monkeypatch.setattr(BaseHook, "get_hook", unknown)
    with pytest.raises(MarketoInvalidRequestError, match=f"connection warehouse is of type {kind}") as caught:
        open_rows({"sql": "SELECT 1", "sql_conn_id": "warehouse"})
    assert f"pip install apache-airflow-providers-{package}. Then restart Airflow." in caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("snowflakes", "Did you mean snowflake?"),
        ("redshfit", "Did you mean redshift?"),  # whose provider has another name
        ("moonbase", "Correct the"),
    ],
)
def test_no_package_is_named_for_a_type_that_no_provider_has(monkeypatch, kind, meant):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": kind}))

    def unknown(conn_id, **_):
        raise AirflowException(f'Unknown hook type "{kind}"')

    monkeypatch.setattr(BaseHook, "get_hook", unknown)
    with pytest.raises(MarketoInvalidRequestError) as caught:
        open_rows({"sql": "SELECT 1", "sql_conn_id": "warehouse"})
    assert caught.value.remedy.startswith(meant)
    assert "pip install" not in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(b"email\na@example.org\n"), r"is gzipped.*\.gz"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xff\xd8", "is an Excel workbook or a zip file.*csv"),
        (b"PAR1\x15\x04\x15\xff\x8a", "is Parquet.*source_format='parquet'"),
        ("email\na@example.org\n".encode("utf-16"), "is UTF-16"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_another_kind_of_file_under_the_name_of_a_text_is_named(tmp_path, content, what, suffix):
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(content)
    with pytest.raises(MarketoInvalidRequestError) as caught:
        list(from_files(str(path)).batches)
    assert re.search(what, str(caught.value))


@pytest.mark.parametrize("sign", ["^", "~", "\x1f"])
def test_a_rare_delimiter_is_named_too(tmp_path, sign):
    path = tmp_path / "in.csv"
    path.write_text(f"email{sign}firstName\na@example.org{sign}Ada\n")
    with pytest.raises(MarketoInvalidRequestError, match=re.escape(f"Set delimiter={sign!r}")):
        from_files(str(path))


def test_columns_without_names_are_said_to_have_none(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("email,,\na@example.org,1,2\n")
    with pytest.raises(MarketoInvalidRequestError, match="more than one column without a name"):
        from_files(str(path))


@pytest.mark.parametrize("stored", ["a dictionary", "text", "lists"])
def test_a_small_parquet_file_that_unpacks_to_gigabytes_is_refused(tmp_path, stored):
    rows, text = 4_000, "x" * (1 << 20)
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    if stored == "lists":
        column = pa.ListArray.from_arrays(pa.array(range(rows + 1), pa.int32()), column)
    table = pa.table({"id": range(rows), "big": column})
    path = tmp_path / "bomb.parquet"
    pq.write_table(table, path, compression="zstd", store_schema=stored != "text")
    assert path.stat().st_size < 1 << 20
    opened = from_files(str(path))
    before = pa.total_allocated_bytes()
    batch = next(opened.batches)
    assert list(batch[0][:2]) == [0, 1]
    with pytest.raises(MarketoInvalidRequestError, match=r"bomb.parquet, column big, rows 1 to \d+: .* 256 MB"):
        batch[1]
    assert pa.total_allocated_bytes() - before < 1 << 30


@pytest.mark.parametrize("name", ["big", "big.one"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_page_of_parquet_that_would_take_much_memory_is_not_unpacked(tmp_path, monkeypatch, version, name):
    path = tmp_path / "page.parquet"
    table = pa.table({"id": [1, 2], name: ["y", "x" * (3 << 20)]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, data_page_version=version)
    monkeypatch.setattr(parquet_module, "LARGEST", 2 << 20)
    batch = next(from_files(str(path)).batches)
    assert list(batch[0]) == [1, 2]
    with pytest.raises(MarketoInvalidRequestError, match=rf"page.parquet, column {name}: a page of it unpacks to 3 MB"):
        batch[1]


@pytest.mark.parametrize(
    "options", [{}, {"data_page_version": "2.0", "write_page_index": True}, {"use_dictionary": []}]
)
@pytest.mark.parametrize("compression", ["zstd", "gzip", "brotli", "lz4"])
def test_the_headers_of_all_pages_are_read(tmp_path, compression, options):
    path = tmp_path / "in.parquet"
    rows = range(20_000)
    table = pa.table(
        {
            "text": [None if row % 3 else "x" * (row % 500) for row in rows],
            "nested": [{"ids": [row] * (row % 3), "flag": row % 2 == 0} for row in rows],
        }
    )
    pq.write_table(table, path, compression=compression, row_group_size=7_000, data_page_size=10_000, **options)
    groups = pq.read_metadata(path)
    with path.open("rb") as file:
        for group in map(groups.row_group, range(groups.num_row_groups)):
            for chunk in map(group.column, range(group.num_columns)):
                sizes = list(page_sizes(file, chunk))
                headers = chunk.total_uncompressed_size - sum(sizes)
                assert 10 * len(sizes) < headers < 1_100 * len(sizes)  # each may hold two values of 499 bytes


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x15\x00\x15\x02\x15\x02\x25\x00\x00",
        b"\x15\x00\x1c\x00\x15\x02\x00",
        b"\x15\x00\x15\x01\x15\x02\x00",
        b"\xff" * 30,
    ],
    ids=["missing", "a number for facts", "facts for a size", "negative", "rubbish"],
)
def test_a_header_of_a_page_that_cannot_be_read_is_said(header):
    chunk = SimpleNamespace(data_page_offset=4, dictionary_page_offset=None, total_compressed_size=100, num_values=3)
    with pytest.raises(ValueError, match=r"header of a page"):
        list(page_sizes(io.BytesIO(b"PAR1" + header), chunk))


def test_a_parquet_column_of_long_texts_is_read_in_small_pieces(tmp_path):
    texts = ["a" * 100_000, "b" * 100_000, None] * 1_000
    path = tmp_path / "long.parquet"
    pq.write_table(pa.table({"text": texts}), path)
    assert [value for batch in from_files(str(path)).batches for value in batch[0]] == texts


@pytest.mark.parametrize("packed", [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"])
def test_a_batch_of_long_lines_ends_early(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(text_files, "BATCH_BYTES", 10_000)
    text = "x" * 1_000
    rows = [f'{{"a": "{text}"}}\n' if "jsonl" in packed else f"{text}\n" for _ in range(100)]
    data = "".join(rows if "jsonl" in packed else ["a\n", *rows]).encode()
    path = tmp_path / f"long{packed}"
    path.write_bytes(gzip.compress(data) if packed.endswith("gz") else data)
    sizes = [batch.rows for batch in from_files(str(path)).batches]
    assert sum(sizes) == 100
    assert max(sizes) <= 11


@pytest.mark.parametrize("at", [0, 1, BATCH_ROWS])
def test_many_blank_lines_do_not_end_a_jsonl_file(tmp_path, at):
    lines = ['{"a": 1}'] * (2 * BATCH_ROWS)
    lines[at:at] = [""] * (2 * BATCH_ROWS)
    (tmp_path / "blank.jsonl").write_text("\n".join(lines))
    assert sum(batch.rows for batch in from_files(str(tmp_path / "blank.jsonl")).batches) == 2 * BATCH_ROWS


class Failing(io.BytesIO):
    """A file whose storage fails after its first bytes."""

    number = errno.EIO

    def _fails(self, size):
        if self.tell() >= 2_000_000 or (size is not None and size > 1_000_000):
            raise OSError(self.number, os.strerror(self.number))

    def read(self, size=-1):
        self._fails(size)
        return super().read(size)

    def readline(self, size=-1):
        self._fails(None)
        return super().readline(size)

    def read1(self, size=-1):
        self._fails(None)
        return super().read1(size)

    def readinto(self, target):
        self._fails(None)
        return super().readinto(target)


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet", "in.csv.gz"])
@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EIO, MarketoStorageError), (errno.EACCES, MarketoInvalidRequestError)]
)
@pytest.mark.parametrize("begun", [False, True])
def test_storage_that_fails_is_not_taken_for_a_bad_file(tmp_path, monkeypatch, name, number, kind, begun):
    """A missing or forbidden file is final. After any other failure, the task's next try reads again."""
    path = tmp_path / name
    if "parquet" in name:
        table = pa.table({"email": [os.urandom(500).hex() for _ in range(6_000)]})
        pq.write_table(table, path, use_dictionary=False, compression="none")
    else:
        line = {"in.jsonl": '{"email": "%s"}\n'}.get(name, "%s\n")
        text = ("" if name == "in.jsonl" else "email\n") + "".join(line % os.urandom(500).hex() for _ in range(6_000))
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    content = path.read_bytes()

    def opened(*_, **__):
        if not begun:
            raise OSError(number, os.strerror(number))
        file = Failing(content)
        file.number = number
        return file

    monkeypatch.setattr(ObjectStoragePath, "open", opened)
    with pytest.raises(MarketoError, match=r"cannot read .*in\.") as failed:
        rows_of(from_files(str(path)))
    assert type(failed.value) is kind
