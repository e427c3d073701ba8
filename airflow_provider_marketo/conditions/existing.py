"""Is there what a sensor is to wait for?"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoNotFoundError, MarketoPermissionError
from airflow_provider_marketo.marketo_assets import find

log = logging.getLogger(__name__)


def existing(client: MarketoClient, asset_type: str, asset_id: int, *, parameter: str) -> Mapping[str, Any] | None:
    """
    A Marketo asset that has to be there (``<asset_type>.get_by_id``).

    :param parameter: the sensor's name for its id.
    :return: its record; None where the API user may not look at Marketo assets, which the wait itself does not need.
    :raises MarketoNotFoundError: there is none.
    """
    try:
        found = find.by_id(client, asset_type, asset_id)
    except MarketoPermissionError as error:
        log.info("Whether there is a %s cannot be checked: %s", title(asset_type, asset_id), error)
        return None
    if found is None:
        raise missing(asset_type, asset_id, parameter)
    return found


def missing(asset_type: str, asset_id: int | str, parameter: str) -> MarketoNotFoundError:
    """The error that there is no such Marketo asset."""
    return MarketoNotFoundError(
        f"there is no {title(asset_type, asset_id)}, or the API user does not see it",
        operation=f"{asset_type}.get_by_id",
        parameter=parameter,
        remedy="Take the id from its address in Marketo, such as 1001 from #PG1001A1.",
    )


def title(asset_type: str, asset_id: int | str) -> str:
    """A Marketo asset, as in a sentence: ``landing page 5001``."""
    return f"{asset_type.removesuffix('_v2').removesuffix('s').replace('_', ' ')} {asset_id}"
