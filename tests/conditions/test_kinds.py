"""The table of conditions: what a sensor waits for must be found there when its trigger comes back."""

from __future__ import annotations

import importlib
import pkgutil

from airflow_provider_marketo import conditions
from airflow_provider_marketo.conditions.condition import Condition
from airflow_provider_marketo.conditions.kinds import KINDS


def test_every_condition_has_a_row_under_its_kind():
    for module in pkgutil.iter_modules(conditions.__path__):
        importlib.import_module(f"{conditions.__name__}.{module.name}")
    assert {kind.kind: kind for kind in Condition.__subclasses__()} == {name: kind for name, (kind, _) in KINDS.items()}
