"""What authors and templates give, as what the feeds take."""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.extract.request import as_list

TYPES_PER_PASS = 10
LEADS_PER_PASS = 30
"""What Marketo takes in a call of a feed."""


def as_ids(parameter: str, value: Any) -> tuple[int, ...]:
    """
    Ids as authors and templates give them: one, a sequence, or text with commas.

    :param parameter: for the error.
    """
    items = as_list([value] if isinstance(value, int) else value) or ()
    try:
        return tuple(int(item) for item in items)
    except (TypeError, ValueError):
        raise MarketoInvalidRequestError(f"{parameter}={value!r} is not made of ids", parameter=parameter) from None


def as_id(parameter: str, value: Any) -> int | None:
    """One id as authors and templates give it, or None for none."""
    return next(iter(as_ids(parameter, None if value == "" else value)), None)


def needed_id(parameter: str, value: Any) -> int:
    """
    An id that must be there.

    :raises MarketoInvalidRequestError: it is not.
    """
    found = as_id(parameter, value)
    if found is None:
        raise MarketoInvalidRequestError(f"{parameter}={value!r} is no id", parameter=parameter)
    return found
