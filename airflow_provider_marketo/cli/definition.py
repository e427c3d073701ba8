"""
The definition of the commands under ``airflow marketo``.

Airflow's command line loads this module each time it starts, so a command's own module is imported when the command
runs.
"""

from __future__ import annotations

from typing import get_args

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command

from airflow_provider_marketo.choices import BulkObject, WindowOrder
from airflow_provider_marketo.cli.api_commands import API_COMMANDS, OUTPUT, days, megabytes

_CONN_IDS = Arg(
    ("--conn-id",),
    help="Id of a Marketo connection. May be given several times. Default: every connection of type marketo.",
    action="append",
)
_PRINT = Arg(
    ("--print",),
    help="Write the pools to a file for `airflow pools import` and change nothing; - prints them.",
    dest="print_to",
    metavar="pools.json",
    type=str,
)
_CONN_ID = Arg(
    ("--conn-id",), help="Id of the Marketo connection (default: marketo_default).", default="marketo_default"
)
_FOLDERS = Arg(("folders",), nargs="*", help="Folders that tasks name as output_path, rejects_path or staging.")
_OLDER_THAN = Arg(
    ("--older-than-days",),
    help="Remove only what has not changed for this many days (default: 30).",
    type=days,
    default=30,
)
_DRY_RUN = Arg(("--dry-run",), help="Count, and remove nothing.", action="store_true")
_YES = Arg(("--yes",), help="Do not ask before the first call.", action="store_true")
_REPORT = Arg(
    ("--report",),
    help="File for the report (default: marketo_verify.md).",
    metavar="FILE",
    type=str,
    default="marketo_verify.md",
)
_SQL_CONN_ID = Arg(("--sql-conn-id",), help="Id of the connection of the warehouse.", required=True)
_SCHEMA = Arg(("--schema",), help="Schema of the tables. Default: the database's own.")
_PROMISE = Arg(
    ("--promise",),
    help="A table and its maximum age, such as leads=PT2H. May be given several times.",
    action="append",
    metavar="TABLE=AGE",
)
_LEAD_ID = Arg(
    ("--lead-id",),
    help="Id of a lead. May be given several times.",
    action="append",
    dest="lead_ids",
    type=int,
    required=True,
)
_TABLE = Arg(("--table",), help="Name of the table, such as leads or activity_send_email.", required=True)
_ERASE_FOLDER = Arg(
    ("--folder",), help="Folder of the extracts. The command also removes the files there that are loaded."
)
_ERASE_YES = Arg(("--yes",), help="Erase: this cannot be undone.", action="store_true")
_OBJECT = Arg(
    ("what",), metavar="DAG_ID or object", help=f"A DAG, or what is extracted: {', '.join(get_args(BulkObject))}."
)
_START = Arg(
    ("--start",), help="First second of the span, ISO 8601. For a DAG: the start of tasks whose dates are templates."
)
_END = Arg(("--end",), help="First second after the span, ISO 8601 (default for a DAG: now).")
_WINDOW = Arg(
    ("--window",), help="Length of a window, the time of one export job, ISO 8601 (default: P30D).", default="P30D"
)
_ORDER = Arg(
    ("--order",), help="Which window is exported first.", choices=get_args(WindowOrder), default="oldest_first"
)
_DATE_FIELD = Arg(("--date-field",), help="Date field that decides which rows are in a window, such as updatedAt.")
_FIELDS = Arg(("--field",), help="A field. May be given several times (default: all).", action="append", dest="fields")
_CUSTOM_OBJECT = Arg(("--custom-object",), help="API name of the type, for custom_objects.")
_PROGRAM_IDS = Arg(
    ("--program-id",),
    help="Id of a program, for program_members. May be given several times.",
    action="append",
    dest="program_ids",
)
_DAILY_MB = Arg(("--daily-export-mb",), help="Megabytes that the DAG may export in a day.", type=megabytes)
_TASK = Arg(("--task",), help="Estimate from the size of this task's last file: DAG_ID.TASK_ID.")
_SAMPLE = Arg(
    ("--sample",),
    help="Export the window in the middle and measure it. This export counts toward the day's export volume.",
    action="store_true",
)
_REFRESH = Arg(
    ("--refresh",), help="Ask Marketo even if the Variable was written a short time ago.", action="store_true"
)


def get_marketo_cli_commands() -> list[CLICommand]:
    """Return the commands that Airflow adds to its command line."""
    return [GroupCommand(name="marketo", help="Manage Adobe Marketo Engage", subcommands=_COMMANDS)]


