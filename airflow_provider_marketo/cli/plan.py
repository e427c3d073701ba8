"""``airflow marketo plan``: the calls, megabytes and days of a DAG's first run, or of a backfill (*experimental*)."""

from __future__ import annotations

import math
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_marketo.airflow_compat import action_cli, providers_configuration_loaded
from airflow_provider_marketo.choices import BulkObject
from airflow_provider_marketo.cli.tables import print_facts, print_rows
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.conversions import as_period, as_utc
from airflow_provider_marketo.diagnosis.dag_tasks import marketo_tasks
from airflow_provider_marketo.diagnosis.first_run import TaskCost, budget_of, costs, known_sizes, tasks_of
from airflow_provider_marketo.extract.forecast import Forecast, forecast, sample
from airflow_provider_marketo.extract.request import ALL_FIELDS, ExtractRequest
from airflow_provider_marketo.hooks.known_connections import find_connection
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from airflow_provider_marketo.hooks.export_account import Size

_NO_SIZE = "The size of these files is not known: add --sample to export one window and measure it."


@action_cli(check_db=False)
@providers_configuration_loaded
def plan(args: Namespace) -> None:
    """Print the windows, and their sum in megabytes and days."""
    try:
        print_plan(args)
    except MarketoError as error:
        raise SystemExit(f"airflow marketo plan: {error}") from None


def print_plan(args: Namespace) -> None:
    """Print the plan of the arguments."""
    if args.what not in get_args(BulkObject):
        _print_dag(args)
        return
    request = _request(args)
    slices = request.slices({})
    source, size = _size(args, request)
    found = forecast(slices, size, args.daily_export_mb)
    facts = _facts(found, source, size, args.daily_export_mb)
    if args.output == "table":
        print_rows(facts["windows"])
        print(_summary(facts))
    else:
        print_facts(facts, args.output)


def _print_dag(args: Namespace) -> None:
    """Print a line for each task of a DAG, and the sum."""
    tasks = tasks_of(args.what, marketo_tasks())
    conn_ids = {task.task_id: task.conn_id for task in tasks}
    sizes = {conn_id: known_sizes(conn_id) for conn_id in set(conn_ids.values())}
    start, end = (as_utc(name, getattr(args, name))[0] for name in ("start", "end"))
    daily_mb = args.daily_export_mb or budget_of(tasks)
    rows, mb, calls = [], 0.0, 0
    for cost in costs(tasks, start, end or _now().replace(microsecond=0)):
        conn_id = conn_ids[cost.task_id]
        size = _size_of_task(args, cost, conn_id, sizes[conn_id])
        slices = [] if cost.request is None else cost.request.slices({})
        found = forecast(slices, size, daily_mb)
        its_mb = None if size is None or not found else sum(each.mb or 0.0 for each in found)
        mb, calls = mb + (its_mb or 0.0), calls + (cost.calls or 0)
        rows.append(
            {
                "task": cost.task_id,
                "reads": cost.reads,
                "calls": "" if cost.calls is None else cost.calls,
                "mb": "" if its_mb is None else round(its_mb, 1),
                "days": (found[-1].day or "") if found else "",
                "note": cost.note if its_mb is not None or cost.request is None else _NO_SIZE,
            }
        )
    days = max(1, math.ceil(mb / daily_mb)) if daily_mb else None
    facts = {
        "dag_id": args.what,
        "tasks": rows,
        "calls": calls,
        "mb": round(mb, 1),
        "days": days,
        "daily_export_mb": daily_mb,
    }
    if args.output == "table":
        print_rows(rows)
        spread = f", {counted(days, 'day')} at {daily_mb:g} MB a day" if days and daily_mb else ""
        print(
            f"The first run: {counted(calls, 'call')} or more, about {facts['mb']} MB in tasks of known size{spread}."
        )
    else:
        print_facts(facts, args.output)


def _size_of_task(args: Namespace, cost: TaskCost, conn_id: str, known: Mapping[str, Size]) -> Size | None:
    """Return the size of a task's files: from its last file, a sample, or another task with the same objects."""
    if cost.request is None:
        return None
    own = known.get(f"{args.what}.{cost.task_id}")
    if own is not None:
        return own
    return _sample(conn_id, cost.request) if args.sample else _newest(known, cost.request)[1]


def _request(args: Namespace) -> ExtractRequest:
    for name in ("start", "end"):
        if getattr(args, name) is None:
            raise MarketoInvalidRequestError(f"a plan of {args.what} needs --{name}", parameter=f"--{name}")
    start, end = as_utc("start", args.start)[0], as_utc("end", args.end)[0]
    return ExtractRequest(
        object_type=args.what,
        start=start,
        end=end,
        date_field=args.date_field,
        filters={"programIds": args.program_ids} if args.program_ids else {},
        fields=args.fields or (None if export_object(args.what).fields else ALL_FIELDS),
        custom_object=args.custom_object,
        window=as_period("window", args.window),
        order=args.order,
    )


def _size(args: Namespace, request: ExtractRequest) -> tuple[str, Size | None]:
    """Return the source of the size, in words, and the size of a window."""
    if args.sample:
        return "a sample", _sample(args.conn_id, request)
    known = known_sizes(args.conn_id)
    if args.task is not None:
        if args.task not in known:
            raise MarketoInvalidRequestError(
                f"no export of {args.task} is known",
                parameter="--task",
                remedy=f"Use {' or '.join(sorted(known))}." if known else "Add --sample.",
            )
        return args.task, known[args.task]
    return _newest(known, request)


def _sample(conn_id: str, request: ExtractRequest) -> Size:
    settings = ConnectionSettings.from_connection(find_connection(conn_id))
    client = MarketoHook(settings.conn_id, settings=settings).client
    return sample(client, request, wait=lambda: time.sleep(settings.poll_interval), now=_now)


def _newest(known: Mapping[str, Size], request: ExtractRequest) -> tuple[str, Size | None]:
    """Return the task that was the last to export the same objects, and the size of its file."""
    alike = [(task, size) for task, size in known.items() if size.object_type == request.object_type]
    return max(alike, key=lambda found: found[1].measured_at, default=("", None))


def _facts(found: list[Forecast], source: str, size: Size | None, daily_mb: float | None) -> dict[str, Any]:
    total = sum(each.mb or 0.0 for each in found)
    return {
        "windows": [
            {
                "window": each.one.name,
                "start": iso(each.one.window.start) if each.one.window else "",
                "end": iso(each.one.window.end) if each.one.window else "",
                "mb": "" if each.mb is None else round(each.mb, 1),
                "day": each.day or "",
            }
            for each in found
        ],
        "mb": None if size is None else round(total, 1),
        "days": found[-1].day if found else None,
        "daily_export_mb": daily_mb,
        "measured_by": source,
        "measured_at": None if size is None else iso(size.measured_at),
    }


def _summary(facts: dict[str, Any]) -> str:
    windows = counted(len(facts["windows"]), "window")
    if facts["mb"] is None:
        return f"{windows}. {_NO_SIZE}"
    days = f", {counted(facts['days'], 'day')} at {facts['daily_export_mb']:g} MB a day" if facts["days"] else ""
    return f"{windows}, about {facts['mb']} MB{days}. Measured by {facts['measured_by']} on {facts['measured_at']}."


def _now() -> datetime:
    return datetime.now(timezone.utc)
