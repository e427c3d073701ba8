"""A preview engine's statements are stored in a file, are its database's SQL, and each load says it is a preview."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import expressions

from airflow_provider_marketo.output.manifest import Removal
from tests.warehouse.published import DAY, EVERY_TYPE

ROW = (1, "it's a \\ backslash", "1.5", "2.5", "true", "1999-12-31", DAY(1), "{}")

UNREAD = {"snowflake": {"PUT", "ROLLBACK"}, "bigquery": set()}
"""First words of the statements that sqlglot cannot read, or has no tree for."""

CHANGING = {
    r"'[0-9a-f]{32}'": "'the id of the load'",
    r"'2[0-9]{3}-(?!01-)[0-9-]+T[0-9:.]+Z'": "'now'",
    r"(?i)(marketo_gw)[0-9]+": r"\1",
    r"(?i)((?:files|stage))_[0-9a-f]{8}": r"\1_of_this_connection",
    r"file:///[^']*": "file:///rows.parquet",
    r"'[^']*/_marketo[^']*'": "'the manifest'",
}

pytestmark = [
    pytest.mark.previews,
    pytest.mark.skipif("MARKETO_WAREHOUSE" in os.environ, reason="these statements are those of the emulators"),
    pytest.mark.parametrize("make_warehouse", ["snowflake", "bigquery"], indirect=True),
]


def test_every_statement_of_a_load_is_the_one_that_is_written_down(warehouse, publish, caplog):
    warehouse.load(publish([ROW], columns=EVERY_TYPE, as_of=DAY(2)))
    changed = publish([(*ROW, "new")], columns={**EVERY_TYPE, "new": "string"}, as_of=DAY(4))
    removal = Removal("leads", {"id": "leadId"}, "activityDate")
    deleted = publish(
        [("g1", 1, DAY(5))],
        columns={"marketoGUID": "string", "leadId": "integer", "activityDate": "datetime"},
        name="deleted_leads",
        key=("marketoGUID",),
        kind="deletes",
        as_of=DAY(6),
        removal=removal,
    )
    caplog.clear()
    with caplog.at_level("INFO", logger="airflow_provider_marketo.warehouse.task"):
        warehouse.load(changed, dry_run=True, history=True)
        warehouse.load(deleted, dry_run=True, on_delete="erase")
    messages = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    statements = [each for each in messages if not each.startswith("Dry run")]
    sql = "".join(f"{_steady(statement)};\n" for statement in statements)
    written = Path(__file__).parent / "golden" / f"{warehouse.kind}.sql"
    if os.environ.get("MARKETO_WRITE_GOLDEN"):
        written.parent.mkdir(exist_ok=True)
        written.write_text(sql)
    assert sql == written.read_text()
    trees = {statement: sqlglot.parse_one(statement, dialect=warehouse.kind) for statement in sql.split(";\n")[:-1]}
    unread = {text.split()[0] for text, tree in trees.items() if isinstance(tree, expressions.Command)}
    assert unread <= UNREAD[warehouse.kind]


def _steady(statement: str) -> str:
    for changing, word in CHANGING.items():
        statement = re.sub(changing, word, statement)
    return statement


def test_every_load_says_that_it_is_a_preview(warehouse, publish, caplog):
    caplog.clear()
    warehouse.load(publish([ROW], columns=EVERY_TYPE))
    assert "not yet run on a real account" in caplog.text
