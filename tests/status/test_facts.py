"""What the page and ``airflow marketo status`` show, on a real Airflow database."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from sqlalchemy import event, insert

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.airflow_compat import XComModel
from airflow_provider_marketo.at_most_once.entries import CLAIM
from airflow_provider_marketo.hooks.job_waits import EXPORT_IDS
from airflow_provider_marketo.status import database
from airflow_provider_marketo.status.database import Snapshot
from airflow_provider_marketo.status.facts import collect
from benchmarks.page import CONNECTIONS, STREAMS, WAITING, hidden, shown
from tests.status.conftest import NOW, entry, quota, usage
from tools.arguments_page import public_operators


def _has_task_state() -> bool:
    try:
        return bool(airflow_compat.TaskStateStoreModel)
    except ImportError:
        return False


def connection_of(facts: dict[str, Any], conn_id: str = "marketo_default") -> dict[str, Any]:
    return next(each for each in facts["waits"]["connections"] if each["conn_id"] == conn_id)


def test_without_anything_every_section_is_empty(session):
    facts = collect(session, now=NOW)
    assert facts == {
        "version": 1,
        "now": "2026-01-15T18:00:00+00:00",
        "waits": {"connections": [], "tasks": []},
        "fresh": {"streams": [], "tables": [], "assets": []},
        "needs": {"decisions": [], "faults": []},
    }


def test_it_is_plain_json(session, store, add_task):
    store("marketo_quota_marketo_default", quota())
    store("marketo_usage_marketo_default", usage())
    add_task("daily", "extract", "deferred")
    assert json.loads(json.dumps(collect(session, now=NOW))) == collect(session, now=NOW)


def test_the_quotas_come_from_the_variable_with_their_age(session, store):
    store(
        "marketo_quota_marketo_default",
        quota(latches={"calls": "2026-01-15T23:00:00+00:00", "export": "2026-01-15T17:00:00+00:00"}),
    )
    found = connection_of(collect(session, now=NOW))
    assert found["calls"] == {"used": 400, "left": 600, "quota": 1000, "reserve": 100}
    assert (found["export_mb"]["used"], found["export_mb"]["quota"]) == (120.0, 500.0)
    assert (found["measured_at"], found["resets_at"]) == ("2026-01-15T17:55:00+00:00", "2026-01-16T06:00:00+00:00")
    assert found["latches"] == {"calls": "2026-01-15T23:00:00+00:00"}, "a latch that has passed is not shown"
    assert found["is_new_day"] is False


def test_after_the_reset_a_new_day_is_shown(session, store):
    store("marketo_quota_marketo_default", quota(resets_at="2026-01-15T06:00:00+00:00"))
    assert connection_of(collect(session, now=NOW))["is_new_day"] is True


def test_seven_days_of_calls_are_ours_by_dag_and_others(session, store):
    store("marketo_usage_marketo_default", usage())
    found = connection_of(collect(session, now=NOW))["usage"]
    assert len(found["days"]) == 7
    assert found["days"][0] == {
        "date": "2026-01-15", "total": 400, "by_dag": {"daily": 200, "hourly": 50}, "ours_otherwise": 50,
        "others": {"user-1a2b3c4d": 100},
    }  # fmt: skip
    assert found["errors"] == {"606": 3}


def test_connections_of_the_database_and_of_the_environment_are_listed(session, store):
    session.add(Connection(conn_id="in_the_database", conn_type="marketo", host="x", password="a-secret"))
    session.add(Connection(conn_id="another", conn_type="http", host="x"))
    session.flush()
    store("marketo_quota_from_the_environment", quota())
    facts = collect(session, now=NOW)
    assert {each["conn_id"] for each in facts["waits"]["connections"]} == {"in_the_database", "from_the_environment"}
    assert "a-secret" not in json.dumps(facts)


def test_tasks_that_wait_are_shown_with_their_export_jobs(session, add_task):
    add_task("daily", "extract", "deferred")
    add_task("daily", "other", "running", operator="BashOperator")
    add_task("daily", "done", "success")
    run = {"dag_id": "daily", "task_id": "extract", "run_id": "a run", "map_index": -1, "dag_run_id": 1}
    session.add(XComModel(key=EXPORT_IDS, value=json.dumps(["job-1", "job-2"]), **run))
    session.flush()
    (task,) = collect(session, now=NOW)["waits"]["tasks"]
    assert (task["dag_id"], task["task_id"], task["state"], task["pool"]) == ("daily", "extract", "deferred", "marketo")
    assert task["jobs"] == ["job-1", "job-2"]


@pytest.mark.skipif(not _has_task_state(), reason="Airflow 3.3 has this store")
def test_from_airflow_3_3_the_jobs_come_from_what_tasks_keep(session, add_task):
    store = airflow_compat.TaskStateStoreModel
    kept = {
        ("extract", "marketo_bulk_extract"): {"jobs": {"a window": "job-2", "another": "job-1"}},
        ("import", "marketo_import"): {
            "chunks": {"1": {"state": "queued", "batch_id": 7}, "2": {"state": "done", "batch_id": 6}, "3": {}}
        },
        ("elsewhere", "marketo_bulk_extract"): "s3://a-reference",
    }
    for (task_id, key), value in kept.items():
        add_task("daily", task_id, "running")
        text = value if isinstance(value, str) else json.dumps(value)
        run = {"dag_id": "daily", "task_id": task_id, "run_id": "a run", "map_index": -1, "dag_run_id": 1}
        session.add(store(key=key, value=text, updated_at=NOW, **run))
    session.flush()
    jobs = {task["task_id"]: task["jobs"] for task in collect(session, now=NOW)["waits"]["tasks"]}
    assert jobs == {"extract": ["job-1", "job-2"], "import": ["7"], "elsewhere": []}


def test_tasks_of_every_operator_are_ours(session, add_task):
    names = {kind.__name__ for kind in public_operators()}
    for name in names:
        add_task("daily", name, "running", operator=name)
    assert {task["task_id"] for task in collect(session, now=NOW)["waits"]["tasks"]} == names


def test_tasks_of_the_warehouse_group_are_ours(session, add_task):
    for operator in ("RangesOfRunOperator", "LoadSourceOperator", "MergedLeadsInRangeOperator", "PythonOperator"):
        add_task("warehouse", operator, "running", operator=operator)
    assert len(collect(session, now=NOW)["waits"]["tasks"]) == 3


def test_exports_of_today_show_the_budgets_of_dags(session, store):
    entries = {
        "a": {"dag_id": "backfill", "since": "2026-01-15T12:00:00Z", "spent": 30_000_000},
        "b": {"dag_id": "daily", "since": "2026-01-15T12:00:00Z", "spent": 5_000_000},
    }
    budgets = {"backfill": {"mb": 50, "day": "2026-01-15"}}
    store(
        "marketo_exports_marketo_default", {"version": 1, "day": "2026-01-15", "entries": entries, "budgets": budgets}
    )
    facts = connection_of(collect(session, now=NOW, dag_ids=["backfill"]))
    assert facts["exports_by_dag"] == [{"dag_id": "backfill", "mb": 30.0, "budget_mb": 50}]
    tomorrow = connection_of(collect(session, now=NOW + timedelta(days=1)))["exports_by_dag"]
    assert tomorrow == [{"dag_id": "backfill", "mb": 0.0, "budget_mb": 50}]


def test_promises_stand_beside_the_lags_and_late_ones_are_named(session, store):
    store("marketo_position_leads", {"time": "2026-01-15T17:00:00Z", "pages": {}})
    store("marketo_position_forms", {"time": "2026-01-15T17:59:00Z", "pending": None})
    tables = {"leads": {"until": "2026-01-15T17:30:00Z", "loaded_at": "x"}, "emails": {"until": "2026-01-15T12:00:00Z"}}
    place = {"dag_id": "warehouse", "task_id": "load", "place": "duckdb://wh/marketo"}
    store("marketo_tables_warehouse.load", {"version": 1, "tables": tables, **place})
    promised = {
        "leads": "PT2H",
        "forms": "PT30S",
        "duckdb://wh/marketo/emails": "PT1H",
        "marketo://x/leads": "two days",
    }
    store("marketo_promises", promised)
    facts = collect(session, now=NOW)
    fresh = facts["fresh"]
    found = [(each["name"], each["promise_seconds"], each["late"]) for each in (*fresh["streams"], *fresh["tables"])]
    assert found == [("forms", 30, True), ("leads", 7200, False), ("emails", 3600, True), ("leads", 7200, False)]
    assert [each["lag_seconds"] for each in fresh["tables"]] == [6 * 3600, 1800]
    (fault,) = facts["needs"]["faults"]
    assert fault["found"] == "The promise of marketo://x/leads in the Variable marketo_promises is not a duration."
    assert collect(session, now=NOW, dag_ids=["another"])["fresh"]["tables"] == []


def test_the_pool_shows_how_many_slots_are_taken(session, store, add_task):
    session.add(Pool(pool="marketo", slots=8, include_deferred=False))
    store("marketo_usage_marketo_default", usage())
    for number in range(3):
        add_task("daily", f"t{number}", "running")
    add_task("daily", "waiting", "deferred")
    assert connection_of(collect(session, now=NOW))["pool"] == {"name": "marketo", "slots": 8, "taken": 3}


def test_streams_show_how_far_they_are_behind(session, store):
    store(
        "marketo_position_leads", {"instance": "123-ABC-456", "since": "x", "time": "2026-01-15T17:00:00Z", "pages": {}}
    )
    store(
        "marketo_position_forms",
        {"instance": "123-ABC-456", "since": "x", "time": "2026-01-15T17:59:00Z", "pending": None},
    )
    store("marketo_position_damaged", "{")
    streams = collect(session, now=NOW)["fresh"]["streams"]
    assert [(each["name"], each["kind"], each["lag_seconds"]) for each in streams] == [
        ("forms", "watcher", 60),
        ("leads", "stream", 3600),
    ]


def test_the_later_of_two_positions_counts(session, store, monkeypatch):
    store("marketo_position_leads", {"time": "2026-01-15T16:00:00Z", "pages": {}})
    monkeypatch.setattr(
        database, "asset_state_rows",
        lambda session, prefix: [("marketo_position_leads", '{"time": "2026-01-15T17:00:00Z"}'), ("marketo_position_x", "s3://x")],
    )  # fmt: skip
    (stream,) = collect(session, now=NOW)["fresh"]["streams"]
    assert stream["time"] == "2026-01-15T17:00:00Z"


def test_airflow_assets_show_their_last_event(session):
    asset = AssetModel(name="leads", uri="marketo://123-ABC-456/leads", group="asset")
    session.add_all([asset, AssetModel(name="other", uri="s3://x/y", group="asset")])
    session.flush()
    session.add(AssetEvent(asset_id=asset.id, timestamp=NOW))
    session.flush()
    assert collect(session, now=NOW)["fresh"]["assets"] == [
        {
            "uri": "marketo://123-ABC-456/leads",
            "last_event": "2026-01-15T18:00:00+00:00",
            "lag_seconds": 0,
            "promise_seconds": None,
            "late": False,
        }
    ]


def test_a_request_with_an_unknown_outcome_needs_a_person(session, store):
    key, text, claim = entry()
    store(key, text)
    store(claim, "a process")
    (decision,) = collect(session, now=NOW)["needs"]["decisions"]
    assert (decision["key"], decision["what"]) == (key, "campaign 1 for 10 leads")
    assert "Results tab" in decision["how_to_check"]


@pytest.mark.parametrize(("state", "shown"), [("running", 0), ("queued", 0), ("failed", 1), ("up_for_retry", 1)])
def test_a_request_that_may_be_under_way_is_not_offered_for_decision(session, store, add_task, state, shown):
    key, text, claim = entry()
    store(key, text)
    store(claim, "a process")
    add_task("send", "trigger", state)
    assert len(collect(session, now=NOW)["needs"]["decisions"]) == shown


@pytest.mark.parametrize("text", ["{cut sho", '{"version": 99}'], ids=["damaged", "of a later release"])
def test_an_entry_that_cannot_be_read_needs_a_person_too(session, store, text):
    key, _, claim = entry()
    store(key, text)
    store(claim, "a process")
    (decision,) = collect(session, now=NOW)["needs"]["decisions"]
    assert "cannot be read" in decision["what"]


def test_set_up_faults_are_found_without_a_call(session, store, add_task):
    session.add(Pool(pool="marketo", slots=8, include_deferred=False))
    store("marketo_pools", {"marketo_default": "marketo", "other": "gone"})
    add_task("daily", "outside", "running", pool="default_pool")
    said = [fault["found"] for fault in collect(session, now=NOW)["needs"]["faults"]]
    assert said == [
        "The pool gone of other does not exist: tasks that name it wait for ever.",
        "These tasks are not in a pool of a Marketo connection: daily.outside.",
    ]


def test_rows_of_dags_that_the_reader_may_not_see_are_left_out(session, store, add_task):
    key, text, claim = entry()
    store(key, text)
    store(claim, "a process")
    store("marketo_usage_marketo_default", usage(1))
    add_task("daily", "extract", "deferred")
    add_task("hidden", "extract", "deferred")
    facts = collect(session, dag_ids={"daily"}, now=NOW)
    assert [task["dag_id"] for task in facts["waits"]["tasks"]] == ["daily"]
    assert facts["needs"]["decisions"] == []
    (day,) = connection_of(facts)["usage"]["days"]
    assert (day["by_dag"], day["ours_otherwise"]) == ({"daily": 200}, 100)


def test_a_section_that_fails_leaves_the_others(session, store, monkeypatch):
    store("marketo_quota_marketo_default", quota())

    def fails(known: Any) -> Any:
        raise RuntimeError("a table is locked")

    monkeypatch.setattr(Snapshot, "asset_events", property(fails))
    facts = collect(session, now=NOW)
    assert "RuntimeError" in facts["fresh"]["error"]
    assert connection_of(facts)["calls"]["used"] == 400


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"version": 99}', '{"instance": 1}'])
def test_variables_that_are_not_ours_are_skipped(session, store, text):
    for prefix in ("quota", "usage", "position"):
        store(f"marketo_{prefix}_marketo_default", text or "{}")
    facts = collect(session, now=NOW)
    assert facts["waits"]["connections"] == [{"conn_id": "marketo_default"}]
    assert facts["fresh"]["streams"] == []


def test_only_what_is_shown_is_decrypted_in_one_query(session):
    """Each Variable that is loaded is decrypted. The 3,000 settled entries are not shown."""
    rows = {**shown(), **hidden()}
    session.execute(insert(Variable), [{"key": key, "_val": text, "is_encrypted": False} for key, text in rows.items()])
    session.flush()
    loaded: list[str] = []
    statements: list[str] = []
    with listening(Variable, "load", lambda variable, _: loaded.append(variable.key)), listening(
        session.get_bind(), "before_cursor_execute", lambda _, __, statement, *more: statements.append(statement)
    ):  # fmt: skip
        facts = collect(session, now=NOW)
    assert (len(facts["needs"]["decisions"]), len(facts["fresh"]["streams"])) == (WAITING, STREAMS)
    assert len(facts["waits"]["connections"]) == CONNECTIONS
    assert sorted(loaded) == sorted(shown())
    assert len([each for each in statements if "FROM variable" in each]) == 1
    assert len(statements) == len(set(statements)), "no query runs twice"


@contextmanager
def listening(target: Any, name: str, listener: Callable[..., Any]) -> Iterator[None]:
    event.listen(target, name, listener)
    try:
        yield
    finally:
        event.remove(target, name, listener)


HOSTILE = "\u202e</script><img src=x onerror=alert(1)>\x1b[31m\u2028" + "x" * 100_000


def test_hostile_texts_are_printable_short_and_plain_json(session, store, add_task):
    key, text, claim = entry(what=HOSTILE, reason=HOSTILE)
    store(key, text)
    store(claim, "x")
    store("marketo_quota_a", quota(instance=HOSTILE))
    store("marketo_usage_a", usage(reason=HOSTILE, errors={"__proto__": 1, HOSTILE[:200]: 2}))
    store("marketo_position_leads", {"time": "2026-01-15T17:00:00+00:00", "instance": HOSTILE})
    store("marketo_tables_a", {"dag_id": "a", "tables": {"t": {"until": "2026-01-15", "loaded_at": float("inf")}}})
    facts = collect(session, now=NOW)
    written = json.dumps(facts, allow_nan=False, ensure_ascii=False)
    assert not [name for name in ("waits", "fresh", "needs") if "error" in facts[name]]
    assert written.isprintable()
    assert len(written) < 30_000
    assert facts["waits"]["connections"][0]["usage"]["errors"]["__proto__"] == 1


@pytest.mark.parametrize("odd", [None, "x", 1, [], {}, True, float("nan"), "9999-99-99"], ids=str)
def test_one_damaged_variable_does_not_hide_the_others(session, store, odd):
    store("marketo_position_broken", {"time": odd})
    store("marketo_position_leads", {"time": "2026-01-15T17:00:00+00:00"})
    store("marketo_tables_broken", {"dag_id": "a", "tables": {"t": odd}})
    store("marketo_tables_good", {"dag_id": "a", "tables": {"emails": {"until": "2026-01-15T17:00:00+00:00"}}})
    fresh = collect(session, now=NOW)["fresh"]
    assert [each["name"] for each in fresh["streams"]] == ["leads"]
    assert [each["name"] for each in fresh["tables"]] == ["emails"]


def test_the_command_to_settle_runs_nothing_that_is_in_a_key(session, store):
    _, text, _ = entry()
    key = "marketo_once_$(touch /tmp/x); rm -rf '~'"
    store(key, text)
    store(key + CLAIM, "x")
    (decision,) = collect(session, now=NOW)["needs"]["decisions"]
    assert shlex.split(decision["settle"]) == ["airflow", "marketo", "ledger", "settle", key]
