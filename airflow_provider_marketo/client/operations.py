"""
The catalogue: every operation of Marketo's API by name.

``operations.json`` holds one row of facts per operation. ``tools/build_catalogue.py`` generates it, and the first use
of the catalogue reads it. :func:`prepare` makes a request from an operation and its parameters.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from airflow_provider_marketo.client.encoding import PreparedRequest, prepare
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.operation import Operation, Parameter, Schema
from airflow_provider_marketo.client.suggest import did_you_mean, nearest

__all__ = [
    "Operation",
    "Parameter",
    "PreparedRequest",
    "Schema",
    "all_operations",
    "families",
    "get",
    "prepare",
]


@cache
def get(name: str) -> Operation:
    """
    Return one operation.

    :param name: its name, such as ``leads.sync``, or Adobe's operationId, such as ``syncLeadUsingPOST``.
    :raises MarketoInvalidRequestError: no operation has this name.
    """
    rows = _rows()
    found = _names_by_id().get(name, name)
    if found not in rows:
        near = nearest(name, [*rows, *_names_by_id()], most=3) or [
            known for known in rows if known.startswith(f"{name.partition('.')[0]}.")
        ]
        raise MarketoInvalidRequestError(
            f"Marketo's API has no operation {name!r}",
            parameter="operation",
            remedy=did_you_mean(near) if near else f"A name begins with its family: {', '.join(families())}.",
        )
    return get(found) if found != name else Operation.from_row(name, rows[name])


def all_operations() -> tuple[Operation, ...]:
    """Return every operation, ordered by name."""
    return tuple(map(get, _rows()))


@cache
def families() -> tuple[str, ...]:
    """Return the families, the first parts of the names, such as ``leads`` or ``bulk_export_activities``."""
    return tuple(sorted({name.partition(".")[0] for name in _rows()}))


@cache
def _rows() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return rows


@cache
def _names_by_id() -> dict[str, str]:
    return {row["id"]: name for name, row in _rows().items() if "id" in row}
