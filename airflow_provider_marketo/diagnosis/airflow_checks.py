"""Checks of this Airflow: versions, packages, pools, coordination, Redis and output folders."""

from __future__ import annotations

import os
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_marketo import __version__
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.governor.stores import StoreUnavailableError
from airflow_provider_marketo.diagnosis.dag_tasks import DEFAULT_POOL
from airflow_provider_marketo.diagnosis.finding import error, failed, listed, not_checked, ok, warning
from airflow_provider_marketo.hooks.coordination import (
    choose,
    governor_folder,
    network_file_system,
    ping_redis,
    remote_executors,
)
from airflow_provider_marketo.hooks.host import BY_HAND
from airflow_provider_marketo.hooks.pools import MOST_SLOTS
from airflow_provider_marketo.options import options
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.policy import read_pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.diagnosis.finding import Finding
    from airflow_provider_marketo.diagnosis.setup import Setup
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

TESTED = ("3.1", "3.2", "3.3")
"""The lines of Airflow that the tests run on."""

_SETUP = "Run: airflow marketo setup (or python -m airflow_provider_marketo setup)"

_PACKAGES = (
    ("redis", "redis", "coordination through Redis"),
    ("s3fs", "s3", "folders that begin with s3://"),
    ("gcsfs", "gcs", "folders that begin with gs://"),
    ("adlfs", "azure", "folders that begin with abfs://"),
)
"""Distribution, the extra that installs it, and what needs it."""

_SCHEMES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "adl": "adlfs",
}


def check_versions(setup: Setup) -> Iterator[Finding]:
    """Report the versions of this package, Airflow and Python."""
    airflow = version("apache-airflow")
    said = f"airflow-provider-marketo {__version__}, Airflow {airflow}, Python {platform.python_version()}"
    if ".".join(airflow.split(".")[:2]) in TESTED:
        yield ok("", said)
    else:
        yield warning(
            "", f"{said}: tested with Airflow {', '.join(TESTED)}", "Look for a newer version of this package."
        )


def check_packages(setup: Setup) -> Iterator[Finding]:
    """Find optional packages that something here needs and this host does not have."""
    needed = {_SCHEMES.get(folder.partition("://")[0]) for task in setup.tasks for folder in task.folders}
    if any(choose(settings)[0] == "redis" for settings in setup.connections):
        needed.add("redis")
    for package, extra, purpose in _PACKAGES:
        try:
            yield ok("", f"{package} {version(package)}, for {purpose}")
        except PackageNotFoundError:
            if package in needed:
                yield error(
                    "",
                    f"{package} is missing on this host, and it is needed for {purpose}",
                    f"Install airflow-provider-marketo[{extra}] on every worker and triggerer.",
                )
            else:
                yield ok("", f"{package} is not installed, and nothing here needs it ({purpose})")


def check_pools(setup: Setup) -> Iterator[Finding]:
    """Find pools that are missing or differ from their connections, and tasks that no pool limits."""
    try:
        pools = setup.pools
    except SQLAlchemyError as failure:
        yield not_checked("", f"the pools, because Airflow's database cannot be read ({type(failure).__name__})")
        return
    for settings in setup.connections:
        yield _pool_finding(settings, pools.get(settings.pool))
        yield from _tasks_outside(setup, settings, settings.pool in pools)
    known = {*pools, DEFAULT_POOL, *(each.pool for each in setup.connections)}
    for pool in sorted({task.pool for task in setup.tasks} - known):
        tasks = [task.name for task in setup.tasks if task.pool == pool]
        yield error(
            pool,
            f"the pool does not exist, so {listed(tasks, 'task')} will wait for ever",
            "Correct pool= in the DAG, or create the pool in Admin > Pools: setup creates only pools of connections.",
        )


def _pool_finding(settings: ConnectionSettings, pool: tuple[int, bool] | None) -> Finding:
    wanted = min(settings.max_parallel, MOST_SLOTS)
    if pool is None:
        return error(
            settings.conn_id,
            "its pool does not exist: tasks that name this pool wait for ever",
            _SETUP,
        )
    slots, include_deferred = pool
    if slots > wanted:
        calls = counted(wanted, "call")
        return error(settings.pool, f"has {slots} slots, and {settings.conn_id} allows {calls} at once", _SETUP)
    if include_deferred:
        return warning(settings.pool, "counts deferred tasks, so waiting tasks keep others from starting", _SETUP)
    if slots < wanted:
        needed = counted(wanted, "slot")
        return warning(settings.pool, f"has {slots} of the {needed} that {settings.conn_id} asks for", _SETUP)
    return ok(settings.pool, f"has {counted(slots, 'slot')}, as {settings.conn_id} says")


