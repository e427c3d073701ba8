"""
The commands under ``airflow marketo``.

Airflow loads this on every start of its command line, so the commands themselves are imported when they run.
"""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command

from airflow_provider_marketo.cli.api_commands import API_COMMANDS

_SETUP_CONN_ID = Arg(
    ("--conn-id",),
    help="Id of a Marketo connection; may be given several times. Default: every connection of type marketo.",
    action="append",
)
_PRINT = Arg(
    ("--print",),
    help="Write the pools as a file for `airflow pools import` instead of changing anything; - prints them.",
    dest="print_to",
    metavar="pools.json",
    type=str,
)
_CONN_ID = Arg(
    ("--conn-id",), help="Id of the Marketo connection (default: marketo_default).", default="marketo_default"
)
_REFRESH = Arg(("--refresh",), help="Ask Marketo even if the Variable is new.", action="store_true")
_REPORT_OUTPUT = Arg(
    ("-o", "--output"), help="Output format (default: table).", choices=("table", "json", "yaml"), default="table"
)


def get_marketo_cli_commands() -> list[CLICommand]:
    """What Airflow adds to its command line."""
    return [GroupCommand(name="marketo", help="Adobe Marketo Engage", subcommands=_COMMANDS)]


_COMMANDS = (
    ActionCommand(
        name="setup",
        help="Create or update the pools that bound how many tasks use Marketo at once",
        description="Creates or updates the pool of each Marketo connection from its extras (pool, max_parallel), and "
        "says what it did. Running it again changes nothing.",
        func=lazy_load_command("airflow_provider_marketo.cli.setup.setup"),
        args=(_SETUP_CONN_ID, _PRINT),
    ),
    ActionCommand(
        name="quota",
        help="Show the calls of the last seven days, what is left of today, and our share",
        description="Calls per API user today and on each of the last seven days, bytes exported, what is left, when "
        "it resets, the most frequent errors, and our share. Writes the Variable marketo_quota_<conn_id>.",
        func=lazy_load_command("airflow_provider_marketo.cli.quota.quota"),
        args=(_CONN_ID, _REFRESH, _REPORT_OUTPUT),
    ),
    *API_COMMANDS,
)
