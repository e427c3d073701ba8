"""Checks of what DAGs may export in a day: budgets beside the quota and the reserve, and timeouts beside budgets."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.counts import counted, duration
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.diagnosis.finding import error, failed, listed, ok, warning
from airflow_provider_marketo.diagnosis.first_run import budget_of, costs, known_sizes
from airflow_provider_marketo.extract.forecast import forecast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.diagnosis.dag_tasks import DagTask
    from airflow_provider_marketo.diagnosis.finding import Finding
    from airflow_provider_marketo.diagnosis.setup import Setup
    from airflow_provider_marketo.hooks.export_account import Size
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

_DAY = timedelta(days=1)


def check_budgets(setup: Setup) -> Iterator[Finding]:
    """Find budgets that the instance does not have, and timeouts that end a task before its budget lets it finish."""
    for instance, connections in _instances(setup).items():
        tasks = [task for settings in connections for task in setup.tasks_of(settings) if budget_of([task])]
        if not tasks:
            continue
        found = [*_shares(instance, connections[0], tasks), *_differences(tasks)]
        for settings in connections:
            found += _timeouts(settings, [task for task in tasks if task.conn_id == settings.conn_id])
        yield from found
        if not found:
            yield ok(
                instance,
                f"the budgets of {listed({task.dag_id for task in tasks}, 'DAG')} fit into its export volume of a day",
            )


def _instances(setup: Setup) -> Mapping[str, list[ConnectionSettings]]:
    """Return the connections by instance: what is exported through any of them counts for the instance."""
    found: dict[str, list[ConnectionSettings]] = {}
    for settings in setup.connections:
        found.setdefault(Endpoint.parse(settings.host).instance, []).append(settings)
    return found


def _shares(instance: str, settings: ConnectionSettings, tasks: Sequence[DagTask]) -> Iterator[Finding]:
    quota, reserve = settings.export_daily_mb, settings.export_reserve_mb
    names = listed({task.dag_id for task in tasks}, "DAG")
    if quota <= reserve:
        yield error(
            instance,
            f"export_reserve_mb={reserve} keeps all of the day's {quota} MB from {names}: their exports wait for ever",
            "Lower the extra export_reserve_mb.",
        )
        return
    budgets = {dag_id: max(_budgets(tasks, dag_id)) for dag_id in {task.dag_id for task in tasks}}
    total = sum(budgets.values())
    if total > quota - reserve:
        yield warning(
            instance,
            f"{names} may export {total:g} MB a day, and there are {quota - reserve} MB: {quota} less a reserve of"
            f" {reserve}",
            "Lower daily_export_mb or the extra export_reserve_mb, or correct export_daily_mb. Until then the exports"
            " take more days than planned.",
        )


def _differences(tasks: Sequence[DagTask]) -> Iterator[Finding]:
    for dag_id in sorted({task.dag_id for task in tasks}):
        budgets = sorted(_budgets(tasks, dag_id))
        if len(budgets) > 1:
            yield warning(
                dag_id,
                f"its tasks have daily_export_mb={' and '.join(f'{each:g}' for each in budgets)}. Their"
                " exports count together, so the task with the smallest budget waits for the others",
                "Give all tasks of the DAG the same daily_export_mb.",
            )


def _budgets(tasks: Sequence[DagTask], dag_id: str) -> set[float]:
    each = (budget_of([task]) for task in tasks if task.dag_id == dag_id)
    return {budget for budget in each if budget is not None}


def _timeouts(settings: ConnectionSettings, tasks: Sequence[DagTask]) -> Iterator[Finding]:
    """Compare the timeouts of tasks and DAGs with the days that the tasks are likely to take."""
    try:
        sizes = known_sizes(settings.conn_id)
    except MarketoError as failure:
        yield failed(settings.conn_id, failure, "Check the Variable that the message names.")
        return
    for task in tasks:
        limits = {"execution_timeout": task.execution_timeout, "dagrun_timeout": task.dagrun_timeout}
        days = _days(task, sizes)
        needed = _DAY if days is None else (days - 1) * _DAY
        for name, limit in limits.items():
            if limit is None or limit >= needed:
                continue
            said = f"{name}={duration(limit)} and daily_export_mb={budget_of([task]):g}"
            if days is None:
                yield warning(
                    task.name,
                    f"has {said}: once the day's budget is spent, it waits for the next day and Airflow ends it",
                    f"Remove {name}, or raise it above the days that airflow marketo plan {task.dag_id} prints.",
                )
            else:
                yield error(
                    task.name,
                    f"has {said}, but its exports take about {counted(days, 'day')}: Airflow ends the task before then",
                    f"Remove {name}, or raise daily_export_mb.",
                )


def _days(task: DagTask, sizes: Mapping[str, Size]) -> int | None:
    """Return the days that a task is likely to take; None if its dates or the size of its files are not known."""
    (cost,) = costs([task], None, datetime.now(timezone.utc).replace(microsecond=0))
    size = sizes.get(task.name)
    if cost.request is None or size is None:
        return None
    windows = forecast(cost.request.slices({}), size, budget_of([task]))
    return windows[-1].day if windows else 1
