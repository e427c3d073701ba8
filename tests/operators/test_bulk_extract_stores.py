"""An object store as the target: the same promises as on a disk."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.bulk.jobs import ExportJobs
from airflow_provider_marketo.extract import run as run_module
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from tests.operators.buckets import bucket, started
from tests.simulated import END, START, extract
from tests.support import StateStore, run_task, task_context

__all__ = ["bucket", "started"]

pytestmark = pytest.mark.services


@pytest.mark.parametrize("store", [StateStore, lambda: None], ids=["Airflow 3.3", "Airflow 3.1"])
@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_an_extract_lands_in_a_bucket(marketo, bucket, store, file_format):
    instance = marketo()
    manifest = run_task(lambda: extract(bucket.url, file_format=file_format), task_context(store()))
    assert manifest["rows"] == instance.activities(START, END)
    assert [file["name"] for file in manifest["files"]] == bucket.data()
    assert [len(bucket.read(file["name"])) for file in manifest["files"]] == [
        file["bytes"] for file in manifest["files"]
    ]
    assert {key for key in bucket.names() if key.startswith("_")} == {
        "_marketo/schema.json",
        "_marketo/manifests/activities_20260101T000000Z_20260312T000000Z.json",
    }
    assert bucket.uploads() == []


@pytest.mark.parametrize("killed", ["enqueue", "fetch", "write_manifest"])
def test_a_killed_task_leaves_nothing_half_written_and_is_completed_by_the_next_try(
    marketo, bucket, monkeypatch, killed
):
    instance = marketo()

    class Killed(BaseException):
        pass

    owner = ExportJobs if killed == "enqueue" else run_module
    original, left = getattr(owner, killed), [1]

    def dying(*args, **kwargs):
        if left:
            left.pop()
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, killed, dying)
    with pytest.raises(Killed):
        run_task(extract(bucket.url, deferrable=False), task_context(max_tries=3))
    assert not any("manifest" in key for key in bucket.names())
    run_task(extract(bucket.url, deferrable=False), task_context(try_number=2, max_tries=3))
    rows = bucket.rows()
    assert len(rows) == len(set(rows)) == instance.activities(START, END)
    assert (instance.calls("create_job"), instance.calls("enqueue_job")) == (3, 3)


def test_what_the_bucket_holds_is_replaced_only_at_success(marketo, bucket):
    instance = marketo()
    run_task(extract(bucket.url, end="2026-01-15"), task_context(StateStore()))
    (name,) = bucket.data()
    bucket.put(name, b"of an earlier run")
    instance.fail("bulk_export_activities.get_file", spoil=True, times=2)
    again = task_context(StateStore(), max_tries=3)
    with pytest.raises(errors.MarketoDataError):
        run_task(extract(bucket.url, end="2026-01-15"), again)
    assert bucket.read(name) == b"of an earlier run"
    run_task(extract(bucket.url, end="2026-01-15"), again)
    assert len(bucket.rows()) == instance.activities(START, "2026-01-15")


def test_a_bucket_that_does_not_exist_is_found_before_marketo_is_asked(marketo, bucket):
    instance = marketo()
    with pytest.raises(Exception, match=f"cannot write to output_path={bucket.nowhere}"):
        run_task(extract(bucket.nowhere), task_context(StateStore()))
    assert instance.report().total_calls == 0


@pytest.mark.parametrize(("name", "neighbour"), [("EU [test]", "EU t"), ("Q?x", "Q1x"), ("a*b", "aXb")])
def test_a_folders_name_is_literal(marketo, bucket, name, neighbour):
    """Two runs leave the same files as one. A folder that the name matches as a pattern stays as it is."""
    marketo()
    bucket.put(f"{neighbour}/_marketo/schema.json", b"{}")
    for _ in range(2):
        run_task(extract(f"{bucket.url}/{name}", window="P20D"), task_context(StateStore()))
    before = [key for key in bucket.names() if key.startswith(f"{name}/activities_")]
    run_task(extract(f"{bucket.url}/{name}"), task_context(StateStore()))
    after = [key for key in bucket.names() if key.startswith(f"{name}/activities_")]
    assert (len(before), len(after)) == (4, 3)
    assert f"{neighbour}/_marketo/schema.json" in bucket.names()
    assert not [key for key in bucket.names() if "/runs/" in key or "/staging/" in key]


def test_leads_by_key_land_in_a_bucket(marketo, bucket):
    marketo()
    operator = MarketoGetLeadsOperator(
        task_id="leads", lookup_field="id", lookup_values=[1001, 1002], output_path=bucket.url, file_format="csv"
    )
    assert operator.execute(task_context())["count"] == 2
    assert bucket.data() == ["leads.csv"]
