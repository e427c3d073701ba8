"""A stream run by run: nothing is missing or twice, even if runs die, repeat or overlap."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote, urlsplit

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_marketo.client import answer
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStoppedError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator, MarketoDeletedLeadsOperator
from airflow_provider_marketo.simulator.routes import HANDLERS
from airflow_provider_marketo.streams import run as run_module
from airflow_provider_marketo.streams.overlap import Overlap
from airflow_provider_marketo.streams.position import Position, PositionStore
from airflow_provider_marketo.streams.task import default_stream
from airflow_provider_marketo.streams.watch import WatchState
from tests.streams.conftest import HOUR, START, AssetStore

HOURS = 48
JSONL = {"file_format": "jsonl"}


class Killed(BaseException):
    """Acts as SIGKILL does: no clean-up runs."""


def kill_hour_one(followed, monkeypatch, owner, name):
    """Run the second hour, and let it die when it calls a given function."""

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            followed.hour(1, **JSONL)


def test_a_stream_that_a_person_stops_reads_no_further_and_publishes_nothing(stream, monkeypatch):
    followed, pages, tasks = stream(), "activities.get_lead_activities", []
    answer = HANDLERS[pages]
    span = {"start": START, "end": START + 40 * HOUR, **JSONL}
    followed.clock.advance(HOURS * HOUR.total_seconds())

    class Stoppable(MarketoActivitiesOperator):
        def execute(self, context):
            tasks.append(self)
            return super().execute(context)

    def stopped_here(*given):
        tasks[-1].on_kill()
        return answer(*given)

    with monkeypatch.context() as patch:
        patch.setitem(HANDLERS, pages, stopped_here)
        with pytest.raises(MarketoStoppedError):
            followed.run(operator=Stoppable, **span)
    assert followed.sim.report().calls[pages] == 1
    assert followed.rows() == []
    assert "marketo-rows" not in [thread.name for thread in threading.enumerate()], "the writer has ended, too"
    followed.run(**span)
    assert followed.published() == sorted(followed.happened(START, START + 40 * HOUR))


def test_excluded_columns_are_not_written_and_rows_are_still_cut_by_their_date(stream):
    followed = stream()
    span = {"start": START, "end": START + 3 * HOUR, **JSONL}
    followed.clock.advance(HOURS * HOUR.total_seconds())
    followed.run(exclude_fields=["attributes", "activityDate"], **span)
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))
    assert not followed.rows()[0].keys() & {"attributes", "activityDate"}


def test_a_column_that_is_not_there_is_not_hashed_in_silence(stream, monkeypatch):
    followed = stream()
    followed.clock.advance(HOURS * HOUR.total_seconds())
    monkeypatch.setattr(ConnectionSettings, "hash_key", lambda *_: Secret("a long secret"))
    with pytest.raises(AirflowFailException, match="did you mean 'primaryAttributeValue'"):
        followed.run(start=START, end=START + HOUR, hash_fields=["primaryAttributValue"], **JSONL)


@pytest.mark.slow(reason="it reads a stream of 40 hours, hour by hour")
def test_hour_by_hour_nothing_is_missing_or_twice_though_rows_are_late_or_repeated(stream):
    followed = stream(late_share=0.2, late_by=5_400, repeat_share=0.3)
    runs = [followed.hour(number, lookback=timedelta(hours=2), **JSONL) for number in range(HOURS + 2)]
    end = (START + HOURS * HOUR).strftime("%Y-%m-%dT%H")
    published = sorted(row["marketoGUID"] for row in followed.rows() if row["activityDate"] < end)
    assert published == sorted(followed.happened(START, START + HOURS * HOUR))
    assert sum(run["rows_duplicate"] for run in runs) > len(published), "nothing was read twice, so nothing is proven"


def test_without_lookback_late_rows_are_lost(stream):
    followed = stream(late_share=0.2, late_by=5_400)
    for number in range(8):
        followed.hour(number, **JSONL)
    lost = set(followed.happened(START, START + 5 * HOUR)) - set(followed.published())
    assert lost


def test_a_run_that_is_run_again_replaces_its_own_files_and_leaves_the_position(stream):
    followed = stream()
    for number in range(3):
        followed.hour(number, **JSONL)
    files, state = followed.files(), dict(followed.state)
    followed.hour(1, **JSONL)
    assert followed.files() == files
    assert followed.state == state


def test_a_failed_run_is_made_up_for_by_the_next_and_finds_nothing_left_when_it_is_run_again(stream, monkeypatch):
    followed = stream()
    followed.hour(0, **JSONL)
    kill_hour_one(followed, monkeypatch, run_module, "write_manifest")
    followed.hour(2, **JSONL)
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))
    assert followed.hour(1, **JSONL)["rows"] == 0
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))


@pytest.mark.parametrize(
    "where",
    ["before the rows are read", "before the files", "before the keys", "before the manifest", "before the position"],
)
def test_a_killed_run_reads_the_same_range_when_it_is_retried(stream, monkeypatch, where):
    followed = stream()
    followed.hour(0, **JSONL)
    owner, name = {
        "before the rows are read": (run_module.FeedReader, "read"),
        "before the files": (run_module, "remember_leftovers"),
        "before the keys": (Overlap, "save"),
        "before the manifest": (run_module, "write_manifest"),
        "before the position": (PositionStore, "advance"),
    }[where]
    kill_hour_one(followed, monkeypatch, owner, name)
    followed.clock.advance(7_200)
    result = followed.hour(1, **JSONL)
    assert (result["start"], result["end"]) == ("2026-01-10T01:00:00Z", "2026-01-10T02:00:00Z")
    followed.hour(2, **JSONL)
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))


def test_what_a_killed_run_has_left_goes_when_the_run_is_run_again(stream, monkeypatch):
    followed = stream()
    followed.hour(0, **JSONL)
    kill_hour_one(followed, monkeypatch, run_module, "write_manifest")
    followed.hour(2, **JSONL)
    followed.hour(1, **JSONL)
    rows = [json.loads(line) for file in followed.files().values() for line in file.splitlines()]
    assert sorted(row["marketoGUID"] for row in rows) == sorted(followed.happened(START, START + 3 * HOUR))
    assert not list((followed.output / "_marketo/claims").iterdir())


def test_a_run_that_another_has_overtaken_publishes_nothing(stream, monkeypatch):
    followed = stream()
    followed.hour(0, **JSONL)
    followed.clock.advance(7_200)
    read = run_module.FeedReader.read

    def other_run_first(reader, *arguments):
        monkeypatch.setattr(run_module.FeedReader, "read", read)
        followed.hour(2, **JSONL)
        return read(reader, *arguments)

    monkeypatch.setattr(run_module.FeedReader, "read", other_run_first)
    with pytest.raises(MarketoStoppedError, match="max_active_runs=1"):
        followed.hour(1, **JSONL)
    assert len(followed.files()) == 2
    assert followed.hour(1, **JSONL)["rows"] == 0
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))


def test_of_runs_that_publish_at_the_same_moment_at_most_one_does(stream, monkeypatch):
    followed = stream(limits=False)
    followed.hour(0, **JSONL)
    followed.clock.advance(7_200)
    both = threading.Barrier(2, timeout=20)
    claim = Overlap.claim

    def at_the_same_moment(overlap):
        both.wait()
        claim(overlap)

    monkeypatch.setattr(Overlap, "claim", at_the_same_moment)
    outcomes = []

    def run(number):
        try:
            outcomes.append(followed.hour(number, **JSONL)["rows"])
        except MarketoStoppedError:
            outcomes.append(None)

    threads = [threading.Thread(target=run, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None in outcomes
    monkeypatch.setattr(Overlap, "claim", claim)
    for number in (1, 2):
        followed.hour(number, **JSONL)
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))


def test_a_run_that_is_slow_to_publish_gives_way_to_one_that_took_it_for_dead(stream, monkeypatch):
    followed = stream()
    followed.hour(0, **JSONL)
    followed.clock.advance(7_200)
    save = Overlap.save

    def while_files_are_sent(overlap, keys):
        monkeypatch.setattr(Overlap, "save", save)
        followed.hour(2, **JSONL)
        save(overlap, keys)

    monkeypatch.setattr(Overlap, "save", while_files_are_sent)
    with pytest.raises(MarketoStoppedError):
        followed.hour(1, **JSONL)
    assert followed.hour(1, **JSONL)["rows"] == 0
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))
    assert len(followed.files()) == 2


def test_a_day_that_was_not_run_is_read_by_the_next_run(stream):
    followed = stream()
    followed.hour(0, **JSONL)
    assert followed.hour(24, **JSONL)["start"] == "2026-01-10T01:00:00Z"
    assert followed.published() == sorted(followed.happened(START, START + 25 * HOUR))


def test_a_run_whose_interval_is_published_already_does_nothing(stream):
    followed = stream()
    followed.hour(5, start=START, **JSONL)
    calls = followed.sim.report().calls["activities.get_lead_activities"]
    assert followed.hour(2, **JSONL)["rows"] == 0
    assert followed.sim.report().calls["activities.get_lead_activities"] == calls


@pytest.mark.parametrize("order", [(5, 2, 6), (3, 2, 1, 0, 4)], ids=["a backfill", "backwards"])
def test_intervals_before_the_stream_began_are_read_by_themselves(stream, order):
    followed = stream()
    for number in order:
        followed.hour(number, **JSONL)
    hours = [followed.happened(START + number * HOUR, START + (number + 1) * HOUR) for number in order]
    assert followed.published() == sorted(key for hour in hours for key in hour)
    assert followed.state.get("marketo_position_s")["time"] == f"2026-01-10T{max(order) + 1:02}:00:00Z"


@pytest.mark.parametrize("days", [15, 100])
def test_a_published_run_stays_as_it_is_when_marketo_has_forgotten_its_range(stream, caplog, days):
    followed = stream()
    operator = MarketoDeletedLeadsOperator if days == 15 else MarketoActivitiesOperator
    given = {"operator": operator, **JSONL}
    published = followed.hour(0, **given)
    files = followed.files()
    followed.clock.advance(days * 86_400)
    assert followed.hour(0, **given) == published
    assert followed.files() == files
    assert "what the run has published stays" in caplog.text
    said = r"keeps these .* days; .* is gone.*Compare" if days == 15 else r"at least .* may be gone.*BulkExtract"
    with pytest.raises(AirflowFailException, match=said):
        followed.hour(0, **given | {"file_format": "csv"})


def test_a_range_never_ends_later_than_marketos_clock(stream):
    followed = stream(now=START + timedelta(minutes=58))
    result = followed.run("hour 0", interval=(START, START + HOUR), **JSONL)
    assert result["end"] == "2026-01-10T00:58:00Z"
    followed.hour(1, **JSONL)
    assert followed.published() == sorted(followed.happened(START, START + 2 * HOUR))


def test_a_clock_that_differs_from_marketos_is_said(stream, caplog):
    stream().hour(0, **JSONL)  # in January 2026
    (said,) = (record.getMessage() for record in caplog.records if "clock" in record.getMessage())
    assert said.startswith("This host's clock says 20")
    assert said.endswith("and Marketo's 2026-01-10T01:01:00Z. The task uses Marketo's time")


def test_clocks_that_agree_are_not_worth_a_word(stream, caplog):
    now = datetime.now(timezone.utc)
    followed = stream(activities=0, now=now)
    followed.run(start=now - HOUR, **JSONL)
    assert not [record for record in caplog.records if "clock" in record.getMessage()]


def test_a_token_that_marketo_no_longer_accepts_is_replaced_by_the_time(stream, caplog):
    followed = stream()
    followed.hour(0, **JSONL)
    followed.sim.fail("activities.get_lead_activities", "1003", times=1)
    followed.hour(1, **JSONL)
    assert "reading from the range's start" in caplog.text
    assert followed.published() == sorted(followed.happened(START, START + 2 * HOUR))


def test_an_output_that_moves_between_two_runs_publishes_nothing_twice(stream, tmp_path):
    followed, lookback = stream(), timedelta(hours=1)
    first = followed.hour(0, lookback=lookback, output_path=str(tmp_path / "first"), **JSONL)
    second = followed.hour(1, lookback=lookback, output_path=str(tmp_path / "second"), **JSONL)
    assert first["rows"] == second["rows_duplicate"] > 0
    assert second["rows"] == len(followed.happened(START + HOUR, START + 2 * HOUR))


def test_keys_that_are_not_where_the_stream_wrote_them_are_an_error_with_a_way_out(stream):
    """Two workers that share no disk cause it: the position is global, and the keys are not."""
    followed, lookback = stream(), {"lookback": timedelta(hours=1)}
    followed.hour(0, **lookback, **JSONL)
    shutil.rmtree(followed.output)
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match="must be reachable by every worker"):
        followed.hour(1, **lookback, **JSONL)
    assert followed.hour(1, **JSONL)["rows"] == len(followed.happened(START + HOUR, START + 2 * HOUR))


def test_a_stream_that_starts_in_the_future_is_refused(stream):
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match="lies in the future"):
        stream().run(start=START + timedelta(days=1))


@pytest.mark.parametrize("names", [("forms?emea", "forms?apac"), ("a/b", "a%2Fb"), ("Forms", "forms")])
def test_streams_with_similar_names_have_positions_of_their_own(stream, variables, tmp_path, names):
    followed = stream(has_asset_store=False)
    found = [followed.hour(0, stream=name, output_path=str(tmp_path / f"{at}")) for at, name in enumerate(names)]
    assert found[0]["rows"] == found[1]["rows"] > 0
    # The names as Airflow stores them: they are parts of paths of its API, and a database may ignore case and spaces.
    stored = {unquote(urlsplit(f"/variables/{name}").path).casefold().rstrip() for name in variables}
    assert len(stored) == 2


def test_two_tasks_whose_ids_join_to_the_same_text_have_different_streams():
    assert default_stream("a.b", "c") != default_stream("a", "b.c")
    assert default_stream("a", "b.c") == "a.b.c"


@pytest.mark.parametrize("has_asset_store", [True, False], ids=["asset state store", "Variable"])
def test_where_the_position_is_kept(stream, variables, has_asset_store):
    followed = stream(has_asset_store=has_asset_store)
    followed.hour(0, **JSONL)
    stored = dict(followed.state) if has_asset_store else {name: json.loads(text) for name, text in variables.items()}
    assert list(stored) == ["marketo_position_s"]
    assert stored["marketo_position_s"]["time"] == "2026-01-10T01:00:00Z"


def test_a_position_that_airflow_has_lost_is_taken_from_the_copy_beside_the_output(stream, variables):
    followed = stream(has_asset_store=False)
    followed.hour(0, **JSONL)
    variables.clear()
    assert followed.hour(2, **JSONL)["start"] == "2026-01-10T01:00:00Z"


def test_a_position_in_another_instance_is_refused(stream):
    followed = stream()
    elsewhere = {"instance": "123-ABC-456", "since": "2026-01-10", "time": "2026-01-10", "pages": {}}
    followed.state.set("marketo_position_s", elsewhere)
    with pytest.raises(AirflowFailException, match=r"123-ABC-456.*another name"):
        followed.hour(0)


def test_a_run_that_is_run_again_on_another_instance_is_refused(stream):
    followed = stream()
    followed.hour(0, **JSONL)
    files = followed.files()
    elsewhere = stream(seed=9, now=START + 2 * HOUR)
    elsewhere.state = followed.state
    with pytest.raises(AirflowFailException, match="correct the connection"):
        elsewhere.hour(0, **JSONL)
    assert followed.files() == files


def test_the_latest_position_counts_whatever_was_left_behind(stream, caplog):
    followed, outlet = stream(has_asset_store=False), AssetStore()
    followed.hour(0, **JSONL)
    followed.state = outlet  # Airflow 3.3
    followed.hour(1, **JSONL)
    followed.state = AssetStore()  # another outlet
    assert followed.hour(2, **JSONL)["start"] == "2026-01-10T02:00:00Z"
    followed.state = outlet
    assert followed.hour(3, **JSONL)["start"] == "2026-01-10T03:00:00Z"
    assert "does not have the latest position marketo_position_s" in caplog.text
    assert outlet.get("marketo_position_s")["time"] == "2026-01-10T04:00:00Z"


def test_mapped_tasks_do_not_share_a_stream(stream):
    followed = stream()
    followed.hour(0, map_index=0, **JSONL)
    with pytest.raises(AirflowFailException, match=r"^stream: mapped task 0 .*of its own"):
        followed.hour(0, map_index=1, **JSONL)
    followed.hour(0, map_index=1, stream="another", output_path=f"{followed.output}-1", **JSONL)
    followed.hour(0, map_index=0, **JSONL)  # a person clears it
    assert followed.hour(1, map_index=0, **JSONL)["rows"]
    assert followed.hour(2, map_index=1, **JSONL)["start"] == "2026-01-10T02:00:00Z"  # there is one instance less


def test_a_watchers_position_is_not_taken_for_a_streams(stream, variables):
    state = WatchState("123-ABC-456", "2026-01-10T00:00:00Z", "2026-01-10T00:00:00Z")
    variables["marketo_position_s"] = json.dumps(state.to_dict())
    with pytest.raises(AirflowFailException, match=r"^stream: .*how far a watcher has read.*another name"):
        stream().hour(0, **JSONL)


def test_a_new_stream_needs_a_start(stream):
    with pytest.raises(AirflowFailException, match=r"^start: .*no position yet"):
        stream().run()


def test_a_spent_quota_defers_until_the_reset(stream):
    followed = stream()
    followed.sim.spend(calls=50_000)
    with pytest.raises(TaskDeferred):
        followed.hour(0)


def test_a_spent_quota_fails_at_once_if_told_to(stream):
    followed = stream()
    followed.sim.spend(calls=50_000)
    with pytest.raises(Exception, match="Marketo code 607"):
        followed.hour(0, on_quota_exhausted="fail")


DAMAGED = ["", '{"time": "2026-', "null", "{}"]
"""Texts that a truncated copy, a full disk or a person's edit leaves."""


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("place", ["Variable", "copy", "range of the run"])
def test_a_damaged_position_stops_the_stream_by_name_and_is_never_taken_for_none(stream, variables, place, text):
    """If it counted as missing, the stream would begin again at its start and publish everything twice."""
    followed = stream(has_asset_store=False)
    followed.hour(0, **JSONL)
    before = followed.published()
    if place == "Variable":
        variables["marketo_position_s"] = text
    else:
        folder = "positions" if place == "copy" else "runs"
        (file,) = (followed.output / "_marketo" / folder).rglob("*.json")
        file.write_text(text)
    with pytest.raises(AirflowFailException, match=r"is damaged \(.*\)\. Restore") as stopped:
        followed.hour(0 if place == "range of the run" else 1, **JSONL)
    assert ("marketo_position_s" if place == "Variable" else file.name) in str(stopped.value)
    assert followed.published() == before


