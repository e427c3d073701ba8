"""Where inventories are kept: the tables, and the rows that the next run compares with."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.marketo_assets.inventory_rows import CHANGE_COLUMNS, COLUMNS, Inventory, Row, as_jsonl
from airflow_provider_marketo.output.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.output.folder import OutputFolder

_STATE = "_marketo/inventory"
_SLOTS = ("a", "b")


class InventoryStore:
    """
    The tables of an inventory in a folder, and the rows that the next run compares with.

    The rows of the two latest runs are kept, so that a repeated run compares with the run before it, not with itself.

    :param folder: the output folder.
    :param run_id: id of the DAG run.
    :raises MarketoInvalidRequestError: the record of earlier inventories is damaged.
    """

    def __init__(self, folder: OutputFolder, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id
        index = self._index()
        self._started: dict[str, str] = index.get("started", {})
        if index.get("run_id") == run_id:
            self._slot, self._before = index["slot"], index["before"]
        else:
            self._before = index.get("slot")
            self._slot = next(slot for slot in _SLOTS if slot != self._before)

    def _index(self) -> dict[str, Any]:
        name = f"{_STATE}/index.json"
        with suppress(ValueError):
            found = self._folder.read_json(name)
            if found is None:
                return {}
            if isinstance(found, dict) and {"run_id", "slot", "before", "started"} <= found.keys():
                return found
        raise MarketoInvalidRequestError(
            f"{self._folder.path(name)}, the record of earlier inventories, is damaged",
            parameter="output_path",
            remedy="Delete this file: the next inventory then compares with no earlier one.",
        )

    @property
    def since(self) -> datetime | None:
        """When the run before began; None if there was no run before."""
        return parse_date(self._started[self._before]) if self._before else None

    def before(self, types: Sequence[str]) -> dict[str, dict[int, Row]] | None:
        """
        Return the rows of the run before; None if there was no run before.

        :param types: which types to return.
        """
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
        Give the tables their final names, and keep the rows for the next run.

        :param inventory: the inventory of this run.
        :param file_format: format of the tables.
        :param began: when this run began to read.
        :return: path, rows and bytes of each table.
        """
        tables: dict[str, tuple[Mapping[str, str], list[Row]]] = {
            asset_type: (COLUMNS, list(rows.values())) for asset_type, rows in inventory.rows.items()
        }
        tables["changes"] = (CHANGE_COLUMNS, inventory.changes)
        lines = {**inventory.lines, "changes": as_jsonl(CHANGE_COLUMNS, inventory.changes)}
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
