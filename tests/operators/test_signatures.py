"""The signatures of all operators: each argument is typed, documented, checked, and stored under its own name."""

from __future__ import annotations

import inspect
import re

import pytest
from airflow.sdk import BaseOperator

from airflow_provider_marketo.operators.base import MarketoOperator
from tests.operators.test_dry_runs import all_operators

STORED_AS = {"dry_run": "_preview"}  # BaseOperator.dry_run is a method
FIXED = {"MarketoSyncLeadsOperator": {"object_type", "custom_object", "dedupe_by"}}
"""Arguments of the base class that an operator sets by itself."""

OPERATORS = sorted(all_operators(), key=lambda kind: kind.__name__)


def parameters(kind: type[MarketoOperator]) -> list[inspect.Parameter]:
    given = inspect.signature(kind).parameters.values()
    return [parameter for parameter in given if parameter.kind is parameter.KEYWORD_ONLY]


def sources(kind: type[MarketoOperator]) -> str:
    """Return the source of all constructors that run when an operator is made, but for Airflow's."""
    classes = [each for each in kind.__mro__ if each.__module__.startswith("airflow_provider_marketo")]
    return "".join(inspect.getsource(vars(each)["__init__"]) for each in classes if "__init__" in vars(each))


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_every_argument_is_typed_documented_and_checked(kind: type[MarketoOperator]) -> None:
    words = "".join(each.__doc__ or "" for each in kind.__mro__)
    names = [parameter.name for parameter in parameters(kind)]
    assert [parameter.name for parameter in parameters(kind) if parameter.annotation is parameter.empty] == []
    assert [name for name in names if f":param {name}:" not in words] == []
    assert set(names) | FIXED.get(kind.__name__, set()) == set(kind.argument_checks)


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_every_argument_is_stored_under_its_own_name(kind: type[MarketoOperator]) -> None:
    source, inherited = sources(kind), set(dir(BaseOperator))
    for parameter in parameters(kind):
        stored = STORED_AS.get(parameter.name, parameter.name)
        assert re.search(rf"self\.{stored}(: \w+)? = {parameter.name}\b", source)
        assert stored not in inherited
    assert set(kind.template_fields) <= set(kind.argument_checks)
