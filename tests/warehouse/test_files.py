"""A load keeps types, texts and names, and refuses files that are damaged or not ours."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.output.manifest import DatasetColumn
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.errors import MarketoLoadError, MarketoWarehouseError
from airflow_provider_marketo.warehouse.rows import DatasetRows
from tests.warehouse.conftest import GIVEN, POSTGRES, WIDENING, databases
from tests.warehouse.published import DAY, EVERY_TYPE, published
from tests.warehouse.test_merge import removal_of

TEXT = "quote \" ' comma, line\r\nbreak, 🐢, \\ backslash, tab\t"
ROWS = [
    (1, TEXT, "1234567890123456.7891", "2.5", "true", "1999-12-31", "2026-01-01T10:00:00Z", '{"a":"x\\"y"}'),
    (2, "", None, None, None, None, None, None),
    (3, "null", "-1", "0", "false", "2026-02-28", DAY(2), "{}"),
]


def parsed(value):
    """Parse a value of JSON, unless the database's client has parsed it already, as BigQuery's does."""
    return json.loads(value) if isinstance(value, str) else value


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_every_type_of_every_format_arrives_as_it_was(warehouse, publish, file_format):
    warehouse.load(publish(ROWS, columns=EVERY_TYPE, file_format=file_format))
    by_id = {row[0]: row[1:] for row in warehouse.rows("leads", *COLUMNS)}
    if warehouse.kind == "sqlite":  # which has neither times nor decimals
        assert by_id[1][:4] == (TEXT, "1234567890123456.7891", 2.5, 1)
        assert by_id[1][4:6] == ("1999-12-31", "2026-01-01T10:00:00.000000Z")
    else:
        assert (by_id[1][0], *by_id[1][2:4]) == (TEXT, 2.5, True)
        assert Decimal(by_id[1][1]) == Decimal("1234567890123456.7891")
        assert by_id[1][4:6] == (date(1999, 12, 31), datetime(2026, 1, 1, 10, tzinfo=timezone.utc))
    assert parsed(by_id[1][6]) == {"a": 'x"y'}
    assert by_id[2] == ("", None, None, None, None, None, None)
    assert by_id[3][0] == "null"


COLUMNS = ("id", "name", "revenue", "score", "is_good", "born", "updated_at", "attributes")


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_nul_is_taken_out_of_texts_and_counted(warehouse, publish, file_format):
    rows = [(1, "a\0b", '{"k":"x\\u0000y"}'), (2, "c", None)]
    columns = {"id": "integer", "name": "string", "attributes": "attributes"}
    found = warehouse.load(publish(rows, columns=columns, file_format=file_format))
    assert found["tables"]["leads"]["rejected"] == 2
    assert warehouse.rows("leads", "name") == [("ab",), ("c",)]
    assert parsed(warehouse.query('SELECT "attributes" FROM {leads} WHERE "id" = 1')[0][0]) == {"k": "xy"}


def test_a_key_may_have_ten_thousand_characters_or_be_missing(warehouse, publish):
    columns = {"marketoGUID": "string", "fieldName": "string", "newValue": "string"}
    rows = [("k" * 2000 + "ä" * 300, "f", "1"), ("a", None, "2"), ("a", "email", "3")]
    facts = {"columns": columns, "key": ("marketoGUID", "fieldName"), "name": "lead_changes"}
    if warehouse.kind != "postgres":  # whose index takes 2,700 bytes
        rows[0] = ("k" * 10_000, "f", "1")
    warehouse.load(publish(rows, as_of=DAY(2), **facts))
    warehouse.load(publish(rows, as_of=DAY(4), **facts))
    assert [row[1:] for row in warehouse.rows("lead_changes", "marketo_guid", "field_name", "new_value")] == [
        ("", "2"),
        ("email", "3"),
        ("f", "1"),
    ]


NAMES = {
    "id": "integer",
    "Email": "string",
    "email": "string",
    "E-Mail!": "string",
    "select": "string",
    "at": "string",
    'quo"te': "string",
    "x" * 100: "string",
    "x" * 100 + "y": "string",
    "_deleted_at": "string",
    "会社": "string",
    **dict.fromkeys(("ctid", "xmin", "tableoid"), "string"),
}


def test_colliding_reserved_and_too_long_names_get_columns_that_never_swap(warehouse, publish):
    row = (1, *map(str, range(2, len(NAMES) + 1)))
    warehouse.load(publish([row], columns=NAMES, as_of=DAY(2)))
    reordered = dict(sorted(NAMES.items(), reverse=True))
    values = dict(zip(NAMES, row, strict=True))
    warehouse.load(publish([tuple(values[name] for name in reordered)], columns=reordered, as_of=DAY(4)))
    columns = dict(warehouse.query("SELECT source, column_name FROM {_marketo_columns} WHERE table_name = 'leads'"))
    assert [columns[name] for name in ("Email", "email", "select", "at")] == ["email", "email_2", "select", "at"]
    assert len(set(columns.values())) == len(NAMES)
    assert all(len(name.encode()) <= 63 for name in columns.values())
    found = warehouse.rows("leads", *columns.values())
    assert found == [tuple(values[source] for source in columns)]


def test_two_thousand_columns_are_loaded_or_refused_by_number(warehouse, publish):
    columns = {"id": "integer", **{f"field{number}": "integer" for number in range(1990)}}
    manifest = publish([], columns=columns)
    if warehouse.kind in ("snowflake", "bigquery") and not GIVEN:
        pytest.skip("the emulator takes minutes to read such a statement")
    if warehouse.engine.most_columns > 1991 + 4:
        warehouse.load(manifest)
        assert len(warehouse.types("leads")) == 1991 + 4
        return
    with pytest.raises(MarketoInvalidRequestError, match="would have 1991 columns") as caught:
        warehouse.load(manifest)
    assert caught.value.parameter == "manifest"
    assert warehouse.tables() == []


@pytest.mark.slow(reason="its statements have thousands of columns")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("make_warehouse", databases("duckdb", "sqlite", "postgres"), indirect=True)
def test_rows_of_more_than_a_thousand_columns_are_merged_and_erased(warehouse, publish):
    columns = {"id": "integer", **{f"field{number}": "string" for number in range(1_200)}}
    nothing = (None,) * 1_198
    warehouse.load(publish([(1, "a", *nothing, "b"), (2, "a", *nothing, "b")], columns=columns, as_of=DAY(2)))
    changed = publish([(1, "a", *nothing, "c"), (2, "a", *nothing, "b")], columns=columns, as_of=DAY(4))
    counts = warehouse.load(changed, history=True)["tables"]["leads"]
    assert (counts["updated"], counts["unchanged"]) == (1, 1)
    assert warehouse.rows("leads", "id", "field0", "field1199") == [(1, "a", "c"), (2, "a", "b")]
    warehouse.load(removal_of(publish, 2, DAY(5), DAY(6)), on_delete="erase")
    assert warehouse.rows("leads", "id", "field0", "field1199") == [(1, "a", "c"), (2, None, None)]


def test_rows_without_their_key_are_refused_by_file(warehouse, publish):
    columns = {"programId": "integer", "leadId": "integer"}
    rows = publish([(1, 2), (1, None)], columns=columns, key=("programId", "leadId"), name="program_members")
    with pytest.raises(MarketoLoadError, match=r"_0\.parquet has 1 row without leadId, a part of the key"):
        warehouse.load(rows)
    assert warehouse.contents() == {}


ODD_JSON = ['{"k":"\\ud800"}', '{"k":"\\u0000\\ud83d\\ude00"}', '{"k":1e999}', '{"k":1,"k":2}', "{}"]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_attributes_that_are_hardly_json_are_loaded(warehouse, publish, file_format):
    rows = [(number, text) for number, text in enumerate(ODD_JSON)]
    columns = {"id": "integer", "attributes": "attributes"}
    for day in (2, 4):  # into a new table, and into one with rows
        warehouse.load(publish(rows, columns=columns, file_format=file_format, as_of=DAY(day)))
    assert len(warehouse.rows("leads", "id")) == len(ODD_JSON)


WIDER = [
    ("integer", "currency", "5", "1.5"),
    ("integer", "string", "5", "five"),
    ("date", "datetime", "2026-01-01", DAY(1)),
    ("boolean", "string", "true", "perhaps"),
    ("integer", "float", "5", "1.5"),
]


@pytest.mark.parametrize(("narrow", "wide", "first", "second"), WIDER)
def test_a_column_becomes_wider_and_never_narrower(warehouse, publish, narrow, wide, first, second):
    old = publish([(1, first)], columns={"id": "integer", "value": narrow}, as_of=DAY(2))
    new = publish([(2, second)], columns={"id": "integer", "value": wide}, as_of=DAY(4))
    warehouse.load(old)
    warehouse.load(new)
    types = warehouse.types("leads")
    widens = warehouse.kind in WIDENING or (warehouse.kind, wide) == ("bigquery", "currency")
    column = "value" if widens else "value__text"
    assert types[column] != {"integer": "int", "date": "date", "boolean": "bool"}[narrow]
    values = dict(warehouse.rows("leads", "id", column))
    assert set(values) == {1, 2}
    assert None not in values.values()
    warehouse.load(publish([(3, first)], columns={"id": "integer", "value": narrow}, as_of=DAY(6)))
    assert warehouse.types("leads") == types
    assert dict(warehouse.rows("leads", "id", column))[3] == values[1]


def test_a_view_on_a_column_does_not_stop_its_widening(warehouse, publish):
    warehouse.load(publish([(1, 5)], columns={"id": "integer", "value": "integer"}, as_of=DAY(2)))
    warehouse.execute('CREATE VIEW {staging} AS SELECT "id", "value" FROM {leads}')
    warehouse.load(publish([(2, "five")], columns={"id": "integer", "value": "string"}, as_of=DAY(4)))
    assert len(warehouse.query("SELECT * FROM {staging}")) == 2
    column = "value" if warehouse.kind == "duckdb" else "value__text"
    assert warehouse.rows("leads", column) == [("5",), ("five",)]


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_a_view_on_versions_that_must_be_widened_is_named_and_nothing_is_loaded(warehouse, publish):
    columns = {"id": "integer", "value": "integer"}
    warehouse.load(publish([(1, 5)], columns=columns, as_of=DAY(2)), history=True)
    warehouse.execute('CREATE VIEW {staging} AS SELECT "id", "value" FROM {leads_history}')
    wide = publish([(1, "five")], columns={"id": "integer", "value": "string"}, as_of=DAY(4))
    words = r"leads_history\.value has the type int and needs text"
    with pytest.raises(MarketoInvalidRequestError, match=words) as caught:
        warehouse.load(wide, history=True)
    assert caught.value.parameter == "history"
    assert warehouse.rows("leads", "value") == [(5,)]
    warehouse.execute("DROP VIEW {staging}")
    warehouse.load(wide, history=True)
    assert warehouse.rows("leads_history", "value") == [("5",), ("five",)]


def test_a_new_column_is_added_and_one_that_no_longer_comes_stays(warehouse, publish):
    warehouse.load(publish([(1, "a")], columns={"id": "integer", "old": "string"}, as_of=DAY(2)))
    warehouse.load(publish([(1, "b")], columns={"id": "integer", "new": "string"}, as_of=DAY(4)))
    assert warehouse.rows("leads", "id", "old", "new") == [(1, "a", "b")]


MANY = {
    "id": "integer",
    "updatedAt": "datetime",
    **dict.fromkeys(("a", "b"), "string"),
    "n": "currency",
    "at": "datetime",
}


def overflowed(warehouse):
    return {number: parsed(value) if value else None for number, value in warehouse.rows("leads", "id", "_overflow")}


def test_fields_beyond_max_columns_are_members_of_one_column_and_those_with_a_column_keep_it(warehouse, publish):
    first = publish(
        [(1, DAY(1), "x", 'q"', "1.5", DAY(1)), (2, DAY(1), "y", None, None, None)], columns=MANY, as_of=DAY(2)
    )
    warehouse.load(first, max_columns=3)
    assert set(warehouse.types("leads")) >= {"id", "updated_at", "a", "_overflow"}
    assert not {"b", "n", "at"} & set(warehouse.types("leads"))
    assert overflowed(warehouse) == {1: {"b": 'q"', "n": 1.5, "at": "2026-01-01T00:00:00Z"}, 2: None}
    unannounced = publish(
        [(2, DAY(3), "z", "new")], columns={**dict(list(MANY.items())[:3]), "c": "string"}, as_of=DAY(4)
    )
    warehouse.load(unannounced, max_columns=3, history=True)
    assert dict(warehouse.rows("leads", "id", "a")) == {1: "x", 2: "z"}
    assert overflowed(warehouse)[2] == {"c": "new"}
    warehouse.load(
        publish([(2, DAY(5), "z", "own")], columns={**dict(list(MANY.items())[:3]), "c": "string"}, as_of=DAY(6))
    )
    assert (overflowed(warehouse)[2], dict(warehouse.rows("leads", "id", "c"))[2]) == (None, "own")


def test_a_table_that_is_too_wide_is_loaded_with_max_columns(warehouse, publish, monkeypatch):
    monkeypatch.setattr(type(warehouse.engine), "most_columns", 30)
    columns = {"id": "integer", **{f"field{number}": "string" for number in range(40)}}
    manifest = publish([(1, *("v" * 40))], columns=columns)
    with pytest.raises(MarketoInvalidRequestError, match="Give max_columns"):
        warehouse.load(manifest)
    warehouse.load(manifest, max_columns=20)
    assert len(warehouse.types("leads")) == 20 + 1 + 4
    assert overflowed(warehouse)[1] == {f"field{number}": "v" for number in range(19, 40)}


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_columns_that_are_partitions_are_read_from_the_path(warehouse, tmp_path, file_format):
    columns = {"id": "integer", "name": "string"}
    manifest = published(tmp_path, [(1, "a")], columns=columns, file_format=file_format)
    (tmp_path / "region=North%20%26%20East").mkdir()
    name = f"region=North%20%26%20East/leads_0.{file_format}"
    (tmp_path / manifest.files[0].name).rename(tmp_path / name)
    dataset = manifest.datasets[0]
    dataset = replace(dataset, columns=(*dataset.columns, DatasetColumn("region", "string")))
    warehouse.load(replace(manifest, datasets=(dataset,), files=(replace(manifest.files[0], name=name),)))
    assert warehouse.rows("leads", "id", "region") == [(1, "North & East")]


def test_a_manifest_without_rows_is_a_load(warehouse, publish):
    warehouse.load(publish([], as_of=DAY(2)))
    assert (warehouse.rows("leads"), warehouse.loads("rows_read")) == ([], [(0,)])


def _missing(manifest, folder):
    (folder / manifest.files[0].name).unlink()
    return manifest


def _altered(manifest, folder):
    (folder / manifest.files[0].name).write_bytes(b"other bytes")
    return manifest


def _short(manifest, folder):
    return replace(manifest, files=(replace(manifest.files[0], rows=7),))


def _old(manifest, folder):
    return replace(manifest, datasets=())


def _without_key(manifest, folder):
    return replace(manifest, datasets=(replace(manifest.datasets[0], key=()),))


def _of_unknown_type(manifest, folder):
    columns = (*manifest.datasets[0].columns, DatasetColumn("odd", "uint64"))
    return replace(manifest, datasets=(replace(manifest.datasets[0], columns=columns),))


@pytest.mark.parametrize(
    ("spoil", "arguments", "message", "parameter"),
    [
        (_missing, {}, "which the manifest lists, does not exist", None),
        (_altered, {}, "its checksum differs", None),
        (_short, {}, "has 1 row, and the manifest says 7", None),
        (_old, {}, "an older version of this provider wrote it", "manifest"),
        (_without_key, {}, "the rows of leads have no key", "manifest"),
        (_of_unknown_type, {}, "odd of leads has the type uint64", "manifest"),
        (None, {"mode": "snapshot"}, "loaded by mode='upsert'", "mode"),
        (None, {"table": "programs"}, "programs holds programs, and the manifest has leads", "table"),
        (None, {"table": "not_ours"}, "no load of this provider has made it", "table"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_nothing_is_loaded(
    warehouse, publish, tmp_path, spoil, arguments, message, parameter
):
    warehouse.load(publish([(1, "a")], columns={"id": "integer", "name": "string"}, name="programs"))
    warehouse.execute('CREATE TABLE {not_ours} ("id" INTEGER)')
    manifest = published(tmp_path / "out", [(1, "a")], columns={"id": "integer", "name": "string"}, as_of=DAY(2))
    before = {table: warehouse.rows(table) for table in warehouse.tables()}
    with pytest.raises(MarketoError, match=message) as caught:
        warehouse.load(spoil(manifest, tmp_path / "out") if spoil else manifest, **arguments)
    assert getattr(caught.value, "parameter", None) == parameter
    assert caught.value.remedy
    assert parameter or isinstance(caught.value, MarketoLoadError)
    assert {table: warehouse.rows(table) for table in warehouse.tables()} == before


def test_a_table_with_another_key_is_refused(warehouse, publish):
    columns = {"id": "integer", "name": "string"}
    warehouse.load(publish([(1, "a")], columns=columns, as_of=DAY(2)))
    with pytest.raises(MarketoInvalidRequestError, match="the key of leads is id") as caught:
        warehouse.load(publish([(1, "a")], columns=columns, key=("id", "name"), as_of=DAY(4)))
    assert caught.value.parameter == "table"


@pytest.mark.parametrize("make_warehouse", POSTGRES, indirect=True)
def test_what_postgres_refuses_comes_with_a_way_out_and_nothing_is_loaded(warehouse, publish):
    digests = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(160))
    long_key = publish([(digests[:10_000], "a")], columns={"guid": "string", "name": "string"}, key=("guid",))
    wide = {"id": "integer", **{f"field{number}": "string" for number in range(700)}}
    too_wide = publish([(1, *(digests[:40] for _ in range(700)))], columns=wide, name="programs")
    for manifest, message in ((long_key, "keys of at most 2,700 bytes"), (too_wide, "a page of 8 KB")):
        with pytest.raises(MarketoWarehouseError, match=message):
            warehouse.load(manifest)
    assert warehouse.contents() == {}
    warehouse.load(publish([(1, "a")], columns={"id": "integer", "name": "string"}, name="emails"))
    warehouse.execute("DROP ROLE IF EXISTS reader")
    warehouse.execute("CREATE ROLE reader LOGIN")
    warehouse.execute(f"GRANT USAGE ON SCHEMA {warehouse.schema} TO reader")
    warehouse.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {warehouse.schema} TO reader")
    url = os.environ["AIRFLOW_CONN_WH"]
    os.environ["AIRFLOW_CONN_WH"] = url.replace("//airflow@", "//reader@")  # the fixture puts it back
    leads = publish([(1, "a")], columns={"id": "integer", "name": "string"})
    with pytest.raises(MarketoWarehouseError, match="grant its user SELECT, INSERT, UPDATE and DELETE on all tables"):
        warehouse.load(leads)
    warehouse.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {warehouse.schema} TO reader")
    with pytest.raises(MarketoWarehouseError, match="CREATE and USAGE on the schema"):
        warehouse.load(leads)
    assert "leads" not in warehouse.tables()
    warehouse.execute("DROP OWNED BY reader")
    warehouse.execute("DROP ROLE reader")


def test_a_file_is_never_held_in_memory_as_a_whole(tmp_path):
    count, texts = 600_000, [os.urandom(50).hex() for _ in range(1_000)]
    manifest = published(tmp_path, [(1, "")], columns={"id": "integer", "name": "string"})
    path = tmp_path / manifest.files[0].name
    pq.write_table(
        pa.table({"id": range(count), "name": texts * (count // len(texts))}),
        path,
        row_group_size=20_000,
        use_dictionary=False,
    )
    size = path.stat().st_size
    file = replace(manifest.files[0], rows=count, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    listed = replace(manifest, files=(file,))
    before = pa.total_allocated_bytes()
    columns = {"id": types.INT, "name": types.TEXT}
    held = [
        pa.total_allocated_bytes() - before - batch.nbytes
        for batch in DatasetRows(listed, listed.datasets[0], columns).batches()
    ]
    assert size > 40 << 20
    assert max(held) < size / 2
