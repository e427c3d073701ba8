"""Checks of the connections: their fields, what Marketo answers, the clock, and the API user's permissions."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoError, MarketoPermissionError
from airflow_provider_marketo.diagnosis.finding import error, failed, listed, not_checked, ok, warning
from airflow_provider_marketo.diagnosis.permissions import ALWAYS, READ, READ_PROBES, tasks_by_permission
from airflow_provider_marketo.hooks.pools import MOST_SLOTS, contradictions
from airflow_provider_marketo.hooks.quota import calls_today

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.diagnosis.finding import Finding
    from airflow_provider_marketo.diagnosis.setup import Setup
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

_CORRECT = "Correct that field of the connection in Admin > Connections."
_LOOK_UP = "Look up the code on the documentation's page of errors. If it happens again, ask Marketo's support."
_SCARCE = 0.1
"""Calls are scarce if less than this part of the day's calls is left."""

_CLOCK_WARNING, _CLOCK_ERROR = 5.0, 60.0
"""Seconds between the clocks of this host and Marketo. Windows that end "now" miss rows; tokens expire early."""


def check_settings(setup: Setup) -> Iterator[Finding]:
    """Find connections that cannot be read, or have a field that is missing or out of range."""
    for conn_id, refusal in setup.refused.items():
        yield failed(conn_id, refusal, _CORRECT)
    for settings in setup.connections:
        instance = Endpoint.parse(settings.host).instance
        yield ok(settings.conn_id, f"its fields are valid and lead to the instance {instance}")


def check_contradictions(setup: Setup) -> Iterator[Finding]:
    """Find connections to one instance, or to one pool, that contradict each other."""
    all_settings = [*setup.connections, *setup.others]
    found = list(contradictions(all_settings))
    for contradiction in found:
        yield error("", contradiction.message, contradiction.remedy)
    if not found:
        yield ok("", f"{counted(len(all_settings), 'connection')}: no contradiction")


def check_limits(setup: Setup) -> Iterator[Finding]:
    """Find limits that leave nothing to other integrations."""
    for settings in setup.connections:
        greedy = list(_greedy(settings))
        yield from greedy
        if not greedy:
            yield ok(
                settings.conn_id,
                f"takes {settings.rate_limit} of {limits.CALLS} calls in 20 seconds and {settings.max_parallel} of "
                f"{limits.PARALLEL} at once, and leaves {counted(settings.reserve, 'call')} a day to other work",
            )


def _greedy(settings: ConnectionSettings) -> Iterator[Finding]:
    if settings.rate_limit == limits.CALLS:
        yield warning(
            settings.conn_id,
            f"rate_limit={settings.rate_limit} leaves no call to other integrations, and they will be refused (606)",
            "Set the extra rate_limit to 90 or less, unless nothing else uses this instance.",
        )
    if settings.max_parallel > MOST_SLOTS:
        yield warning(
            settings.conn_id,
            f"max_parallel={settings.max_parallel} takes all calls that Marketo answers at once",
            f"Set the extra max_parallel to 8. The pool gets {MOST_SLOTS} slots in any case.",
        )
    if settings.reserve > settings.daily_quota / 2:
        yield warning(
            settings.conn_id,
            f"reserve={settings.reserve} keeps more than half of the {settings.daily_quota} calls a day from extracts",
            "Lower the extra reserve, or correct daily_quota.",
        )


def check_connection(setup: Setup) -> Iterator[Finding]:
    """Ask Marketo for the day's calls, which needs valid credentials, the right host and a matching allowlist."""
    for settings in setup.connections:
        try:
            reply = setup.hook(settings).client.call("usage.get_daily_usage")
        except MarketoPermissionError as refusal:
            yield failed(settings.conn_id, refusal, _LOOK_UP, said=f"Marketo denies access: {refusal.message}")
            continue
        except MarketoError as failure:
            yield failed(settings.conn_id, failure, _LOOK_UP)
            continue
        setup.answering.add(settings.conn_id)
        yield _quota_finding(settings, calls_today(reply.records))


def _quota_finding(settings: ConnectionSettings, used: int) -> Finding:
    so_far = f"Marketo answers; {used} of the day's {settings.daily_quota} calls are used, by all integrations together"
    if used > settings.daily_quota:
        return warning(
            settings.conn_id,
            f"{so_far}, so the contract has more calls than the extra daily_quota says",
            "Correct daily_quota: Admin > Web Services has the number.",
        )
    if settings.daily_quota - used < settings.daily_quota * _SCARCE:
        return warning(
            settings.conn_id, so_far, f"See who uses them: airflow marketo quota --conn-id {settings.conn_id}"
        )
    return ok(settings.conn_id, so_far)


def check_clock(setup: Setup) -> Iterator[Finding]:
    """Compare this host's clock with the one in Marketo's answers, which has whole seconds."""
    for settings in _answering(setup):
        ahead = (setup.hook(settings).client.marketo_time() - datetime.now(timezone.utc)).total_seconds()
        off = max(0.0, abs(ahead) - 1)
        said = f"this host's clock is {abs(ahead):.0f} seconds {'behind' if ahead > 0 else 'ahead of'} Marketo's"
        if off < _CLOCK_WARNING:
            yield ok(settings.conn_id, "this host's clock agrees with Marketo's")
        elif off < _CLOCK_ERROR:
            yield warning(settings.conn_id, said, "Let the host's time service (NTP) set the clock.")
        else:
            yield error(
                settings.conn_id,
                f"{said}: a span that ends now misses rows, or goes into the future",
                "Let the host's time service (NTP) set the clock, on every worker.",
            )


def check_read_permissions(setup: Setup) -> Iterator[Finding]:
    """Make one read call per permission: always for leads, activities and assets, otherwise if a DAG needs it."""
    for settings in _answering(setup):
        needed = tasks_by_permission(setup.tasks_of(settings))
        denied: dict[str, list[str]] = {}
        called = 0
        for operation, arguments, permission in READ_PROBES:
            wanting = needed.get(permission, [])
            if permission not in ALWAYS and not wanting:
                continue
            called += 1
            try:
                setup.hook(settings).client.call(operation, **arguments)
            except MarketoPermissionError:
                denied[permission] = wanting
            except MarketoError as failure:
                yield warning(settings.conn_id, f"{permission}: {failure.message}", failure.remedy or _LOOK_UP)
        for permission, wanting in denied.items():
            remedy = f"Give the API user's role the permission {permission!r} (Admin > Users & Roles)."
            if wanting:
                yield error(settings.conn_id, f"{permission} is missing for {listed(wanting, 'task')}", remedy)
            else:
                yield warning(settings.conn_id, f"{permission} is missing; no DAG needs it", remedy)
        if not denied:
            yield ok(settings.conn_id, f"may read what its DAGs need (found out with {counted(called, 'call')})")


def check_write_permissions(setup: Setup) -> Iterator[Finding]:
    """Name the permissions that only a change in Marketo could check."""
    for settings in setup.connections:
        for permission, tasks in sorted(tasks_by_permission(setup.tasks_of(settings)).items()):
            if not permission.startswith(READ):
                yield not_checked(
                    settings.conn_id,
                    f"{permission}, for {listed(tasks, 'task')}",
                    "Check the API user's role (Admin > Users & Roles): a test would change something in Marketo.",
                )


def _answering(setup: Setup) -> Iterator[ConnectionSettings]:
    return (settings for settings in setup.connections if settings.conn_id in setup.answering)
