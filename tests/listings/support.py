"""Runs a task of listings and reads what it has published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.listings.listing import Listing
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.output.manifest import Manifest, ManifestDataset, read_manifest
from tests.support import task_context


def run(output: Path, *object_types: str, run_id: str = "a run", **arguments: Any) -> Manifest:
    """List tables as JSON Lines, unless arguments differ, and return the whole manifest."""
    context = task_context()
    context["ti"].run_id = run_id
    given = {"output_path": str(output), "file_format": "jsonl", "object_types": list(object_types) or None}
    return read_manifest(MarketoListingOperator(task_id="a_task", **given | arguments).execute(context))


def rows(output: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table in all of its files."""
    files = sorted((output / table).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def dataset(manifest: Manifest, name: str) -> ManifestDataset:
    (found,) = (each for each in manifest.datasets if each.name == name)
    return found


def with_pages_of(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Make pages small, so that a few records fill several."""
    large = Listing.page.fget
    assert large is not None
    monkeypatch.setattr(Listing, "page", property(lambda listing: dict.fromkeys(large(listing), size)))
