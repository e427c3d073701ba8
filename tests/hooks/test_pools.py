"""The pools that connections need, and connections that contradict each other."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.pools import plan_pools
from airflow_provider_marketo.hooks.settings import ConnectionSettings


def connection(conn_id: str, host: str, **extras) -> ConnectionSettings:
    return ConnectionSettings(conn_id, host, "an-id", "a-secret", **extras)


EU, US = "111-AAA-111", "222-BBB-222"


def test_a_pool_has_the_connections_max_parallel_as_its_slots():
    (pool,) = plan_pools([connection("marketo_default", EU, max_parallel=5)])
    assert (pool.name, pool.slots, pool.instances, pool.advice) == ("marketo", 5, [EU], None)


def test_one_of_marketos_ten_concurrent_calls_is_left_to_the_triggerer():
    (pool,) = plan_pools([connection("marketo_default", EU, max_parallel=10)])
    assert pool.slots == 9


def test_connections_to_one_instance_share_its_pool():
    (pool,) = plan_pools([connection("one", EU), connection("other", f"https://{EU.lower()}.mktorest.com/rest")])
    assert pool.conn_ids == ["one", "other"]


def test_instances_with_separate_pools_do_not_affect_each_other():
    pools = plan_pools([connection("eu", EU, pool="marketo_eu"), connection("us", US, pool="marketo_us")])
    assert [pool.name for pool in pools] == ["marketo_eu", "marketo_us"]


def test_instances_that_share_a_pool_get_the_advice_to_separate():
    (pool,) = plan_pools([connection("eu", EU), connection("us", US)])
    assert "give each a pool of its own" in pool.advice


@pytest.mark.parametrize(
    "difference",
    [
        {"max_parallel": 5},
        {"rate_limit": 50},
        {"pool": "another"},
        {"daily_quota": 10_000},
        {"export_daily_mb": 1000},
        {"reserve": 1},
        {"coordination": "pool"},
        {"redis_conn_id": "the_redis"},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_connections_to_one_instance_may_not_contradict_each_other(difference):
    with pytest.raises(MarketoInvalidRequestError, match="connections one and other lead to the instance") as caught:
        plan_pools([connection("one", EU), connection("other", EU, **difference)])
    assert caught.value.parameter in difference


def test_connections_that_share_a_pool_must_agree_on_its_size():
    with pytest.raises(MarketoInvalidRequestError, match="share a pool, but one has max_parallel=8"):
        plan_pools([connection("eu", EU), connection("us", US, max_parallel=5)])
