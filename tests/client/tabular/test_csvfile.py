"""csv output: Marketo's bytes, row by row."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.client.tabular.arrow import Parser
from airflow_provider_marketo.client.tabular.changed_values import HiddenChanges
from airflow_provider_marketo.client.tabular.files import OPEN_FILES
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.client.tabular.partitions import Partitioning
from airflow_provider_marketo.client.tabular.records import Block
from airflow_provider_marketo.client.tabular.schema import ActivityType
from airflow_provider_marketo.client.tabular.transform import Rules
from airflow_provider_marketo.output.formats import FORMATS
from tests.client.tabular.transforming import ACTIVITIES, ACTIVITY_SCHEMA, NAME, day, schema

LEADS = schema("id:integer", "email", "notes", key=("id",))
ODD = (
    b'1,a@x.y,"line\nbreak, and ""quotes"""\r\n'
    b'2,null,"null"\n'
    b'3,"b@x.y",He said 5" or "6"\n'
    b"4,nul\x00byte,car\rriage\n" + "5,\u2028,\U0001f600\n".encode() + b'6,,"' + b"x" * 300_000 + b'"\n'
    b'7,last,"no line end"'
)


def activity(guid: str, date: str, kind: int = 1, attributes: str = '"{""a"":""1""}"') -> bytes:
    return f"{guid},7,{date},{kind},{attributes}\n".encode()


@pytest.mark.parametrize("head", [b"id,email,notes\n", b"\xef\xbb\xbfid,email,notes\r\n"])
@pytest.mark.parametrize("chunk", [11, 1 << 20])
def test_bytes_come_out_as_they_went_in(output, head, chunk):
    outcome = output.run(Rules(LEADS, NAME), head + ODD, "csv", chunk=chunk)
    assert output.bytes() == head + ODD
    assert (outcome.rows_read, outcome.rows) == (7, 7)


@pytest.mark.parametrize("data", [b"", b"id,email,notes", b"id,email,notes\n", b"\xef\xbb\xbfid,email,notes\r\n"])
@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_an_empty_file_and_a_bare_header_count_as_no_rows_and_no_file(output, data, file_format):
    outcome = output.run(Rules(LEADS, NAME), data, file_format)
    assert (outcome.rows_read, list(outcome.files)) == (0, [])


def test_activities_are_cut_to_their_window_by_whole_rows(output):
    inside = activity("b", "2026-01-01T00:00:00Z") + activity("c", "2026-01-02T23:59:59Z")
    outside = activity("a", "2025-12-31T23:59:59Z") + activity("d", "2026-01-03T00:00:00Z")
    rules = Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3)))
    outcome = output.run(rules, ACTIVITIES + outside + inside, "csv")
    assert output.bytes() == ACTIVITIES + inside
    assert (outcome.rows_read, outcome.rows_cut, outcome.rows) == (4, 2, 2)


@pytest.mark.parametrize(
    ("date", "is_inside"),
    [
        ("2026-01-01T00:00:00+0000", True),
        ("2026-01-01T01:00:00+01:00", True),
        ("2026-01-02T23:59:59.999Z", True),
        ("2026-01-01T00:59:59+01:00", False),
        ("2026-01-02T16:00:00-08:00", False),
        ("2026-01-02T20:00:00Z+0000", True),
        ("20260102T20:49:54.0t+0000", True),
        ('"2026-01-01T12:00:00Z"', True),
        ("null", True),
        ("soon", True),
    ],
)
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_dates_are_understood_in_all_of_marketos_spellings_and_undated_rows_stay(output, date, is_inside, file_format):
    data = ACTIVITIES + activity("a", "2026-01-01T10:00:00Z") + activity("b", date)
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3))), data, file_format)
    assert (outcome.rows, outcome.rows_cut) == (1 + is_inside, 1 - is_inside)


@pytest.mark.parametrize("attributes", ['"{""a"":""1""}"', '"1, 2"', "null"], ids=["JSON", "quoted", "unquoted"])
@pytest.mark.parametrize("outside", ["2025-12-31T23:59:59Z", "2026-01-03T00:00:00Z"], ids=["too early", "too late"])
def test_one_row_outside_of_the_window_is_cut_and_those_at_its_edges_are_not(output, outside, attributes):
    dates = ["2026-01-01T00:00:00Z", outside, "2026-01-02T23:59:59Z"]
    rows = [activity("a", date, attributes=attributes) for date in dates]
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3))), ACTIVITIES + b"".join(rows), "csv")
    assert output.bytes() == ACTIVITIES + rows[0] + rows[2]
    assert (outcome.rows, outcome.rows_cut) == (2, 1)


def test_the_dates_of_one_block_say_nothing_about_the_next(output, monkeypatch):
    inside = activity("a", "2026-01-01T10:00:00Z") * 2
    outside = activity("b", "2026-01-09T10:00:00Z", attributes="null") * 2
    monkeypatch.setattr("airflow_provider_marketo.client.tabular.csvfile.BLOCK", len(inside))
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3))), ACTIVITIES + inside + outside, "csv")
    assert output.bytes() == ACTIVITIES + inside
    assert outcome.rows_cut == 2


