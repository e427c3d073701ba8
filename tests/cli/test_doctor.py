"""``airflow marketo doctor``, against simulated instances and a real Airflow database."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from pathlib import Path

import pytest
from airflow.models.pool import Pool
from airflow.sdk import DAG
from airflow.utils.session import create_session

from airflow_provider_marketo.__main__ import main
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.diagnosis import airflow_checks, connection_checks
from airflow_provider_marketo.diagnosis.checks import CHECKS
from airflow_provider_marketo.diagnosis.dag_tasks import DagTask
from airflow_provider_marketo.diagnosis.permissions import needed
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.sync import MarketoSyncOperator
from airflow_provider_marketo.simulator import ApiUser, Settings, Simulator
from tools.arguments_page import public_operators
from tools.services import free_port

DENIED = ApiUser("weak", "b-secret", "weak@example.org", frozenset({"Read-Only Activity", "Read-Write Activity"}))
USERS = (ApiUser("ours", "a-secret", "ours@example.org"), DENIED)


@pytest.fixture(scope="module")
def instance():
    with Simulator(Settings(leads=10, activities=10, users=USERS, limits=False)) as simulator:
        yield simulator


@pytest.fixture
def connected(airflow, connect, instance):
    """Return a function that defines a connection to the instance; ``marketo_default`` is there, with its pool."""

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
        return [tuple(row.values()) for row in json.loads(said)]

    return run


def findings(rows, check: str, level: str | None = None) -> list[tuple[str, ...]]:
    return [row for row in rows if row[1] == check and level in (None, row[0])]


def extract(output: str, task_id: str = "extract", **more) -> MarketoBulkExtractOperator:
    given = {"object_type": "leads", "start": "2026-01-01", "end": "2026-01-02", "pool": "marketo"} | more
    return MarketoBulkExtractOperator(task_id=task_id, output_path=output, **given)


def test_a_good_installation_has_a_line_for_each_check_and_no_error(doctor, connected):
    rows = doctor()
    assert [row for row in rows if row[0] not in ("ok", "not checked")] == []
    without_a_subject = {"write permissions", "redis", "folders"}
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
    assert "The permission of bulk_import_{object_type}.import, for task writes.members" in said
    assert "The permission of {object_type}.sync, for task writes.companies" in said
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
        MarketoGetLeadsOperator.partial(task_id="mapped", filter_type="email").expand(filter_values=[["a"], ["b"]])
        extract("/tmp/leads", task_id="inside")
        extract("/tmp/leads", task_id="nowhere", pool="never_created")
    store_dag(dag)
    rows = doctor(code=1)
    ((_, _, _, found, _),) = findings(rows, "pools", "warning")
    assert "3 tasks (somewhere.extract, somewhere.mapped, somewhere.nowhere) not in the pool marketo" in found
    ((_, _, about, found, _),) = findings(rows, "pools", "error")
    assert about == "never_created"
    assert "task somewhere.nowhere" in found


@pytest.mark.parametrize(
    ("executor", "coordination", "level", "said"),
    [
        ("LocalExecutor", "auto", "ok", "coordination by host, because the executor runs tasks beside its scheduler"),
        ("CeleryExecutor", "auto", "ok", "coordination by pool, because CeleryExecutor may run tasks on other hosts"),
        ("CeleryExecutor", "host", "error", "each host would take the whole limit"),
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
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with DAG("somewhere") as dag:
        MarketoGetLeadsOperator(task_id="outside", filter_type="email", filter_values=["a@example.com"])
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
    assert "no connection has the id in redis_conn_id" in found


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
    store_dag(dag)
    rows = findings(doctor(code=1), "folders")
    by_folder = {row[2]: row for row in rows}
    assert by_folder[f"{tmp_path}/good"][0] == "ok"
    assert by_folder[f"{blocked}/leads"][0] == "error"
    assert "task writes_files.bad" in by_folder[f"{blocked}/leads"][3]
    assert by_folder["nothere://bucket/leads"][0] == "error"
    assert by_folder[""][0] == "not checked"
    assert not (tmp_path / "good").exists(), "the doctor makes no folder"


def test_a_local_folder_is_a_warning_where_tasks_run_elsewhere(doctor, connected, store_dag, monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with DAG("writes_files") as dag:
        extract(str(tmp_path))
    store_dag(dag)
    rows = doctor()
    ((_, _, _, found, _),) = findings(rows, "folders", "warning")
    assert "CeleryExecutor may run task writes_files.extract elsewhere" in found
    ((level, _, _, found, _),) = findings(rows, "workers")
    assert (level, "Airflow runs no command there" in found) == ("not checked", True)


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


def test_a_class_that_this_version_does_not_have_needs_no_permission():
    gone = DagTask("dag", "task", "airflow_provider_marketo.operators.gone", "MarketoGoneOperator", "marketo", {})
    assert needed(gone) == ()
