"""The parts of the site that are made from the code are complete, and the site's check finds errors."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.operations import all_operations
from airflow_provider_marketo.operators.streams import MarketoDeletedLeadsOperator
from tools import arguments_page
from tools.arguments_page import public_classes
from tools.documentation import PARTS, add_facts, check, costs, picture, signature

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = {
    name for page in DOCS.rglob("*.md") for name in re.findall(r"<!-- generated: ([\w ]+) -->", page.read_text("utf-8"))
}


def test_each_part_is_shown_by_a_page():
    assert set(PARTS) == GENERATED


def test_each_public_class_has_a_section_in_the_reference():
    shown = "".join(PARTS[name]() for name in ("operators", "sensors", "transfers", "hook and triggers"))
    assert {kind.__name__ for kind in public_classes()} == set(re.findall(r"^## (\w+)$", shown, re.MULTILINE))


def test_the_reference_says_what_each_class_that_is_listed_costs_and_which_permissions_it_needs():
    """README lists the classes, and the page of sensors lists theirs."""
    listing = (ROOT / "README.md").read_text("utf-8") + (DOCS / "sensors.md").read_text("utf-8")
    listed = {kind.__name__ for kind in public_classes() if f"`{kind.__name__}`" in listing}
    assert len(listed) > 30
    assert listed <= set(costs.costs())
    assert listed <= set(costs.permissions())


@pytest.mark.parametrize("kind", public_classes(), ids=lambda kind: kind.__name__)
def test_the_reference_shows_each_argument_of_a_class_with_its_default(kind):
    """Airflow's metaclass replaces the signature of operators by ``(*_: Any, **given: Any)``."""
    text, _ = signature("app", "class", kind.__name__, kind, None, "(*_: Any, **given: Any)", None)
    shown = ast.parse(f"def shown{text}: ...").body[0].args
    arguments = arguments_page.arguments(kind)
    assert [each.arg for each in [*shown.args, *shown.kwonlyargs]] == list(arguments)
    assert "**given" not in text
    if "max_calls" in arguments:
        assert "max_calls: int | None = None" in text


@pytest.mark.parametrize("kind", public_classes(), ids=lambda kind: kind.__name__)
def test_the_reference_describes_each_argument_of_a_class_once(kind):
    """The docstring of a class leaves out what its base says."""
    shown = inspect.cleandoc(kind.__doc__).splitlines()
    add_facts("app", "class", kind.__name__, kind, None, shown)
    described = re.findall(r"^:param (\w+): \S", "\n".join(shown), re.MULTILINE)
    assert set(arguments_page.arguments(kind)) <= set(described)
    assert len(described) == len(set(described))


def test_the_reference_describes_the_result_that_a_base_returns():
    shown = []
    add_facts("app", "class", "MarketoDeletedLeadsOperator", MarketoDeletedLeadsOperator, None, shown)
    assert any(line.startswith(":return: the manifest") for line in shown)


def test_a_row_about_a_case_says_the_case():
    assert costs.permissions()["MarketoBulkImportOperator"] == [
        "for `leads` and `program_members`: Read-Write Lead",
        "for `custom_objects`: Read-Write Custom Object",
        "for the check of a program and its statuses: Read-Only Assets; without it the check is skipped",
    ]
    assert "* a poll: one for 300 values of a field" in costs.of_class("MarketoLeadSensor")
    assert "* Read-Only Lead" in costs.of_class("MarketoLeadSensor")


def test_the_table_of_operations_has_a_row_for_each():
    rows = re.findall(r"^\| `([\w.]+)` \|", PARTS["operations"](), re.MULTILINE)
    assert rows == [operation.name for operation in all_operations()]


