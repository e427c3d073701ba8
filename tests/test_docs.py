"""The documentation: its code runs, its links lead somewhere, and its tables are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseSensorOperator

from airflow_provider_marketo.provider_info import get_provider_info
from airflow_provider_marketo.warehouse.engines import ENGINES
from tools.arguments_page import public_classes, public_operators
from tools.documentation import costs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
INFO = get_provider_info()


def code_blocks(language: str) -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in re.finditer(
            rf"^```{language}\n((?:(?!^```).)*)^```(?!\n+<!-- then)", text, re.MULTILINE | re.DOTALL
        ):
            line = text.count("\n", 0, found.start()) + 1
            yield pytest.param(found.group(1), id=f"{page.name}:{line}")


def links() -> Iterator[Any]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", page.read_text("utf-8")):
            if "://" not in target:
                yield pytest.param(page.parent / target, id=f"{page.name}-{target}")


def headings(page: Path) -> set[str]:
    """Return the headings of a page as links write them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def table(page: str, heading: str) -> dict[str, list[str]]:
    """The first table below a heading: its rows by their first cell, without the backquotes."""
    section = (ROOT / "docs" / page).read_text("utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): [cell.strip("`") for cell in row[1:]] for row in rows[2:]}


@pytest.mark.parametrize("code", code_blocks("python"))
def test_python_in_the_documentation_is_right(code: str) -> None:
    """
    DAGs are built. Code that needs a Marketo is only compiled, and its imports are run.

    Most snippets are not built here, because tests/snippets/test_snippets.py runs them and checks what they leave.
    """
    module = compile(code, "snippet", "exec")
    if "DAG(" not in code:
        module = compile("\n".join(re.findall(r"^(?:from|import) .*$", code, re.MULTILINE)), "imports", "exec")
    names: dict[str, object] = {"__name__": "snippet"}
    exec(module, names)
    if "DAG(" in code:
        assert [value for value in names.values() if isinstance(value, DAG)] or "as dag" not in code


@pytest.mark.parametrize("target", links())
def test_a_link_leads_to_a_file_of_the_project(target: Path) -> None:
    assert target.exists()


def test_a_link_to_a_part_of_a_page_leads_to_a_heading_there() -> None:
    broken = [
        f"{page.name}: {target}#{part}"
        for page in PAGES
        for target, part in re.findall(r"\]\(([^)#\s:]*)#([\w-]+)\)", page.read_text("utf-8"))
        if (target.endswith(".md") or not target) and part not in headings(page.parent / target if target else page)
    ]
    assert broken == []


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_every_class_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`((?:Sql\w*)?Marketo\w+(?:Operator|Sensor|Trigger|Hook))\b", page.read_text("utf-8")))
    assert named - {kind.__name__ for kind in public_classes()} == set()


def test_every_extra_of_the_connection_is_explained_with_its_default() -> None:
    extras = INFO["connection-types"][0]["conn-fields"]
    explained = table("connection.md", "Extras")
    assert set(explained) == set(extras)
    for name, field in extras.items():
        default = field["schema"].get("default")
        if default is not None:
            assert explained[name][0] == str(default)


def test_every_configuration_option_is_explained_with_its_default() -> None:
    options = INFO["config"]["marketo"]["options"]
    explained = table("connection.md", "Configuration")
    assert {name: row[0] for name, row in explained.items()} == {
        name: option["default"] for name, option in options.items()
    }


def test_every_engine_of_loads_is_explained_with_its_extra_and_its_connection() -> None:
    explained = {
        name.strip("[").partition("]")[0].partition(" ")[0]: cells
        for name, cells in table("warehouse.md", "Engines").items()
    }
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert explained.keys() == {row.name for row in ENGINES}
    for row in ENGINES:
        _, extra, connection = explained[row.name]
        assert extra == row.extra
        assert extra in extras
        assert set(re.findall(r"\w+", connection)) - {"or"} == set(row.conn_types)


@pytest.mark.parametrize("kind", public_operators())
def test_a_page_says_which_permissions_an_operator_or_sensor_needs(kind: Any) -> None:
    said = " ".join(costs.permissions()[kind.__name__])
    assert {each for each in kind.permissions if "{" not in each and each not in said} == set()


def test_the_page_of_sensors_has_a_row_for_each() -> None:
    sensors = {kind.__name__ for kind in public_operators() if issubclass(kind, BaseSensorOperator)}
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "sensors.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(sensors) == sorted(listed)


def test_the_readme_lists_every_recipe_and_every_module_but_those_of_sensors() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    modules = {
        module
        for kind in ("hooks", "operators", "triggers")
        for group in INFO.get(kind, ())
        for module in group["python-modules"]
    } | {group["python-module"] for group in INFO["transfers"]}
    assert {module for module in modules if f"`{module}`" not in readme} == set()
    recipes = {file.name for file in (ROOT / "example_dags").glob("*.py")}
    assert {recipe for recipe in recipes if f"(example_dags/{recipe})" not in readme} == set()
