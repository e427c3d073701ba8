"""``airflow marketo verify``: check that a real instance does what this package expects (*experimental*)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_marketo.airflow_compat import action_cli, providers_configuration_loaded
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.diagnosis.verify import markdown, plan
from airflow_provider_marketo.diagnosis.verify import verify as compare_all
from airflow_provider_marketo.hooks.known_connections import find_connection
from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from argparse import Namespace


@action_cli(check_db=False)
@providers_configuration_loaded
def verify(args: Namespace) -> None:
    """Print the plan, ask the user, compare, and write the report. A difference ends the command with exit code 1."""
    try:
        settings = ConnectionSettings.from_connection(find_connection(args.conn_id))
        print(plan(settings.conn_id, Endpoint.parse(settings.host).instance))
        if not args.yes and input("Continue? [y/N] ").strip().lower() not in ("y", "yes"):
            raise SystemExit("airflow marketo verify: nothing was called")
        found = list(compare_all(settings))
    except MarketoError as error:
        raise SystemExit(f"airflow marketo verify: {error}") from None
    except EOFError:
        raise SystemExit("airflow marketo verify: there was no answer, so nothing was called; give --yes") from None
    Path(args.report).write_text(markdown(found), encoding="utf-8")
    differences = [each for each in found if each.verdict == "differs"]
    for each in differences:
        print(f"differs: {each.subject}: expected {each.expected}; seen {each.seen}")
    said = counted(len(differences), "difference") if differences else "no difference"
    print(f"{counted(len(found), 'comparison')}, {said}. Report: {args.report}", file=sys.stderr)
    if differences:
        raise SystemExit(1)
