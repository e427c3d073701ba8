"""The closed sets of values that DAG authors may write, compared with the tables that implement them."""

from __future__ import annotations

from typing import get_args

import pytest

from airflow_provider_marketo import choices
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.bulk.imports import OBJECTS
from airflow_provider_marketo.client.bulk.objects import OBJECTS as EXPORT_OBJECTS
from airflow_provider_marketo.imports.targets import BULK, INGESTION, SYNC, SYNC_TARGETS


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (choices.BulkObject, EXPORT_OBJECTS),
        (choices.ImportObject, OBJECTS),
        (choices.SyncObject, SYNC_TARGETS),
        (choices.QueryObject, {*SYNC_TARGETS, *OBJECTS}),
        (choices.Transport, {"auto", SYNC, BULK, INGESTION}),
    ],
)
def test_a_set_has_what_its_table_has(kind, table):
    assert set(get_args(kind)) == set(table)


def test_every_object_that_is_synced_has_its_operations():
    for name in get_args(choices.SyncObject):
        assert operations.get(f"{name}.sync")
        assert operations.get(f"{name}.describe")