@pytest.fixture
def unparsed(monkeypatch):
    """Parsing fails: usual files are copied, which is several times as fast."""

    def parsed(*_):
        raise AssertionError("records were parsed")

    monkeypatch.setattr(Parser, "parse_fast", parsed)
    monkeypatch.setattr(Block, "records", parsed)


@pytest.mark.usefixtures("unparsed")
@pytest.mark.parametrize("attributes", ['"{""a"":""1""}"', "null"], ids=["JSON", "unquoted"])
def test_a_file_whose_rows_all_lie_in_their_window_is_not_parsed(output, attributes):
    rows = activity("a", "2026-01-01T00:00:00Z", attributes=attributes) * 3
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3))), ACTIVITIES + rows, "csv")
    assert output.bytes() == ACTIVITIES + rows
    assert (outcome.rows, outcome.rows_cut) == (3, 0)


@pytest.mark.usefixtures("unparsed")
def test_a_file_without_a_window_is_not_parsed(output):
    assert output.run(Rules(LEADS, NAME), b'id,email,notes\n1,"a, b",c\n', "csv").rows == 1


@pytest.mark.usefixtures("unparsed")
@pytest.mark.parametrize("notes", [b"x", b'"x, y"'], ids=["unquoted", "quoted"])
@pytest.mark.parametrize("all_inside", [True, False])
def test_rows_that_begin_with_the_date_that_cuts_them_are_not_parsed(output, notes, all_inside):
    rules = Rules(schema("id:integer", "notes", key=("id",), date="updatedAt"), NAME, span=(day(1), day(3)))
    dates = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z" if all_inside else "2026-01-03T00:00:00Z"] * 2
    rows = b"".join(b"%s,%d,%s\n" % (date.encode(), number, notes) for number, date in enumerate(dates))
    outcome = output.run(rules, b"updatedAt,id,notes\n" + rows, "csv")
    kept = range(4) if all_inside else (0, 2)
    assert output.bytes() == b"id,notes\n" + b"".join(b"%d,%s\n" % (number, notes) for number in kept)
    assert (outcome.rows, outcome.rows_cut) == (len(kept), 4 - len(kept))


def test_rows_that_are_read_field_by_field_are_cut_at_the_same_edges_and_stay_without_a_date(output):
    odd = b"b,a\rb\n"  # a CR that ends no line makes the reader go field by field
    dates = ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-02T23:59:59Z", "2026-01-03T00:00:00Z"]
    rows = [activity("a", date) for date in dates]
    rules = Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3)))
    outcome = output.run(rules, ACTIVITIES + b"".join(rows) + odd, "csv")
    assert output.bytes() == ACTIVITIES + rows[1] + rows[2] + odd
    assert outcome.rows_cut == 2


def test_the_values_of_hidden_fields_are_hidden_in_the_rows_of_their_changes(output):
    labels = {"email": ("Email Address",), "phone": ("Phone Number",)}
    rules = Rules(
        schema("marketoGUID", "activityTypeId:integer", "primaryAttributeValue", "attributes"),
        NAME,
        hidden=HiddenChanges.of(labels, hashed=["email"], dropped=["phone"]),
        hash_key=Secret("a key"),
    )
    digest = hmac.new(b"a key", b"ada@example.com", hashlib.sha256).hexdigest()
    change = b'%s,%d,%s,"{""New Value"":%s,""Old Value"":%s,""Reason"":""Form""}"\n'
    head = b"marketoGUID,activityTypeId,primaryAttributeValue,attributes\n"
    kept = change % (b"c", 1, b"Email Address", b'""ada@example.com""', b"null") + b"d,13,Email Address\n"
    email = change % (b"a", 13, b"Email Address", b'""ada@example.com""', b"null")
    phone = change % (b"b", 13, b"Phone Number", b'""1""', b'""2""')
    output.run(rules, head + email + phone + kept, "csv")
    assert output.bytes() == b"".join(
        [
            head,
            change % (b"a", 13, b"Email Address", b'""%s""' % digest.encode(), b"null"),
            change % (b"b", 13, b"Phone Number", b"null", b"null"),
            kept,
        ]
    )


def test_a_row_that_ends_before_its_hashed_column_its_folder_or_its_key_is_written_as_it_is(output):
    rules = Rules(LEADS, NAME, hashed=frozenset({"notes"}), hash_key=Secret("a key"))
    digest = hmac.new(b"a key", b"c", hashlib.sha256).hexdigest()
    output.run(rules, b"id,email,notes\n1,a\n2,b,c\n", "csv")
    assert output.bytes() == f"id,email,notes\n1,a\n2,b,{digest}\n".encode()
    spread = Partitioning(("notes",))
    output.run(replace(rules, partitions=spread), b"id,email,notes\n1,a\n2,b,c\n3,d,null\n", "csv")
    assert output.bytes(f"notes=__HIVE_DEFAULT_PARTITION__/{NAME}.csv") == b"id,email,notes\n1,a\n3,d,null\n"
    assert output.bytes(f"notes={digest}/{NAME}.csv") == f"id,email,notes\n2,b,{digest}\n".encode()
    keyed = Rules(schema("id:integer", "email", "notes", key=("notes",)), "keyed")
    outcome = output.run(keyed, b"id,email,notes\n1,a\n2,b,null\n3,b,c\n", "csv", seen=SeenKeys())
    assert (outcome.rows, outcome.rows_duplicate) == (3, 0)


