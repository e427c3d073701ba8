"""pyproject.toml declares every package that this one imports, because Airflow may stop installing it."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import airflow_provider_marketo
from tools import constraints

PACKAGE = Path(airflow_provider_marketo.__file__).parent
PROJECT = PACKAGE.parent / "pyproject.toml"

DISTRIBUTIONS = {
    "adbc_driver_manager": "adbc-driver-manager",
    "adbc_driver_postgresql": "adbc-driver-postgresql",
    "airflow": "apache-airflow",
    "google": "google-cloud-bigquery",
    "snowflake": "snowflake-connector-python",
    "yaml": "pyyaml",
}

# Packages that are imported only if they are installed.
OPTIONAL = {
    "adbc-driver-manager": "a part of the extra postgres",
    "adbc-driver-postgresql": "an extra: loads into PostgreSQL",
    "apache-airflow-providers-celery": "doctor asks Celery's workers where tasks run on Celery",
    "apache-airflow-providers-google": "an extra: loads into BigQuery",
    "apache-airflow-providers-openlineage": "a deployment without OpenLineage emits nothing",
    "duckdb": "an extra: loads into DuckDB",
    "google-cloud-bigquery": "a part of the extra bigquery",
    "pytest": "the simulator's fixture is for the tests of a DAG repository",
    "redis": "an extra: limits that several hosts share",
    "snowflake-connector-python": "a part of the extra snowflake",
    "wtforms": "a part of Airflow 3.1, which draws the connection form with it",
}

# Needed, but not imported by name.
BEHIND_AIRFLOW = {"apache-airflow-providers-common-sql": "the hooks of the databases that transfers read"}


def imported_distributions() -> set[str]:
    """Return the distributions that the package imports, wherever the import stands."""
    nodes = [node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    ours = {*sys.stdlib_module_names, PACKAGE.name}
    return {distribution(module) for module in modules if module.partition(".")[0] not in ours}


def distribution(module: str) -> str:
    """Return the name of the distribution that a module is in; Airflow's providers have one each."""
    if provider := re.match(r"airflow\.providers\.(common\.\w+|\w+)", module):
        return f"apache-airflow-providers-{provider.group(1).replace('.', '-')}"
    top = module.partition(".")[0]
    return DISTRIBUTIONS.get(top, top)


def declared() -> set[str]:
    """Return the names in the list of dependencies."""
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", PROJECT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert listed
    return {name.lower() for name in re.findall(r'^    "([\w-]+)', listed.group(1), re.MULTILINE)}


def test_every_import_is_declared():
    assert imported_distributions() - declared() == set(OPTIONAL)


def test_every_declared_dependency_is_imported():
    assert declared() - imported_distributions() == set(BEHIND_AIRFLOW)


@pytest.mark.parametrize("line", constraints.lines())
def test_the_constraints_of_a_line_are_the_versions_of_its_lock(line):
    file = constraints.FOLDER / f"airflow-{line}.txt"
    assert file.read_text() == constraints.constraints(line), "run python -m tools.constraints"
    pinned = re.findall(r"^([\w.-]+)==", file.read_text(), re.MULTILINE)
    assert {"apache-airflow", *declared()} <= set(pinned)
