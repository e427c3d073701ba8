"""The connection's coordination becomes a governor, with a fixed share as the fallback."""

from __future__ import annotations

import json
import logging
import sys
from unittest.mock import Mock

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import Connection
from redis import SSLConnection

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoPackageMissingError
from airflow_provider_marketo.client.governor.redis import RedisStore
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.client.governor.stores import MemoryStore
from airflow_provider_marketo.hooks import coordination
from airflow_provider_marketo.hooks.coordination import choose, governor_folder, governor_of, network_file_system, share
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.hooks.task import RunningTask
from airflow_provider_marketo.operators.failures import PERMANENT_ERRORS

IN_THE_POOL = RunningTask("a_dag", "a_task", "marketo", 1)


HERE = "the scheduler on this host has started this task"


@pytest.fixture(autouse=True)
def scheduler(monkeypatch):
    """Returns a function that says whether the scheduler runs on this host."""

    def runs_here(reason: str | None) -> None:
        monkeypatch.setattr(coordination, "reason_for_host", lambda folder, **facts: reason)

    runs_here(HERE)
    return runs_here


@pytest.fixture
def executor(monkeypatch, scheduler):
    def configure(names: str) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", names)

    return configure


def settings(host: str = "123-ABC-456", conn_id: str = "marketo_default", **extra) -> ConnectionSettings:
    return ConnectionSettings.from_connection(
        Connection(
            conn_id=conn_id, conn_type="marketo", host=host, login="an-id", password="a-secret", extra=json.dumps(extra)
        )
    )


@pytest.mark.parametrize(
    ("names", "mode", "reason"),
    [
        ("LocalExecutor", "host", HERE),
        ("CeleryExecutor", "pool", "CeleryExecutor may run tasks on other hosts"),
        ("LocalExecutor,KubernetesExecutor", "pool", "KubernetesExecutor may run"),
        ("airflow.providers.celery.executors.celery_executor.CeleryExecutor", "pool", "CeleryExecutor may run"),
        ("LocalExecutor;team1=my.module.MyExecutor", "pool", "MyExecutor may run"),
        ("my_alias:airflow.executors.local_executor.LocalExecutor", "host", HERE),
    ],
)
def test_auto_follows_the_executors(executor, names, mode, reason):
    executor(names)
    chosen, because = choose(settings())
    assert chosen == mode
    assert reason in because


def test_auto_chooses_redis_if_the_connection_names_one(executor):
    executor("LocalExecutor")
    assert choose(settings(redis_conn_id="the_redis")) == (
        "redis",
        "the connection names a Redis connection",
    )


def test_the_connection_overrides_auto(executor):
    executor("LocalExecutor")
    assert choose(settings(coordination="pool")) == ("pool", "the connection says so")


def test_auto_is_pool_where_the_scheduler_may_be_elsewhere(executor, scheduler):
    executor("LocalExecutor")
    scheduler(None)
    assert choose(settings()) == ("pool", "the scheduler may run on another host")


def test_the_small_share_of_a_triggerer_ends_when_a_task_of_its_host_has_left_a_mark(executor, scheduler):
    executor("LocalExecutor")
    scheduler(None)
    in_doubt = coordination.governor_of(settings())
    assert coordination.governor_of(settings()) is in_doubt
    scheduler("the scheduler has started tasks on this host")
    sure = coordination.governor_of(settings())
    assert sure is not in_doubt
    assert isinstance(sure._store, SQLiteStore)


def test_auto_does_not_use_a_network_file_system(executor, monkeypatch):
    executor("LocalExecutor")
    monkeypatch.setattr(coordination, "network_file_system", lambda path: "nfs4")
    mode, reason = choose(settings())
    assert mode == "pool"
    assert "network file system (nfs4)" in reason


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ("/dev/sda1 / ext4 rw 0 0", None),
        ("/dev/sda1 / ext4 rw 0 0\nserver:/home /opt/airflow nfs4 rw 0 0", "nfs4"),
        ("/dev/sda1 / ext4 rw 0 0\n//server/share /opt cifs rw 0 0\n/dev/sdb1 /opt/airflow xfs rw 0 0", None),
        ("s3fs /opt/air\\040flow fuse.s3fs rw 0 0\noverlay / overlay rw 0 0", None),
        ("bucket /opt/airflow fuse.gcsfuse rw 0 0", "fuse.gcsfuse"),
        ("server:/home /opt/air nfs4 rw 0 0\n/dev/sda1 / ext4 rw 0 0", None),
    ],
)
def test_the_longest_mount_point_decides_whether_a_path_is_on_a_network_file_system(tmp_path, mounts, found):
    (tmp_path / "mounts").write_text(mounts)
    assert network_file_system("/opt/airflow/marketo_governor", tmp_path / "mounts") == found


def test_without_a_list_of_mounts_the_disk_counts_as_local(tmp_path):
    assert network_file_system(tmp_path, tmp_path / "no such file") is None


