"""Marketo's data as Airflow assets, and the lineage of what operators publish."""

from __future__ import annotations

import json
import runpy
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow import sdk
from airflow.sdk import Asset

from airflow_provider_marketo.lineage import outlets, publish
from airflow_provider_marketo.lineage.outlets import PublishesLineage
from airflow_provider_marketo.lineage.publish import Published
from airflow_provider_marketo.lineage.uris import create_asset, marketo_uri
from tests.streams.conftest import HOUR, START, stream, variables

__all__ = ["stream", "variables"]

MANIFEST = {"object_type": "activities", "start": "a", "end": "b", "rows": 7, "bytes": 70, "files": [{}, {}]}
MANIFEST |= {"manifest": "s3://c@lake/m.json", "output": "s3://c@lake/activities"}


@pytest.fixture(autouse=True)
def connection(monkeypatch):
    facts = {"conn_type": "marketo", "host": "123-ABC-456", "login": "an-id", "password": "a-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(facts))


class Event:
    """The event of an outlet in Airflow 3.3."""

    def __init__(self) -> None:
        self.extra: dict = {}
        self.partitions: list[str] = []

    def add_partitions(self, keys: list[str]) -> None:
        self.partitions += keys


class OldEvent:
    """The event of an outlet before Airflow 3.3."""

    extra: dict


class Events:
    """The outlet events of a task with one outlet."""

    def __init__(self, event) -> None:
        self._event = event

    def __getitem__(self, asset):
        return self._event


def emitted(event, *, partition_events: bool = False, **context):
    """Return the event of an outlet after an operator has emitted its lineage."""
    operator = PublishesLineage()
    operator.partition_events = partition_events
    asset = Asset("activities")
    ti = SimpleNamespace(task=SimpleNamespace(outlets=[asset]))
    operator.marketo_conn_id = "marketo_default"
    operator._emit({"ti": ti, "outlet_events": Events(event), **context}, MANIFEST)
    return event


def test_an_airflow_asset_names_instance_and_object():
    assert create_asset(instance="123-ABC-456", object_type="activities").uri == "marketo://123-ABC-456/activities"
    assert marketo_uri("123-ABC-456", "car/c") == "marketo://123-ABC-456/car%2Fc"


@pytest.mark.parametrize("instance", ["123-ABC-456", "123-abc-456", "123-abc-456.mktorest.com"])
def test_an_instance_has_one_uri_however_it_is_written(instance):
    assert Asset(f"marketo://{instance}/activities").uri == "marketo://123-ABC-456/activities"
    assert Asset("marketo://127.0.0.1:8000/car_c").uri == "marketo://127.0.0.1:8000/car_c"


@pytest.mark.parametrize("uri", ["marketo:///activities", "marketo://123-ABC-456", "marketo://123-ABC-456/a/b"])
def test_a_uri_without_instance_or_object_is_refused(uri):
    from urllib.parse import urlsplit

    from airflow_provider_marketo.lineage.uris import sanitize_uri

    with pytest.raises(ValueError, match="such as marketo://123-ABC-456/activities"):
        sanitize_uri(urlsplit(uri))


def test_an_asset_event_describes_what_was_published_and_holds_no_row():
    assert emitted(Event()).extra == {
        "source": "marketo://123-ABC-456/activities",
        "start": "a",
        "end": "b",
        "rows": 7,
        "files": 2,
        "manifest": "s3://c@lake/m.json",
        "output": "s3://c@lake/activities",
    }


def test_partitions_are_added_only_on_request_because_plain_consumers_ignore_events_with_partitions():
    interval = {"data_interval_start": datetime(2026, 1, 10, 1, tzinfo=timezone.utc)}
    assert emitted(Event(), **interval).partitions == []
    assert emitted(Event(), partition_events=True, **interval).partitions == ["2026-01-10T01:00:00"]
    assert emitted(Event(), partition_events=True, partition_key="eu", **interval).partitions == []
    assert emitted(OldEvent(), partition_events=True, **interval).extra["rows"] == 7


def test_a_run_without_an_interval_has_the_partition_of_what_it_has_read(stream):
    followed, event = stream(), Event()
    for hour in (1, 2):  # as with schedule="@hourly"
        now = START + hour * HOUR
        followed.clock.advance((now - followed.clock.now()).total_seconds() + 60)
        arguments = {"file_format": "jsonl", "partition_events": True, "outlet_events": Events(event)}
        followed.run(f"{hour}", interval=(now, now), start=START, **arguments)
    assert event.partitions == ["2026-01-10T00:00:00", "2026-01-10T01:00:00"]


def test_hook_lineage_leads_from_marketo_to_the_output(monkeypatch):
    recorded = []
    collector = SimpleNamespace(
        add_input_asset=lambda **facts: recorded.append(("in", facts["scheme"], facts["asset_kwargs"])),
        add_output_asset=lambda **facts: recorded.append(("out", facts["uri"])),
    )
    monkeypatch.setattr(publish, "get_hook_lineage_collector", lambda: collector)
    emitted(Event())
    assert recorded == [
        ("in", "marketo", {"instance": "123-ABC-456", "object_type": "activities"}),
        ("out", "s3://c@lake/activities"),
    ]


def test_a_stream_emits_lineage_in_each_run(stream, monkeypatch):
    said = []
    monkeypatch.setattr(outlets.PublishesLineage, "_emit", lambda self, context, manifest: said.append(manifest))
    followed = stream()
    followed.hour(0, file_format="jsonl")
    assert [(each["start"], each["rows"]) for each in said] == [
        ("2026-01-10T00:00:00Z", len(followed.happened(START, START + HOUR)))
    ]


def test_a_stream_that_catches_up_after_a_pause_also_publishes_the_partitions_of_the_pause(stream):
    followed, event = stream(), Event()
    for number in (0, 3):
        followed.hour(number, file_format="jsonl", partition_events=True, outlet_events=Events(event))
    assert sorted(event.partitions) == [f"2026-01-10T0{hour}:00:00" for hour in range(4)]


@pytest.mark.skipif(not hasattr(sdk, "RollupMapper"), reason="Airflow 3.3 has partitions that roll up")
def test_days_that_are_rolled_up_have_each_activity_once_after_a_pause_over_midnight(stream, monkeypatch, tmp_path):
    recipe = runpy.run_path(str(Path(__file__).parents[2] / "example_dags/marketo_hourly_activities.py"))
    monkeypatch.setattr(recipe["Variable"], "get", lambda name: str(tmp_path / "lake"))
    followed, events = stream(late_share=0.2, late_by=2 * 3600), []
    for number in (20, 21, 26, 27):
        event = Event()
        arguments = {"file_format": "jsonl", "lookback": 3 * HOUR, "partition_events": True}
        followed.hour(number, outlet_events=Events(event), **arguments)
        events.append(event)
    found = []
    for day in ("2026-01-10", "2026-01-11"):
        of_day = [each for each in events if any(key.startswith(day) for key in each.partitions)]
        run = SimpleNamespace(partition_key=day)
        done = recipe["roll_up"].function(run, {recipe["activities"]: of_day})
        rows = [json.loads(line) for line in Path(done["file"]).read_text("utf-8").splitlines()]
        assert {row["activityDate"][:10] for row in rows} == {day}
        assert len(rows) == done["rows"]
        found += [row["marketoGUID"] for row in rows]
    assert sorted(found) == followed.published()


def test_a_task_whose_lineage_cannot_be_recorded_does_not_fail(monkeypatch):
    def away(*_):
        raise OSError("the API server is away")

    monkeypatch.setattr(publish, "record_lineage", away)
    assert emitted(Event()).extra["rows"] == 7


def test_openlineage_gets_input_output_and_row_count():
    pytest.importorskip("airflow.providers.openlineage")
    operator = PublishesLineage()
    operator._published = Published("123-ABC-456", "activities", MANIFEST)
    lineage = operator.get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in lineage.inputs] == [("marketo://123-ABC-456", "activities")]
    (output,) = lineage.outputs
    assert (output.namespace, output.name) == ("s3://lake", "activities")
    assert output.outputFacets["outputStatistics"].rowCount == 7
