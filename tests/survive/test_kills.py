"""The kill campaign itself: its plan can be repeated, and its checks notice each kind of fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.simulator.import_jobs import Job as ImportJob
from airflow_provider_marketo.simulator.store.assets import Sending
from tests.seed import DATES
from tests.survive.job import DOUBLED, LOST, ORPHANED, WRONG
from tests.survive.kills import stage as stage_module
from tests.survive.kills.blows import BLOWS, CELERY, LOCAL
from tests.survive.kills.kinds import KINDS, OF_EACH, RESERVED, TABLES, Attempt, World, _days
from tests.survive.kills.plan import kill_of, verdict
from tests.survive.kills.stage import Stage
from tests.survive.run import HUNG

BY_NAME = {kind.dag_id: kind for kind in KINDS}
SENT = {"accepted": 700, "superseded": 0}


@pytest.fixture(scope="module")
def marketo() -> Iterator[Simulator]:
    with Simulator(Settings(leads=RESERVED + 3 * OF_EACH, activities=500, assets=4, **DATES)) as simulator:
        yield simulator


@pytest.fixture
def world(marketo: Simulator, tmp_path: Path) -> World:
    return World(marketo, tmp_path, "postgresql://not-started")


def attempt(kind: str, number: int = 0, *, ended: bool = True, result: object = None) -> Attempt:
    return Attempt(BY_NAME[kind], number, ended=ended, result=result)


def words(world: World, tried: Attempt) -> set[str]:
    return {word for word, _ in tried.kind.check(world, tried)}


def publish(world: World, tried: Attempt, name: str, rows: list[dict]) -> None:
    path = world.lake / tried.kind.dag_id / str(tried.number) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("executor", [LOCAL, CELERY])
def test_a_seed_says_the_same_each_time(executor):
    plans = [str(kill_of(seed, executor)) for seed in range(400)]
    assert plans == [str(kill_of(seed, executor)) for seed in range(400)]
    possible = {blow.name for blow in BLOWS if executor in blow.executors}
    assert {kill_of(seed, executor).blow.name for seed in range(400)} == possible
    assert {kill_of(seed, executor).kind for seed in range(400)} == set(KINDS)


def test_a_blow_falls_only_on_a_kind_of_task_that_it_fits():
    for kill in (kill_of(seed, CELERY) for seed in range(400)):
        assert not (kill.blow.on_run and kill.kind.by_itself)
        assert kill.moment in kill.kind.moments


def test_the_verdict_counts_each_kill_once_for_each_word():
    kills = [kill_of(seed, LOCAL) for seed in range(4)]
    assert verdict(kills) == ("4 kills: 0 lost, 0 doubled, 0 orphaned, 0 hung, 0 wrong", True)
    kills[0].problems = [(LOST, "a row"), (LOST, "another"), (DOUBLED, "a job")]
    kills[1].problems = [(HUNG, "it waits")]
    found = verdict(kills, [(ORPHANED, "a lease"), (WRONG, "a call")])
    assert found == ("4 kills: 1 lost, 1 doubled, 1 orphaned, 1 hung, 1 wrong", False)


def test_rows_of_files_are_compared_with_those_of_marketo(world: World):
    tried = attempt("stream")
    start, end = (int(each.timestamp()) for each in _days(world, tried))
    happened = world.store.activities.between(start, end - 1)
    rows = [{"marketoGUID": str(each.number)} for each in happened if each.type_id != 37]
    publish(world, tried, "a.jsonl", rows)
    assert words(world, tried) == set()
    publish(world, tried, "a.jsonl", rows[1:])
    assert words(world, tried) == {LOST}
    tried.ended = False  # a task that was marked or deleted may have published less
    assert words(world, tried) == set()
    publish(world, tried, "a.jsonl", [*rows, rows[0]])
    assert words(world, tried) == {DOUBLED}
    publish(world, tried, "a.jsonl", [*rows, {"marketoGUID": "0"}])
    assert words(world, tried) == {WRONG}


def test_an_extract_of_leads_reads_none_that_attempts_change_however_many_attempts_there_are(tmp_path: Path):
    kills = 1_000
    with Simulator(Settings(leads=RESERVED + OF_EACH * (kills + 1), activities=10, assets=4, **DATES)) as marketo:
        world = World(marketo, tmp_path, "postgresql://not-started")
        for number in (0, kills - 1):
            begin, end = map(iso, _days(world, attempt("extract_waiting", number)))
            ids = range(1001, 1001 + RESERVED + 10 * OF_EACH)
            read = [each for each in ids if begin <= world.store.leads.get(each)["createdAt"] < end]
            assert len(read) > 1_000
            assert max(read) < attempt("extract_waiting").leads[0]


def test_lists_of_assets_and_watched_fills_are_compared(world: World):
    tried = attempt("listing")
    for table in TABLES:
        publish(world, tried, f"{table}/a.jsonl", [{"id": each.id} for each in world.store.assets.records(table)])
    assert words(world, tried) == set()
    publish(world, tried, "files/a.jsonl", [])
    assert words(world, tried) == {LOST}
    watched = attempt("watch", result=["1", "1", "2"])
    watched.expected = {"1", "2", "3"}
    assert words(world, watched) == {LOST, DOUBLED}
    assert words(world, attempt("sensor", result="too early")) == {WRONG}


def test_what_was_sent_is_compared_with_what_marketo_holds(world: World):
    now, store = world.marketo.instance.now, world.store
    sent = attempt("sync", result=SENT)
    assert words(world, sent) == {LOST}
    for row in range(700):
        store.leads.create({"email": f"kill0-{row}@example.com"}, now, 1)
    assert words(world, sent) == set()
    store.leads.create({"email": "kill0-0@example.com"}, now, 1)
    assert words(world, sent) == {DOUBLED}
    assert words(world, attempt("sync", result={"accepted": 1, "superseded": 0})) == {DOUBLED, WRONG}

    campaign = attempt("campaign")
    assert words(world, campaign) == {LOST}
    store.assets.sendings.append(Sending("campaigns.request", 2001, tuple(campaign.leads), now))
    assert words(world, campaign) == set()
    store.assets.sendings.append(Sending("campaigns.request", 2001, tuple(campaign.leads[:1]), now))
    assert words(world, campaign) == {DOUBLED}

    clone = attempt("clone")
    assert words(world, clone) == {LOST}
    (template,) = store.assets.named("programs", "Spring Webinar")
    store.assets.clone_program(template, "Kill 0", template.location, None, now)
    assert words(world, clone) == {WRONG}, "it has no token yet"
    assert words(world, attempt("erase")) == {LOST}

    mirror = attempt("mirror", 1)
    conf = mirror.kind.begin(world, mirror)
    assert words(world, mirror) == {LOST, WRONG}
    for lead_id in mirror.leads:
        change = store.lists.add if lead_id in conf["leads"] else store.lists.remove
        change(conf["list"], lead_id, *([now] if lead_id in conf["leads"] else []))
    assert words(world, mirror) == set()


def test_jobs_are_counted(world: World):
    for name in ("extract_deferred", "extract_waiting"):
        tried = attempt(name, 2, ended=False)
        span = dict(zip(("startAt", "endAt"), map(iso, _days(world, tried)), strict=True))
        client = MarketoClient(world.marketo.url, world.marketo.client_id, world.marketo.client_secret)
        family, field = ("activities", "marketoGUID") if name == "extract_deferred" else ("leads", "id")
        for count in range(2):
            assert words(world, tried) == set(), f"{count} jobs"
            client.call(f"bulk_export_{family}.create_job", filter={"createdAt": span}, format="CSV", fields=[field])
            world.marketo.instance.exports.all()[-1].finished_at = world.marketo.clock.now()
        assert words(world, tried) == {DOUBLED}
        tried.repeats = 1  # a person has cleared it after it had succeeded
        assert words(world, tried) == set()

    loaded = attempt("import_waiting", 2, ended=False)
    to = {"listId": loaded.kind.begin(world, loaded)["list"]}
    imports, now = world.marketo.instance.imports, world.marketo.clock.now()
    for count in range(2):
        assert words(world, loaded) == set(), f"{count} jobs"
        imports.submit(ImportJob("leads", b"", ",", to, now, finished_at=now))
    assert words(world, loaded) == {DOUBLED}


def test_what_is_left_behind_after_its_time_is_found(world: World, monkeypatch: pytest.MonkeyPatch):
    for name in ("LEASES_END", "JOBS_END", "TASKS_END"):
        monkeypatch.setattr(stage_module, name, 0)
    slots = {"occupied_slots": 0}
    cleaned: list[tuple[str, ...]] = []
    airflow = SimpleNamespace(home=world.lake, api=lambda *_: slots, cli=lambda *given: cleaned.append(given))
    stage = Stage(airflow, world, {}, world.lake, "")
    assert list(stage.leftovers(0, 0)) == []
    slots["occupied_slots"] = 1
    store = SQLiteStore(world.lake / "marketo_governor", Endpoint.parse(world.marketo.url).instance)
    store.update(lambda state, at: state.leases.update(call=(at.now, at.now + 60)))
    store.update(lambda state, at: state.queues.update({"import": {"a job": at.now + 60}}))
    left = world.lake / "a" / "_marketo" / "staging" / "rows.csv"
    left.parent.mkdir(parents=True)
    left.touch()
    (world.lake / "a" / "_marketo" / "runs" / "a_run" / "_marketo").mkdir(parents=True)
    found = list(stage.leftovers(0, 0))
    assert [word for word, _ in found] == [ORPHANED] * 4
    assert cleaned == [("marketo", "clean", str(world.lake / "a"), "--older-than-days", "0")]
    assert not any("queues" in text for _, text in stage.leftovers(1, 0)), "a task that was cut short explains a place"
    client = MarketoClient(world.marketo.url, world.marketo.client_id, world.marketo.client_secret)
    span = dict(zip(("startAt", "endAt"), map(iso, _days(world, attempt("extract_waiting", 1))), strict=True))
    client.call("bulk_export_leads.create_job", filter={"createdAt": span}, format="CSV", fields=["id"])
    assert any("never started" in text for _, text in stage.leftovers(1, 0))
    assert not any("never started" in text for _, text in stage.leftovers(1, 1)), "its task may have died too early"
