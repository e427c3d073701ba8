"""Read Marketo's records, whose shape may differ from the documented one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import ASK_ADOBE, MarketoDataError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reading(operation: str) -> Iterator[None]:
    """
    Raise a typed error that names the operation if a record lacks a member, or has one of another type.

    Only code that takes records apart belongs in the ``with`` block: faults of other code would be blamed on Marketo.

    :param operation: the operation's name in the catalogue.
    :raises MarketoDataError: a record could not be read.
    """
    failure: MarketoDataError | None = None
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else "does not have the documented shape"
        failure = MarketoDataError(
            f"a record in Marketo's answer {what}",  # without the value, which may be about a person
            operation=operation,
            remedy=ASK_ADOBE,
        )
    if failure is not None:
        raise failure
