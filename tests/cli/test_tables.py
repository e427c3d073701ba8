"""A table shows texts of Marketo, Variables and DAGs literally: neither a terminal nor Rich interprets them."""

from __future__ import annotations

import json

import pytest
from airflow.models.variable import Variable

from airflow_provider_marketo.cli.tables import print_rows
from tests.status.conftest import quota

HOSTILE = "[/red] [bold]name[/bold] :smile: \x1b[2J\x1b]0;title\x07 \u202e \r\nsecond line"


@pytest.mark.parametrize("output", ["table", "plain"])
def test_a_hostile_text_is_one_printable_line(output, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    print_rows([{"name": HOSTILE, "count": 3, "all": [HOSTILE]}], output)
    shown = capsys.readouterr().out
    assert r"[/red] [bold]name[/bold] :smile: \x1b[2J\x1b]0;title\x07 \u202e second line" in shown
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(shown)


def test_the_formats_for_programs_hold_the_text_itself(capsys):
    print_rows([{"name": HOSTILE}], "json")
    shown = capsys.readouterr().out
    assert json.loads(shown) == [{"name": HOSTILE}]
    assert "\x1b" not in shown


def test_a_hostile_variable_is_shown_by_a_command(airflow):
    Variable.set("marketo_quota_marketo_default", json.dumps(quota() | {"latches": {"[/red]\x1b[2J": "2026-01-31"}}))
    Variable.set("marketo_position_[/red]", '{"time": "2026-01-15T17:00:00Z", "pages": {}}')
    said = airflow("status")
    assert "[/red]" in said
    assert "\x1b" not in said
