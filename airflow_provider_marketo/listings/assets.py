"""All Marketo assets in one table, and what has changed since the run before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.stored import damaged, parse
from airflow_provider_marketo.listings.table import ASSETS, LISTINGS
from airflow_provider_marketo.output.formats import json_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.listings.listing import Listing
    from airflow_provider_marketo.output.folder import OutputFolder

Row = dict[str, Any]
Key = tuple[str, int]

_STATE = "_marketo/assets"
_INDEX = f"{_STATE}/index.json"
_SLOTS = ("a", "b")
_COUNT = "rows"
"""Member of the last line of kept rows; it has their number, since a file may be cut at a line's end."""

_REMEDY = "Restore the file, or delete it, and clear the task: without the file, the comparison starts again."
_COLUMNS = [column.name for column in LISTINGS["assets"].columns]
_PATH = "folderPath"


@dataclass(frozen=True)
class Index(Serializable):
    """
    Where the rows of the latest runs are kept.

    :param run_id: id of the latest DAG run.
    :param slot: where its rows are.
    :param before: where the rows of the run before are; None for the first run.
    """

    VERSION: ClassVar[int] = 1

    run_id: str
    slot: str
    before: str | None


class AssetCatalogue:
    """
    Collects the rows of all Marketo assets while their listings are read, and compares them with the run before.

    The rows of the two latest runs are kept, so that a repeated run compares with the run before it, not with itself.
    Listings that are read in parallel may add records at the same time.

    :param folder: the output folder.
    :param run_id: id of the DAG run.
    :raises MarketoStateError: the record of earlier runs is damaged.
    """

    def __init__(self, folder: OutputFolder, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id
        index = self._read_index()
        if index is not None and index.run_id == run_id:
            self._slot, self._previous = index.slot, index.before
        else:
            self._previous = index.slot if index else None
            self._slot = next(slot for slot in _SLOTS if slot != self._previous)
        self._before = self._rows_before()
        self._found: dict[str, dict[int, Row]] = {name: {} for name in ASSETS}
        self._paths: dict[tuple[str, int], str | None] = {}

    @property
    def is_first(self) -> bool:
        """Whether this is the first run, so that everything has to be read."""
        return self._previous is None

    def add(self, listing: Listing, record: Mapping[str, Any]) -> None:
        """
        Take a record. If an asset has an approved version and a draft, the row shows the approved version.

        :param listing: the listing that has the record.
        :param record: the record.
        """
        values = {column.name: column.value(record, record, 1) for column in listing.columns}
        number = values["id"]
        if listing.name == "folders":
            self._paths[values["type"], number] = values["path"]
            if values["type"] != "Folder":  # programs have a listing of their own
                return
        version = values["status"] if listing.versions else None
        known = self._found[listing.name].get(number)
        if known is not None and version == "draft":
            known["hasDraft"] = True
            return
        draft = None if version is None else version == "draft" or known is not None
        self._found[listing.name][number] = {
            **dict.fromkeys(_COLUMNS),
            **{name: values[name] for name in _COLUMNS if name in values},
            "assetType": listing.name,
            "name": values.get("name") or values.get("redirectFromUrl"),
            "type": values.get("folderType") if listing.name == "folders" else values.get("type") or listing.name,
            "folderPath": values.get("path"),
            "hasDraft": draft,
            "home": (values.get("folderType"), values.get("folderId")),
        }

    def rows(self, *, changed_only: Iterable[str] = ()) -> dict[Key, Row]:
        """
        Return the rows of all assets, by type and id.

        :param changed_only: types that were read for changes only. Their other assets are the same as before.
        """
        kept = set(changed_only)
        rows = {key: row for key, row in self._before.items() if key[0] in kept}
        for name, found in self._found.items():
            for number, row in found.items():
                home = row.pop("home", None)
                if row[_PATH] is None and home is not None:
                    row[_PATH] = self._paths.get(_place(home))
                rows[name, number] = row
        return rows

    def changes(self, rows: Mapping[Key, Row], as_of: str) -> Iterator[Row]:
        """
        Yield what has changed since the run before, and approved assets with a draft that is not approved.

        :param rows: this run's rows.
        :param as_of: Marketo's time; ISO 8601, UTC.
        """
        for key, row in rows.items():
            if row["status"] == "approved" and row["hasDraft"]:
                yield _change("unapproved_draft", row, as_of)
            if self.is_first:
                continue
            if key not in self._before:
                yield _change("added", row, as_of)
            elif differing := [name for name in _COLUMNS if row[name] != self._before[key].get(name)]:
                yield _change("changed", row, as_of, differing)
        for key in self._before.keys() - rows.keys():
            yield _change("removed", self._before[key], as_of)

    def keep(self, rows: Mapping[Key, Row]) -> None:
        """
        Keep the rows for the next run to compare with.

        :param rows: rows of this run.
        """
        lines = map(json_line, [*rows.values(), {_COUNT: len(rows)}])
        self._folder.write(f"{_STATE}/{self._slot}.jsonl", b"".join(lines))
        index = Index(self._run_id, self._slot, self._previous)
        self._folder.write_state(_INDEX, index)

    def _rows_before(self) -> dict[Key, Row]:
        if self._previous is None:
            return {}
        name = f"{_STATE}/{self._previous}.jsonl"
        place = str(self._folder.path(name))
        remedy = (
            f"Restore it, or delete {self._folder.path(_INDEX)}, and clear the task: without the index, the comparison"
            " starts again."
        )
        data = self._folder.read(name)
        if not data:
            raise damaged(place, "it is missing or empty", remedy)
        *rows, last = (parse(line, dict, place=place, remedy=remedy) for line in data.splitlines())
        if last != {_COUNT: len(rows)}:
            raise damaged(place, f"its last line does not say that it has {counted(len(rows), 'row')}", remedy)
        try:
            return {(row["assetType"], row["id"]): row for row in rows}
        except (KeyError, TypeError) as error:
            raise damaged(place, "a row names no asset", remedy) from error

    def _read_index(self) -> Index | None:
        return self._folder.read_state(Index, _INDEX, remedy=_REMEDY)


def _place(home: tuple[Any, Any]) -> tuple[str, int]:
    kind, number = home
    return ("Program" if str(kind).lower() == "program" else "Folder"), int(number or 0)


def _change(kind: str, row: Row, as_of: str, columns: Sequence[str] = ()) -> Row:
    named = {name: row[name] for name in ("assetType", "id", "name", "url")}
    return {"change": kind, "seenAt": as_of, "columns": ",".join(columns), **named}
