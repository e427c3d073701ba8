"""Objects that an earlier release stored are read; unreadable ones are refused by name and never count as missing."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_marketo
from airflow_provider_marketo.client.errors import MarketoStateError
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.output.folder import OutputFolder

PACKAGE = f"{airflow_provider_marketo.__name__}."
STORED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("stored_formats.json").read_text("utf-8"))
"""The first text of the present version of each format. An entry changes with the version of its format only."""

NOT_STORED = {"conditions.condition.Condition", "streams.request.StreamRequest"}
"""Classes with a version whose own objects are never stored: a base class, and one that only has a fingerprint."""

STORE_NOTHING = (".simulator", ".warehouse.engines.", ".lineage.openlineage")
"""Parts that store no object. Engines and lineage need packages that may not be installed."""


def class_of(name: str) -> type[Serializable]:
    module, _, kind = name.rpartition(".")
    found: type[Serializable] = getattr(importlib.import_module(PACKAGE + module), kind)
    return found


def test_the_stored_format_of_each_class_is_kept():
    for module in pkgutil.walk_packages(airflow_provider_marketo.__path__, PACKAGE):
        if not module.name.endswith("__main__") and not any(part in module.name for part in STORE_NOTHING):
            importlib.import_module(module.name)
    kinds = list(Serializable.__subclasses__())
    for kind in kinds:
        kinds += kind.__subclasses__()
    names = {
        f"{kind.__module__.removeprefix(PACKAGE)}.{kind.__name__}"
        for kind in kinds
        if kind.VERSION is not None and kind.__module__.startswith(PACKAGE)
    }
    assert names == STORED.keys() | NOT_STORED
    assert {name: facts["version"] for name, facts in STORED.items()} == {
        name: class_of(name).VERSION for name in STORED
    }


@pytest.mark.parametrize("name", STORED)
def test_what_an_earlier_release_stored_is_read_without_a_loss(name):
    found = class_of(name).from_dict(STORED[name])
    again = json.loads(json.dumps(found.to_dict()))
    assert without_new_members(again, STORED[name]) == STORED[name]


def without_new_members(now: Any, stored: Any) -> Any:
    """Return what is stored now, without members that a later release has added at any depth."""
    if isinstance(now, dict) and isinstance(stored, dict):
        return {name: without_new_members(now[name], value) for name, value in stored.items()}
    if isinstance(now, list) and isinstance(stored, list) and len(now) == len(stored):
        return [without_new_members(*both) for both in zip(now, stored, strict=True)]
    return now


@pytest.mark.parametrize("name", STORED)
def test_an_object_without_a_needed_member_is_damaged(name):
    kind = class_of(name)
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            facts = {member: value for member, value in STORED[name].items() if member != field.name}
            with pytest.raises(ValueError, match=f"this is not an? {kind.__name__}"):
                kind.from_dict(facts)


def broken(name: str) -> list[tuple[str, str]]:
    """Texts that hold no object of a class, each with what the error says."""
    facts = STORED[name]
    kind = name.rpartition(".")[2]
    return [
        ("", "is damaged"),
        ("nul", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        (json.dumps(facts)[:-20], "is damaged"),
        (json.dumps({**facts, "version": 2}), f"cannot be read: this {kind} has format 2.*Update airflow-provider"),
    ]


@pytest.mark.parametrize(("text", "error"), broken("extract.slice_record.SliceRecord"))
def test_a_file_that_cannot_be_read_is_an_error_with_its_place_and_a_way_out(tmp_path, text, error):
    folder = OutputFolder(str(tmp_path))
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(MarketoStateError, match=f"{tmp_path}/record.json {error}"):
        folder.read_state(class_of("extract.slice_record.SliceRecord"), "record.json")
    assert folder.read_state(class_of("extract.slice_record.SliceRecord"), "absent.json") is None
