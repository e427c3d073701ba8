"""How the processes that use one Marketo instance agree on who may call: the connection's ``coordination``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseHook

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.client.governor.stores import GovernorStore, MemoryStore, UnusableStore
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.hooks.task import RunningTask

log = logging.getLogger(__name__)

_LOCAL_EXECUTORS = frozenset({"LocalExecutor"})
_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "ceph", "gluster", "lustre", "afs", "9p", "fuse.", "gpfs", "beegfs")
_REDIS_TIMEOUT = 2.0
_OUTSIDE = 45
"""One in so many calls is left to whatever is no task: triggerers that wait for jobs, commands, scripts."""


def governor_of(settings: ConnectionSettings, parallel: int | None = None) -> SharedGovernor:
    """
    The one governor of an instance in this process, however many connections lead there.

    :param settings: the connection; the first one's limits and coordination hold for all to the same instance.
    :param parallel: calls that this process may have in flight. Default: the ``pool_slots`` of a task in the
        connection's pool, and one for anything else.
    :raises MarketoInvalidRequestError: the connection names a Redis that cannot be used.
    """
    instance = Endpoint.parse(settings.host).instance
    task = runtime().task
    slots = _slots(settings, task, parallel)
    governor = runtime().governor(instance, lambda: _make(settings, instance, slots))
    governor.parallel = slots
    governor.owner = task.dag_id if task else None
    return governor


def share(settings: ConnectionSettings, slots: int) -> Limits:
    """
    What this process may do when it cannot ask the others.

    :param slots: of the pool, if this is a task; what is no task has a small fixed share.
    """
    outside = max(1, settings.rate_limit // _OUTSIDE)
    if runtime().task is None:
        return Limits(outside, slots, paced=True)
    return Limits(settings.rate_limit - outside, settings.max_parallel).share(slots / settings.max_parallel)


def _slots(settings: ConnectionSettings, task: RunningTask | None, parallel: int | None) -> int:
    if task is None:
        return parallel or 1
    if task.pool == settings.pool:
        return min(parallel or task.pool_slots, settings.max_parallel)
    if runtime().is_first_notice(task):
        log.info(
            "This task is in the pool %s: it makes one Marketo call at a time, and nothing bounds how many tasks do so "
            "at once. Put it into the pool of connection %s: pool=%r.",
            task.pool,
            settings.conn_id,
            settings.pool,
        )
    return 1


def choose(settings: ConnectionSettings) -> tuple[str, str]:
    """
    The coordination that holds, and why.

    :return: ``host``, ``redis`` or ``pool``, and the reason as a clause.
    """
    if settings.coordination != "auto":
        return settings.coordination, "the connection says so"
    if settings.redis_conn_id:
        return "redis", f"the connection names the Redis connection {settings.redis_conn_id}"
    remote = [name for name in _executors() if name not in _LOCAL_EXECUTORS]
    if remote:
        return "pool", f"{' and '.join(remote)} may run tasks on other hosts"
    file_system = network_file_system(_folder())
    if file_system:
        return "pool", f"{_folder()} lies on a network file system ({file_system})"
    return "host", f"{' and '.join(_executors())} runs every task on this host"


def network_file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """
    The type of the file system a path lies on, if it is one of those on which SQLite's locks cannot be relied upon.

    :param path: need not exist.
    :param mounts: the kernel's list; where there is none, the disk is taken to be local.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    real = os.path.realpath(path)
    found = ("", "")
    for line in lines:
        point, kind = line.split()[1:3]
        point = point.encode().decode("unicode_escape")
        if os.path.commonpath([point, real]) == point and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1] if found[1].startswith(_NETWORK_FILE_SYSTEMS) else None


def _make(settings: ConnectionSettings, instance: str, parallel: int) -> SharedGovernor:
    mode, reason = choose(settings)
    alone = share(settings, parallel)
    limits = alone if mode == "pool" else Limits(settings.rate_limit, settings.max_parallel)
    log.info(
        "Calls to Marketo %s are coordinated by %s, because %s: %d calls in %g seconds, %d at once%s",
        instance,
        mode,
        reason,
        limits.rate,
        limits.window,
        limits.parallel,
        " for this process" if mode == "pool" else " for all processes together",
    )
    return SharedGovernor(_STORES[mode](settings, instance), limits, alone=alone, parallel=parallel)


def _memory(settings: ConnectionSettings, instance: str) -> GovernorStore:
    """The task that had our slot before may have called until its end: our distance from that call is our age."""
    return MemoryStore(SystemClock(), runtime().age)


def _sqlite(settings: ConnectionSettings, instance: str) -> GovernorStore:
    file_system = network_file_system(_folder())
    if file_system:
        return UnusableStore(f"{_folder()} lies on a network file system ({file_system}) with unreliable locks")
    return SQLiteStore(_folder(), instance)


def _redis(settings: ConnectionSettings, instance: str) -> GovernorStore:
    from airflow_provider_marketo.client.governor.redis import RedisStore

    return RedisStore(_redis_client(settings), instance)


_STORES: dict[str, Callable[[ConnectionSettings, str], GovernorStore]] = {
    "pool": _memory,
    "host": _sqlite,
    "redis": _redis,
}


def _redis_client(settings: ConnectionSettings) -> Any:
    """redis-py's client for an Airflow connection of type ``redis``, with the extras that Airflow's own hook takes."""
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise MarketoInvalidRequestError(
            f"connection {settings.conn_id}: coordination by Redis needs the Redis client",
            parameter="redis_conn_id",
            remedy="pip install 'airflow-provider-marketo[redis]'",
        ) from None
    connection = _redis_connection(settings)
    extra = connection.extra_dejson
    return Redis(
        host=connection.host or "localhost",
        port=connection.port or 6379,
        username=connection.login or None,
        password=connection.password or None,
        db=int(extra.get("db") or 0),
        socket_timeout=_REDIS_TIMEOUT,
        socket_connect_timeout=_REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
        **{name: value for name, value in extra.items() if name.startswith("ssl") and value is not None},
    )


def _redis_connection(settings: ConnectionSettings) -> Any:
    assert settings.redis_conn_id is not None
    try:
        return BaseHook.get_connection(settings.redis_conn_id)
    except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything
        raise MarketoInvalidRequestError(
            f"connection {settings.conn_id}: there is no connection {settings.redis_conn_id} ({type(error).__name__})",
            parameter="redis_conn_id",
            remedy="Create it as an Airflow connection of type redis, or choose another coordination.",
        ) from None


def _folder() -> Path:
    return Path(AIRFLOW_HOME) / "marketo_governor"


def _executors() -> list[str]:
    """Class names; the option may hold several, each with a path, an alias or a team before it."""
    names = conf.get("core", "executor", fallback="LocalExecutor").replace(";", ",").split(",")
    return [name.split("=")[-1].rpartition(":")[2].rpartition(".")[2].strip() for name in names if name.strip()]
