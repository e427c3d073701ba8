"""Read records of Marketo, which may have another shape than documented."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoDataError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reading(operation: str) -> Iterator[None]:
    """
    Have a record that lacks a member, or has one of another type, be an error that says whose answer it was.

    Only what takes records apart belongs into the ``with`` block: a fault of our own would be blamed on Marketo.

    :param operation: the operation's name in the catalogue.
    :raises MarketoDataError: a record could not be read.
    """
    failure: MarketoDataError | None = None
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else "has another shape than documented"
        failure = MarketoDataError(
            f"a record in Marketo's answer {what}",  # without the value, which may be about a person
            operation=operation,
            remedy="Try again; if it happens again, ask Adobe's support.",
        )
    if failure is not None:
        raise failure
