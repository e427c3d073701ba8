"""``airflow marketo clean``."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.output.folder import OutputFolder
from tests.output.test_cleaning import aged


@pytest.fixture
def output(tmp_path):
    OutputFolder(str(tmp_path)).write("_marketo/runs/a_dag/a_task/a_run/-1/chunks/rows.csv", b"an address")
    aged(tmp_path, 40)
    return tmp_path


def test_it_removes_what_old_runs_keep(airflow, output):
    assert f"Removed 1 temporary folder and 1 unfinished run from {output}" in airflow("clean", str(output))
    assert not list(output.rglob("rows.csv"))


@pytest.mark.parametrize("option", ["--dry-run", "--older-than-days=50"])
def test_clean_removes_no_rows(airflow, output, option):
    airflow("clean", option, str(output))
    assert len(list(output.rglob("rows.csv"))) == 1


@pytest.mark.parametrize("folder", ["", " ", "/does/not/exist", "file:///does/not/exist"])
def test_a_folder_that_is_not_there_is_an_error(airflow, folder):
    with pytest.raises(SystemExit, match="there is no folder"):
        airflow("clean", folder)


def test_an_unknown_folder_is_an_error(airflow):
    with pytest.raises(SystemExit, match="nosuchscheme"):
        airflow("clean", "nosuchscheme://bucket")
