"""``airflow marketo doctor``: what is wrong with this installation, and what to do (*experimental*)."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_marketo.airflow_compat import action_cli, providers_configuration_loaded
from airflow_provider_marketo.cli.tables import print_rows
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.diagnosis.checks import run_checks
from airflow_provider_marketo.diagnosis.setup import Setup

if TYPE_CHECKING:
    from argparse import Namespace


@action_cli(check_db=False)
@providers_configuration_loaded
def doctor(args: Namespace) -> None:
    """Print a line for everything that was checked. An error ends the command with exit code 1."""
    setup = Setup(args.conn_id)
    found = list(run_checks(setup))
    rows = [
        {
            "result": finding.level,
            "check": name,
            "about": finding.about,
            "found": finding.found,
            "what to do": finding.remedy,
        }
        for name, finding in found
    ]
    print_rows(rows, args.output)
    levels = Counter(finding.level for _, finding in found)
    print(
        f"{counted(levels['error'], 'error')}, {counted(levels['warning'], 'warning')}, {levels['ok']} ok, "
        f"{levels['not checked']} not checked; {counted(setup.calls, 'call')} to Marketo",
        file=sys.stderr,
    )
    if levels["error"]:
        raise SystemExit(1)