def test_a_line_break_before_what_looks_like_a_row_is_still_in_its_field(output):
    row = b'a,7,2026-01-01T10:00:00Z,1,"x\nb,7,2026-01-09T10:00:00Z,1,y"\n'
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3))), ACTIVITIES + row, "csv")
    assert output.bytes() == ACTIVITIES + row
    assert (outcome.rows, outcome.rows_cut) == (1, 0)


def test_columns_are_found_by_name_wherever_they_stand(output):
    head = b"activityDate,attributes,marketoGUID\n"
    rules = Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3)))
    outcome = output.run(rules, head + b'2026-01-01T00:00:00Z,"{}",a\n2026-01-09T00:00:00Z,"{}",b\n', "csv")
    assert output.bytes() == head + b'2026-01-01T00:00:00Z,"{}",a\n'
    assert outcome.missing_columns == ["leadId", "activityTypeId"]


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_file_without_the_column_that_rows_are_cut_by_is_refused(output, file_format):
    with pytest.raises(MarketoDataError, match="no column activityDate"):
        output.run(Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3))), b"marketoGUID\na\n", file_format)


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("seen", [None, SeenKeys()])
def test_a_file_without_its_key_column_is_refused(output, file_format, seen):
    with pytest.raises(MarketoDataError, match="the file has no column id, which tells rows apart"):
        output.run(Rules(LEADS, NAME), b"email,notes\na,x\n", file_format, seen=seen)
    assert not list(output.folder.rglob("*.*"))


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_row_that_an_earlier_file_had_is_left_out(output, file_format):
    seen = SeenKeys()
    first = output.run(Rules(LEADS, "one"), b"id,email,notes\n1,a,x\n2,b,x\n", file_format, seen=seen.branch())
    seen.merge(first.keys)
    second = output.run(Rules(LEADS, "two"), b"id,email,notes\n2,b,y\n3,c,y\n3,c,z\n", file_format, seen=seen.branch())
    assert (first.rows, first.rows_duplicate) == (2, 0)
    assert (second.rows, second.rows_duplicate) == (1, 2)
    if file_format == "csv":
        assert output.bytes("two.csv") == b"id,email,notes\n3,c,y\n"


def test_hashed_fields_never_reach_the_file_and_null_stays_null(output):
    digest = hmac.new(b"a key", b'a "b"', hashlib.sha256).hexdigest()
    rules = Rules(LEADS, NAME, hashed=frozenset({"email", "notes"}), hash_key=Secret("a key"))
    both = b'3,"a ""b""","a ""b"""\n'
    output.run(rules, b'id,email,notes\n1,"a ""b""",null\n2,null,"a ""b"""\r\n' + both, "csv")
    written = f"id,email,notes\n1,{digest},null\n2,null,{digest}\r\n3,{digest},{digest}\n"
    assert output.bytes() == written.encode()


def test_rows_are_spread_over_hive_folders_each_file_with_the_header(output):
    types = {1: ActivityType(1, "Visit Webpage", {})}
    rules = Rules(
        ACTIVITY_SCHEMA,
        NAME,
        partitions=Partitioning.of(
            ["activity_type", "date", "leadId"], ACTIVITY_SCHEMA, date="activityDate", types=types
        ),
    )
    visit, other = activity("a", "2026-01-01T10:00:00+01:00"), activity("b", "null", kind=99)
    outcome = output.run(rules, ACTIVITIES + visit + other, "csv")
    assert {file.name: output.bytes(file.name) for file in outcome.files} == {
        f"activity_type=visit_webpage/date=2026-01-01/leadId=7/{NAME}.csv": ACTIVITIES + visit,
        f"activity_type=activity_type_99/date=__HIVE_DEFAULT_PARTITION__/leadId=7/{NAME}.csv": ACTIVITIES + other,
    }


def test_a_thousand_folders_need_few_open_files(output):
    rows = b"".join(b"%d,a,%d\n" % (number, number % 1000) for number in range(3000))
    rules = Rules(LEADS, NAME, partitions=Partitioning(("notes",)))
    outcome = output.run(rules, b"id,email,notes\n" + rows, "csv", chunk=500)
    assert len(outcome.files) == 1000
    assert 0 < output.most_open <= OPEN_FILES + 1
    assert output.open_files == 0
    assert output.bytes("notes=7/rows.csv") == b"id,email,notes\n7,a,7\n1007,a,7\n2007,a,7\n"


def test_a_file_that_is_dropped_half_way_is_closed(output):
    transform = FORMATS["csv"].transform(Rules(LEADS, NAME), None, output.open)
    transform.feed(b"id,email,notes\n" + b"1,a@example.com,\n" * 200_000)
    assert output.open_files == 1
    transform.abort()
    assert output.open_files == 0
