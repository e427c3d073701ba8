"""All Marketo assets of an instance as rows, and what has changed since the run before."""

from __future__ import annotations

import io
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from threading import Event
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.schema import BOOLEAN, DATETIME, INTEGER, STRING
from airflow_provider_marketo.marketo_assets.find import home_of, url_of
from airflow_provider_marketo.output.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)

Row = dict[str, Any]
COLUMNS = {
    "id": INTEGER,
    **dict.fromkeys(("name", "type", "folder_path", "workspace", "status"), STRING),
    "has_draft": BOOLEAN,
    **dict.fromkeys(("created", "updated"), DATETIME),
    "url": STRING,
}
"""Names of the tables' columns, with the kinds of their values."""

CHANGE_COLUMNS = {**dict.fromkeys(("change", "asset_type"), STRING), "id": INTEGER} | dict.fromkeys(
    ("name", "columns", "url"), STRING
)
_PAGE = 200
_DEPTH = 50
_OVERLAP = timedelta(minutes=5)
"""Marketo's clock may differ from this host's."""


@dataclass
class Inventory:
    """
    The inventory of one run.

    :param rows: rows by id, for each type.
    :param lines: the same rows as jsonl, for each type.
    :param changes: rows that differ from the run before.
    """

    rows: dict[str, dict[int, Row]]
    lines: dict[str, bytes]
    changes: list[Row]

    def counts(self) -> dict[str, int]:
        """Return the number of assets of each type."""
        return {asset_type: len(rows) for asset_type, rows in self.rows.items()}

    def change_counts(self) -> dict[str, int]:
        """Return the number of changes of each kind."""
        counted = Counter(change["change"] for change in self.changes)
        return {kind: counted[kind] for kind in ("added", "changed", "removed", "unapproved_draft")}


def collect(
    client: MarketoClient,
    types: Sequence[str],
    before: Mapping[str, Mapping[int, Row]] | None,
    since: datetime | None,
    now: datetime,
    *,
    at_once: int = 1,
) -> Inventory:
    """
    Read all assets (``folders.get`` and ``<type>.get``), 200 at a time.

    :param client: the instance.
    :param types: which types to read.
    :param before: the rows of the run before; None for the first run.
    :param since: read only assets that changed since then, of the types that Marketo can select so; None reads all.
    :param now: the time.
    :param at_once: how many types to read in parallel. Several use Marketo's whole rate although its answers are slow.
    """
    folders = list(client.paginate("folders.get", maxDepth=_DEPTH, maxReturn=_PAGE))
    paths = {_place(record): record.get("path") for record in folders}
    stopped = Event()

    def read(asset_type: str) -> tuple[dict[int, Row], bytes]:
        known = dict((before or {}).get(asset_type, {}))
        window = _window(asset_type, since, now) if known else {}
        records = _records(client, asset_type, folders, window)
        found = _rows(asset_type, takewhile(lambda _: not stopped.is_set(), records), paths)
        log.info("%s: %d%s", asset_type, len(found), " changed" if window else "")
        rows = {**known, **found} if window else found
        return rows, as_jsonl(COLUMNS, rows.values())  # in this thread: the others wait for Marketo's rate limit anyway

    with ThreadPoolExecutor(at_once, thread_name_prefix="marketo-inventory") as pool:
        reading = [pool.submit(read, asset_type) for asset_type in types]
        try:
            for ended in wait(reading, return_when=FIRST_EXCEPTION).done:
                ended.result()
        finally:  # after a failure or a kill, the other types need not be read
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
    found = [each.result() for each in reading]
    rows = dict(zip(types, (rows for rows, _ in found), strict=True))
    lines = dict(zip(types, (lines for _, lines in found), strict=True))
    return Inventory(rows, lines, list(_changes(before, rows)))


def _place(record: Mapping[str, Any]) -> tuple[str, int]:
    named = record.get("folderId") or {"type": "Folder", "id": record["id"]}
    return str(named["type"]).capitalize(), int(named["id"])