def test_the_table_of_errors_names_each_code_and_the_class_that_it_raises():
    table = PARTS["errors"]()
    named = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
    assert set(re.findall(r"^\| `([\w ]+)` \|", table, re.MULTILINE)) == named
    assert re.search(r"^\| `606` \| Rate limit \| `MarketoThrottledError` \| no \|", table, re.MULTILINE)
    assert re.search(r"^\| `611` \| System error \| `MarketoTransientError` \| maybe \|", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("code", "name", "error"),
    [
        ("HTTP 401", "HTTP unauthorized", "MarketoAuthError"),
        ("401013", "Ingestion token invalid", "MarketoAuthError"),
        ("4290801", "Ingestion daily quota", "MarketoQuotaExhaustedError"),
    ],
)
def test_the_table_of_errors_has_codes_that_are_not_in_an_envelope(code, name, error):
    assert f"| `{code}` | {name} | `{error}` | no |" in PARTS["errors"]()


def test_the_picture_shows_every_folder_of_the_package():
    folders = {
        folder.name for folder in picture.PACKAGE.iterdir() if folder.is_dir() and (folder / "__init__.py").exists()
    }
    drawn = set(re.findall(r">(\w+)</text>", picture.architecture()))
    assert folders <= drawn
    assert drawn == {name for row in picture.layers() for name in row}


def test_each_name_fits_into_its_box_of_the_picture():
    letter = 7.8  # pixels, in a wide font of this size
    boxes = re.findall(r'x="(\d+)" y="\d+" width="(\d+)".*?>(\w+)</text>', picture.architecture())
    assert len(boxes) > 20
    assert [name for _, width, name in boxes if len(name) * letter > int(width)] == []
    assert max(int(left) + int(width) for left, width, _ in boxes) < 880


def test_the_page_of_metrics_lists_each_metric():
    code = "".join(file.read_text("utf-8") for file in picture.PACKAGE.rglob("*.py"))
    sent = set(re.findall(r"Stats\.\w+\(\s*\"([\w.]+)\"", code))
    listed = set(re.findall(r"^\| `(marketo\.\w+)` \|", (DOCS / "reference/metrics.md").read_text("utf-8"), re.M))
    assert sent == listed


@pytest.fixture
def site(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "index.html").write_text('<a href="below/page.html?x=1#there">x</a><a href="#here" id="here">x</a>')
    (tmp_path / "below" / "page.html").write_text('<p id="there"></p><a href="../">x</a><a href="https://example.org">')
    return tmp_path


def test_links_that_lead_somewhere_are_right(site):
    assert list(check.broken_links(site)) == []


@pytest.mark.parametrize("link", ["missing.html", "below/page.html#missing", "#missing"])
def test_a_link_that_leads_nowhere_is_found(site, link):
    page = site / "index.html"
    page.write_text(page.read_text() + f'<a href="{link}">x</a>')
    assert list(check.broken_links(site)) == [f"index.html: {link} leads nowhere"]


def test_the_page_of_what_is_left_behind_names_each_variable_folder_and_table():
    code = "".join(
        file.read_text("utf-8")
        for file in picture.PACKAGE.rglob("*.py")
        if "simulator" not in file.relative_to(ROOT).parts
    )
    variables = set(re.findall(r"\"(marketo_(?:[a-z]+_)+)\"", code)) | {"marketo_pools"}
    folders = set(re.findall(r"= \"(_marketo/\w+)\"", code))
    tables = {"_marketo_loads", "_marketo_columns", "_marketo_erased", "_marketo_locks", "_marketo_views"}
    page = (DOCS / "reference/left_behind.md").read_text("utf-8")
    assert len(variables) > 6
    assert len(folders) > 5
    assert {name for name in variables | folders | tables if f"`{name}" not in page} == set()


def test_each_recipe_that_writes_files_tells_airflow_which_asset_they_are():
    """Airflow's page of assets shows what the recipes keep up to date."""
    recipes = {recipe.name: recipe.read_text("utf-8") for recipe in (ROOT / "example_dags").glob("*.py")}
    writing = {name for name, code in recipes.items() if "output_path=" in code}
    assert len(writing) > 8
    group = "MarketoWarehouseTaskGroup("  # its loads have an asset for each table
    assert {name for name in writing if "outlets=" not in recipes[name] and group not in recipes[name]} == set()
