"""From a completed job to files under their final names: whole or not at all, and the same each time it is done."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJob
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.client.tabular.schema import activity_schema, from_describe
from airflow_provider_marketo.extract.plan import ExtractPlan
from airflow_provider_marketo.extract.publish import SlicePublisher
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.output.folder import OutputFolder

RUN = "_marketo/runs/a_dag/a_task/a_run/-1"
ACTIVITY_FIELDS = ("marketoGUID", "leadId", "activityDate", "attributes")
LEAD_FIELDS = ("id", "email")
DESCRIBE = [{"rest": {"name": "id"}, "dataType": "integer"}, {"rest": {"name": "email"}, "dataType": "email"}]


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, tzinfo=timezone.utc)


def activities(**wanted):
    request = ExtractRequest("activities", start=day(1, 1), end=day(3, 2), **{"file_format": "csv"} | wanted)
    return request, ExtractPlan(ACTIVITY_FIELDS, activity_schema(ACTIVITY_FIELDS), {}, {}, {})


def leads(**wanted):
    request = ExtractRequest(
        "leads", start=day(1, 1), end=day(3, 2), fields=LEAD_FIELDS, **{"file_format": "csv"} | wanted
    )
    return request, ExtractPlan(LEAD_FIELDS, from_describe(DESCRIBE, LEAD_FIELDS, key=("id",), date=None), {}, {}, {})


def served(data: bytes, *broken: bytes):
    """A download, perhaps after others that were not the announced file."""

    def fetch(consumer):
        for part in broken:
            sink = consumer()
            sink.feed(part)
            sink.abort()
        sink = consumer()
        try:
            for start in range(0, len(data), 50):
                sink.feed(data[start : start + 50])
            return sink.finish()
        except BaseException:
            sink.abort()
            raise

    return fetch


def not_served(consumer):
    raise AssertionError("nothing is to be downloaded")


def job(records: int | None = None) -> ExportJob:
    return ExportJob("an-export", COMPLETED, records=records, checksum="abc")


def visible(folder) -> set[str]:
    """Files that a reader sees, and files that are half-written."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith("_") or "staging" in name}


class Publishing:
    def __init__(self, folder, request, plan, **options):
        self.request, self.plan, self.path = request, plan, folder
        self.folder = OutputFolder(str(folder))
        self.slices = request.slices({})
        self.publisher = SlicePublisher(request, plan, self.folder, RUN, **options)

    def publish(self, number: int, data: bytes, *broken: bytes, records: int | None = None):
        return self.publisher.publish(self.slices[number], job(records), served(data, *broken))


ROWS = (
    b"marketoGUID,leadId,activityDate,attributes\n"
    b'a,1,2025-12-31T23:59:59Z,"{}"\n'
    b'b,1,2026-01-01T00:00:00Z,"{}"\n'
    b'c,2,2026-01-30T23:59:59Z,"{}"\n'
    b'd,2,2026-01-31T00:00:00Z,"{}"\n'
)