def _window(asset_type: str, since: datetime | None, now: datetime) -> dict[str, str]:
    if since is None or "earliestUpdatedAt" not in operations.get(_listing(asset_type)).parameters:
        return {}
    return {"earliestUpdatedAt": iso(since - _OVERLAP), "latestUpdatedAt": iso(now + _OVERLAP)}


def _listing(asset_type: str) -> str:
    return "segments.get_segmentations" if asset_type == "segments" else f"{asset_type}.get"


def _records(
    client: MarketoClient, asset_type: str, folders: Sequence[Mapping[str, Any]], window: Mapping[str, str]
) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """Yield records with the version that they show; it is None for types without drafts."""
    if asset_type == "folders":
        yield from ((None, record) for record in folders if _place(record)[0] == "Folder")
        return
    operation = operations.get(_listing(asset_type))
    status = operation.parameters.get("status")
    pages = {"maxReturn": _PAGE} if "maxReturn" in operation.parameters else {}
    if status is None or "draft" not in status.schema.enum:
        yield from ((None, record) for record in client.paginate(operation.name, **pages, **window))
        return
    for version in ("approved", "draft"):
        for record in client.paginate(operation.name, status=version, **pages, **window):
            yield version, record


def _rows(
    asset_type: str, records: Iterable[tuple[str | None, Mapping[str, Any]]], paths: Mapping[tuple[str, int], Any]
) -> dict[int, Row]:
    """Return rows by id, since an asset may have two versions, and pages overlap if assets come and go meanwhile."""
    rows: dict[int, Row] = {}
    for version, record in records:
        row = rows.get(record["id"])
        if row is not None and version == "draft":
            row["has_draft"] = True
        if row is None or version == "approved":
            rows[record["id"]] = _row(asset_type, version, record, paths)
    return rows


def _row(asset_type: str, version: str | None, record: Mapping[str, Any], paths: Mapping[tuple[str, int], Any]) -> Row:
    home = home_of(record)
    path = record.get("path") or (paths.get((home["type"], home["id"])) if home else None)
    return {
        "id": record["id"],
        "name": record.get("name") or record.get("redirectFromUrl"),
        "type": record.get("type") or record.get("folderType") or asset_type,
        "folder_path": path,
        "workspace": record.get("workspace"),
        "status": version or record.get("status"),
        "has_draft": None if version is None else version == "draft",
        "created": _utc(record.get("createdAt")),
        "updated": _utc(record.get("updatedAt")),
        "url": url_of(record),
    }


def _utc(written: str | None) -> str | None:
    return iso(parse_date(written)) if written else None


def _changes(before: Mapping[str, Mapping[int, Row]] | None, now: Mapping[str, Mapping[int, Row]]) -> Iterator[Row]:
    for asset_type, rows in now.items():
        for row in rows.values():
            if row["status"] == "approved" and row["has_draft"]:
                yield _change("unapproved_draft", asset_type, row)
        if before is None or asset_type not in before:
            continue
        known = before[asset_type]
        for number, row in rows.items():
            if number not in known:
                yield _change("added", asset_type, row)
            elif differing := [column for column in COLUMNS if row[column] != known[number].get(column)]:
                yield _change("changed", asset_type, row, differing)
        for number in known.keys() - rows.keys():
            yield _change("removed", asset_type, known[number])


def _change(kind: str, asset_type: str, row: Row, columns: Sequence[str] = ()) -> Row:
    named = {name: row[name] for name in ("id", "name", "url")}
    return {"change": kind, "asset_type": asset_type, "columns": ",".join(columns), **named}


def as_jsonl(columns: Mapping[str, str], rows: Iterable[Row]) -> bytes:
    """
    Write rows as JSON Lines.

    :param columns: names of the columns, with the kinds of their values.
    :param rows: the rows.
    """
    found = io.BytesIO()
    FORMATS["jsonl"].write(found, columns, rows)
    return found.getvalue()