def test_the_choice_and_its_reason_are_logged_once(executor, caplog):
    caplog.set_level(logging.INFO)
    executor("LocalExecutor")
    for _ in range(2):
        governor_of(settings())
    (record,) = [record for record in caplog.records if "coordinated" in record.message]
    assert record.getMessage() == (
        f"Calls to Marketo 123-ABC-456 are coordinated by host, because {HERE}: "
        "90 calls in 20 seconds, 8 at once for all processes together"
    )


@pytest.mark.parametrize(("mode", "store"), [("pool", MemoryStore), ("host", SQLiteStore), ("redis", RedisStore)])
def test_each_mode_has_its_store(monkeypatch, mode, store):
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", "redis://:a-password@redis.example.com:6380/?db=3&ssl=true")
    governor = governor_of(settings(coordination=mode, redis_conn_id="the_redis"))
    assert isinstance(governor._store, store)
    if mode == "redis":
        arguments = governor._store._client.connection_pool.connection_kwargs
        assert (arguments["host"], arguments["port"], arguments["db"]) == ("redis.example.com", 6380, 3)
        assert arguments["socket_timeout"] == 2


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("redis://redis.example.com", 0),
        ("redis://redis.example.com:6379/1", 1),
        ("redis://redis.example.com/0", 0),
        ("redis://redis.example.com/1?db=2", 2),
    ],
)
def test_the_database_of_a_redis_uri_is_its_path_or_the_extra(monkeypatch, uri, database):
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", uri)
    governor = governor_of(settings(redis_conn_id="the_redis"))
    assert governor._store._client.connection_pool.connection_kwargs["db"] == database


@pytest.mark.parametrize("uri", ["redis://redis.example.com/limits", "redis://redis.example.com?db=-1"])
def test_a_database_of_redis_that_is_not_a_number_is_refused_by_name(monkeypatch, uri):
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", uri)
    with pytest.raises(MarketoInvalidRequestError, match=r"connection the_redis: the database is not a number"):
        governor_of(settings(redis_conn_id="the_redis"))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"ssl_cert_reqs": "s3cret"}, "ssl_cert_reqs is not one of none, optional, required"),
        ({"ssl_s3cret": "s3cret"}, "an extra that begins with ssl is not an argument of redis.Redis"),
        ({"db": "s3cret"}, "the database is not a number"),
    ],
)
def test_an_extra_of_redis_that_is_wrong_is_refused_without_its_value(monkeypatch, extra, words):
    monkeypatch.setenv(
        "AIRFLOW_CONN_THE_REDIS", json.dumps({"conn_type": "redis", "host": "127.0.0.1", "extra": extra})
    )
    with pytest.raises(MarketoInvalidRequestError, match=f"connection the_redis: {words}") as caught:
        governor_of(settings(redis_conn_id="the_redis"))
    assert "s3cret" not in str(caught.value)


