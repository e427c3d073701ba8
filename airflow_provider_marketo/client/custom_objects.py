"""The API names of custom object types, in errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.client.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.client.client import MarketoClient

_SHOWN = 10


@contextmanager
def naming_type(client: MarketoClient, custom_object: str | None) -> Iterator[None]:
    """
    Have an error about a custom object type name the argument, and the types that there are.

    :param client: the instance. If Marketo does not know the type, its types are read (``custom_objects.list``).
    :param custom_object: API name of the type; None for other objects, whose errors stay as they are.
    :raises MarketoInvalidRequestError: Marketo's error, with more to say.
    """
    try:
        yield
    except MarketoInvalidRequestError as error:
        if custom_object is not None:
            error.parameter = "custom_object"
            if isinstance(error, MarketoNotFoundError):
                error.remedy = _types(client, custom_object) or error.remedy
        raise


def _types(client: MarketoClient, custom_object: str) -> str:
    try:
        known = [str(record.get("name")) for record in client.call("custom_objects.list").records]
    except MarketoError:
        return ""  # the error is about the type
    near = [repr(each) for each in nearest(custom_object, known)]
    if near:
        return did_you_mean(near)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"The custom object types are {', '.join(known[:_SHOWN])}{more}." if known else ""
