"""``airflow marketo plan``: the windows of a backfill, their megabytes, and how many days it takes (*experimental*)."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import yaml

from airflow_provider_marketo.airflow_compat import (
    Variable,
    action_cli,
    providers_configuration_loaded,
)
from airflow_provider_marketo.cli.tables import print_rows
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.conversions import as_period, as_utc
from airflow_provider_marketo.extract.forecast import Forecast, forecast, sample
from airflow_provider_marketo.extract.request import ALL_FIELDS, ExtractRequest
from airflow_provider_marketo.hooks.export_account import ExportAccount, Size, variable_name
from airflow_provider_marketo.hooks.known_connections import find_connection
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from argparse import Namespace

_NO_SIZE = "No size of such a file is known: add --sample to export one window and measure it."


@action_cli(check_db=False)
@providers_configuration_loaded
def plan(args: Namespace) -> None:
    """Print the windows, and how much and how long they are together."""
    try:
        print_plan(args)
    except MarketoError as error:
        raise SystemExit(f"airflow marketo plan: {error}") from None


def print_plan(args: Namespace) -> None:
    """Print the plan of the arguments."""
    request = _request(args)
    slices = request.slices({})
    source, size = _size(args, request)
    found = forecast(slices, size, args.daily_export_mb)
    facts = _facts(found, source, size, args.daily_export_mb)
    if args.output == "table":
        print_rows(facts["windows"])
        print(_summary(facts))
    else:
        print(json.dumps(facts, indent=2) if args.output == "json" else yaml.safe_dump(facts, sort_keys=False), end="")


def _request(args: Namespace) -> ExtractRequest:
    start, end = as_utc("start", args.start)[0], as_utc("end", args.end)[0]
    return ExtractRequest(
        object_type=args.object_type,
        start=start,
        end=end,
        date_field=args.date_field,
        filters={"programIds": args.program_ids} if args.program_ids else {},
        fields=args.fields or (None if args.object_type == "activities" else ALL_FIELDS),
        custom_object=args.custom_object,
        window=as_period("window", args.window),
        order=args.order,
    )


def _size(args: Namespace, request: ExtractRequest) -> tuple[str, Size | None]:
    """Return where the size of a window is from, and the size."""
    if args.sample:
        settings = ConnectionSettings.from_connection(find_connection(args.conn_id))
        client = MarketoHook(settings.conn_id, settings=settings).client
        measured = sample(client, request, wait=lambda: time.sleep(settings.poll_interval), now=_now)
        return "a sample", measured
    name = variable_name(args.conn_id)
    known = ExportAccount.load(Variable.get(name, default_var=None), name).sizes
    if args.task is not None:
        if args.task not in known:
            raise MarketoInvalidRequestError(
                f"no export of {args.task} is known",
                parameter="--task",
                remedy=f"Use {' or '.join(sorted(known))}." if known else "Add --sample.",
            )
        return args.task, known[args.task]
    alike = {task: size for task, size in known.items() if size.object_type == request.object_type}
    task = max(alike, key=lambda each: alike[each].measured_at, default=None)
    return (task, alike[task]) if task is not None else ("", None)


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
