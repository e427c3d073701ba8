"""Check that a Marketo asset exists before a sensor waits for a condition about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoNotFoundError, MarketoPermissionError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.marketo_assets import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)


def existing(client: MarketoClient, asset_type: str, asset_id: int, *, parameter: str) -> Mapping[str, Any] | None:
    """
    Return the record of a Marketo asset that must exist (``<asset_type>.get_by_id``).

    :param client: the instance.
    :param asset_type: type of the asset, such as ``programs``.
    :param asset_id: the asset's id.
    :param parameter: the sensor's argument that holds the id.
    :return: the record; None if the API user may not read Marketo assets. The wait itself does not need that right.
    :raises MarketoNotFoundError: the asset does not exist.
    """
    try:
        found = find.by_id(client, asset_type, asset_id)
    except MarketoPermissionError as error:
        log.info(
            "The sensor cannot check that %s exists, and waits for it anyway: %s", title(asset_type, asset_id), error
        )
        return None
    if found is None:
        raise missing(asset_type, asset_id, parameter)
    return found


def missing(asset_type: str, asset_id: int | str, parameter: str) -> MarketoNotFoundError:
    """
    Return the error for a Marketo asset that does not exist.

    :param asset_type: type of the asset, such as ``programs``.
    :param asset_id: the asset's id.
    :param parameter: the sensor's argument that holds the id.
    """
    return MarketoNotFoundError(
        f"there is no {title(asset_type, asset_id)}, or the API user cannot see it",
        operation=f"{asset_type}.get_by_id",
        parameter=parameter,
        remedy="Take the id from the asset's address in Marketo, such as 1001 from #PG1001A1.",
    )


def title(asset_type: str, asset_id: int | str) -> str:
    """
    Return a Marketo asset's type and id for a sentence, such as ``landing page 5001``.

    :param asset_type: type of the asset, such as ``landing_pages``.
    :param asset_id: the asset's id.
    """
    return f"{asset_type.removesuffix('_v2').removesuffix('s').replace('_', ' ')} {asset_id}"