_COMMANDS = (
    ActionCommand(
        name="setup",
        help="Create or update the pools that limit how many tasks use Marketo at once",
        description="Run it before the first DAG: a task in a pool that does not exist waits for ever, "
        "without a line in its log. Creates or updates the pool of each Marketo connection from its extras (pool, "
        "max_parallel), and prints what it changed. It is safe to run again.",
        func=lazy_load_command("airflow_provider_marketo.cli.setup.setup"),
        args=(_CONN_IDS, _PRINT),
    ),
    ActionCommand(
        name="quota",
        help="Show the calls of the last seven days, what is left of today, and this Airflow's share",
        description="Shows the calls of each API user on each of the last seven days, the exported bytes, what is left "
        "of today's quotas and when they are reset, the most frequent errors, and this Airflow's share. Writes the "
        "Variable marketo_quota_<conn_id>.",
        func=lazy_load_command("airflow_provider_marketo.cli.quota.quota"),
        args=(_CONN_ID, _REFRESH, OUTPUT),
    ),
    ActionCommand(
        name="doctor",
        help="Check connections, permissions, pools, coordination and folders, and say what to do (experimental)",
        description="Checks this installation and prints a line for each check: ok, warning, error, or not checked. "
        "Makes five calls to Marketo for each connection, and one more for each further kind of object that a DAG "
        "reads. They only read. Ends with exit code 1 if there is an error.",
        func=lazy_load_command("airflow_provider_marketo.cli.doctor.doctor"),
        args=(_CONN_IDS, OUTPUT),
    ),
    ActionCommand(
        name="status",
        help="Show why Marketo tasks wait, how fresh the data are, and what needs a person (experimental)",
        description="Shows the same as the page Marketo in Airflow's UI. Reads Airflow's database and never calls"
        " Marketo.",
        func=lazy_load_command("airflow_provider_marketo.cli.status.status"),
        args=(OUTPUT,),
    ),
    ActionCommand(
        name="plan",
        help="Show the calls, megabytes and days of a DAG's first run, or of a backfill (experimental)",
        description="For a DAG, prints a line for each of its tasks with the calls, the megabytes and the days of the "
        "first run. For an object, prints a line for each window of a bulk extract, with the megabytes that it is "
        "likely to have and the day on which it is exported. The sizes come from the last files of such extracts, "
        "which tasks have recorded, or from a window that --sample exports. Without --sample it never calls Marketo.",
        func=lazy_load_command("airflow_provider_marketo.cli.plan.plan"),
        args=(
            _OBJECT,
            _START,
            _END,
            _WINDOW,
            _ORDER,
            _DATE_FIELD,
            _FIELDS,
            _CUSTOM_OBJECT,
            _PROGRAM_IDS,
            _DAILY_MB,
            _CONN_ID,
            _TASK,
            _SAMPLE,
            OUTPUT,
        ),
    ),
    ActionCommand(
        name="verify",
        help="Compare a real instance with what this package expects of Marketo (experimental)",
        description="Reads only: at most 40 calls and one export of at most one hour. Prints its plan and asks before "
        "it starts. Writes a report without personal data, fit to be attached to an issue. Ends with exit code 1 if "
        "something differs.",
        func=lazy_load_command("airflow_provider_marketo.cli.verify.verify"),
        args=(_CONN_ID, _YES, _REPORT),
    ),
    ActionCommand(
        name="freshness",
        help="Show how new the tables of a warehouse are (experimental)",
        description="Shows the time up to which each table has Marketo's changes, from _marketo_loads. Ends with exit "
        "code 1 if a table is older than promised, and names the table, its promise and its age.",
        func=lazy_load_command("airflow_provider_marketo.cli.warehouse.freshness"),
        args=(_SQL_CONN_ID, _SCHEMA, _PROMISE, OUTPUT),
    ),
    ActionCommand(
        name="resync",
        help="Let the next run of a task group read a table from Marketo again (experimental)",
        description="The next run of MarketoWarehouseTaskGroup reads the table from start, and merges its rows: rows "
        "that Marketo sends replace those of the table, and rows that Marketo no longer has stay. Activities of all "
        "types are read together, as is all reference data. The command itself does not call Marketo.",
        func=lazy_load_command("airflow_provider_marketo.cli.warehouse.resync_table"),
        args=(_SQL_CONN_ID, _SCHEMA, _TABLE),
    ),
    ActionCommand(
        name="erase-from-warehouse",
        help="Erase leads from all tables of a warehouse (experimental)",
        description="Empties the rows of the leads in every table that has rows about them, and in the histories: "
        "only keys, ids and this provider's own columns remain. Later loads do not restore the values. The command "
        "does not delete the leads in Marketo.",
        func=lazy_load_command("airflow_provider_marketo.cli.warehouse.erase_from_warehouse"),
        args=(_SQL_CONN_ID, _SCHEMA, _LEAD_ID, _ERASE_FOLDER, _ERASE_YES),
    ),
    ActionCommand(
        name="clean",
        help="Remove what killed and failed tasks have left behind: temporary files, and rows that wait to be sent",
        description="Removes old temporary files of this host. In each named folder, it also removes old temporary "
        "files, and the files that old task instances keep for their retries. Run the command where the workers run, "
        "as their user.",
        func=lazy_load_command("airflow_provider_marketo.cli.clean.clean"),
        args=(_FOLDERS, _OLDER_THAN, _DRY_RUN),
    ),
    *API_COMMANDS,
)
