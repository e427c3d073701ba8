"""The commands about the API's operations and about requests that must not run twice."""

from __future__ import annotations

from airflow.cli.cli_config import ARG_OUTPUT, ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command

_FAMILY = Arg(("family",), nargs="?", help="Only this family, such as leads or smart_campaigns.")
_OPERATION = Arg(("operation",), help="Name, such as smart_campaigns.clone, or Adobe's operationId.")
_LEDGER = Arg(("--ledger",), help="Folder of the ledger, where operators were given one. Default: Airflow's Variables.")
_KEY = Arg(("key",), help="Key of the entry, as the error names it.")
_SENT = Arg(("--sent",), help="It ran: it is not to be sent again.", action="store_true")
_NOT_SENT = Arg(("--not-sent",), help="It did not run: the next try may send it.", action="store_true")
_DAYS = Arg(("--older-than-days",), help="Only what was settled so long ago (default: 90).", type=int, default=90)

API_COMMANDS: tuple[CLICommand, ...] = (
    ActionCommand(
        name="operations",
        help="List the operations of Marketo's API",
        func=lazy_load_command("airflow_provider_marketo.cli.reference.list_operations"),
        args=(_FAMILY, ARG_OUTPUT),
    ),
    ActionCommand(
        name="describe",
        help="Show what an operation takes, whether it may be sent again, how it is paged and what limits it has",
        func=lazy_load_command("airflow_provider_marketo.cli.reference.describe"),
        args=(_OPERATION, ARG_OUTPUT),
    ),
    GroupCommand(
        name="ledger",
        help="Requests that must not run twice",
        subcommands=(
            ActionCommand(
                name="list",
                help="List them, those first of which nobody knows whether they ran",
                func=lazy_load_command("airflow_provider_marketo.cli.ledger.list_entries"),
                args=(_LEDGER, ARG_OUTPUT),
            ),
            ActionCommand(
                name="settle",
                help="Say whether a request ran",
                func=lazy_load_command("airflow_provider_marketo.cli.ledger.settle"),
                args=(_KEY, _SENT, _NOT_SENT, _LEDGER),
            ),
            ActionCommand(
                name="prune",
                help="Delete settled entries",
                description="Deletes entries that were settled long ago. A task whose entry is gone sends again when "
                "it is cleared. Entries of which nobody knows whether they ran always stay.",
                func=lazy_load_command("airflow_provider_marketo.cli.ledger.prune"),
                args=(_DAYS, _LEDGER),
            ),
        ),
    ),
)
