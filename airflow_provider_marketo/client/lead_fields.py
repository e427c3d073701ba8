"""Suggest the intended field of leads when Marketo has refused a name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_marketo.client.client import MarketoClient

_SHOWN = 15


@contextmanager
def looking_up_by(client: MarketoClient, parameter: str, name: str) -> Iterator[None]:
    """
    Blame an argument for a field that Marketo does not know or cannot search by; suggest the nearest field.

    :param client: the instance.
    :param parameter: the argument that names the field.
    :param name: the field.
    """
    try:
        yield
    except MarketoInvalidRequestError as error:
        if error.code in (codes.FIELD_NOT_SEARCHABLE, codes.UNKNOWN_FIELD):
            error.parameter = parameter
            suggest_lead_fields(client, error, [name])
        raise


def suggest_lead_fields(client: MarketoClient, error: MarketoInvalidRequestError, names: Sequence[str]) -> None:
    """
    Put the fields that were probably meant into an error: after 1006 any field, after 1011 those to search by.

    It costs a call, ``leads.describe`` or ``leads.describe2``. If Marketo does not answer it, the error stays as it is.

    :param client: the instance.
    :param error: Marketo's answer to a query of leads.
    :param names: the names that the author gave.
    """
    try:
        known = _searchable(client) if error.code == codes.FIELD_NOT_SEARCHABLE else _all(client)
    except MarketoError:
        return
    wrong = dict.fromkeys(name for name in names if name not in known)
    near = [repr(each) for name in wrong for each in nearest(name, known)]
    parts = [did_you_mean(near)] if near else []
    if error.code == codes.FIELD_NOT_SEARCHABLE and known:
        more = f" and {len(known) - _SHOWN} more (leads.describe2)" if len(known) > _SHOWN else ""
        parts.append(f"Marketo searches by {', '.join(known[:_SHOWN])}{more}.")
    if parts:
        error.remedy = " ".join(parts)


def _searchable(client: MarketoClient) -> list[str]:
    described = client.call("leads.describe2").records
    with reading("leads.describe2"):
        return [str(key[0]) for record in described for key in record.get("searchableFields") or () if len(key) == 1]


def _all(client: MarketoClient) -> list[str]:
    described = client.call("leads.describe").records
    with reading("leads.describe"):
        return [str(field["rest"]["name"]) for field in described if "rest" in field]
