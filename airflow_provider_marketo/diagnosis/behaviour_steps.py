"""Steps of ``airflow marketo verify`` that watch what Marketo does: quota, feeds, and one export of an hour."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.bulk.objects import ACTIVITY_FIELDS
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.quota_day import quota_date
from airflow_provider_marketo.diagnosis.comparison import Comparison, Shape, compare, json_type, name, names, not_seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_marketo.diagnosis.raw import RawInstance, RawReply

HOUR = timedelta(hours=1)
MOST_POLLS = 6
_PAGE = 300
_EXPORT = "/bulk/v1/activities/export"
_HEADER = list(ACTIVITY_FIELDS)
_WAITING = ("Created", "Queued", "Processing")
_FREE_TEXT = ("attributes", "primaryAttributeValue")
_KINDS: Mapping[type, str] = {dict: "a JSON object", list: "a JSON array", type(None): "null"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DIGIT, _ANY_LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_TZ]")
_ACTIVITY = Shape(
    {
        "id": "integer",
        "marketoGUID": "string",
        "leadId": "integer",
        "activityDate": "string",
        "activityTypeId": "integer",
        "attributes": "array",
    },
    frozenset({"campaignId", "primaryAttributeValue", "primaryAttributeValueId"}),
)
_JOB = Shape(
    {"exportId": "string", "status": "string", "format": "string", "createdAt": "string"},
    frozenset({"queuedAt", "startedAt", "finishedAt", "numberOfRecords", "fileSize", "fileChecksum", "errorMsg"}),
)


class Behaviour:
    """
    Steps that share what they have learned of the instance.

    :param poll_interval: seconds between two polls of the export job.
    """

    def __init__(self, poll_interval: float) -> None:
        self._poll_interval = poll_interval
        self._used: int | None = None
        self._charged_at = 0
        self._feed: list[Mapping[str, Any]] = []

    def usage_before(self, instance: RawInstance) -> Iterator[Comparison]:
        """Read the day's calls."""
        reply = instance.get("/rest/v1/stats/usage.json")
        yield from Shape({"date": "string", "total": "integer", "users": "array"}).compare(
            "usage.get_daily_usage", reply.records
        )
        today = quota_date(datetime.now(timezone.utc))
        yield compare("the quota day is the date in Chicago", today, _day(_first(reply).get("date")))
        users = reply.members("users")
        yield from Shape({"userId": "string", "count": "integer"}).compare("users in the day's usage", users)
        total = _first(reply).get("total")
        self._used, self._charged_at = total if isinstance(total, int) else None, instance.charged

    def usage_after(self, instance: RawInstance) -> Iterator[Comparison]:
        """Read the day's calls again, and those of a week."""
        reply = instance.get("/rest/v1/stats/usage.json")
        made, total = instance.charged - self._charged_at, _first(reply).get("total")
        expected = f"at least {made} more, errors 601 and 602 not counted"
        if self._used is None or not isinstance(total, int):
            yield not_seen("calls counted between two polls", expected, "no total")
        else:
            grown = total - self._used
            yield Comparison(
                "calls counted between two polls",
                expected,
                expected if grown >= made else f"{name(grown)} more",
                "as expected" if grown >= made else "differs",
            )
        week = instance.get("/rest/v1/stats/usage/last7days.json")
        yield compare("days in a week's usage", 7, len(week.records))
        days = [str(record.get("date"))[:10] for record in week.records]
        newest_first = "newest first" if days == sorted(days, reverse=True) else "not newest first"
        yield compare("order of a week's usage", "newest first", newest_first)
        failures = instance.get("/rest/v1/stats/errors/last7days.json")
        yield from Shape({"date": "string", "total": "integer", "errors": "array"}).compare(
            "usage.get_weekly_errors", failures.records
        )

    def feed(self, instance: RawInstance) -> Iterator[Comparison]:
        """Read one page of the activities of the last day."""
        since = quote(iso(datetime.now(timezone.utc) - timedelta(days=1)))
        token = instance.get(f"/rest/v1/activities/pagingtoken.json?sinceDatetime={since}")
        yield compare("paging token", "string", json_type(token.body.get("nextPageToken")))
        page = instance.get(
            f"/rest/v1/activities.json?nextPageToken={quote(str(token.body.get('nextPageToken')), safe='')}"
            "&activityTypeIds=1,2,3,6,7,8,9,10,11,12"
        )
        members = {"requestId", "success", "nextPageToken", "moreResult"}
        yield compare(
            "page of a feed: members of the envelope",
            names(members),
            names(set(page.body) - {"result"}),
        )
        yield compare(f"page of a feed: at most {_PAGE} records", True, len(page.records) <= _PAGE)
        yield from _ACTIVITY.compare("activities.get", page.records)
        dates = {_form(str(record.get("activityDate"))) for record in page.records}
        yield from _forms("dates of activities in a feed", dates)
        self._feed = sorted(page.records, key=lambda record: str(record.get("activityDate")))

    def jobs(self, instance: RawInstance) -> Iterator[Comparison]:
        """List export jobs. Create one with the filter that not every subscription has, and cancel it."""
        listed = instance.get(f"{_EXPORT}.json?batchSize=20")
        yield from _JOB.compare("bulk_export_activities.get_jobs", listed.records)
        now = datetime.now(timezone.utc)
        span = {"startAt": iso(now - HOUR), "endAt": iso(now)}
        created = instance.post(
            "/bulk/v1/leads/export/create.json",
            {"fields": ["id"], "format": "CSV", "filter": {"updatedAt": span}},
        )
        expected = "a job, or error 1035"
        seen = (
            expected
            if created.codes == [codes.FILTER_UNSUPPORTED] or _first(created).get("exportId")
            else _said(created)
        )
        yield compare("leads by updatedAt", expected, seen)
        if _first(created).get("exportId"):
            ended = instance.post(f"/bulk/v1/leads/export/{_job_id(created)}/cancel.json")
            yield compare("status of a cancelled job", "Cancelled", name(_first(ended).get("status")))

    def export(self, instance: RawInstance) -> Iterator[Comparison]:
        """Export at most one hour of activities, from the second of one activity to that of another if possible."""
        start, end = self._hour()
        created = instance.post(
            f"{_EXPORT}/create.json",
            {"format": "CSV", "filter": {"createdAt": {"startAt": iso(start), "endAt": iso(end)}}},
        )
        yield from _JOB.compare("a created export job", created.records)
        yield compare("status of a created job", "Created", name(_first(created).get("status")))
        job = _job_id(created)
        queued = instance.post(f"{_EXPORT}/{job}/enqueue.json")
        yield compare("status of an enqueued job", "Queued", name(_first(queued).get("status")))
        if not queued.records:
            yield not_seen("the file of an export", "a file", f"the job was not enqueued: {_said(queued)}")
            return
        done: Mapping[str, Any] = {}
        for _ in range(MOST_POLLS):
            time.sleep(self._poll_interval)
            done = _first(instance.get(f"{_EXPORT}/{job}/status.json"))
            if done.get("status") not in _WAITING:
                break
        if done.get("status") in _WAITING:
            instance.post(f"{_EXPORT}/{job}/cancel.json")
            yield not_seen("the file of an export", "a file", f"the job was still {done.get('status')}: run it again")
            return
        yield compare("status of a finished job", "Completed", name(done.get("status")))
        if done.get("status") == "Completed":
            yield from self._file(instance, job, done, start, end)

    def _hour(self) -> tuple[datetime, datetime]:
        """Return at most an hour that begins and ends with the second of an activity, if the feed has shown two."""
        for last in reversed(self._feed):
            end = parse_date(str(last["activityDate"]))
            inside = [parse_date(str(each["activityDate"])) for each in self._feed]
            earlier = [each for each in inside if end - HOUR <= each < end]
            if earlier:
                return earlier[0], end
        now = datetime.now(timezone.utc).replace(microsecond=0)
        self._feed = []
        return now - HOUR, now

    def _file(
        self, instance: RawInstance, job: str, done: Mapping[str, Any], start: datetime, end: datetime
    ) -> Iterator[Comparison]:
        reply = instance.get(f"{_EXPORT}/{job}/file.json", headers={"Accept-Encoding": "identity"})
        content = reply.content
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        yield _same("checksum of a file", "sha256 of its bytes", digest == done.get("fileChecksum"))
        yield _same("size of a file", "fileSize", len(content) == done.get("fileSize"))
        rows = list(csv.reader(io.StringIO(content.decode("utf-8", errors="replace"), newline="")))
        header, rows = (rows[0], rows[1:]) if rows else ([], [])
        yield compare("header of a file", ", ".join(_HEADER), _columns(header))
        yield _same("rows of a file", "numberOfRecords", len(rows) == done.get("numberOfRecords"))
        part = instance.get(f"{_EXPORT}/{job}/file.json", headers={"Accept-Encoding": "identity", "Range": "bytes=10-"})
        yield compare("a part of a file (Range)", 206, part.status)
        yield _same("bytes of a part", "the bytes of the file from offset 10 on", part.content == content[10:])
        if not rows:
            yield not_seen("cells of a file", "null, dates, JSON", "the hour has no activities")
            return
        cells = [dict(zip(header, row, strict=False)) for row in rows]
        yield from _cells(cells)
        yield from self._ends(cells, start, end)

    def _ends(self, cells: list[dict[str, str]], start: datetime, end: datetime) -> Iterator[Comparison]:
        found = {each.get("activityDate") for each in cells}
        for subject, when in (("start", start), ("end", end)):
            if self._feed:
                said = "inclusive" if iso(when) in found else "exclusive"
                yield compare(f"{subject} of a window, by the second", "inclusive", said)
            else:
                yield not_seen(f"{subject} of a window, by the second", "inclusive", "no activity at that second")


