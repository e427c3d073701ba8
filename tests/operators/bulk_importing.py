"""Helpers of the tests of bulk imports."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.imports import staging
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from tests.operators.importing import fails, run_import
from tests.support import StateStore

LEADS = {"object_type": "leads"}
WEBINAR = {"object_type": "program_members", "program_id": 1001, "program_member_status": "Attended"}
CARS = {"object_type": "custom_objects", "custom_object": "car_c"}


@pytest.fixture
def source(tmp_path) -> Callable[..., str]:
    """Writes a csv file of 200 new leads, or of other rows."""

    def write(*rows: dict[str, str], count: int = 200) -> str:
        given = rows or [{"email": f"new{n}@example.com", "firstName": f"Name {n}"} for n in range(count)]
        path = tmp_path / "in.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(given[0]))
            writer.writeheader()
            writer.writerows(given)
        return str(path)

    return write


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    """Some fifty rows to a chunk."""
    limits = staging.ChunkLimits(rows=None, size=1_500, row=1_500)
    monkeypatch.setattr("airflow_provider_marketo.imports.begin.BULK", limits)


def run(folder: Path, source: str, store: StateStore | None = None, **arguments: Any) -> dict[str, Any]:
    """Import a file to its end."""
    return run_import(MarketoBulkImportOperator, folder, store, **{**LEADS, "source": source, **arguments})


def refused(folder: Path, source: str, store: StateStore | None = None, **arguments: Any) -> tuple[str, Any]:
    """Import a file and fail for good: the error's text, and the account."""
    return fails(MarketoBulkImportOperator, folder, store, **{**LEADS, "source": source, **arguments})


def jobs(instance: Any) -> list[Any]:
    """Every import that Marketo has had."""
    with instance.instance.lock:
        return instance.instance.imports.all()
