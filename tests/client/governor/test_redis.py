"""The governor's key that the processes of a cluster share, in a real Redis."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import time
import uuid
from functools import partial

import pytest
import time_machine
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from airflow_provider_marketo.client.governor.redis import RedisStore
from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.stores import StoreUnavailableError
from tests.client.governor.support import count_calls, most_in_a_window
from tools.services import free_port

LIMITS = Limits(rate=40, parallel=4, window=1.0)


def connect() -> Redis:
    return Redis.from_url(os.environ["TEST_REDIS"], socket_timeout=2)


def store_of(instance: str) -> RedisStore:
    return RedisStore(connect(), instance)


@pytest.fixture
def redis() -> Redis:
    return connect()


@pytest.fixture
def store(redis) -> RedisStore:
    return RedisStore(redis, f"test-{uuid.uuid4()}")


def test_a_redis_that_is_not_there_is_an_unusable_store(caplog):
    nowhere = RedisStore(Redis(port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0)), "123-ABC-456")
    with pytest.raises(StoreUnavailableError, match=r"airflow-marketo:\{123-ABC-456\}"):
        nowhere.update(lambda state, at: None)
    governor = SharedGovernor(nowhere, LIMITS, alone=Limits(10, 1, 1.0))
    governor.release(governor.acquire("leads.describe"), None)
    assert "10 calls in 1 seconds" in caplog.text


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


@pytest.mark.services
class TestOnAServer:
    def test_processes_read_what_others_have_written(self, redis, store):
        store.update(lambda state, at: state.sent.append(at.now))
        other = RedisStore(redis, store.key.partition("{")[2].rstrip("}"))
        assert len(other.update(lambda state, at: state.sent)) == 1

    def test_the_key_does_not_outlive_its_use(self, redis, store):
        store.update(lambda state, at: state.sent.append(at.now))
        assert 0 < redis.ttl(store.key) <= 30 * 24 * 3600

    def test_a_change_that_fails_changes_nothing(self, store):
        with pytest.raises(ZeroDivisionError):
            store.update(lambda state, at: 1 / 0)
        assert store.update(lambda state, at: state.sent) == []

    def test_something_else_under_the_key_is_not_misread(self, redis, store):
        redis.set(store.key, "a text of another program")
        with pytest.raises(StoreUnavailableError):
            store.update(lambda state, at: None)

    def test_a_change_that_came_too_late_is_worked_out_again(self, redis, store):
        interferers = [RedisStore(redis, store.key.partition("{")[2].rstrip("}"))]

        def change(state, at):
            if interferers:
                interferers.pop().update(lambda other, at: other.sent.append(1.0))
            state.sent.append(2.0)
            return list(state.sent)

        assert store.update(change) == [1.0, 2.0]

    def test_the_time_is_the_servers_whatever_the_worker_thinks(self, store):
        real = time.time()
        with time_machine.travel(real + 3600):
            assert store.update(lambda state, at: at.now) == pytest.approx(real, abs=5)

    def test_processes_together_use_the_limit_and_never_pass_it(self):
        sent = count_calls(partial(store_of, f"test-{uuid.uuid4()}"), LIMITS, processes=4, seconds=2.5)
        assert most_in_a_window(sent, LIMITS.window) <= LIMITS.rate
        assert sum(sent[0] + 1 <= now < sent[0] + 2 for now in sent) >= 0.95 * LIMITS.rate

    def test_a_child_process_has_a_connection_of_its_own(self, store):
        governor = SharedGovernor(store, LIMITS)
        governor.release(governor.acquire("leads.describe"), None)
        child = multiprocessing.get_context("fork").Process(
            target=lambda: governor.release(governor.acquire("leads.describe"), None)
        )
        child.start()
        child.join()
        assert child.exitcode == 0
        assert len(store.update(lambda state, at: state.sent)) == 2

    def test_a_server_that_goes_away_costs_a_warning_and_no_call(self, tmp_path, caplog):
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = Redis(port=port, socket_timeout=2, socket_connect_timeout=2)
        while not answers(client):
            time.sleep(0.02)
        governor = SharedGovernor(RedisStore(client, "an-instance"), LIMITS, alone=Limits(10, 1, 1.0))
        governor.release(governor.acquire("leads.describe"), None)
        lease = governor.acquire("leads.describe")
        server.kill()
        server.wait()
        governor.release(lease, None)
        governor.release(governor.acquire("leads.describe"), None)
        assert "continues with a fixed share: 10 calls in 1 seconds" in caplog.text
