"""
Every operation of the catalogue, compared with the facts of Adobe's OpenAPI files.

The project has the facts as a snapshot. Where ``MARKETO_OPENAPI`` names the folder with the files, the snapshot is
also compared with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from airflow_provider_marketo.client.operations import all_operations, prepare
from tests.contract.deviations import DEVIATIONS, Deviation
from tests.contract.samples import samples
from tests.contract.specification import Contract, contracts
from tests.contract.wire import sent
from tools.build_catalogue import TARGET, build
from tools.catalogue import pages, snapshot

ADOBES_FILES = os.environ.get("MARKETO_OPENAPI")


@cache
def adobe(folder: Path = snapshot.FOLDER) -> dict[str, Contract]:
    return contracts(folder)


@cache
def differences(folder: Path = snapshot.FOLDER) -> frozenset[tuple[str, str, str]]:
    """Operation, kind and subject of each deviation of the client from the files."""
    return frozenset(_differences(folder))


def _differences(folder: Path) -> Iterator[tuple[str, str, str]]:
    for operation in all_operations():
        if not operation.operation_id:
            continue
        contract = adobe(folder)[operation.operation_id]
        used = set()
        for parameters in samples(operation):
            request = sent(prepare(operation, parameters))
            used.update(request.names())
            for kind, subject in contract.differences(request):
                yield operation.name, kind, subject
        for _, name in set(contract.names()) - used:
            yield operation.name, "never sent", name


def covers(row: Deviation, difference: tuple[str, str, str]) -> bool:
    operation, kind, subject = difference
    return fnmatchcase(operation, row.operations) and row.kind == kind and fnmatchcase(subject, row.subject)


def test_the_catalogue_has_each_operation_of_the_files_once():
    ids = [operation.operation_id for operation in all_operations() if operation.operation_id]

    assert len(ids) > 300
    assert sorted(ids) == sorted(adobe())


def test_what_only_adobes_pages_have_is_not_in_the_files():
    paths = {path for file in snapshot.FOLDER.glob("*.json") for path in json.loads(file.read_text("utf-8"))["paths"]}

    assert sorted(each.name for each in pages.OPERATIONS) == [
        operation.name for operation in all_operations() if not operation.operation_id
    ]
    assert not paths & {each.path for each in pages.OPERATIONS}


def test_requests_differ_from_the_files_only_where_the_table_says_so():
    assert sorted(found for found in differences() if not any(covers(row, found) for row in DEVIATIONS)) == []


def test_no_row_of_the_table_is_idle():
    assert [row for row in DEVIATIONS if not any(covers(row, found) for found in differences())] == []


def test_the_generator_builds_the_committed_catalogue():
    assert TARGET.read_text(encoding="utf-8") == build(), "run python -m tools.build_catalogue"


@pytest.mark.skipif(ADOBES_FILES is None, reason="MARKETO_OPENAPI does not name the folder with Adobe's files")
def test_the_snapshot_agrees_with_adobes_files():
    files = Path(str(ADOBES_FILES))
    committed = {file.name: file.read_text(encoding="utf-8") for file in snapshot.FOLDER.glob("*.json")}

    assert committed == snapshot.take(files), "run python -m tools.build_catalogue --openapi FOLDER"
    assert differences(files) == differences()
