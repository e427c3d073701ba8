"""All Marketo assets of an instance as tables, and what has changed since the run before."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from threading import Event
from typing import Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.tabular.schema import BOOLEAN, DATETIME, INTEGER, STRING
from airflow_provider_marketo.marketo_assets.find import home_of, url_of
from airflow_provider_marketo.marketo_assets.kinds import TYPES
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.formats import FORMATS

log = logging.getLogger(__name__)

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
"""Marketo's clock is not ours."""

_STATE = "_marketo/inventory"
_SLOTS = ("a", "b")


@dataclass
class Inventory:
    """
    One run.

    :param rows: of each type, by id.
    :param lines: of each type, the same as jsonl.
    :param changes: against the run before.
    """

    rows: dict[str, dict[int, Row]]
    lines: dict[str, bytes]
    changes: list[Row]

    def counts(self) -> dict[str, int]:
        """Assets of each type."""
        return {asset_type: len(rows) for asset_type, rows in self.rows.items()}

    def change_counts(self) -> dict[str, int]:
        """Changes of each kind."""
        counted = Counter(change["change"] for change in self.changes)
        return {kind: counted[kind] for kind in ("added", "changed", "removed", "unapproved_draft")}


def checked_types(types: Sequence[str]) -> list[str]:
    """
    :raises MarketoInvalidRequestError: a type that there is not.
    """
    unknown = [each for each in types if each not in TYPES]
    if unknown:
        raise MarketoInvalidRequestError(
            f"{unknown[0]!r} is no type of Marketo assets",
            parameter="asset_types",
            remedy=f"The types are {', '.join(TYPES)}.",
        )
    return list(types)


def take(
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

    :param types: which.
    :param before: the rows of the run before; None for the first run.
    :param since: read only what changed since then, of the types that can be asked so; None reads everything.
    :param now: the time.
    :param at_once: types that are read at the same time, so that Marketo's rate is used up however slow its answers.
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
        return rows, _lines(COLUMNS, rows.values())  # here, while Marketo's rate keeps everybody waiting anyway

    with ThreadPoolExecutor(at_once, thread_name_prefix="marketo-inventory") as pool:
        reading = [pool.submit(read, asset_type) for asset_type in types]
        try:
            for ended in wait(reading, return_when=FIRST_EXCEPTION).done:
                ended.result()
        finally:  # of what has failed, or was killed, nobody wants the rest
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
    """Records with the version that they show, which is None for types without drafts."""
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
    """By id: pages overlap when assets come and go meanwhile, and an asset may have two versions."""
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


class InventoryStore:
    """
    Where inventories lie: the tables, and what the next run compares with.

    The two latest runs are kept, so that a run that is repeated compares with the run before it, not with itself.

    :param folder: the output.
    :param run_id: of the run of the DAG.
    """

    def __init__(self, folder: OutputFolder, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id
        index: dict[str, Any] = folder.read_json(f"{_STATE}/index.json") or {}
        self._started: dict[str, str] = index.get("started", {})
        if index.get("run_id") == run_id:
            self._slot, self._before = index["slot"], index["before"]
        else:
            self._before = index.get("slot")
            self._slot = next(slot for slot in _SLOTS if slot != self._before)

    @property
    def since(self) -> datetime | None:
        """When the run before began."""
        return parse_date(self._started[self._before]) if self._before else None

    def before(self, types: Sequence[str]) -> dict[str, dict[int, Row]] | None:
        """The rows of the run before; None if there was none."""
        if self._before is None:
            return None
        found = {}
        for asset_type in types:
            data = self._folder.read(f"{_STATE}/{self._before}/{asset_type}.jsonl")
            if data is not None:
                found[asset_type] = {row["id"]: row for row in map(json.loads, data.splitlines())}
        return found

    def publish(self, inventory: Inventory, file_format: str, began: datetime) -> list[dict[str, Any]]:
        """
        Give the tables their final names, and remember them for the next run.

        :return: path, rows and bytes of each table.
        """
        tables: dict[str, tuple[Mapping[str, str], list[Row]]] = {
            asset_type: (COLUMNS, list(rows.values())) for asset_type, rows in inventory.rows.items()
        }
        tables["changes"] = (CHANGE_COLUMNS, inventory.changes)
        lines = {**inventory.lines, "changes": _lines(CHANGE_COLUMNS, inventory.changes)}
        facts, names, state = [], [], []
        with self._folder.staging() as staging:
            for name, (columns, rows) in tables.items():
                file_name = FORMATS[file_format].file_name(name)
                with staging.open(file_name) as file:
                    if file_format == "jsonl":
                        file.write(lines[name])
                    else:
                        FORMATS[file_format].write(file, columns, rows)
                    size = file.tell()
                names.append(file_name)
                facts.append({"path": str(self._folder.path(file_name)), "rows": len(rows), "bytes": size})
            for asset_type in inventory.lines:
                kept = f"{_STATE}/{self._slot}/{asset_type}.jsonl"
                with staging.open(kept) as file:
                    file.write(lines[asset_type])
                state.append(kept)
            staging.publish([*names, *state])
        started = {**self._started, self._slot: iso(began)}
        index = {"run_id": self._run_id, "slot": self._slot, "before": self._before, "started": started}
        self._folder.write_json(f"{_STATE}/index.json", index)
        return facts


def _lines(columns: Mapping[str, str], rows: Iterable[Row]) -> bytes:
    found = io.BytesIO()
    FORMATS["jsonl"].write(found, columns, rows)
    return found.getvalue()
