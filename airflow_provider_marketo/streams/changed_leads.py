"""Changed leads, without exports by ``updatedAt``: the feed says which leads changed, look-ups return them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJob, ExportJobs
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.bulk.plan import Slice, Window
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoFeatureUnavailableError
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.records import line
from airflow_provider_marketo.extract.manifest import write_manifest
from airflow_provider_marketo.extract.plan import ExtractPlan, make_plan
from airflow_provider_marketo.extract.publish import SlicePublisher
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.streams.feeds import ACTIVITIES, CHANGE_SCORE, FEEDS, LEAD_CHANGES
from airflow_provider_marketo.streams.read import FeedReader
from airflow_provider_marketo.streams.request import Pass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.client.tabular.transform import Outcome
    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.output.folder import OutputFolder

log = printable_logger(__name__)

IDS_PER_CALL = 300
FIELDS_PER_PASS = 100
"""Largest number of fields of a cursor: their names go into the URL, and Marketo takes URLs of up to 8 KB."""

_NEVER_CHANGED = frozenset({"id", "createdAt", "updatedAt"})


def has_updated_at_exports(client: MarketoClient, now: datetime) -> bool:
    """
    Whether the subscription exports leads by ``updatedAt``.

    A job that is never enqueued tests this, for two calls and no export quota.

    :param client: the instance.
    :param now: any time.
    """
    jobs = ExportJobs(client, export_object("leads"))
    second = {"updatedAt": {"startAt": iso(now), "endAt": iso(now + timedelta(seconds=1))}}
    try:
        job = jobs.create(["id"], second)
    except MarketoFeatureUnavailableError:
        return False
    jobs.cancel_all([job.export_id])
    return True


def expected(folder: OutputFolder, request: ExtractRequest) -> tuple[int, float] | None:
    """
    Estimate the size of the output, from the rate of new and changed leads when the output was last written.

    :param folder: the output.
    :param request: the request with its span.
    :return: rows and megabytes; None for a new output, or one that was last written in another way.
    """
    names = folder.names(layout.MANIFESTS)
    last = folder.read_json(layout.manifest(names[-1].removesuffix(".json"))) if names else None
    if not last or last.get("date_field") != request.date_filter or request.start is None or request.end is None:
        return None
    start, end = (parse_date_or_none(last[name]) for name in ("start", "end"))
    assert start is not None  # this provider wrote them
    assert end is not None
    share = (request.end - request.start) / (end - start)
    return round(last["rows"] * share), last["bytes"] * share / 2**20


def publish_changed_leads(
    request: ExtractRequest,
    folder: OutputFolder,
    client: MarketoClient,
    run_folder: str,
    *,
    hash_key: Secret | None,
    parallel: int,
    max_empty_pages: int,
) -> dict[str, Any]:
    """
    Publish the leads that changed in a span, as they are now.

    :param request: a request of leads, by ``updatedAt``.
    :param folder: the output.
    :param client: the instance.
    :param run_folder: the task instance's place in the output.
    :param hash_key: key for hashed fields.
    :param parallel: calls in flight at a time.
    :param max_empty_pages: largest number of empty pages of the feed in a row.
    :return: the manifest, as a bulk extract by ``updatedAt`` returns it.
    """
    assert request.start is not None  # the request was checked
    assert request.end is not None
    folder.check_writable()
    plan = make_plan(request, client, folder.read_json(layout.SCHEMA))
    window = Window(request.start - request.lookback, plan.until or request.end)
    ids = _changed(client, plan, window, parallel, max_empty_pages)
    calls = counted(-(-len(ids) // IDS_PER_CALL), "call")
    log.info("%s changed; reading them in %s", counted(len(ids), "lead"), calls)
    publisher = SlicePublisher(request, plan, folder, run_folder, hash_key=hash_key)

    def fetch(consumer: Any) -> Outcome:
        writer = consumer()
        try:
            for lines in _read(client, plan, ids):
                writer.feed(lines)
            outcome: Outcome = writer.finish()
            return outcome
        except BaseException:
            writer.abort()
            raise

    record = publisher.publish(Slice(request.name, {}, window), ExportJob("", COMPLETED), fetch)
    manifest = write_manifest(folder, request, plan, [replace(record, export_id=None)], run_folder=run_folder)
    folder.tidy_up(run_folder)
    return manifest.to_xcom()


def _changed(
    client: MarketoClient, plan: ExtractPlan, window: Window, parallel: int, max_empty_pages: int
) -> list[int]:
    """Return the ids of new leads, and of leads with a change in one of the fields."""
    token = client.call("activities.get_paging_token", sinceDatetime=iso(window.start)).next_page_token
    found: set[int] = set()
    for feed, passes in _cursors(client, plan):
        reader = FeedReader(client, FEEDS[feed].operation, str(token), window.end, max_empty_pages=max_empty_pages)
        for records in reader.read(passes, parallel):
            for record in records:
                moment = parse_date_or_none(str(record.get("activityDate") or ""))
                if moment is None or window.start <= moment < window.end:
                    found.add(lead_id_of(record, "leadId"))
    return sorted(found)


def _cursors(client: MarketoClient, plan: ExtractPlan) -> Iterator[tuple[str, list[Pass]]]:
    """Yield cursors for new leads and changed values; changes of scores are only in the feed of activities."""
    fields = [name for name in plan.fields if name not in _NEVER_CHANGED] or ["email"]
    groups = enumerate(batches(fields, FIELDS_PER_PASS))
    yield LEAD_CHANGES, [Pass(f"fields {number}", {"fields": group}) for number, group in groups]
    if any(column.type == "score" for column in plan.schema.columns):
        kinds = client.call("activities.get_types").records
        yield (
            ACTIVITIES,
            [Pass("scores", {"activityTypeIds": [kind["id"]]}) for kind in kinds if kind.get("name") == CHANGE_SCORE],
        )


def _read(client: MarketoClient, plan: ExtractPlan, ids: Sequence[int]) -> Iterator[bytes]:
    """Yield the leads in the form of an export file, without leads that were deleted or merged meanwhile."""
    columns = [column.name for column in plan.schema.columns]
    yield line(columns)
    for batch in batches(ids, IDS_PER_CALL):
        values = list(map(str, batch))
        leads = client.paginate("leads.get_by_filter_type", filterType="id", filterValues=values, fields=columns)
        rows = ({**lead, "id": lead_id_of(lead)} for lead in leads)
        yield b"".join(line([row.get(name) for name in columns]) for row in rows)
