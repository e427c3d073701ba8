"""Checks of the workers: which hosts have run Marketo tasks, and what the workers of Celery answer."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_marketo.airflow_compat import TaskInstance, create_session
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.diagnosis.finding import error, listed, not_checked, ok
from airflow_provider_marketo.hooks.coordination import executors, remote_executors
from airflow_provider_marketo.hooks.task_states import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow_provider_marketo.diagnosis.finding import Finding
    from airflow_provider_marketo.diagnosis.setup import Setup

_CELERY = "CeleryExecutor"
_PATIENCE = 2.0
"""Seconds in which Celery's workers must answer. Their number is unknown, so the check always waits that long."""

_HOSTS = 10
"""Greatest number of hosts that are named. A host of Kubernetes is a pod, so there may be thousands."""

_ON_EACH = "Run this command on one worker of each kind, as the workers' user."


def check_workers(setup: Setup) -> Iterator[Finding]:
    """Report for each host that runs Marketo tasks whether it was checked. A command can check only its own host."""
    if not remote_executors():
        yield ok("", "tasks run on the scheduler's host; run this command there")
        return
    yield ok(socket.gethostname(), "Redis and folders were checked from this host")
    try:
        hosts = {host: _last(when) for host, when in _hosts_of_tasks().items()}
    except SQLAlchemyError as failure:
        yield not_checked("", f"other hosts: Airflow's database cannot be read ({type(failure).__name__})")
        return
    if _CELERY in remote_executors():
        try:
            queues = _queues_by_host()
        except ImportError:
            yield error("", "the provider of Celery is not installed on this host", "Run this command on a worker.")
        except Exception as failure:  # noqa: BLE001 - Celery and its broker may raise anything, even with a password
            yield error(
                "",
                f"Celery's broker does not answer this host ({type(failure).__name__})",
                "Check [celery] broker_url, and whether the broker runs.",
            )
        else:
            yield from _unserved_queues(setup, queues)
            for host, taken in queues.items():
                hosts[host] = f"it takes {listed(taken, 'queue')}, and {hosts.get(host, _last(None))}"
    yield from _not_asked(hosts)


def _not_asked(hosts: Mapping[str, str]) -> Iterator[Finding]:
    others = [(host, known) for host, known in hosts.items() if host not in (socket.gethostname(), socket.getfqdn())]
    for host, known in others[:_HOSTS]:
        yield not_checked(host, f"Redis and folders from there: Airflow runs no command on a worker; {known}", _ON_EACH)
    if len(others) > _HOSTS:
        yield not_checked("", f"Redis and folders from {counted(len(others) - _HOSTS, 'more host')}", _ON_EACH)
    if not others:
        yield not_checked("", "Redis and folders from other workers: no Marketo task has run on one yet", _ON_EACH)


def _hosts_of_tasks() -> dict[str, datetime | None]:
    """Return the hosts that have run Marketo tasks, the latest first, and when the last task that succeeded ended."""
    succeeded = func.max(case((TaskInstance.state == "success", TaskInstance.end_date)))
    with create_session() as session:
        query = (
            select(TaskInstance.hostname, succeeded)
            .where(is_ours())
            .group_by(TaskInstance.hostname)
            .order_by(func.max(TaskInstance.start_date).desc())
        )
        return {host: when for host, when in session.execute(query) if host}


def _last(when: datetime | None) -> str:
    return f"a Marketo task succeeded there at {iso(when)}" if when else "no Marketo task succeeded there"


def _queues_by_host() -> dict[str, set[str]]:
    """Return the queues that the workers of Celery take, by host; nothing if no worker answers."""
    from airflow.providers.celery.executors.celery_executor_utils import app

    found: dict[str, set[str]] = {}
    for name, queues in (app.control.inspect(timeout=_PATIENCE).active_queues() or {}).items():
        host = name.partition("@")[2] or name
        found.setdefault(host, set()).update(str(queue["name"]) for queue in queues)
    return found


def _unserved_queues(setup: Setup, queues: Mapping[str, set[str]]) -> Iterator[Finding]:
    """Find queues that no worker takes, where nothing but Celery runs tasks."""
    if executors() != [_CELERY]:
        return
    taken = set().union(*queues.values())
    for queue in sorted({task.queue for task in setup.tasks} - taken):
        tasks = listed([task.name for task in setup.tasks if task.queue == queue], "task")
        yield error(
            queue,
            f"no Celery worker that takes this queue answers, and the queue has {tasks}, which will wait for ever",
            f"Start one (airflow celery worker -q {queue}), or correct queue= in the DAG.",
        )
