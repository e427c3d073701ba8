"""Checks before a row is sent: whether the list, the program and its statuses exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import (
    MarketoDataError,
    MarketoInvalidRequestError,
    MarketoNotFoundError,
    MarketoPermissionError,
)
from airflow_provider_marketo.client.known_names import PARTITIONS
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.suggest import with_nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)


def check_list(client: MarketoClient, list_id: int) -> None:
    """
    Check that a static list exists (``static_list_membership.get_list_by_id``).

    :raises MarketoInvalidRequestError: there is no such list.
    """
    if not _found(client, "static_list_membership.get_list_by_id", listId=list_id):
        raise MarketoInvalidRequestError(
            f"there is no static list {list_id}, or this API user cannot see it",
            parameter="list_id",
            remedy="The id is the number after ST in the list's address.",
        )


def check_partition(client: MarketoClient, name: str) -> None:
    """
    Check that a lead partition exists (``leads.get_partitions``). Otherwise Marketo would refuse every row.

    :raises MarketoInvalidRequestError: there is no such partition, or the API user has no access to it.
    """
    known = PARTITIONS.read(client.paginate)
    if name not in known:
        raise MarketoInvalidRequestError(
            f"there is no lead partition {name!r}, or this API user cannot see it",
            parameter="partition_name",
            remedy=PARTITIONS.nearest(name, known),
        )


def program_statuses(client: MarketoClient, program_id: int) -> tuple[str, ...] | None:
    """
    Return the statuses of the program's channel (``programs.get_by_id``, ``channels.get_by_name``).

    :return: the names of the statuses; None if the API user may not see programs.
    :raises MarketoInvalidRequestError: there is no such program.
    """
    try:
        found = _found(client, "programs.get_by_id", id=program_id)
        if not found:
            raise MarketoInvalidRequestError(
                f"there is no program {program_id}, or this API user cannot see it",
                parameter="program_id",
                remedy="The id is the number after PG, ME, NP or EBP in the program's address.",
            )
        channels = _found(client, "channels.get_by_name", name=found[0].get("channel"))
    except MarketoPermissionError as error:
        log.warning("Could not check whether program %s exists and has the status: %s", program_id, error)
        return None
    if not channels:
        return None
    listed = channels[0].get("progressionStatuses") or ()
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, Mapping) for each in listed):
        raise MarketoDataError("Marketo lists a channel without its statuses", remedy="Try again.")
    return tuple(str(status["name"]) for status in listed)


def check_statuses(statuses: Iterable[str], known: tuple[str, ...] | None, program_id: int, parameter: str) -> None:
    """
    Check that the program's channel has the statuses to set.

    :param statuses: the statuses to set.
    :param known: the statuses of the program's channel; None if they are unknown. Nothing is then checked.
    :param program_id: id of the program, for the error.
    :param parameter: the argument that gives the status, for the error.
    :raises MarketoInvalidRequestError: the program's channel has no such status.
    """
    if known is None:
        return
    wrong = sorted({status for status in statuses if status not in known})
    if wrong:
        raise MarketoInvalidRequestError(
            f"the channel of program {program_id} has no status"
            f" {' or '.join(with_nearest(status, known) for status in wrong)}",
            parameter=parameter,
            remedy=f"Its statuses are {', '.join(known)}.",
        )


def _found(client: MarketoClient, operation: str, **parameters: Any) -> list[dict[str, Any]]:
    try:
        return client.call(operation, **parameters).records
    except MarketoNotFoundError:
        return []