def _cells(cells: list[dict[str, str]]) -> Iterator[Comparison]:
    values = [
        value for row in cells for name, value in row.items() if name not in ("attributes", "primaryAttributeValue")
    ]
    spellings = {spelling for spelling in ("null", "", "NULL", "\\N", "None") if spelling in values}
    if spellings:
        yield compare("spelling of null", "null", ", ".join(sorted(each or "nothing" for each in spellings)))
    else:
        yield not_seen("spelling of null", "null", "no cell is null")
    yield from _forms("dates in a file", {_form(row.get("activityDate", "")) for row in cells})
    kinds = {_json_kind(row.get("attributes", "")) for row in cells} - {"null"}
    if kinds:
        yield compare("attributes of an activity in a file", "a JSON object", ", ".join(sorted(kinds)))
    else:
        yield not_seen("attributes of an activity in a file", "a JSON object", "no row has attributes")


def _json_kind(text: str) -> str:
    try:
        return {dict: "a JSON object", list: "a JSON array", type(None): "null"}.get(
            type(json.loads(text)), "a JSON value"
        )
    except ValueError:
        return "no JSON"


def _form(text: str) -> str:
    """Return the form of a date, without its value: digits are 9, letters except T and Z are a, all else is ?."""
    form = "2026-01-31T12:00:00Z"
    return (
        form
        if _DATE.fullmatch(text)
        else re.sub(r"[^9aTZ:.+ -]", "?", _ANY_LETTER.sub("a", _DIGIT.sub("9", text[:40])))
    )


