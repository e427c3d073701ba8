"""``airflow marketo operations`` and ``airflow marketo describe``."""

from __future__ import annotations

import json

import pytest

from airflow_provider_marketo.client.operations import all_operations


def test_operations_lists_all_or_a_family(airflow):
    assert len(json.loads(airflow("operations", "--output", "json"))) == len(all_operations())
    family = json.loads(airflow("operations", "smart_campaigns", "--output", "json"))
    assert {row["operation"].partition(".")[0] for row in family} == {"smart_campaigns"}
    assert {"operation", "verb", "path", "retry", "paging"} == set(family[0])
    assert "smart_campaigns.clone" in airflow("operations", "smart_campaigns")


def test_an_unknown_family_is_refused_with_the_list_of_known_ones(airflow):
    with pytest.raises(SystemExit, match=r"no family 'campaign'.*campaigns, channels"):
        airflow("operations", "campaign")


def test_describe_shows_parameters_retry_class_paging_and_limits(airflow):
    (shown,) = json.loads(airflow("describe", "leads.sync", "--output", "json"))
    assert "; once with action=createDuplicate" in shown["retry"]
    (records,) = [each for each in shown["parameters"] if each["parameter"] == "input"]
    assert (records["required"], records["type"], records["limits"]) == (
        "yes",
        "array of object",
        "at most 300 entries",
    )
    (one,) = json.loads(airflow("describe", "syncLeadUsingPOST", "--output", "json"))
    assert one["operation"] == "leads.sync"


def test_describe_shows_limits_deep_inside_a_body(airflow):
    (shown,) = json.loads(airflow("describe", "campaigns.request", "--output", "json"))
    (content,) = [each for each in shown["parameters"] if each["parameter"] == "input"]
    assert content["type"] == "object {leads*, tokens}"
    assert "leads: at most 100 entries" in content["limits"]


def test_describe_prints_two_tables_by_default(airflow):
    said = airflow("describe", "emails.get")
    assert "offset" in said
    assert "one of approved, draft" in said


def test_an_unknown_operation_is_refused_with_the_nearest_name(airflow):
    with pytest.raises(SystemExit, match=r"Did you mean programs\.get_by_name"):
        airflow("describe", "programs.get_by_nam")