def test_a_slice_is_published_with_its_record(tmp_path):
    publishing = Publishing(tmp_path, *activities())
    record = publishing.publish(0, ROWS, records=4)
    name = "activities_20260101T000000Z_20260302T000000Z_20260101T000000Z_20260131T000000Z"
    content = (tmp_path / f"{name}.csv").read_bytes()
    assert content == b"".join(row + b"\n" for row in ROWS.split(b"\n") if row[:1] in (b"m", b"b", b"c"))
    assert record.to_dict() == {
        "version": 1,
        "name": name,
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-31T00:00:00Z",
        "export_id": "an-export",
        "checksum": "abc",
        "rows_read": 4,
        "rows": 2,
        "rows_cut": 2,
        "rows_duplicate": 0,
        "bytes": len(content),
        "files": [
            {
                "name": f"{name}.csv",
                "rows": 2,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
        "type_errors": {},
        "unknown": {},
        "missing_columns": [],
    }
    assert json.loads((tmp_path / RUN / "slices" / f"{name}.json").read_text()) == record.to_dict()


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_neighbouring_windows_share_no_row_and_lose_none(tmp_path, file_format):
    publishing = Publishing(tmp_path, *activities(file_format=file_format))
    records = [publishing.publish(number, ROWS, records=4) for number in range(len(publishing.slices))]
    assert [record.rows for record in records] == [2, 1]


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_file_with_other_rows_than_marketo_counted_is_not_published(tmp_path, file_format):
    publishing = Publishing(tmp_path, *activities(file_format=file_format))
    with pytest.raises(MarketoDataError, match="has 4 rows, and Marketo counted 5"):
        publishing.publish(0, ROWS, records=5)
    assert visible(tmp_path) == set()


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_file_that_is_not_a_table_is_not_published(tmp_path, file_format):
    publishing = Publishing(tmp_path, *activities(file_format=file_format))
    with pytest.raises(MarketoDataError):
        publishing.publish(0, ROWS + b'e,1,2026-01-01T00:00:00Z,"{')
    assert visible(tmp_path) == set()


def test_a_job_without_rows_needs_no_download_and_leaves_no_file(tmp_path):
    publishing = Publishing(tmp_path, *activities(file_format="parquet"))
    record = publishing.publisher.publish(publishing.slices[0], job(0), not_served)
    assert (record.rows, record.files) == (0, ())
    assert visible(tmp_path) == set()


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_publishing_again_replaces_and_is_the_same(tmp_path, file_format):
    wanted = activities(file_format=file_format, partition_by=["date"])
    first = Publishing(tmp_path, *wanted).publish(0, ROWS)
    again = Publishing(tmp_path, *wanted).publish(0, ROWS)
    assert first == again
    assert visible(tmp_path) == {file.name for file in first.files}


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_order_of_windows_does_not_matter_to_names(tmp_path, file_format):
    def publish(folder, order):
        publishing = Publishing(folder, *activities(file_format=file_format, order=order))
        for number in range(len(publishing.slices)):
            publishing.publish(number, ROWS)
        return {name: (folder / name).read_bytes() for name in visible(folder)}

    assert publish(tmp_path / "a", "oldest_first") == publish(tmp_path / "b", "newest_first")


LEADS = b"id,email\n1,a@x.y\n2,b@x.y\n"
MORE_LEADS = b"id,email\n2,b@x.y\n3,c@x.y\n"


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_lead_in_two_windows_is_written_once(tmp_path, file_format):
    publishing = Publishing(tmp_path, *leads(file_format=file_format))
    counts = [publishing.publish(number, data) for number, data in enumerate([LEADS, MORE_LEADS])]
    assert [(record.rows, record.rows_duplicate) for record in counts] == [(2, 0), (1, 1)]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_second_download_does_not_know_the_keys_of_the_first(tmp_path, file_format):
    publishing = Publishing(tmp_path, *leads(file_format=file_format))
    record = publishing.publish(0, LEADS, LEADS[:-10], LEADS)
    assert (record.rows, record.rows_duplicate) == (2, 0)
    assert visible(tmp_path) == {file.name for file in record.files}


def test_a_retry_knows_what_an_earlier_try_has_written_and_nothing_else(tmp_path):
    wanted = leads()
    first = Publishing(tmp_path, *wanted)
    first.publish(0, LEADS)
    with pytest.raises(MarketoDataError):
        first.publish(1, MORE_LEADS, records=99)
    published = [first.slices[0].name]
    retry = Publishing(tmp_path, *wanted, published=published).publish(1, MORE_LEADS)
    assert (retry.rows, retry.rows_duplicate) == (1, 1)


def test_a_single_window_needs_no_keys(tmp_path):
    request, plan = leads()
    request = replace(request, end=day(1, 15))
    record = Publishing(tmp_path, request, plan).publish(0, b"id,email\n1,a\n1,b\n")
    assert (record.rows, record.rows_duplicate) == (2, 0)
    assert not list((tmp_path / RUN).rglob("*.keys"))


def test_partitions_that_the_rows_do_not_have_are_refused_before_any_job(tmp_path):
    request, plan = leads(partition_by=["country"])
    with pytest.raises(MarketoInvalidRequestError, match="'country' is not exported") as caught:
        Publishing(tmp_path, request, plan)
    assert caught.value.parameter == "partition_by"


def test_leads_are_cut_by_the_date_that_selects_them(tmp_path):
    request, plan = leads(partition_by=["date"])
    with pytest.raises(MarketoInvalidRequestError, match="'date' needs the field createdAt"):
        Publishing(tmp_path, request, plan)


def test_hashed_fields_use_the_connections_key(tmp_path):
    request, plan = leads(hash_fields=["email"])
    keys = Secret("one"), Secret("other")
    one, other = (Publishing(tmp_path / str(n), request, plan, hash_key=key) for n, key in enumerate(keys))
    assert one.publish(0, LEADS).files[0].sha256 != other.publish(0, LEADS).files[0].sha256
    assert b"a@x.y" not in next((tmp_path / "0").glob("*.csv")).read_bytes()


def test_another_plan_is_kept_for_the_tries_to_come(tmp_path):
    request, plan = leads()
    publishing = Publishing(tmp_path, request, plan)
    publishing.publisher.use(plan.without(["email"], "not exportable"))
    kept = ExtractPlan.from_dict(json.loads((tmp_path / RUN / "plan.json").read_text()))
    assert (kept.fields, dict(kept.dropped)) == (("id",), {"email": "not exportable"})
