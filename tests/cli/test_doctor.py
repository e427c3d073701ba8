"""``airflow marketo doctor``, against simulated instances and a real Airflow database."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.variable import Variable
from airflow.sdk import DAG
from airflow.utils.session import create_session
from sqlalchemy import delete

from airflow_provider_marketo.__main__ import main
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.diagnosis import airflow_checks, connection_checks, worker_checks
from airflow_provider_marketo.diagnosis.checks import CHECKS
from airflow_provider_marketo.diagnosis.dag_tasks import DagTask
from airflow_provider_marketo.diagnosis.permissions import needed
from airflow_provider_marketo.hooks.export_account import ExportAccount, Size, variable_name
from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.sync import MarketoSyncOperator
from airflow_provider_marketo.simulator import ApiUser, Settings, Simulator
from tests.status.conftest import NOW, add_task
from tools.arguments_page import public_operators
from tools.services import free_port

__all__ = ["add_task"]

DENIED = ApiUser("weak", "b-secret", "weak@example.org", frozenset({"Read-Only Activity", "Read-Write Activity"}))
USERS = (ApiUser("ours", "a-secret", "ours@example.org"), DENIED)


@pytest.fixture(scope="module")
def instance():
    with Simulator(Settings(leads=10, activities=10, users=USERS, limits=False)) as simulator:
        yield simulator


@pytest.fixture
def connected(airflow, connect, instance):
    """Return a function that defines a connection to the instance; ``marketo_default`` exists, with its pool."""

    def define(conn_id: str = "marketo_default", **how) -> None:
        connect(conn_id, instance.url, **{"login": "ours", "password": "a-secret"} | how)

    define()
    airflow("setup")
    return define


@pytest.fixture
def doctor(airflow, capsys):
    """Return a function that runs the command and returns its lines, each as (result, check, about, found, remedy)."""

    def run(*arguments: str, code: int = 0) -> list[tuple[str, ...]]:
        if code:
            with pytest.raises(SystemExit) as ended:
                airflow("doctor", "--output", "json", *arguments)
            assert ended.value.code == code
            said = capsys.readouterr().out
        else:
            said = airflow("doctor", "--output", "json", *arguments)
        rows = [tuple(row.values()) for row in json.loads(said)]
        assert [row for row in rows if row[0] in ("warning", "error") and not row[4]] == []
        return rows

    return run


def findings(rows, check: str, level: str | None = None) -> list[tuple[str, ...]]:
    return [row for row in rows if row[1] == check and level in (None, row[0])]


def extract(output: str, task_id: str = "extract", **more) -> MarketoBulkExtractOperator:
    given = {"object_type": "leads", "start": "2026-01-01", "end": "2026-01-02", "pool": "marketo"} | more
    return MarketoBulkExtractOperator(task_id=task_id, output_path=output, **given)


def test_a_good_installation_has_a_line_for_each_check_and_no_error(doctor, connected):
    rows = doctor()
    assert [row for row in rows if row[0] not in ("ok", "not checked")] == []
    without_a_subject = {"budgets", "write permissions", "redis", "folders"}
    assert {row[1] for row in rows} == {name for name, _ in CHECKS} - without_a_subject


def test_the_calls_are_counted_and_only_read(airflow, connected, instance, capsys):
    before = Counter(instance.report().calls)
    main(["doctor", "--output", "json"])
    made = Counter(instance.report().calls) - before
    calls = made.total() - made["identity.post_token"]
    assert capsys.readouterr().err.endswith(f"; {calls} calls to Marketo\n")
    assert set(made) <= {
        "identity.post_token", "usage.get_daily_usage", "leads.describe", "activities.get_types",
        "program_members.describe", "folders.get",
    }  # fmt: skip


def test_every_line_that_is_not_ok_says_what_to_do(doctor, connect, connected):
    connect("broken", "222-BBB-222", password="")
    connect("odd", "333-CCC-333", rate_limit="many")
    connected("weak", login="weak", password="b-secret", rate_limit=100, max_parallel=10, pool="of_weak")
    rows = doctor(code=1)
    assert {row[0] for row in rows} >= {"warning", "error"}
    assert [row for row in rows if row[0] in ("warning", "error") and not row[4]] == []


def test_connections_that_contradict_each_other_are_all_named(doctor, connected):
    connected("other", rate_limit=50, reserve=5)
    found = findings(doctor(code=1), "contradictions", "error")
    assert len(found) == 2
    assert "one has rate_limit=90 and the other has rate_limit=50" in found[0][3]
    assert "reserve" in found[1][3]


def test_a_named_connection_is_compared_with_the_others(doctor, connected):
    connected("other", rate_limit=50)
    rows = doctor("--conn-id", "marketo_default", code=1)
    assert findings(rows, "contradictions", "error")
    assert [row[2] for row in findings(rows, "connection")] == ["marketo_default"]


def test_a_wrong_secret_is_an_error_and_the_checks_that_need_an_answer_are_left_out(doctor, connected):
    connected(password="wrong")
    rows = doctor(code=1)
    ((_, _, about, found, remedy),) = findings(rows, "connection", "error")
    assert about == "marketo_default"
    assert "refuses" in found
    assert remedy
    assert "wrong" not in json.dumps(rows).replace("went wrong", "")
    assert not findings(rows, "read permissions")


def test_a_missing_connection_is_an_error(doctor):
    ((_, _, about, found, _),) = findings(doctor("--conn-id", "nowhere", code=1), "settings")
    assert (about, found) == ("nowhere", "there is no connection nowhere")


def test_a_missing_permission_is_an_error_only_if_a_dag_needs_it(doctor, connected, store_dag):
    connected(login="weak", password="b-secret")
    ((level, _, _, found, remedy),) = findings(doctor(), "read permissions")
    assert (level, found) == ("warning", "Read-Only Activity is missing; no DAG needs it")
    assert "'Read-Only Activity'" in remedy
    with DAG("wants_activities") as dag:
        extract("/tmp/activities", object_type="activities")
    store_dag(dag)
    ((_, _, _, found, _),) = findings(doctor(code=1), "read permissions", "error")
    assert found == "Read-Only Activity is missing for task wants_activities.extract"


def test_permissions_to_write_are_named_with_their_tasks_and_not_checked(doctor, connected, store_dag):
    given = {"rejects_path": "/tmp/rejects", "pool": "marketo"}
    with DAG("writes") as dag:
        MarketoBulkImportOperator(task_id="members", object_type="program_members", source="/tmp/rows.csv", **given)
        MarketoSyncOperator(task_id="companies", object_type="companies", records=[{"a": 1}], **given)
        MarketoApiOperator(task_id="approve", operation="emails.approve_draft", arguments={"id": 1}, pool="marketo")
    store_dag(dag)
    found = findings(doctor(), "write permissions")
    assert {row[0] for row in found} == {"not checked"}
    said = " ".join(row[3] for row in found)
    unseen = "(this command does not see the argument)"
    assert f"The permission of bulk_import_<object_type>.import {unseen}, for task writes.members" in said
    assert f"The permission of <object_type>.sync {unseen}, for task writes.companies" in said
    assert "Assets, for task writes.approve" in said


def test_a_missing_pool_is_an_error(doctor, airflow, connected):
    connected(pool="not_there")
    ((_, _, about, found, remedy),) = findings(doctor(code=1), "pools", "error")
    assert about == "marketo_default"
    assert "wait for ever" in found
    assert "airflow marketo setup" in remedy


@pytest.mark.parametrize(
    ("slots", "deferred", "level", "said"),
    [
        (20, False, "error", "has 20 slots, and marketo_default allows 8"),
        (3, False, "warning", "has 3 of the 8 slots"),
        (8, True, "warning", "counts deferred tasks"),
    ],
)
def test_a_pool_that_differs_from_its_connection_is_named(doctor, connected, slots, deferred, level, said):
    with create_session() as session:
        session.query(Pool).filter(Pool.pool == "marketo").update({"slots": slots, "include_deferred": deferred})
    ((found_level, _, _, found, _),) = [
        row for row in findings(doctor(code=level == "error"), "pools") if row[2] == "marketo"
    ]
    assert (found_level, said in found) == (level, True)


def test_tasks_outside_the_pool_are_named_mapped_ones_too(doctor, connected, store_dag):
    with DAG("somewhere") as dag:
        extract("/tmp/leads", pool="default_pool")
        MarketoGetLeadsOperator.partial(task_id="mapped", lookup_field="email").expand(lookup_values=[["a"], ["b"]])
        extract("/tmp/leads", task_id="inside")
        extract("/tmp/leads", task_id="nowhere", pool="never_created")
    store_dag(dag)
    rows = doctor(code=1)
    ((_, _, _, found, _),) = findings(rows, "pools", "warning")
    assert "3 tasks (somewhere.extract, somewhere.mapped, somewhere.nowhere) not in the pool marketo" in found
    ((_, _, about, found, remedy),) = findings(rows, "pools", "error")
    assert about == "never_created"
    assert "setup creates only pools of connections" in remedy
    assert "task somewhere.nowhere" in found


@pytest.mark.parametrize(
    ("executor", "coordination", "level", "said"),
    [
        (
            "LocalExecutor",
            "auto",
            "ok",
            "coordination by host, because the executor runs tasks on the scheduler's host",
        ),
        (
            "KubernetesExecutor",
            "auto",
            "ok",
            "coordination by pool, because KubernetesExecutor may run tasks on other hosts",
        ),
        ("KubernetesExecutor", "host", "error", "each host would use the whole limit"),
    ],
)
def test_the_coordination_is_held_against_the_executor(
    doctor, connected, monkeypatch, executor, coordination, level, said
):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    connected(coordination=coordination)
    ((found_level, _, _, found, _),) = findings(doctor(code=level == "error"), "coordination")
    assert (found_level, said in found) == (level, True)


def test_a_shared_limit_by_pool_is_not_safe_for_tasks_outside(doctor, connected, store_dag, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "KubernetesExecutor")
    with DAG("somewhere") as dag:
        MarketoGetLeadsOperator(task_id="outside", lookup_field="email", lookup_values=["a@example.com"])
    store_dag(dag)
    assert findings(doctor(), "coordination", "warning")


def test_a_redis_server_that_does_not_answer_is_an_error(doctor, connected, monkeypatch):
    port = free_port()
    monkeypatch.setenv("AIRFLOW_CONN_LIMITS", f"redis://:the-password@127.0.0.1:{port}")
    connected(coordination="redis", redis_conn_id="limits")
    rows = doctor(code=1)
    ((_, _, about, found, _),) = findings(rows, "redis", "error")
    assert about == "marketo_default"
    assert f"({socket.gethostname()}) does not reach its Redis server" in found
    assert "the-password" not in json.dumps(rows)


def test_a_redis_connection_that_does_not_exist_is_an_error(doctor, connected):
    connected(coordination="redis", redis_conn_id="nowhere")
    ((_, _, _, found, _),) = findings(doctor(code=1), "redis", "error")
    assert "redis_conn_id names a connection that does not exist" in found


@pytest.mark.parametrize("name", ["pool", "redis_conn_id", "ca_bundle", "partner_id", "ui_url", "identity_url"])
def test_a_secret_in_the_wrong_field_is_not_printed(airflow, connected, store_dag, caplog, capsys, name):
    caplog.set_level("DEBUG")
    with DAG("somewhere") as dag:
        extract("/tmp/leads", pool="default_pool")
    store_dag(dag)
    connected(**{name: "typed-in-s3cret"})
    connected("other", pool="another")
    with contextlib.suppress(SystemExit):
        airflow("doctor", "--output", "json")
    assert "s3cret" not in capsys.readouterr().out + caplog.text


def test_folders_are_tried_as_far_as_their_names_are_fixed(doctor, connected, store_dag, tmp_path: Path):
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    with DAG("writes_files") as dag:
        extract(f"{tmp_path}/good/{{{{ ds }}}}/leads", task_id="good")
        extract(f"{blocked}/leads", task_id="bad")
        extract("nothere://bucket/leads", task_id="scheme")
        extract("{{ var.value.lake }}/leads", task_id="template")
        MarketoEraseLeadsOperator(task_id="erase", lead_ids=[1001], confirm=True, evidence=f"{blocked}/evidence")
    store_dag(dag)
    rows = findings(doctor(code=1), "folders")
    by_folder = {row[2]: row for row in rows}
    assert by_folder[f"{tmp_path}/good"][0] == "ok"
    assert by_folder[f"{blocked}/leads"][0] == "error"
    assert "task writes_files.bad" in by_folder[f"{blocked}/leads"][3]
    assert by_folder[f"{blocked}/evidence"][0] == "error"
    assert by_folder["nothere://bucket/leads"][0] == "error"
    assert by_folder[""][0] == "not checked"
    assert not (tmp_path / "good").exists(), "the doctor makes no folder"


def test_a_local_folder_is_a_warning_where_tasks_run_elsewhere(doctor, connected, store_dag, monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "KubernetesExecutor")
    with DAG("writes_files") as dag:
        extract(str(tmp_path))
    store_dag(dag)
    rows = doctor()
    ((_, _, _, found, _),) = findings(rows, "folders", "warning")
    assert "KubernetesExecutor may run task writes_files.extract elsewhere" in found
    here, others = findings(rows, "workers")
    assert (here[0], here[2]) == ("ok", socket.gethostname())
    assert (others[0], "no Marketo task has run on one yet" in others[3]) == ("not checked", True)


@pytest.fixture
def session():
    with create_session() as opened:
        yield opened
        for table in (TaskInstance, DagRun):
            opened.execute(delete(table))


def test_each_host_that_ran_marketo_tasks_says_that_it_was_not_asked(doctor, connected, monkeypatch, session, add_task):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "KubernetesExecutor")
    monkeypatch.setattr(worker_checks, "_HOSTS", 2)
    for number, (host, state) in enumerate((("w1", "success"), ("w1", "failed"), ("w2", "failed"), ("w3", "success"))):
        when = NOW + timedelta(hours=number)
        add_task("daily", f"t{number}", state, hostname=host, start_date=when, end_date=when)
    session.commit()
    rows = findings(doctor(), "workers", "not checked")
    assert [row[2] for row in rows] == ["w3", "w2", ""]
    assert "a Marketo task succeeded there at 2026-01-15T21:00:00Z" in rows[0][3]
    assert "no Marketo task succeeded there" in rows[1][3]
    assert "1 more host" in rows[2][3]


@pytest.fixture
def celery(monkeypatch):
    """A worker of Celery in this process, and its broker in memory. The worker takes the queue ``marketo``."""
    utils = pytest.importorskip("airflow.providers.celery.executors.celery_executor_utils")
    worker = pytest.importorskip("celery.contrib.testing.worker")
    signals = pytest.importorskip("celery.signals")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    app, leave_logging_alone = utils.app, lambda **_: None
    signals.setup_logging.connect(leave_logging_alone)
    before = {name: app.conf[name] for name in ("broker_url", "result_backend", "broker_transport_options")}
    in_memory = {"broker_url": "memory://", "broker_transport_options": {"polling_interval": 0.05}}
    app.conf.update(result_backend="cache+memory://", **in_memory)
    with worker.start_worker(app, perform_ping_check=False, queues=["marketo"], hostname="celery@w1"):
        yield
    app.conf.update(before)
    signals.setup_logging.disconnect(leave_logging_alone)


def test_workers_of_celery_say_which_queues_they_take(doctor, connected, store_dag, celery, tmp_path):
    with DAG("queued", schedule=None) as dag:
        extract(str(tmp_path), "good", queue="marketo")
        extract(str(tmp_path), "lost", queue="nobody")
    store_dag(dag)
    rows = findings(doctor(code=1), "workers")
    assert [(row[0], row[2]) for row in rows[1:]] == [("error", "nobody"), ("not checked", "w1")]
    assert "task queued.lost, which will wait for ever" in rows[1][3]
    assert "it takes queue marketo, and no Marketo task succeeded there" in rows[2][3]


def test_a_broker_of_celery_that_does_not_answer_is_an_error_without_its_password(doctor, connected, monkeypatch):
    def refuses():
        raise ConnectionError("redis://:a-password@broker")

    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setattr(worker_checks, "_queues_by_host", refuses)
    ((_, _, _, found, remedy),) = findings(doctor(code=1), "workers", "error")
    assert found == "Celery's broker does not answer this host (ConnectionError)"
    assert remedy


def test_a_missing_package_is_an_error_only_if_something_needs_it(doctor, connected, store_dag, monkeypatch):
    def version(package: str) -> str:
        if package == "gcsfs":
            raise airflow_checks.PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(airflow_checks, "version", version)
    assert any("gcsfs is not installed, and nothing here needs it" in row[3] for row in findings(doctor(), "packages"))
    with DAG("to_gcs") as dag:
        extract("gs://bucket/leads")
    store_dag(dag)
    ((_, _, _, found, remedy),) = findings(doctor(code=1), "packages", "error")
    assert "gcsfs is missing" in found
    assert "airflow-provider-marketo[gcs]" in remedy


@pytest.mark.parametrize(("seconds", "level"), [(20, "warning"), (-3600, "error")])
def test_a_wrong_clock_is_named(doctor, connected, monkeypatch, seconds, level):
    import datetime as real

    class Clock(real.datetime):
        @classmethod
        def now(cls, tz=None):
            return real.datetime.now(tz) + real.timedelta(seconds=seconds)

    monkeypatch.setattr(connection_checks, "datetime", Clock)
    ((found_level, _, _, found, _),) = findings(doctor(code=level == "error"), "clock")
    assert found_level == level
    assert ("ahead of" if seconds > 0 else "behind") in found


def test_a_quota_beyond_the_configured_one_is_named(doctor, connected, instance):
    connected(daily_quota=1)
    ((_, _, _, found, _),) = findings(doctor(), "connection", "warning")
    assert "the contract has more calls" in found


def test_limits_that_leave_nothing_to_others_are_warnings(doctor, connected, airflow):
    connected(rate_limit=100, max_parallel=10, daily_quota=1000, reserve=600)
    airflow("setup")
    said = [row[3] for row in findings(doctor(), "limits", "warning")]
    assert [text.split("=")[0] for text in said] == ["rate_limit", "max_parallel", "reserve"]


def test_a_check_that_fails_does_not_hide_what_the_others_find(doctor, connected, monkeypatch):
    def fails(setup):
        raise RuntimeError("out of order")
        yield

    monkeypatch.setattr("airflow_provider_marketo.diagnosis.checks.CHECKS", (("first", fails), CHECKS[0]))
    rows = doctor(code=1)
    assert [(row[0], row[1]) for row in rows] == [("error", "first"), ("ok", "versions")]
    assert "out of order" in rows[0][3]


@pytest.mark.parametrize("kind", public_operators())
def test_every_operator_names_permissions_that_adobe_has(kind):
    known = {permission for operation in operations.all_operations() for permission in operation.permissions}
    assert {each for each in getattr(kind, "permissions", ["none are named"]) if "{" not in each} <= known


@pytest.mark.parametrize(
    ("kind", "object_type", "permission"),
    [
        (MarketoBulkExtractOperator, "program_members", "Read-Only Lead"),
        (MarketoBulkImportOperator, "custom_objects", "Read-Write Custom Object"),
        (MarketoSyncOperator, "opportunity_roles", "Read-Write Opportunity"),
    ],
)
def test_the_permission_of_an_object_type_is_that_of_its_operation(kind, object_type, permission):
    task = DagTask("dag", "task", kind.__module__, kind.__name__, "marketo", {"object_type": object_type})
    assert needed(task) == (permission,)


@pytest.mark.parametrize(
    ("kind", "arguments", "looks_up"),
    [
        (MarketoTriggerCampaignOperator, {"lead_ids": [1001]}, False),
        (MarketoTriggerCampaignOperator, {"sql": "select 1", "lookup_field": "email"}, True),
        (MarketoTriggerCampaignOperator, {"source": "people.csv"}, True),
        (MarketoCustomActivitiesOperator, {"source": "people.csv"}, False),
        (MarketoCustomActivitiesOperator, {"source": "people.csv", "lookup_field": "email"}, True),
    ],
)
def test_tasks_that_look_leads_up_need_to_read_them(kind, arguments, looks_up):
    task = DagTask("dag", "task", kind.__module__, kind.__name__, "marketo", arguments)
    assert ("Read-Only Lead" in needed(task)) == looks_up


def test_a_class_that_this_version_does_not_have_needs_no_permission():
    gone = DagTask("dag", "task", "airflow_provider_marketo.operators.gone", "MarketoGoneOperator", "marketo", {})
    assert needed(gone) == ()


def budgeted(task_id: str = "extract", **more) -> MarketoBulkExtractOperator:
    return extract("/tmp/lake", task_id, **{"daily_export_mb": 50, "end": "2026-01-31", "window": "P1D"} | more)


def test_budgets_that_fit_are_ok(doctor, connected, store_dag):
    with DAG("daily", schedule=None, dagrun_timeout=timedelta(days=2)) as dag:
        budgeted(execution_timeout=timedelta(days=1))
    store_dag(dag)
    ((level, _, _, found, _),) = findings(doctor(), "budgets")
    assert (level, found) == ("ok", "the budgets of DAG daily fit into its export volume of a day")


def test_budgets_are_held_against_the_quota_less_the_reserve(doctor, connected, store_dag):
    """The exports of two connections to one instance count together."""
    connected(export_daily_mb=500, export_reserve_mb=100)
    connected("other", export_daily_mb=500, export_reserve_mb=100)
    for dag_id, conn_id, mb in (("one", "marketo_default", 300), ("two", "other", 150.5)):
        with DAG(dag_id, schedule=None) as dag:
            budgeted(daily_export_mb=mb, marketo_conn_id=conn_id)
        store_dag(dag)
    ((level, _, _, found, _),) = findings(doctor(), "budgets")
    assert level == "warning"
    assert found.startswith("2 DAGs (one, two) may export 450.5 MB a day, and there are 400 MB: 500 less a reserve of")


def test_a_reserve_of_the_whole_day_is_an_error(doctor, connected, store_dag):
    connected(export_daily_mb=500, export_reserve_mb=500)
    with DAG("daily", schedule=None) as dag:
        budgeted()
    store_dag(dag)
    ((level, _, _, found, remedy),) = findings(doctor(code=1), "budgets")
    assert (level, remedy) == ("error", "Lower the extra export_reserve_mb.")
    assert "wait for ever" in found


def test_tasks_of_a_dag_with_different_budgets_are_named(doctor, connected, store_dag):
    with DAG("daily", schedule=None) as dag:
        budgeted("much")
        budgeted("little", daily_export_mb=20)
        budgeted("a_template", daily_export_mb="{{ params.mb }}")
    store_dag(dag)
    ((level, _, about, found, _),) = findings(doctor(), "budgets")
    assert (level, about) == ("warning", "daily")
    assert "daily_export_mb=20 and 50" in found


LIMITS = ("execution_timeout", "dagrun_timeout")


def exported(mb: float) -> None:
    """Record that the task has exported a file of one day."""
    size = Size("leads", int(mb * 1e6), 86_400, datetime(2026, 1, 31, tzinfo=timezone.utc))
    Variable.set(variable_name("marketo_default"), ExportAccount(sizes={"history.extract": size}).dump())


@pytest.mark.parametrize(("days", "level"), [(13, "error"), (14, "ok")])
@pytest.mark.parametrize("name", LIMITS)
def test_a_timeout_is_held_against_the_days_that_a_budget_takes(doctor, connected, store_dag, name, days, level):
    """30 windows of 20 MB at 50 MB a day take 15 days, and the last day begins after 14 days."""
    exported(20)
    of_the_task, of_the_dag = (timedelta(days=days) if each == name else None for each in LIMITS)
    with DAG("history", schedule=None, dagrun_timeout=of_the_dag) as dag:
        budgeted(execution_timeout=of_the_task)
    store_dag(dag)
    ((found_level, _, _, found, _),) = findings(doctor(code=1 if level == "error" else 0), "budgets")
    assert found_level == level
    if level == "error":
        assert f"{name}=13 days and daily_export_mb=50" in found
        assert "take about 15 days" in found


def test_where_no_size_is_known_a_timeout_under_a_day_is_a_warning_mapped_tasks_too(doctor, connected, store_dag):
    with DAG("history", schedule=None) as dag:
        budgeted("one", execution_timeout=timedelta(hours=23))
        MarketoBulkExtractOperator.partial(
            task_id="mapped", object_type="leads", end="2026-01-31", output_path="/tmp/lake", pool="marketo",
            daily_export_mb=50, execution_timeout=timedelta(hours=1),
        ).expand(start=["2026-01-01", "2026-01-15"])  # fmt: skip
    store_dag(dag)
    found = findings(doctor(), "budgets")
    assert [(row[0], row[2]) for row in found] == [("warning", "history.one"), ("warning", "history.mapped")]
    assert "airflow marketo plan history" in found[0][4]


def test_a_damaged_account_is_an_error_of_the_budgets(doctor, connected, store_dag):
    Variable.set(variable_name("marketo_default"), "{cut sho")
    with DAG("history", schedule=None) as dag:
        budgeted()
    store_dag(dag)
    ((level, _, about, found, remedy),) = findings(doctor(code=1), "budgets")
    assert (level, about) == ("error", "marketo_default")
    assert variable_name("marketo_default") in found
    assert remedy
