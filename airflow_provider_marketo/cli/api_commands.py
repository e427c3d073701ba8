"""The commands about Marketo's operations and about requests that must not run twice."""

from __future__ import annotations

from argparse import ArgumentTypeError

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command


def days(text: str) -> int:
    """Read a number of days. A negative number would select all entries."""
    if not text.isdigit():
        raise ArgumentTypeError(f"{text} is not a number of days: give 0 or more")
    return int(text)


def megabytes(text: str) -> float:
    """Read a positive number of megabytes."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise ArgumentTypeError(f"{text} is not a number of megabytes: give more than 0")
    return found


OUTPUT = Arg(
    ("-o", "--output"), help="Output format (default: table).", choices=("table", "json", "yaml"), default="table"
)
"""The option of every command that lists something."""

_FAMILY = Arg(("family",), nargs="?", help="List only this family, such as leads or smart_campaigns.")
_OPERATION = Arg(("operation",), help="Name of an operation, such as smart_campaigns.clone, or Adobe's operationId.")
_LEDGER = Arg(("--ledger",), help="Folder of the ledger, as given to the operators. Default: Airflow's Variables.")
_KEY = Arg(("key",), help="Key of the entry, as the error or `ledger list` shows it.")
_SENT = Arg(("--sent",), help="The request ran: do not send it again.", action="store_true")
_NOT_SENT = Arg(("--not-sent",), help="The request did not run: the next try sends it.", action="store_true")
_DAYS = Arg(("--older-than-days",), help="Delete only entries older than this (default: 90).", type=days, default=90)

API_COMMANDS: tuple[CLICommand, ...] = (
    ActionCommand(
        name="operations",
        help="List the operations of Marketo's API",
        func=lazy_load_command("airflow_provider_marketo.cli.reference.list_operations"),
        args=(_FAMILY, OUTPUT),
    ),
    ActionCommand(
        name="describe",
        help="Show an operation's parameters and limits, its paging, and whether it may be sent again",
        func=lazy_load_command("airflow_provider_marketo.cli.reference.describe"),
        args=(_OPERATION, OUTPUT),
    ),
    GroupCommand(
        name="ledger",
        help="Manage the record of requests that must not run twice",
        subcommands=(
            ActionCommand(
                name="list",
                help="List the requests, unresolved ones first",
                func=lazy_load_command("airflow_provider_marketo.cli.ledger.list_entries"),
                args=(_LEDGER, OUTPUT),
            ),
            ActionCommand(
                name="settle",
                help="Record whether an unresolved request ran",
                func=lazy_load_command("airflow_provider_marketo.cli.ledger.settle"),
                args=(_KEY, _SENT, _NOT_SENT, _LEDGER),
            ),
            ActionCommand(
                name="prune",
                help="Delete old entries",
                description="Deletes entries that were settled long ago. If their task is cleared later, it sends its "
                "request again. Unresolved entries stay.",
                func=lazy_load_command("airflow_provider_marketo.cli.ledger.prune"),
                args=(_DAYS, _LEDGER),
            ),
        ),
    ),
)
