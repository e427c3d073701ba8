"""
The facts that Airflow reads about the package. A mistake in them breaks every command of Airflow.

``tests/airflow/test_provider.py`` tests how Airflow shows them.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

import airflow_provider_marketo
from airflow_provider_marketo.hooks.adobe_events import JournalSettings
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.provider_info import get_provider_info

PACKAGE = Path(airflow_provider_marketo.__file__).parent
INFO = get_provider_info()
CONNECTION = INFO["connection-types"][0]
STANDARD_FIELDS = {"conn_id", "host", "client_id", "client_secret"}
"""Settings that are not extras but standard fields of Airflow under another label."""


def listed(kind: str) -> set[str]:
    if kind == "transfers":
        return {group["python-module"] for group in INFO[kind]}
    return {module for group in INFO.get(kind, ()) for module in group["python-modules"]}


def existing(kind: str) -> set[str]:
    """Return the modules of a folder that define a class for DAG authors."""
    folder = PACKAGE / kind
    names = {module.name for module in pkgutil.iter_modules([str(folder)])} if folder.is_dir() else set()
    public = re.compile(r"^class (Marketo\w*|SqlToMarketo|AdobeEvents)(Operator|Sensor|Trigger|Hook)\b", re.MULTILINE)
    return {
        f"{PACKAGE.name}.{kind}.{name}"
        for name in names
        if not name.endswith("base")
        for file in ((folder / f"{name}.py"), *(folder / name).glob("*.py"))
        if file.is_file() and public.search(file.read_text("utf-8"))
    }


def test_it_follows_airflows_schema() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(INFO)] == []


def test_it_has_the_name_and_version_of_the_distribution() -> None:
    """With another name, not even ``airflow version`` works."""
    distribution = importlib.metadata.distribution(INFO["package-name"])
    assert distribution.metadata["Name"] == INFO["package-name"]
    assert INFO["versions"][0] == distribution.version == airflow_provider_marketo.__version__


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers", "transfers"])
def test_every_module_for_dag_authors_is_listed(kind: str) -> None:
    assert listed(kind) == existing(kind)


def test_the_classes_and_functions_that_it_names_exist() -> None:
    hooks = [kind["hook-class-name"] for kind in INFO["connection-types"]]
    names = [*hooks, *INFO["cli"], *INFO.get("extra-links", ())]
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), attribute)), name


def test_the_form_has_exactly_the_extras_that_the_hook_reads() -> None:
    settings = {field.name for field in dataclasses.fields(ConnectionSettings)} - STANDARD_FIELDS
    assert set(CONNECTION["conn-fields"]) == settings


@pytest.mark.parametrize("name", sorted(CONNECTION["conn-fields"]))
def test_a_field_of_the_form_has_a_description_and_the_default_of_the_hook(name: str) -> None:
    field = CONNECTION["conn-fields"][name]
    default = {field.name: field.default for field in dataclasses.fields(ConnectionSettings)}[name]
    assert field["label"]
    assert field["description"]
    assert field["schema"].get("default") == (default if default not in ("", ()) else None)
    assert "null" in field["schema"]["type"], "Airflow's form marks a field without null as required"


def test_the_form_of_a_journal_has_exactly_the_extras_that_its_hook_reads() -> None:
    """The hook reads its addresses from the host and ``ims_url``. The form's other defaults are the hook's."""
    fields = {field.name: field for field in dataclasses.fields(JournalSettings)}
    form = INFO["connection-types"][1]["conn-fields"]
    assert set(form) == fields.keys() - STANDARD_FIELDS - {"address"} | {"ims_url"}
    assert form["scopes"]["schema"]["default"] == ",".join(fields["scopes"].default)
    assert form["connect_timeout"]["schema"]["default"] == fields["connect_timeout"].default
    assert all(field["label"] and field["description"] for field in form.values())
    assert all("null" in field["schema"]["type"] for field in form.values())


def test_secrets_of_the_form_are_hidden() -> None:
    secret = [name for name in CONNECTION["conn-fields"] if re.search("salt|secret|password|token", name)]
    assert all(CONNECTION["conn-fields"][name]["schema"].get("format") == "password" for name in secret)


def test_every_configuration_option_is_read() -> None:
    code = "".join(file.read_text("utf-8") for file in PACKAGE.rglob("*.py"))
    read = re.findall(r'(?:conf\.get\w*\(\s*"marketo",|\boptions\.(?:flag|number|text)\()\s*"(\w+)"', code)
    assert set(read) == set(INFO["config"]["marketo"]["options"])


def test_the_changelog_has_this_version() -> None:
    changelog = Path(__file__).parents[1].joinpath("CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## {re.escape(airflow_provider_marketo.__version__)}\b", changelog, re.MULTILINE)


def test_importing_all_operators_sensors_and_triggers_loads_nothing_heavy() -> None:
    """The DAG processor imports DAG files repeatedly, and a triggerer imports triggers on its event loop."""
    modules = sorted(listed("operators") | listed("sensors") | listed("transfers") | listed("triggers"))
    heavy = ("pyarrow", "redis", f"{PACKAGE.name}.client.operations", f"{PACKAGE.name}.simulator")
    code = f"""
import importlib, json, sys
for module in {modules}:
    importlib.import_module(module)
print(json.dumps([name for name in {heavy} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded: Any = json.loads(done.stdout.splitlines()[-1])
    assert loaded == []
