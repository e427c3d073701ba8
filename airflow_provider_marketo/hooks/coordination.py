"""How the processes that use one Marketo instance share its limits: the connection's ``coordination``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import conf

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoPackageMissingError
from airflow_provider_marketo.client.governor.redis import RedisStore
from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.client.governor.stores import GovernorStore, MemoryStore, UnusableStore
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.host import reason_for_host
from airflow_provider_marketo.hooks.runtime import runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.hooks.settings import ConnectionSettings
    from airflow_provider_marketo.hooks.task import RunningTask

log = printable_logger(__name__)

_DOUBT = "the scheduler may run on another host"
_LOCAL_EXECUTOR = "LocalExecutor"
_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "ceph", "gluster", "lustre", "afs", "9p", "fuse.", "gpfs", "beegfs")
_RESERVED_SHARE = 45
"""Reserve 1 in 45 calls for processes that are not tasks: triggerers that poll, commands, scripts."""


def governor_of(settings: ConnectionSettings, parallel: int | None = None) -> SharedGovernor:
    """
    Return the one governor of an instance in this process, however many connections lead to the instance.

    :param settings: the connection. The limits and the coordination of the first connection apply to the instance.
    :param parallel: calls that this process may have in flight. Default: the task's ``pool_slots`` if it is in the
        connection's pool, else 1.
    :raises MarketoInvalidRequestError: the connection names a Redis server that cannot be used.
    :raises MarketoPackageMissingError: the Redis client is not installed on this host.
    """
    instance = Endpoint.parse(settings.host).instance
    task = runtime().task
    slots = _slots(settings, task, parallel)
    governor = runtime().governor(
        instance,
        lambda: _make(settings, instance, slots),
        # Until the first task of its host has left a mark, a triggerer is in doubt and has only a small share.
        is_outdated=lambda held: held.provisional and choose(settings)[1] != _DOUBT,
    )
    governor.parallel = slots
    governor.owner = task.dag_id if task else None
    return governor


def share(settings: ConnectionSettings, slots: int) -> Limits:
    """
    Return the limits of this process if it shares no state with others.

    :param settings: the connection.
    :param slots: slots that the running task has in the pool. A process without a task has a small fixed share.
    """
    reserved = max(1, settings.rate_limit // _RESERVED_SHARE)
    if runtime().task is None:
        return Limits(reserved, slots, paced=True)
    return Limits(settings.rate_limit - reserved, settings.max_parallel).share(slots / settings.max_parallel)


def _slots(settings: ConnectionSettings, task: RunningTask | None, parallel: int | None) -> int:
    if task is None:
        return parallel or 1
    if task.pool == settings.pool:
        return min(parallel or task.pool_slots, settings.max_parallel)
    if runtime().is_first_notice(task):
        log.info(
            "This task makes one Marketo call at a time. It is in the pool %s, which does not limit how many tasks "
            "call Marketo at once. Give it pool=%r, the pool of the connection %s.",
            task.pool,
            settings.pool,
            settings.conn_id,
        )
    return 1


def choose(settings: ConnectionSettings) -> tuple[str, str]:
    """
    Return the coordination to use, and why.

    :param settings: the connection.
    :return: ``host``, ``redis`` or ``pool``, and the reason as a clause.
    """
    if settings.coordination != "auto":
        return settings.coordination, "the connection says so"
    if settings.redis_conn_id:
        return "redis", "the connection names a Redis connection"
    remote = remote_executors()
    if remote:
        return "pool", f"{' and '.join(remote)} may run tasks on other hosts"
    file_system = network_file_system(governor_folder())
    if file_system:
        return "pool", f"{governor_folder()} is on a network file system ({file_system})"
    reason = reason_for_host(governor_folder(), is_task=runtime().task is not None)
    return ("host", reason) if reason else ("pool", _DOUBT)


def network_file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """
    Return the type of the file system under a path if SQLite's locks are unreliable on it, else None.

    :param path: a path that need not exist.
    :param mounts: the kernel's list of mounts. Without one, the disk counts as local.
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
        "Calls to Marketo %s are coordinated by %s, because %s: %d calls in %g seconds, %d at once %s",
        instance,
        mode,
        reason,
        limits.rate,
        limits.window,
        limits.parallel,
        "for this process" if mode == "pool" else "for all processes together",
    )
    governor = SharedGovernor(_STORES[mode](settings, instance), limits, alone=alone, parallel=parallel)
    governor.provisional = reason == _DOUBT
    return governor


def _memory(settings: ConnectionSettings, instance: str) -> GovernorStore:
    # The task that had our pool slot before may have called until its end, which was before this process began.
    return MemoryStore(SystemClock(), runtime().age)


def _sqlite(settings: ConnectionSettings, instance: str) -> GovernorStore:
    file_system = network_file_system(governor_folder())
    if file_system:
        return UnusableStore(f"{governor_folder()} is on a network file system ({file_system}) with unreliable locks")
    return SQLiteStore(governor_folder(), instance)


def ping_redis(settings: ConnectionSettings) -> None:
    """
    Check that this host reaches the Redis server of a connection.

    :param settings: a connection that is coordinated through Redis.
    :raises MarketoInvalidRequestError: the Redis connection does not exist.
    :raises MarketoPackageMissingError: the Redis client is not installed on this host.
    :raises StoreUnavailableError: the server does not answer, or refuses the login.
    """
    _redis(settings, Endpoint.parse(settings.host).instance).ping()


def _redis(settings: ConnectionSettings, instance: str) -> RedisStore:
    try:
        from airflow_provider_marketo.hooks.redis import redis_client
    except ImportError:
        raise MarketoPackageMissingError(
            f"connection {settings.conn_id}: coordination through Redis needs airflow-provider-marketo[redis], "
            "which is not installed on this host",
        ) from None
    return RedisStore(redis_client(settings), instance)


_STORES: dict[str, Callable[[ConnectionSettings, str], GovernorStore]] = {
    "pool": _memory,
    "host": _sqlite,
    "redis": _redis,
}


def governor_folder() -> Path:
    """Return the folder of the SQLite files through which the processes of a host share the limits."""
    return Path(AIRFLOW_HOME) / "marketo_governor"


def remote_executors() -> list[str]:
    """Return the class names of the configured executors that may run tasks on other hosts."""
    return [name for name in executors() if name != _LOCAL_EXECUTOR]


def executors() -> list[str]:
    """Return the executors' class names. The option may list several, each after a team, an alias or a module."""
    names = conf.get("core", "executor", fallback=_LOCAL_EXECUTOR).replace(";", ",").split(",")
    found = [name.split("=")[-1].rpartition(":")[2].rpartition(".")[2].strip() for name in names if name.strip()]
    return list(dict.fromkeys(found))
