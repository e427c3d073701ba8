"""Files that are in the tables and no longer needed: a folder of leads must not grow for ever."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.counts import counted, duration
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.manifest import Manifest
from airflow_provider_marketo.warehouse.engine import literal
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.log import as_iso
from airflow_provider_marketo.warehouse.names import LOADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

log = printable_logger(__name__)


def remove_loaded_files(output: str, sql_conn_id: str, schema: str | None, keep: timedelta) -> int:
    """
    Remove the files of old manifests whose tables are all loaded, and then the manifests.

    A file that another manifest also lists stays. Ages are by Marketo's clock, against the newest manifest.

    :param output: URL of the folder.
    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :param keep: age after which files are removed.
    :return: how many files were removed.
    """
    folder = OutputFolder(output)
    known = dict(_manifests(folder))
    if not known:
        return 0
    newest = max(map(_time, known.values()))
    old = {name: manifest for name, manifest in known.items() if newest - _time(manifest) > keep}
    files = _remove(folder, known, _loaded(sql_conn_id, schema, old))
    if files:
        log.info("Removed %s of %s: loaded, and older than %s", counted(len(files), "file"), output, duration(keep))
    return len(files)


def remove_all_loaded_files(output: str, sql_conn_id: str, schema: str | None) -> tuple[list[str], list[str]]:
    """
    Remove the files of all manifests that are loaded, of any age, in a folder and in all folders below it.

    :param output: URL of the folder, such as the ``output_path`` of the task group.
    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :return: names of the files that were removed, and of those that stay because they are not loaded.
    """
    root = OutputFolder(output)
    removed: list[str] = []
    left: list[str] = []
    for place in _folders(root):
        folder = OutputFolder(f"{root.url}/{place}" if place else root.url)
        known = dict(_manifests(folder))
        gone = _loaded(sql_conn_id, schema, known)
        prefix = f"{place}/" if place else ""
        removed += [prefix + name for name in _remove(folder, known, gone)]
        stay = {file.name for name, manifest in known.items() if name not in gone for file in manifest.files}
        left += [prefix + name for name in sorted(stay)]
    return removed, left


def _folders(root: OutputFolder) -> list[str]:
    """Return the folders with manifests, as paths from the root."""
    marks = (name.partition(f"{layout.MANIFESTS}/") for name in root.tree("") if f"{layout.MANIFESTS}/" in name)
    return sorted({before.rstrip("/") for before, _, _ in marks})


def _remove(folder: OutputFolder, known: Mapping[str, Manifest], gone: Mapping[str, Manifest]) -> list[str]:
    """Remove manifests and those of their files that no other manifest lists; return the names of the files."""
    kept = {file.name for name, manifest in known.items() if name not in gone for file in manifest.files}
    files = sorted({file.name for manifest in gone.values() for file in manifest.files} - kept)
    for file in files:
        folder.delete(file)
    for name in gone:  # last: until then a killed task finds the files again
        folder.delete(name)
    return files


def _manifests(folder: OutputFolder) -> Iterator[tuple[str, Manifest]]:
    for name in folder.names(layout.MANIFESTS):
        place = f"{layout.MANIFESTS}/{name}"
        facts = folder.read_json(place) if name.endswith(".json") else None
        if facts is None:
            continue
        try:
            yield place, Manifest.from_dict(facts)
        except MarketoDataError as error:
            log.warning("%s stays as it is: %s", folder.path(place), error)


def _time(manifest: Manifest) -> datetime:
    """Return Marketo's time when a manifest was written; a manifest without a time counts as the oldest."""
    return parse_date(manifest.as_of or manifest.end or "1970-01-01T00:00:00Z")


def _readings(manifest: Manifest) -> set[tuple[str, str]]:
    """
    Return each dataset with the time when it was read, as the log has them.

    An extract that is cleared writes its manifest again, with other files: the log then has another time.
    """
    read = [(each.name, manifest.time_of(each)) for each in manifest.datasets if not each.skipped]
    return {(name, iso(parse_date(time)) if time else "") for name, time in read}


def _loaded(sql_conn_id: str, schema: str | None, manifests: Mapping[str, Manifest]) -> dict[str, Manifest]:
    """Return the manifests whose datasets are all loaded."""
    if not manifests:
        return {}
    listed = ", ".join(literal(each.manifest) for each in manifests.values())
    with closing(connect(sql_conn_id, schema)) as engine:
        found = engine.query(f"SELECT manifest, dataset, as_of FROM {engine.table(LOADS)} WHERE manifest IN ({listed})")
    loaded: dict[str, set[tuple[str, str]]] = {}
    for manifest, dataset, as_of in found:  # without a time in the manifest, any load counts
        loaded.setdefault(str(manifest), set()).update({(str(dataset), as_iso(as_of)), (str(dataset), "")})
    return {name: each for name, each in manifests.items() if _readings(each) <= loaded.get(each.manifest or "", set())}