@pytest.mark.parametrize("member", ["since", "time", "pages", "published"])
@pytest.mark.parametrize("value", [5, None])
def test_a_position_with_a_wrong_member_is_damaged(stream, variables, member, value):
    followed = stream(has_asset_store=False)
    followed.hour(0, **JSONL)
    variables["marketo_position_s"] = json.dumps({**json.loads(variables["marketo_position_s"]), member: value})
    with pytest.raises(AirflowFailException, match="Variable marketo_position_s is damaged"):
        followed.hour(1, **JSONL)


def test_a_damaged_position_in_an_assets_state_is_named(stream):
    followed = stream()
    followed.state.set("marketo_position_s", {"pages": 5})
    with pytest.raises(AirflowFailException, match="marketo_position_s in the state store of the task's outlet is dam"):
        followed.hour(0, **JSONL)


def test_a_position_remembers_the_latest_hundred_ranges():
    position = Position("i", "s", "t", published=dict.fromkeys((f"{number:03}" for number in range(100)), "output"))
    assert list(position.with_range("100", "output")) == [f"{number:03}" for number in range(1, 101)]


def test_a_run_that_asks_for_the_future_names_the_end_that_it_asked_for(stream):
    followed = stream()
    followed.clock.advance(2 * HOUR.total_seconds())
    manifest = followed.run(start=START, end=START + 5 * HOUR, **JSONL)
    assert (manifest["end"], manifest["requested_end"]) == ("2026-01-10T02:00:00Z", "2026-01-10T05:00:00Z")
    again = followed.run(start=START, end=START + 5 * HOUR, **JSONL)
    assert (again["end"], again["requested_end"]) == (manifest["end"], manifest["requested_end"])
    whole = followed.run("the next", start=START, end=START + 2 * HOUR, **JSONL)
    assert whole["end"] == whole["start"], "everything was read"


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_stream_on_a_disk_that_is_not_shared_stops_before_it_publishes_elsewhere(stream, monkeypatch, is_shared):
    """The position is global: without this error each host would have a part of the rows."""
    followed = stream()
    followed.hour(0, output_path=str(followed.output.with_name("the output before")), **JSONL)
    followed.hour(1, **JSONL)
    before = followed.published()
    monkeypatch.setattr("socket.gethostname", lambda: "worker-2")
    if is_shared:
        followed.hour(2, **JSONL)
        assert len(followed.published()) > len(before)
        return
    own = followed.output.with_name("of worker-1")
    followed.output.rename(own)
    with pytest.raises(AirflowFailException, match=r"host worker-2 does not see .* reachable by every worker"):
        followed.hour(2, **JSONL)
    assert not [path for path in followed.output.rglob("*") if path.is_file()], "it has published nothing here"


def test_a_page_that_does_not_say_whether_there_are_more_is_followed(stream, monkeypatch):
    """The page has a token for the next page. Only ``moreResult: false`` is the end of the feed."""
    followed, parse = stream(), answer.parse_json
    left_out = []

    def silent(operation, *arguments):
        body = parse(operation, *arguments)
        if operation == "activities.get_lead_activities" and body.get("moreResult"):
            left_out.append(body.pop("moreResult"))
        return body

    monkeypatch.setattr(answer, "parse_json", silent)
    followed.clock.advance(HOURS * HOUR.total_seconds())
    end = START + 40 * HOUR
    followed.run(start=START, end=end, **JSONL)
    assert left_out
    assert followed.published() == sorted(followed.happened(START, end))
