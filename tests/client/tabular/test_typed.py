"""jsonl and parquet: the types are Marketo's, regardless of the rows."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.client.tabular.partitions import Partitioning
from airflow_provider_marketo.client.tabular.schema import ActivityType
from airflow_provider_marketo.client.tabular.tables import OPEN_PARQUET_FILES, ParquetFiles
from airflow_provider_marketo.client.tabular.transform import Rules
from tests.client.tabular.transforming import ACTIVITIES, ACTIVITY_SCHEMA, NAME, day, schema

EVERY_TYPE = schema(
    "id:integer",
    "score:score",
    "percent:percent",
    "ratio:float",
    "revenue:currency",
    "optIn:boolean",
    "born:date",
    "createdAt:datetime",
    "email:email",
    "novelty:a type of tomorrow",
    key=("id",),
)
HEAD = b"id,score,percent,ratio,revenue,optIn,born,createdAt,email,novelty\n"
FULL = b"1,-5,70.0,2.5,1604.47,1,1980-02-29,2026-01-01T01:00:00+0100,a@x.y,x\n"
NULLS = b"2,null,null,null,null,null,null,null,null,null\n"
EMPTY = b'3,,"",,,,,,"",null\n'
FORMATS = pytest.mark.parametrize("extension", ["jsonl", "parquet"])


def test_parquet_has_marketos_types(output):
    output.run(Rules(EVERY_TYPE, NAME), HEAD + FULL + NULLS, "parquet")
    assert output.types("rows.parquet") == {
        "id": "int64",
        "score": "int64",
        "percent": "int64",
        "ratio": "double",
        "revenue": "decimal128(20, 4)",
        "optIn": "bool",
        "born": "date32[day]",
        "createdAt": "timestamp[us, tz=UTC]",
        "email": "string",
        "novelty": "string",
    }
    full, nulls = output.rows("rows.parquet")
    assert full == {
        "id": 1,
        "score": -5,
        "percent": 70,
        "ratio": 2.5,
        "revenue": Decimal("1604.4700"),
        "optIn": True,
        "born": date(1980, 2, 29),
        "createdAt": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "email": "a@x.y",
        "novelty": "x",
    }
    assert nulls == {**dict.fromkeys(full), "id": 2}


def test_jsonl_has_marketos_types(output):
    output.run(Rules(EVERY_TYPE, NAME), HEAD + FULL + NULLS, "jsonl")
    full, nulls = output.rows("rows.jsonl")
    assert full == {
        "id": 1,
        "score": -5,
        "percent": 70,
        "ratio": 2.5,
        "revenue": 1604.47,
        "optIn": True,
        "born": "1980-02-29",
        "createdAt": "2026-01-01T00:00:00Z",
        "email": "a@x.y",
        "novelty": "x",
    }
    assert nulls == {**dict.fromkeys(full), "id": 2}


def test_a_date_in_jsonl_is_spelled_the_same_whatever_stands_beside_it(output):
    data = b"at\n2026-01-01T00:00:00Z\n2026-01-01T00:00:00.5Z\n"
    output.run(Rules(schema("at:datetime"), NAME), data, "jsonl")
    assert [row["at"] for row in output.rows("rows.jsonl")] == ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500000Z"]


def test_the_types_do_not_follow_the_rows(output):
    output.run(Rules(EVERY_TYPE, "full"), HEAD + FULL, "parquet")
    output.run(Rules(EVERY_TYPE, "nulls"), HEAD + NULLS, "parquet")
    assert output.types("full.parquet") == output.types("nulls.parquet")


@FORMATS
def test_empty_is_null_except_in_texts_and_only_an_unquoted_null_is_null(output, extension):
    outcome = output.run(Rules(EVERY_TYPE, NAME), HEAD + EMPTY + b'4,1,1,1,1,1,null,null,"null",""\n', extension)
    empty, last = output.rows(f"rows.{extension}")
    assert empty == {**dict.fromkeys(empty), "id": 3, "email": ""}
    assert (last["email"], last["novelty"], last["born"]) == ("null", "", None)
    assert not outcome.type_errors


@pytest.mark.parametrize(("text", "value"), [
    (b"1", True), (b"0", False), (b"true", True), (b"false", False), (b"TRUE", True), (b"False", False),
    (b"null", None),
])  # fmt: skip
@FORMATS
def test_booleans_come_in_several_spellings(output, extension, text, value):
    outcome = output.run(Rules(schema("id:integer", "optIn:boolean"), NAME), b"id,optIn\n1," + text + b"\n", extension)
    assert output.rows(f"rows.{extension}")[0]["optIn"] is value
    assert not outcome.type_errors


@pytest.mark.parametrize("kind_and_texts", [
    ("integer", ["2.75", "n/a", "99999999999999999999", "0x1f", "1e3"]),
    ("float", ["n/a", "NaN", "inf", "1,5"]),
    ("currency", ["n/a", "1.23456", "$5"]),
    ("boolean", ["yes", "2"]),
    ("date", ["2026-02-30", "31.01.2026", "2026-01-01T05:00:00Z"]),
    ("datetime", ["2026-02-30T00:00:00Z", "yesterday", "2026-01-01T25:00:00Z"]),
])  # fmt: skip
@pytest.mark.parametrize("good", [b"", b"null\n"])
def test_a_value_that_does_not_fit_is_null_and_counted_alone_and_among_others(output, kind_and_texts, good):
    kind, texts = kind_and_texts
    rules = Rules(schema(f"value:{kind}"), NAME)
    data = b"value\n" + good + "".join(f'"{text}"\n' for text in texts).encode()
    outcome = output.run(rules, data, "jsonl")
    assert [row["value"] for row in output.rows("rows.jsonl") if row["value"] is not None] == []
    assert outcome.type_errors == {"value": len(texts)}


@FORMATS
def test_a_value_that_does_not_fit_can_be_kept_as_text_beside_its_row(output, extension):
    rules = Rules(EVERY_TYPE, NAME, on_type_error="string")
    misfit = b"4,2.75,1,1,1,maybe,null,null,null,null\n"
    outcome = output.run(rules, HEAD + FULL + misfit, extension)
    good, bad = output.rows(f"rows.{extension}")
    assert (good["score"], good["_misfits"]) == (-5, None)
    assert (bad["score"], bad["optIn"], bad["_misfits"]) == (None, None, {"score": "2.75", "optIn": "maybe"})
    assert outcome.type_errors == {"score": 1, "optIn": 1}


def test_the_column_of_misfits_is_there_without_any(output):
    output.run(Rules(EVERY_TYPE, NAME, on_type_error="string"), HEAD + FULL, "parquet")
    assert output.types("rows.parquet")["_misfits"].startswith("map<string, string")


def test_a_value_that_does_not_fit_can_stop_the_extract_without_being_shown(output):
    rules = Rules(EVERY_TYPE, NAME, on_type_error="fail")
    with pytest.raises(MarketoDataError, match=r"1 value of score is not of type score, in rows 1 to 2") as caught:
        output.run(rules, HEAD + FULL + FULL.replace(b"-5", b"secret"), "parquet")
    assert "secret" not in str(caught.value)
    assert "on_type_error" in caught.value.remedy
    assert output.open_files == 0


ODD = [
    "a\x00b", "car\rriage", "dos\r\nline", "line\nbreak", "\u2028", "\U0001f600", 'quo"te', "\\", "x" * 300_000,
    "\x1f", "",
]  # fmt: skip


@FORMATS
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_odd_characters_come_out_as_they_went_in(output, extension, line_end):
    cells = [text.replace('"', '""').encode() for text in ODD]
    data = b"id,text" + line_end + b"".join(b'%d,"%b"' % row + line_end for row in enumerate(cells))
    outcome = output.run(Rules(schema("id:integer", "text"), NAME), data, extension, chunk=1000)
    assert output.rows(f"rows.{extension}") == [{"id": row, "text": text} for row, text in enumerate(ODD)]
    assert outcome.rows_read == len(ODD)


@FORMATS
def test_a_quote_that_was_not_doubled_and_a_bare_cr_stay_in_their_fields(output, extension):
    data = b'id,text\n1,"say "hi" now"\n2,"say "hi\nthere" now"\n3,5" or so\n4,6"\n5,car\rriage\n6,"plain"\n'
    outcome = output.run(Rules(schema("id:integer", "text"), NAME), data, extension)
    texts = ['say "hi" now', 'say "hi\nthere" now', '5" or so', '6"', "car\rriage", "plain"]
    assert [row["text"] for row in output.rows(f"rows.{extension}")] == texts
    assert outcome.rows_read == 6


@pytest.mark.parametrize("row", [b"1,2,3\n", b"1\n"])
def test_a_row_of_another_width_is_named(output, row):
    with pytest.raises(MarketoDataError, match=r"row 2 has (1 cell|3 cells), and the header has 2"):
        output.run(Rules(schema("id:integer", "text"), NAME), b"id,text\n1,a\n" + row, "jsonl")


@FORMATS
def test_columns_are_found_by_name_missing_ones_are_null_and_strange_ones_are_told(output, extension):
    outcome = output.run(Rules(schema("id:integer", "a", "b"), NAME), b"b,strange,id\nx,y,1\n", extension)
    assert output.rows(f"rows.{extension}") == [{"id": 1, "a": None, "b": "x"}]
    assert outcome.missing_columns == ["a"]
    assert dict(outcome.unknown) == {"column strange": 1}


def test_hashed_fields_are_texts_and_null_stays_null(output):
    columns = schema("id:integer", "score:integer")
    rules = Rules(columns, NAME, hashed=frozenset({"score"}), hash_key=Secret("a key"))
    output.run(rules, b"id,score\n1,5\n2,null\n3,5\n", "parquet")
    digest = hmac.new(b"a key", b"5", hashlib.sha256).hexdigest()
    assert [row["score"] for row in output.rows("rows.parquet")] == [digest, None, digest]


def test_rows_of_several_blocks_are_all_there_in_order(output):
    count = 60_000
    data = b"id,text\n" + b"".join(b'%d,"%b"\n' % (row, b"x" * 150) for row in range(count))
    outcome = output.run(Rules(schema("id:integer", "text"), NAME), data, "parquet")
    assert outcome.rows_read == outcome.rows == count
    assert [row["id"] for row in output.rows("rows.parquet")] == list(range(count))


OBJECT = '"{""Campaign Run ID"":""12"",""Choice"":3,""Gone"":null,""Deep"":{""x"":[1]}}"'
LIST = '"[{""name"":""Campaign Run ID"",""value"":""12""},{""name"":""Empty""}]"'
BROKEN = '"{""Campaign'
TYPES = {
    1: ActivityType(1, "Send Email", {"Campaign Run ID": "integer", "Choice": "string", "Attributes": "string"}),
    2: ActivityType(2, "Click Link", {"Link ID": "integer"}),
}


def activity(guid: str, cell: str, kind: int | str = 1, date: str = "2026-01-01T00:00:00Z") -> bytes:
    return f"{guid},7,{date},{kind},{cell}\n".encode()


@FORMATS
def test_attributes_as_map_hold_both_of_marketos_forms(output, extension):
    rows = [OBJECT, LIST, '"{}"', "null", '""', BROKEN + '"', '"[1]"']
    data = ACTIVITIES + b"".join(activity(str(number), cell) for number, cell in enumerate(rows))
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, attributes="map"), data, extension)
    assert [row["attributes"] or None for row in output.rows(f"rows.{extension}")] == [
        {"Campaign Run ID": "12", "Choice": "3", "Gone": None, "Deep": '{"x":[1]}'},
        {"Campaign Run ID": "12", "Empty": None},
        *[None] * 5,
    ]
    assert outcome.type_errors == {"attributes": 2}


def test_attributes_as_json_are_objects_in_jsonl_and_texts_in_parquet(output):
    data = ACTIVITIES + activity("a", OBJECT) + activity("b", BROKEN + '"') + activity("c", "null")
    rules = Rules(ACTIVITY_SCHEMA, NAME, attributes="json")
    output.run(rules, data, "jsonl")
    output.run(rules, data, "parquet")
    parsed = {"Campaign Run ID": "12", "Choice": 3, "Gone": None, "Deep": {"x": [1]}}
    assert [row["attributes"] for row in output.rows("rows.jsonl")] == [parsed, '{"Campaign', None]
    text = OBJECT[1:-1].replace('""', '"')
    assert [row["attributes"] for row in output.rows("rows.parquet")] == [text, '{"Campaign', None]


@FORMATS
def test_typed_attributes_are_one_dataset_for_each_type_with_a_column_for_each_attribute(output, extension):
    data = (
        ACTIVITIES
        + activity("a", OBJECT)
        + activity("b", '"{""campaign run id"":""x"",""Attributes"":""text""}"')
        + activity("c", '"{""Link ID"":5}"', 2)
        + activity("d", '"{""Anything"":1}"', 99)
        + activity("e", LIST, "null")
    )
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, attributes="typed", activity_types=TYPES,
                               partitions=Partitioning.of([], ACTIVITY_SCHEMA, date="activityDate", types=TYPES)),
                         data, extension)  # fmt: skip
    common = {"leadId", "marketoGUID", "activityDate", "activityTypeId"}
    shown = {
        file.name: [{k: v for k, v in row.items() if k not in common} for row in output.rows(file.name)]
        for file in outcome.files
    }
    assert shown == {
        f"send_email/rows.{extension}": [
            {
                "campaign_run_id": 12,
                "choice": "3",
                "attributes_attribute": None,
                "attributes": {"Gone": None, "Deep": '{"x":[1]}'},
            },
            {"campaign_run_id": None, "choice": None, "attributes_attribute": "text", "attributes": None},
        ],
        f"click_link/rows.{extension}": [{"link_id": 5, "attributes": None}],
        f"activity_type_99/rows.{extension}": [{"attributes": {"Anything": "1"}}],
        f"activity_type_unknown/rows.{extension}": [{"attributes": {"Campaign Run ID": "12", "Empty": None}}],
    }
    assert outcome.type_errors == {"send_email.campaign_run_id": 1}
    assert dict(outcome.unknown) == {
        "attribute send_email.Gone": 1,
        "attribute send_email.Deep": 1,
        "activity type 99": 1,
        "activity type unknown": 1,
    }


@FORMATS
def test_partitions_are_folders_whose_columns_are_not_in_the_files(output, extension):
    by = ["activity_type", "date", "hour", "leadId"]
    rules = Rules(ACTIVITY_SCHEMA, NAME, span=(day(1), day(3)),
                  partitions=Partitioning.of(by, ACTIVITY_SCHEMA, date="activityDate", types=TYPES))  # fmt: skip
    data = ACTIVITIES + b"".join(
        [
            activity("a", "null", 1, "2026-01-01T05:00:00Z"),
            activity("b", "null", 2, "2026-01-02T05:00:00Z"),
            activity("c", "null", 1, "2026-01-01T05:59:59Z"),
            activity("d", "null", 3, "null"),
        ]
    )
    outcome = output.run(rules, data, extension)
    assert {file.name: [row["marketoGUID"] for row in output.rows(file.name)] for file in outcome.files} == {
        f"activity_type=send_email/date=2026-01-01/hour=05/leadId=7/rows.{extension}": ["a", "c"],
        f"activity_type=click_link/date=2026-01-02/hour=05/leadId=7/rows.{extension}": ["b"],
        "activity_type=activity_type_3/date=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__/leadId=7/"
        f"rows.{extension}": ["d"],
    }
    assert "leadId" not in output.rows(outcome.files[0].name)[0]


@FORMATS
@pytest.mark.parametrize("long", ["\u90e8" * 30, "x" * 400, "%" * 60, "__HIVE_DEFAULT_PARTITION__"])
def test_a_value_that_its_folder_does_not_tell_stays_in_the_rows(output, extension, long):
    table = schema("id:integer", "unit", "group")
    rules = Rules(table, NAME, partitions=Partitioning(("unit", "group")))
    outcome = output.run(rules, f"id,unit,group\n1,{long},a\n2,short,{long}\n3,null,a\n".encode(), extension)
    found = {row["id"]: (file.name, row) for file in outcome.files for row in output.rows(file.name)}
    assert found[1][1] == {"id": 1, "unit": long}
    assert found[2][1] == {"id": 2, "group": long}
    assert found[3] == (f"unit=__HIVE_DEFAULT_PARTITION__/group=a/rows.{extension}", {"id": 3, "unit": None})
    assert "group=a" in found[1][0]
    assert "unit=short" in found[2][0]


@FORMATS
def test_an_empty_text_shares_the_folder_of_null_and_is_told_apart_in_the_rows(output, extension):
    rules = Rules(schema("id:integer", "unit"), NAME, partitions=Partitioning(("unit",)))
    outcome = output.run(rules, b'id,unit\n1,null\n2,""\n', extension)
    assert [file.name for file in outcome.files] == [f"unit=__HIVE_DEFAULT_PARTITION__/rows.{extension}"]
    assert output.rows(outcome.files[0].name) == [{"id": 1, "unit": None}, {"id": 2, "unit": ""}]


def test_many_partitions_of_parquet_are_one_file_each_and_few_of_them_open(output, monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.client.tabular.tables.HELD", 20_000)
    monkeypatch.setattr(ParquetFiles, "block", 10_000)
    table = schema("id:integer", "group")
    data = b"id,group\n" + b"".join(b"%d,%d\n" % (row, row % 300) for row in range(9000))
    outcome = output.run(Rules(table, NAME, partitions=Partitioning(("group",))), data, "parquet")
    assert len(outcome.files) == 300
    assert sum(file.rows for file in outcome.files) == 9000
    for group in (0, 7, 299):
        assert [row["id"] for row in output.rows(f"group={group}/rows.parquet")] == list(range(group, 9000, 300))
    assert output.most_open <= OPEN_PARQUET_FILES + 64 + 2


@FORMATS
def test_keys_of_several_columns_tell_rows_apart(output, extension):
    table = schema("leadId:integer", "programId:integer", key=("leadId", "programId"))
    data = b"programId,leadId\n1,1\n1,2\n2,1\n1,1\nnull,null\nnull,null\n"
    outcome = output.run(Rules(table, NAME), data, extension, seen=SeenKeys().branch())
    assert (outcome.rows, outcome.rows_duplicate) == (5, 1)
