"""A stream that is read from the journal of Adobe I/O Events, compared with the instance's activities."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timedelta

import pyarrow.parquet as pq
import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator, MarketoUserAuditsOperator
from airflow_provider_marketo.output.manifest import read_manifest
from airflow_provider_marketo.streams.overlap import KEYS
from airflow_provider_marketo.warehouse.task import load_manifest
from tests.streams.conftest import HOUR, START, Stream

DAY = timedelta(days=1)


class JournalStream(Stream):
    """A stream of a journal, run hour by hour."""

    def __init__(self, stream, monkeypatch):
        super().__init__(stream.sim, stream.output, stream.state)
        self._monkeypatch = monkeypatch
        self.connect()

    def connect(self, **extra):
        self._monkeypatch.setenv("AIRFLOW_CONN_ADOBE", self.sim.adobe_connection(**extra))

    def run(self, *arguments, **more):
        return super().run(*arguments, **{"adobe_conn_id": "adobe", "file_format": "jsonl"} | more)

    def hours(self, count, first=0, **more):
        return [self.hour(number, **more) for number in range(first, first + count)]

    def act(self, count=1, type_id=2, **more):
        log, lead = self.sim.instance.store.activities, next(iter(self.sim.instance.store.leads.keys()))
        return [str(log.add(self.sim.instance.now, lead, type_id, **more).number) for _ in range(count)]

    def calls(self):
        return self.sim.report().total_calls


@pytest.fixture
def journal(stream, monkeypatch, tmp_path):
    monkeypatch.setattr("airflow_provider_marketo.hooks.adobe_events.governor_folder", lambda: tmp_path / "tokens")

    def start(manner=None, **settings):
        made = JournalStream(stream(**{"leads": 50, "activities": 4000} | settings), monkeypatch)
        made.sim.journal.behave(**manner or {})
        return made

    return start


def test_every_activity_is_published_once_and_no_api_call_is_made(journal):
    stream = journal({"duplicates": 0.2, "disorder": 1800, "others": 0.5, "wrapping": "mixed", "odd": True, "page": 7})
    manifests = stream.hours(6)
    found = stream.published()
    assert len(found) == len(set(found)) == sum(each["rows"] for each in manifests)
    assert sum(each["rows_duplicate"] for each in manifests) > 0
    arrived = stream.happened(START, START + 5 * HOUR)
    assert set(arrived) <= set(found) <= set(stream.happened(START, stream.clock.now()))
    assert stream.calls() == 0
    assert stream.sim.report().calls["ims.token"] == 1


def test_rows_are_those_of_the_feed_with_their_source(journal, tmp_path):
    stream = journal({"odd": True})
    stream.hour(0)
    ours = {row.pop("marketoGUID"): row for row in stream.rows()}
    assert ours
    assert {row.pop("_source") for row in ours.values()} == {"journal"}
    stream.output = tmp_path / "feed"
    stream.state = None
    stream.run("feed", adobe_conn_id=None, stream="feed", start=START, end=stream.clock.now())
    theirs = {row.pop("marketoGUID"): row for row in stream.rows()}
    assert ours == theirs


@pytest.mark.parametrize("attributes", ["map", "typed"])
def test_typed_files_have_the_columns_of_the_feed_and_one_more(journal, attributes):
    stream = journal()
    stream.act(3, attributes={"Webpage ID": "not a number", "Form Fields": "x"})
    manifest = stream.hour(0, file_format="parquet", attributes=attributes)
    names = [column.name for column in read_manifest(manifest).columns]
    assert names[:2] == ["marketoGUID", "leadId"]
    assert "_source" in names
    assert manifest["key"] == ["marketoGUID"]
    assert manifest["kind"] == "changes"
    if attributes == "typed":
        assert manifest["type_errors"] == {"fill_out_form.webpage_id": 3}


def test_types_and_attributes_that_were_not_announced_are_kept_and_counted(journal):
    stream = journal({"unknown": 1.0}, activities=0)
    stream.act(2)
    stream.clock.advance(60)
    manifest = stream.run("first", start=START, file_format="parquet", attributes="typed")
    assert manifest["unknown"]["activity type 99999"] == 2
    (file,) = [file["name"] for file in manifest["files"] if "99999" in file["name"]]
    rows = pq.read_table(stream.output / file).to_pylist()
    assert [dict(row["attributes"])["Mood"] for row in rows] == ["sunny", "sunny"]


def test_a_run_that_is_run_again_reads_its_own_range(journal):
    stream = journal({"duplicates": 0.5, "disorder": 3600, "page": 9})
    stream.hours(4)
    before = stream.files()
    stream.act(5)
    for number in (1, 3, 0):
        stream.run(f"hour {number}", interval=(START + number * HOUR, START + (number + 1) * HOUR))
    assert stream.files() == before
    assert stream.hour(4)["rows"] >= 5
    assert len(stream.published()) == len(set(stream.published()))


@pytest.mark.parametrize("where", ["range.json", "_marketo/manifests", "_marketo/positions", "_marketo/keys"])
def test_a_run_that_dies_anywhere_loses_and_repeats_nothing(journal, monkeypatch, where):
    from airflow_provider_marketo.output.folder import OutputFolder

    stream = journal({"duplicates": 0.3, "page": 8}, has_asset_store=False)
    stream.hours(2)
    write, died = OutputFolder.write, []

    def die(folder, name, data):
        if where in name and not died:
            died.append(name)
            raise KeyboardInterrupt
        write(folder, name, data)

    monkeypatch.setattr(OutputFolder, "write", die)
    with pytest.raises(KeyboardInterrupt):
        stream.hour(2)
    stream.act(2)
    stream.hours(2, first=2)
    assert died
    arrived = stream.happened(START, stream.clock.now())
    assert stream.published() == sorted(arrived)


def test_keys_join_so_that_a_run_reads_few_of_them(journal):
    stream = journal({"duplicates": 0.5, "disorder": 7200})
    stream.hours(16)
    position = stream.state["marketo_position_s"]
    assert len(position["published"]) <= 6
    assert len(stream.published()) == len(set(stream.published())) > 30
    stream.clock.advance(20 * 86_400)
    stream.run("later", on_gap="skip")
    assert len(list((stream.output / KEYS).iterdir())) < 30


def test_a_forgotten_position_fails_or_is_skipped_as_the_author_says(journal, caplog):
    stream = journal()
    stream.hours(2)
    stream.clock.advance(9 * 86_400)
    with pytest.raises(Exception, match=r"keeps events for 7 days.*on_gap='fill'"):
        stream.run("later")
    manifest = stream.run("later", on_gap="skip")
    assert manifest["rows"] > 0
    assert "as on_gap='skip' says" in caplog.text
    oldest = stream.clock.now() - timedelta(days=7)
    assert set(stream.happened(oldest + HOUR, stream.clock.now())) < set(stream.published())
    stream.act(1)
    stream.clock.advance(60)
    assert stream.run("next")["rows"] == 1


def test_nothing_fills_a_gap_of_user_audits(journal):
    stream = journal()
    arguments = {"operator": MarketoUserAuditsOperator, "stream": "audits"}
    stream.clock.advance(9 * 86_400)
    with pytest.raises(Exception, match=r"keeps events for 7 days.*on_gap='skip'") as caught:
        stream.run("late", start=START, **arguments)
    assert "'fill'" not in str(caught.value)


@pytest.mark.parametrize("silently", [False, True])
def test_a_quiet_week_is_not_a_gap_for_a_stream_that_has_run_since(journal, silently):
    """The position is after the last event, which is forgotten. An older journal then says that nothing is new."""
    stream = journal({"forgets_silently": silently}, activities=0)
    stream._monkeypatch.setattr(stream.sim.instance.store.activities, "by_themselves", lambda *_: ())
    stream.act(2)
    stream.clock.advance(60)
    assert stream.run("first", start=START)["rows"] == 2
    for number in range(3):
        stream.clock.advance(3 * 86_400)
        assert stream.run(f"quiet {number}")["rows"] == 0
    wanted = stream.act(1)
    for number in range(3):
        stream.clock.advance(1200)
        stream.run(f"later {number}")
    assert stream.published()[-1:] == wanted
    assert len(stream.published()) == 3


def test_a_new_stream_may_begin_within_the_week_and_has_a_gap_before(journal):
    stream = journal(now=START + 20 * DAY)
    begin = START + 15 * DAY
    stream.run("first", start=begin)
    assert stream.published() == sorted(stream.happened(begin, stream.clock.now() + timedelta(seconds=1)))
    with pytest.raises(Exception, match="no longer has all"):
        stream.run("other", start=START, stream="other")
    with pytest.raises(Exception, match="lies in the future"):
        stream.run("future", start=START + 30 * DAY, stream="future")
    with pytest.raises(Exception, match="no data interval"):
        stream.run("nothing", stream="nothing")


def test_a_stream_may_move_from_the_feed_to_the_journal_and_back(journal):
    stream = journal()
    for number in range(4):
        stream.hour(number, adobe_conn_id="adobe" if number in (1, 2) else None)
    stream.hour(4, adobe_conn_id=None, lookback="PT2H")
    found = stream.published()
    assert found == sorted(set(found))
    assert set(found) == set(stream.happened(START, START + 5 * HOUR))


def test_what_is_wanted_can_be_narrowed(journal):
    stream = journal()
    [form] = stream.act(1, type_id=2, primary_id=77)
    stream.act(1, type_id=2, primary_id=78)
    lead = next(iter(stream.sim.instance.store.leads.keys()))
    stream.clock.advance(60)
    stream.run("a", start=START, activity_types=["fill out form"], asset_ids=[77], lead_ids=[lead])
    assert stream.published() == [form]
    assert stream.calls() == 1  # the names of activity types
    with pytest.raises(Exception, match="no activity type 'Fill Out Formx'"):
        stream.run("b", start=START, stream="b", activity_types=["Fill Out Formx"])


def test_the_json_of_events_is_kept_on_request_and_columns_can_be_left_out(journal):
    stream = journal()
    stream.act(1)
    stream.hour(0, include_raw=True, exclude_fields=["primaryAttributeValue"])
    row = stream.rows()[-1]
    assert json.loads(row["_raw"])["data"]["munchkinId"] == "123-ABC-456"
    assert "primaryAttributeValue" not in row


@pytest.mark.parametrize("hidden", [{"hash_fields": ["primaryAttributeValue"]}, {"exclude_fields": ["city"]}])
def test_the_json_of_events_is_not_kept_beside_values_that_are_hidden(journal, hidden, monkeypatch):
    monkeypatch.setattr(ConnectionSettings, "hash_key", lambda *_, **__: Secret("a long secret"))
    stream = journal()
    stream.act(1)
    with pytest.raises(
        Exception, match=r"_raw would show the values that other columns hash or leave out.*Leave out include_raw"
    ):
        stream.hour(0, include_raw=True, **hidden)
    assert stream.published() == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"adobe_conn_id": "adobe", "end": START}, "end"),
        ({"adobe_conn_id": "adobe", "list_id": 1001}, "list_id"),
        ({"include_raw": True}, "include_raw"),
        ({"on_gap": "fill"}, "on_gap"),
        ({"adobe_conn_id": "adobe", "on_gap": "maybe"}, "on_gap"),
    ],
)
def test_what_does_not_go_together_is_refused_when_the_dag_is_parsed(arguments, named):
    with pytest.raises(MarketoInvalidRequestError) as error:
        MarketoActivitiesOperator(task_id="t", output_path="/tmp/x", **arguments)
    assert error.value.parameter == named


def test_the_journal_of_another_instance_is_found_out(journal):
    stream = journal({"others": 1.0})
    stream.sim.instance.journal._instance = "888-AAA-000"  # it has no event of the instance that the stream reads
    stream.act(3)
    stream.clock.advance(60)
    stream.connect(munchkin_ids="")
    stream._monkeypatch.setattr(
        "airflow_provider_marketo.hooks.adobe_events.JournalSettings.instance_of", lambda *_: "123-ABC-456"
    )
    with pytest.raises(Exception, match=r"events of 888-AAA-000, 999-XYZ-000, and none of 123-ABC-456"):
        stream.run("a", start=START)
    assert stream.published() == []
    stream.connect(munchkin_ids="123-ABC-456, 888-AAA-000")
    assert stream.run("a", start=START)["rows"] == 0


@pytest.mark.parametrize(
    ("manner", "extra", "words"),
    [
        ({"management_api": False}, {}, "I/O Management API"),
        ({}, {"ims_org": "OTHER@AdobeOrg"}, "ims_org"),
        ({"next_host": "https://evil.example.com"}, {}, "must not see the token"),
        ({}, {"munchkin_ids": "999-XYZ-000,888-AAA-000"}, "does not contain the Munchkin ID"),
    ],
)
def test_bad_connections_publish_nothing_and_say_what_to_do(journal, manner, extra, words):
    stream = journal(manner)
    stream.connect(**extra)
    stream.act(3)
    with pytest.raises(Exception, match=words):
        stream.run("a", start=START)
    assert stream.published() == []


def test_user_audits_are_a_stream_of_their_own(journal):
    stream = journal({"duplicates": 1.0, "wrapping": "mixed"})
    audit = stream.sim.instance.journal.audit
    audit("smart_campaigns.activate", 2001, "ops@example.org")
    audit("programs.delete", 1001, "ops@example.org")
    stream.clock.advance(60)
    arguments = {"operator": MarketoUserAuditsOperator, "stream": "audits"}
    stream.run("a", start=START, include_raw=True, **arguments)
    rows = sorted(stream.rows(), key=lambda row: row["componentId"])
    assert [(row["componentType"], row["componentId"], row["eventAction"], row["userId"]) for row in rows] == [
        ("Default Program", 1001, "delete", "ops@example.org"),
        ("Smart Campaign", 2001, "activate", "ops@example.org"),
    ]
    assert datetime.fromisoformat(rows[0]["activityDate"].replace("Z", "+00:00")) == START
    assert stream.run("b", **arguments)["rows"] == 0
    assert stream.calls() == 0


def test_a_gap_is_filled_by_bulk_extract_and_the_rows_say_so(journal, monkeypatch, caplog):
    """Each deferral ends the process of the task; the next one begins with the stored state."""
    stream = journal()
    stream.hours(2)
    before = set(stream.published())
    stream.clock.advance(10 * 86_400)
    deferrals = []

    def resumed(operator, context, work, wait):
        deferrals.append(wait.export_ids)
        stream.clock.advance(60)
        raise DeferralError(operator, context)

    monkeypatch.setattr(MarketoActivitiesOperator, "_wait", resumed)
    manifest = None
    try:
        stream.run("later", on_gap="fill")
    except DeferralError as deferral:
        while manifest is None:
            with suppress(DeferralError):
                manifest = deferral.operator.execute_complete(deferral.context)
    assert deferrals
    rows = {row["marketoGUID"]: row["_source"] for row in stream.rows()}
    assert len(rows) == len(stream.rows())
    assert set(rows) == set(stream.happened(START, stream.clock.now() - timedelta(minutes=len(deferrals))))
    assert {source for key, source in rows.items() if key not in before} == {"journal", "extract"}
    assert "MB of the export quota" in caplog.text
    assert not list((stream.output / "_marketo/gaps").rglob("*.jsonl"))
    stream.clock.advance(60)
    assert stream.run("after")["rows_duplicate"] == 0


class DeferralError(Exception):
    def __init__(self, operator, context):
        super().__init__("deferred")
        self.operator, self.context = operator, context


@pytest.mark.slow("two days of runs, each loaded into a table")
def test_after_two_days_the_table_has_every_activity_once(journal, tmp_path, monkeypatch):
    """A fifth of the events come twice, all of them hours late and out of order, beside those of another instance."""
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "wh.db")}))
    options = dict.fromkeys(("schema", "table", "mode", "fivetran_schema"))
    options |= {"sql_conn_id": "wh", "history": False, "on_delete": "mark", "max_deletes": 0.2, "dry_run": False}
    options["max_columns"] = None
    disorder = {"duplicates": 0.2, "disorder": 6 * 3600, "others": 0.5, "wrapping": "mixed", "odd": True, "page": 50}
    stream = journal(disorder, activities=15_000)
    repeated = 0
    for number in range(24):
        stream.clock.advance(7200)
        repeated += load(stream.run(f"run {number}", start=START, file_format="parquet"), options)
    stream.clock.advance(12 * 3600)
    repeated += load(stream.run("the rest", file_format="parquet"), options)
    expected = stream.happened(START, START + 2 * DAY)
    with closing(sqlite3.connect(tmp_path / "wh.db")) as database:
        found = database.execute("SELECT marketo_guid, activity_date FROM activities ORDER BY marketo_guid").fetchall()
    two_days = [key for key, date in found if str(date)[:10] < "2026-01-12"]
    assert two_days == sorted(expected)
    assert len(expected) > 300
    assert repeated > len(expected) / 10
    assert stream.calls() == 0


def load(manifest, options):
    load_manifest(manifest, options)
    return manifest["rows_duplicate"]
