"""Name the argument in errors about a custom object type."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def naming_type(custom_object: str | None) -> Iterator[None]:
    """
    Add the name of the argument to an error about a custom object type.

    :param custom_object: API name of the type; None for other objects, whose errors stay as they are.
    :raises MarketoInvalidRequestError: Marketo's error, with ``parameter``.
    """
    try:
        yield
    except MarketoInvalidRequestError as error:
        if custom_object is not None:
            error.parameter = "custom_object"
        raise
