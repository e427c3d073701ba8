"""``airflow marketo clean``: removes what killed and failed tasks have left behind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_marketo.airflow_compat import action_cli, providers_configuration_loaded, use_metadata_database
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.abandoned import remove_abandoned, temporary_folder
from airflow_provider_marketo.output.cleaning import remove_runs
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from argparse import Namespace


@action_cli(check_db=False)
@providers_configuration_loaded
def clean(args: Namespace) -> None:
    """Remove old temporary files of this host, and what old tasks have kept in the named folders for their next try."""
    use_metadata_database()
    age, dry_run = timedelta(days=args.older_than_days), args.dry_run
    verb = "Would remove" if dry_run else "Removed"
    unfinished = remove_abandoned(temporary_folder(), age, dry_run=dry_run)
    print(f"{verb} {counted(unfinished, 'temporary folder')} from {temporary_folder()}")
    try:
        for url in args.folders:
            folder = OutputFolder(url, parameter="folder")
            if folder.is_local and not (url.strip() and Path(folder.path("").path).is_dir()):
                raise SystemExit(f"airflow marketo clean: there is no folder {url!r}")
            place = Path(folder.path(layout.STAGING).path)
            unfinished = remove_abandoned(place, age, dry_run=dry_run) if folder.is_local else 0
            runs = remove_runs(folder, age, dry_run=dry_run)
            print(f"{verb} {counted(unfinished, 'temporary folder')} and {counted(runs, 'unfinished run')} from {url}")
    except MarketoError as error:
        raise SystemExit(f"airflow marketo clean: {error}") from None
