"""``airflow marketo freshness``, ``airflow marketo resync`` and ``airflow marketo erase-from-warehouse``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.airflow_compat import (
    action_cli,
    providers_configuration_loaded,
    use_metadata_database,
)
from airflow_provider_marketo.cli.tables import print_rows
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.conversions import as_period
from airflow_provider_marketo.warehouse.erase import erase_leads_and_files
from airflow_provider_marketo.warehouse.freshness import check_freshness
from airflow_provider_marketo.warehouse.resync import resync

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import timedelta


@action_cli(check_db=False)
@providers_configuration_loaded
def freshness(args: Namespace) -> None:
    """Print how new each table is; end with an error if one is older than promised."""
    use_metadata_database()
    try:
        found = check_freshness(args.sql_conn_id, args.schema, promises=dict(map(_promise, args.promise or ())))
    except MarketoError as error:
        raise SystemExit(f"airflow marketo freshness: {error}") from None
    rows = [
        {
            "table": one.table,
            "until": iso(one.until) if one.until else "",
            "age": str(one.age).partition(".")[0] if one.age else "",
            "skipped": one.skipped or "",
        }
        for one in found.values()
    ]
    print_rows(rows, args.output)


@action_cli(check_db=False)
@providers_configuration_loaded
def resync_table(args: Namespace) -> None:
    """Let the next run of the task group read a table again."""
    use_metadata_database()
    try:
        source = resync(args.sql_conn_id, args.schema, args.table)
    except MarketoError as error:
        raise SystemExit(f"airflow marketo resync: {error}") from None
    print(f"The next run reads all tables of the source {source} from the beginning; {args.table} is one of them")


@action_cli(check_db=False)
@providers_configuration_loaded
def erase_from_warehouse(args: Namespace) -> None:
    """Erase leads from all tables of a schema, and print how many rows were emptied."""
    use_metadata_database()
    if not args.yes:
        raise SystemExit("airflow marketo erase-from-warehouse: this cannot be undone. To erase, add --yes.")
    try:
        erased = erase_leads_and_files(args.sql_conn_id, args.schema, args.lead_ids, args.folder)
    except MarketoError as error:
        raise SystemExit(f"airflow marketo erase-from-warehouse: {error}") from None
    for table, rows in erased["tables"].items():
        print(f"{table}: {counted(rows, 'row')} emptied")
    for file in erased["files"]:
        print(f"{file}: removed")
    for file in erased["files_left"]:
        print(f"{file}: stays, because it is not loaded yet. The task that loads it will empty these rows")
    print(f"{counted(len(set(args.lead_ids)), 'lead')} noted as erased")


def _promise(text: str) -> tuple[str, timedelta]:
    table, equals, age = text.partition("=")
    if not equals:
        raise MarketoInvalidRequestError(
            f"{text!r} does not have the form TABLE=AGE",
            parameter="--promise",
            remedy="Write the table's maximum age as an ISO 8601 duration, such as --promise leads=PT2H.",
        )
    return table, as_period("--promise", age)