def _tasks_outside(setup: Setup, settings: ConnectionSettings, exists: bool) -> Iterator[Finding]:
    outside = [task.name for task in setup.tasks_of(settings) if task.pool != settings.pool]
    if options.flag("enforce_pool"):
        if settings.conn_id not in read_pools():
            yield error(
                settings.conn_id, "[marketo] enforce_pool is on, and no pool is known for this connection", _SETUP
            )
    elif outside:
        pool = settings.pool if exists else "of the connection"
        yield warning(
            settings.conn_id,
            f"{listed(outside, 'task')} not in the pool {pool}, which does not limit how many of them run at once",
            f"Give each task pool={settings.pool!r}, or switch [marketo] enforce_pool on." if exists else _SETUP,
        )
    else:
        yield ok(settings.conn_id, "every Marketo task of its DAGs is in its pool")


def check_coordination(setup: Setup) -> Iterator[Finding]:
    """Say how the processes share the limits, and whether that is safe for the executor."""
    remote = " and ".join(remote_executors())
    for settings in setup.connections:
        mode, reason = choose(settings)
        if reason == BY_HAND:
            reason = "the executor runs tasks on the scheduler's host"
        said = f"coordination by {mode}, because {reason}"
        outside = any(task.pool != settings.pool for task in setup.tasks_of(settings))
        file_system = network_file_system(governor_folder())
        if mode == "host" and remote:
            yield error(
                settings.conn_id,
                f"{said}, but {remote} may run tasks on several hosts, and each host would use the whole limit for"
                " itself",
                "Set the extra coordination to auto, redis or pool.",
            )
        elif mode == "host" and file_system:
            yield error(
                settings.conn_id,
                f"{said}, but {governor_folder()} is on a network file system ({file_system}) with unreliable locks",
                "Set the extra coordination to auto, redis or pool.",
            )
        elif mode == "pool" and outside and not options.flag("enforce_pool"):
            yield warning(
                settings.conn_id,
                f"{said}; it is safe only if every Marketo task is in the pool, and some are not",
                "Put them into the pool, or use Redis.",
            )
        else:
            yield ok(settings.conn_id, said)


def check_redis(setup: Setup) -> Iterator[Finding]:
    """Ask the Redis server of each connection that is coordinated through one."""
    for settings in setup.connections:
        if choose(settings)[0] != "redis":
            continue
        about = settings.conn_id
        try:
            ping_redis(settings)
            yield ok(about, f"its Redis server answers this host ({socket.gethostname()})")
        except StoreUnavailableError as failure:
            yield error(
                about,
                f"this host ({socket.gethostname()}) does not reach its Redis server: {failure}",
                "Check host, port and password of the Redis connection. Until then each task takes its pool share.",
            )
        except MarketoError as failure:
            yield failed(about, failure, "Correct the connection's extra redis_conn_id.")


def check_folders(setup: Setup) -> Iterator[Finding]:
    """Find out whether this host may write to the folders that the DAGs name."""
    named: dict[str, list[str]] = {}
    for task in setup.tasks:
        for folder in task.folders:
            named.setdefault(_fixed_part(folder), []).append(task.name)
    for folder, tasks in sorted(named.items()):
        if folder:
            yield _folder_finding(folder, listed(tasks, "task"))
        else:
            yield not_checked("", f"folders of {listed(tasks, 'task')}: only a run knows their names")


def _fixed_part(folder: str) -> str:
    """Return the folders before the first template; empty without such folders."""
    head, template, _ = folder.partition("{{")
    fixed = head.rpartition("/")[0] if template else folder.rstrip("/")
    return "" if fixed.endswith((":", ":/")) else fixed


def _folder_finding(folder: str, tasks: str) -> Finding:
    host = socket.gethostname()
    try:
        output = OutputFolder(folder)
        if not output.is_local:
            output.check_writable()
            return ok(folder, f"this host ({host}) may write to this folder of {tasks}")
    except MarketoError as failure:
        said = f"{failure.message} (host {host}; {tasks})"
        return failed(folder, failure, "Correct the folder in the DAG.", said=said)
    place = Path(str(output.path("").path))
    existing = next(each for each in (place, *place.parents) if each.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return error(
            folder,
            f"this host ({host}) may not write to this folder, and {tasks} must",
            f"Create the folder for the user of the workers, or correct the rights of {existing}.",
        )
    if remote_executors() and network_file_system(place) is None:
        return warning(
            folder,
            f"is on a disk of this host ({host}), and {' and '.join(remote_executors())} may run {tasks} elsewhere",
            "Name a folder that every worker reaches: an object store, or a shared file system.",
        )
    return ok(folder, f"this host ({host}) may write to this folder of {tasks}")
