"""``airflow marketo setup``, on a real Airflow database."""

from __future__ import annotations

import json

import pytest
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from airflow.utils.session import create_session

from airflow_provider_marketo.policy import POOLS_VARIABLE


def pools() -> dict[str, tuple[int, bool]]:
    with create_session() as session:
        return {pool.pool: (pool.slots, pool.include_deferred) for pool in session.query(Pool).all()}


def test_it_creates_the_pool(airflow, connect):
    connect("marketo_default")
    assert airflow("setup") == "Pool marketo: created with 8 slots (connection marketo_default)\n"
    assert pools()["marketo"] == (8, False)


def test_it_says_first_what_a_missing_pool_does(airflow, connect, capsys):
    with pytest.raises(SystemExit):
        airflow("setup", "--help")
    assert "before the first DAG" in capsys.readouterr().out


def test_running_it_again_changes_nothing(airflow, connect):
    connect("marketo_default")
    airflow("setup")
    assert airflow("setup") == "Pool marketo: unchanged with 8 slots (connection marketo_default)\n"


def test_it_resizes_the_pool_after_max_parallel_has_changed(airflow, connect):
    connect("marketo_default")
    airflow("setup")
    connect("marketo_default", max_parallel=5)
    assert "changed from 8 to 5 slots" in airflow("setup")
    assert pools()["marketo"] == (5, False)


def test_a_pool_that_counts_deferred_tasks_is_corrected(airflow, connect):
    connect("marketo_default")
    airflow("setup")
    with create_session() as session:
        session.query(Pool).filter(Pool.pool == "marketo").update({"include_deferred": True})
    assert "no longer counts deferred tasks" in airflow("setup")
    assert pools()["marketo"] == (8, False)


def test_connections_in_the_database_are_found(airflow):
    with create_session() as session:
        facts = {"host": "123-ABC-456", "login": "a", "password": "a-secret", "extra": '{"pool": "the_pool"}'}
        session.add(Connection(conn_id="in_the_database", conn_type="marketo", **facts))
    assert airflow("setup") == "Pool the_pool: created with 8 slots (connection in_the_database)\n"


def test_one_connection_can_be_named_although_another_is_incomplete(airflow, connect):
    connect("one", pool="pool_of_one")
    connect("draft", "222-BBB-222", password="")
    assert airflow("setup", "--conn-id", "one") == "Pool pool_of_one: created with 8 slots (connection one)\n"


def test_contradicting_connections_are_refused_and_nothing_is_changed(airflow, connect):
    connect("one")
    connect("other", rate_limit=50)
    with pytest.raises(SystemExit, match="one has rate_limit=90 and the other has rate_limit=50"):
        airflow("setup", "--conn-id", "one")
    assert "marketo" not in pools()


def test_a_connection_that_does_not_exist_is_named(airflow):
    with pytest.raises(SystemExit, match="there is no connection marketo_default"):
        airflow("setup")


@pytest.mark.parametrize("max_parallel", [0, 11])
def test_a_connection_out_of_range_is_refused(airflow, connect, max_parallel):
    connect("marketo_default", max_parallel=max_parallel)
    with pytest.raises(SystemExit, match="max_parallel is not a whole number from 1 to 10"):
        airflow("setup")


def test_print_writes_a_file_of_pools_and_creates_none(airflow, connect, tmp_path):
    connect("marketo_default", max_parallel=5)
    target = tmp_path / "pools.json"
    assert airflow("setup", "--print", str(target)) == ""
    assert json.loads(target.read_text()) == {
        "marketo": {
            "slots": 5,
            "description": "Calls at once to Marketo 123-ABC-456 (airflow marketo setup)",
            "include_deferred": False,
        }
    }
    assert "marketo" not in pools()


def test_print_to_stdout_writes_nothing_else_there(airflow, connect):
    connect("marketo_default")
    assert json.loads(airflow("setup", "--print", "-"))["marketo"]["slots"] == 8


def test_it_leaves_a_marker_for_the_cluster_policy(airflow, connect):
    connect("one", pool="pool_of_one")
    airflow("setup")
    connect("other", "222-BBB-222", pool="pool_of_another")
    airflow("setup", "--conn-id", "other")
    assert json.loads(Variable.get(POOLS_VARIABLE)) == {"one": "pool_of_one", "other": "pool_of_another"}