def _day(value: Any) -> str:
    return value if isinstance(value, str) and _DAY.fullmatch(value) else name(value)


def _columns(header: list[str]) -> str:
    """Return the header of a file. A file without one begins with the values of an activity, which are not shown."""
    if sorted(each.lower() for each in header) == sorted(each.lower() for each in _HEADER):
        return ", ".join(header)
    lacking = [each for each in _HEADER if each not in header]
    return f"{len(header)} columns; lacks {', '.join(lacking) or 'none'}"


def _job_id(reply: RawReply) -> str:
    """Return a job's id as a part of a path, so that no id leads elsewhere."""
    return quote(str(_first(reply).get("exportId")), safe="")


def _forms(subject: str, forms: set[str]) -> Iterator[Comparison]:
    expected = "2026-01-31T12:00:00Z"
    yield compare(subject, expected, ", ".join(sorted(forms))) if forms else not_seen(subject, expected, "no record")


def _first(reply: RawReply) -> Mapping[str, Any]:
    return next(iter(reply.records), {})


def _said(reply: RawReply) -> str:
    return f"error {names(reply.codes)}" if reply.codes else f"HTTP {reply.status} without a result"


def _same(subject: str, expected: str, is_same: bool) -> Comparison:
    return compare(subject, expected, expected if is_same else f"not {expected}")