def test_a_list_as_the_extra_of_redis_is_refused_without_its_values(monkeypatch):
    connection = {"conn_type": "redis", "host": "127.0.0.1", "extra": ["s3cret"]}
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", json.dumps(connection))
    # Airflow 3.1 cannot read such a connection, and reports it as missing.
    refusals = r"connection the_redis: its extra is not a JSON object|cannot read the connection in redis_conn_id"
    with pytest.raises(MarketoInvalidRequestError, match=refusals) as caught:
        governor_of(settings(redis_conn_id="the_redis"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("given", ["{not JSON", '["s3cret"]', "redis://u:s3cret/x@host:nowhere"])
def test_a_redis_connection_that_cannot_be_read_is_not_reported_as_missing(monkeypatch, given):
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", given)
    for raised in (ValueError("s3cret"), AirflowNotFoundException("there is none")):
        monkeypatch.setattr("airflow.sdk.BaseHook.get_connection", Mock(side_effect=raised))
        with pytest.raises(MarketoInvalidRequestError, match="cannot read the connection in redis_conn_id") as caught:
            governor_of(settings(redis_conn_id="the_redis"))
        assert "AIRFLOW_CONN_THE_REDIS is set" in str(caught.value)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("wanted", ["none", "required", 0, None])
def test_redis_takes_what_its_client_takes_for_certificates(monkeypatch, wanted):
    extra = {"ssl_cert_reqs": wanted}
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", json.dumps({"conn_type": "rediss", "host": "h", "extra": extra}))
    assert governor_of(settings(redis_conn_id="the_redis"))


def test_two_connections_to_one_instance_share_limits_and_three_instances_do_not():
    first = governor_of(settings())
    assert governor_of(settings("https://123-abc-456.mktorest.com/rest", conn_id="other")) is first
    others = {governor_of(settings(host, conn_id=host)) for host in ("222-BBB-222", "333-CCC-333")}
    assert len(others | {first}) == 3


def test_an_instance_whose_window_is_full_slows_no_other():
    busy, *others = (
        governor_of(settings(host, conn_id=host)) for host in ("111-AAA-111", "222-BBB-222", "333-CCC-333")
    )
    for _ in range(90):
        busy.release(busy.acquire("leads.describe"), None)
    for other in others:
        lease = other.acquire("leads.describe")
        assert lease.waited < 1
        other.release(lease, None)


def test_two_connections_to_one_instance_share_one_file():
    for conn_id in ("one", "other"):
        governor = governor_of(settings(conn_id=conn_id, coordination="host"))
        governor.release(governor.acquire("leads.describe"), None)
    assert [path.name for path in governor_folder().glob("*.sqlite")] == ["123-ABC-456.sqlite"]
    assert len(governor._store.update(lambda state, at: state.sent)) == 2


def test_a_missing_redis_connection_is_named():
    with pytest.raises(
        MarketoInvalidRequestError,
        match=r"^connection marketo_default: redis_conn_id names a connection that does not exist",
    ) as caught:
        governor_of(settings(redis_conn_id="the_redis"))
    assert caught.value.parameter == "redis_conn_id"


def test_a_secrets_backend_that_fails_does_not_make_a_redis_connection_missing(monkeypatch):
    def broken(_):
        raise RuntimeError("the backend does not answer")

    monkeypatch.setattr("airflow.sdk.BaseHook.get_connection", broken)
    with pytest.raises(MarketoInvalidRequestError, match=r"cannot read the connection in redis_conn_id.*backend"):
        governor_of(settings(redis_conn_id="the_redis"))


def test_calls_continue_with_a_warning_when_redis_does_not_answer(monkeypatch, run_as, caplog):
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", "redis://127.0.0.1:1")
    run_as(IN_THE_POOL)
    governor = governor_of(settings(redis_conn_id="the_redis"))
    governor.release(governor.acquire("leads.describe"), None)
    assert "continues with a fixed share: 11 calls in 20 seconds, 1 at once" in caplog.text


def test_calls_continue_with_a_warning_when_host_is_on_a_network_file_system(monkeypatch, run_as, caplog):
    monkeypatch.setattr(coordination, "network_file_system", lambda path: "nfs4")
    run_as(IN_THE_POOL)
    governor = governor_of(settings(coordination="host"))
    governor.release(governor.acquire("leads.describe"), None)
    assert "network file system (nfs4)" in caplog.text
    assert "fixed share" in caplog.text


@pytest.mark.parametrize(
    ("max_parallel", "slots", "rate", "at_once"), [(8, 1, 11, 1), (8, 2, 22, 2), (5, 1, 17, 1), (10, 10, 88, 10)]
)
def test_a_task_in_the_pool_has_the_share_of_its_slots(run_as, max_parallel, slots, rate, at_once):
    run_as(IN_THE_POOL)
    limits = share(settings(max_parallel=max_parallel), slots)
    assert (limits.rate, limits.parallel, limits.window) == (rate, at_once, 20.0)
    assert limits.paced  # the previous task of the slot may have called a moment ago


def test_a_process_without_a_task_has_a_small_share_that_the_pool_leaves_over(run_as):
    run_as(None)
    outside = share(settings(), 1)
    run_as(IN_THE_POOL)
    assert outside.rate + 8 * share(settings(), 1).rate <= 90


def test_a_task_in_the_pool_may_have_as_many_calls_in_flight_as_slots(run_as):
    run_as(RunningTask("a_dag", "a_task", "marketo", 3))
    assert governor_of(settings()).parallel == 3
    assert governor_of(settings()).owner == "a_dag"


def test_a_task_outside_the_pool_makes_one_call_at_a_time_and_logs_it_once(run_as, caplog):
    caplog.set_level(logging.INFO)
    run_as(RunningTask("a_dag", "a_task", "default_pool", 3))
    for _ in range(2):
        assert governor_of(settings()).parallel == 1
    (record,) = [record for record in caplog.records if "in the pool default_pool" in record.getMessage()]
    assert "Give it pool='marketo', the pool of the connection marketo_default." in record.getMessage()


def test_a_host_without_the_redis_client_is_not_the_end_of_the_task(monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow_provider_marketo.hooks.redis", None)
    with pytest.raises(MarketoPackageMissingError, match=r"not installed on this host.*next try") as caught:
        governor_of(settings(redis_conn_id="the_redis"))
    assert not isinstance(caught.value, PERMANENT_ERRORS)


@pytest.mark.parametrize(
    ("uri", "tls"),
    [
        ("rediss://redis.example.com", True),
        ("redis://redis.example.com", False),
        ("redis://redis.example.com/?ssl=true", True),
    ],
)
def test_a_connection_of_type_rediss_uses_tls(monkeypatch, uri, tls):
    monkeypatch.setenv("AIRFLOW_CONN_THE_REDIS", uri)
    pool = governor_of(settings(redis_conn_id="the_redis"))._store._client.connection_pool
    assert issubclass(pool.connection_class, SSLConnection) is tls
