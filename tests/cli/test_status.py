"""``airflow marketo status`` prints what the page shows, without a call to Marketo."""

from __future__ import annotations

import json

import yaml
from airflow.models.variable import Variable

from tests.status.conftest import entry, quota, usage


def fill() -> None:
    key, text, claim = entry()
    for name, value in {
        "marketo_quota_marketo_default": json.dumps(quota()),
        "marketo_usage_marketo_default": json.dumps(usage()),
        "marketo_position_leads": '{"time": "2026-01-15T17:00:00Z", "pages": {}}',
        key: text,
        claim: "a process",
    }.items():
        Variable.set(name, value)


def test_the_table_has_a_part_for_each_question(airflow):
    fill()
    said = airflow("status")
    for title in ("What needs me: decisions", "Why does it wait: quotas", "How fresh: streams and watchers"):
        assert title in said
    assert "campaign 1 for 10 leads" in said
    assert "airflow marketo ledger settle" in said


def test_an_empty_airflow_has_nothing_to_show(airflow):
    assert airflow("status").count("nothing") == 9


def test_json_and_yaml_are_the_facts(airflow):
    fill()
    facts = json.loads(airflow("status", "--output", "json"))
    assert facts["waits"]["connections"][0]["calls"]["quota"] == 1000
    assert yaml.safe_load(airflow("status", "-o", "yaml"))["needs"] == facts["needs"]
