"""Spans of time: their edges, the future, what Marketo has forgotten, and the names of their files."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone

import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.incremental_leads import MarketoIncrementalLeadsOperator
from airflow_provider_marketo.output.manifest import read_manifest
from tests.simulated import data_files, extract, lines
from tests.support import StateStore, run_task, task_context

REFUSED = (AirflowFailException, MarketoInvalidRequestError)


def a_birth(instance) -> datetime:
    """The second in which some lead was created, in the middle of the span."""
    created = sorted(row["createdAt"] for row in map(instance.instance.store.leads.get, range(1001, 1401)))
    return datetime.fromisoformat(str(created[200]).replace("Z", "+00:00"))


def ids(output, file_format: str) -> list[str]:
    found: list[str] = []
    for name in data_files(output):
        path = output / name
        if file_format == "parquet":
            found += map(str, pyarrow.parquet.read_table(path).column("id").to_pylist())
        elif file_format == "jsonl":
            found += [str(json.loads(line)["id"]) for line in path.read_text("utf-8").splitlines()]
        else:
            header, *rows = path.read_text("utf-8").splitlines()
            assert header == "id,email"
            found += [row.split(",")[0] for row in rows]
    return found


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_lead_of_the_second_between_two_spans_is_in_the_later_one_only(marketo, tmp_path, file_format):
    instance = marketo()
    moment = a_birth(instance)
    spans = {"before": (moment - timedelta(days=20), moment), "after": (moment, moment + timedelta(days=20))}
    found = {}
    for name, (start, end) in spans.items():
        arguments = {"object_type": "leads", "fields": ["id", "email"], "file_format": file_format}
        manifest = run_task(
            extract(tmp_path / name, start=start, end=end, window="P7D", **arguments), task_context(StateStore())
        )
        assert [column["name"] for column in manifest["columns"]] == ["id", "email"]
        found[name] = ids(tmp_path / name, file_format)
    assert not set(found["before"]) & set(found["after"])
    both = found["before"] + found["after"]
    assert len(both) == len(set(both)) > 5
    late = [number for number in map(int, found["before"]) if created(instance, number) >= moment]
    early = [number for number in map(int, found["after"]) if created(instance, number) < moment]
    assert (late, early) == ([], [])


def created(instance, number: int) -> datetime:
    return datetime.fromisoformat(str(instance.instance.store.leads.get(number)["createdAt"]).replace("Z", "+00:00"))


def test_an_older_manifest_stays_true_when_a_part_of_its_span_is_read_again(marketo, tmp_path):
    marketo()
    whole = run_task(extract(tmp_path), task_context(StateStore()))
    run_task(extract(tmp_path, end="2026-01-31"), task_context(StateStore()))
    run_task(extract(tmp_path, start="2026-01-31", end="2026-03-02"), task_context(StateStore()))
    for file in read_manifest(whole).files:
        content = (tmp_path / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    assert len(data_files(tmp_path)) == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"object_type": "activities"},
        {"object_type": "leads", "fields": ["id"]},
        {"object_type": "leads", "fields": ["id"], "date_field": "updatedAt"},
        {"object_type": "program_members", "fields": ["id"], "filters": {"programIds": [1]}, "date_field": "updatedAt"},
    ],
    ids=lambda arguments: arguments["object_type"] + "-" + arguments.get("date_field", ""),
)
def test_a_span_in_the_future_is_refused_before_a_job_is_made(marketo, tmp_path, arguments):
    instance = marketo(time_scale=1)
    start = datetime.now(timezone.utc) + timedelta(days=1)
    with pytest.raises(REFUSED, match="lies in the future: Marketo's clock says"):
        run_task(extract(tmp_path, start=start, end=start + timedelta(days=1), **arguments), task_context(StateStore()))
    assert instance.jobs() == []
    assert data_files(tmp_path) == []


def test_a_span_that_is_half_in_the_future_is_read_up_to_a_now_that_stays(marketo, tmp_path):
    instance = marketo(time_scale=60)
    now = datetime.now(timezone.utc)
    start, end = (now - timedelta(days=20)).replace(microsecond=0), (now + timedelta(days=20)).replace(microsecond=0)
    manifest = run_task(extract(tmp_path, start=start, end=end, window="P15D"), task_context(StateStore()))
    assert manifest["requested_end"] == iso(end)
    assert iso(start) < manifest["end"] < iso(now + timedelta(hours=1))
    assert manifest["manifest"].endswith(f"_{end:%Y%m%dT%H%M%SZ}.json")
    assert len(instance.jobs()) == 2, "the third window has not begun"
    assert max(window["end"] for window in manifest["windows"]) == manifest["end"]


def test_activities_that_marketo_has_forgotten_are_no_success(marketo, tmp_path):
    marketo()
    with pytest.raises(REFUSED, match="it keeps these activities for 760 days"):
        run_task(extract(tmp_path, start="2019-01-01", end="2019-01-08"), task_context(StateStore()))
    with pytest.raises(REFUSED, match="it keeps these activities for 90 days"):
        run_task(
            extract(tmp_path, start="2024-06-01", end="2024-06-08", activity_types=["Visit Webpage"]),
            task_context(StateStore()),
        )
    assert not (tmp_path / "_marketo/manifests").exists()


def test_a_quiet_span_is_a_success_without_rows(marketo, tmp_path):
    marketo()
    manifest = run_task(extract(tmp_path, start="2026-04-01", end="2026-04-02"), task_context(StateStore()))
    assert manifest["rows"] == 0
    assert lines(tmp_path) == []


@pytest.mark.parametrize("mode", ["auto", "updated_at", "change_feed", "snapshot"])
def test_changes_of_the_future_are_refused_in_every_mode(marketo, tmp_path, monkeypatch, mode):
    marketo(time_scale=1)
    start = datetime.now(timezone.utc) + timedelta(days=1)
    operator = MarketoIncrementalLeadsOperator(
        task_id="leads", output_path=str(tmp_path), mode=mode, first_lead="2024-01-01", start=start, end=start + HOUR
    )
    with pytest.raises(REFUSED, match="lies in the future"):
        operator.execute(task_context(StateStore()))


HOUR = timedelta(hours=1)


def test_a_manifest_says_what_its_rows_are_and_how_new(marketo, tmp_path):
    marketo()
    changes = run_task(extract(tmp_path / "a", end="2026-01-08"), task_context(StateStore()))
    listed = {"object_type": "program_members", "fields": ["leadId"], "filters": {"programIds": [1001]}}
    full = run_task(extract(tmp_path / "b", start=None, end=None, **listed), task_context(StateStore()))
    assert (changes["kind"], full["kind"]) == ("changes", "full")
    today = datetime.now(timezone.utc).date()
    assert datetime.fromisoformat(changes["as_of"].replace("Z", "+00:00")).date() - today <= timedelta(days=1)
