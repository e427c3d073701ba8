"""Makes and changes Marketo assets. A repetition changes nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.at_most_once.how_to_check import described
from airflow_provider_marketo.client import codes, operations
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoDataError,
    MarketoInvalidRequestError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.marketo_assets import find, kinds

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.at_most_once.entries import Sending
    from airflow_provider_marketo.at_most_once.ledger import Ledger
    from airflow_provider_marketo.at_most_once.task import OnceTask
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.marketo_assets.find import Record

log = printable_logger(__name__)

_PROGRAM_STATUS = {"approve": "locked", "unapprove": "unlocked"}
"""The status of an e-mail program that each action leads to."""


@dataclass(frozen=True)
class CreatedAsset:
    """
    An asset that a task was to make, and that now exists.

    :param record: the asset's record.
    :param ours: whether this task instance made it, now or at an earlier try.
    """

    record: Record
    ours: bool


def make(
    task: OnceTask, operation: str, arguments: Mapping[str, Any], look: Callable[[], Record | None]
) -> CreatedAsset | None:
    """
    Make an asset that has a unique name, unless it exists.

    After a lost reply or a kill, the next try looks for the asset by its name. Names are unique, so a stale process
    cannot create a duplicate.

    :param task: the running task.
    :param operation: the operation that makes the asset.
    :param arguments: arguments of the operation, in Adobe's spelling.
    :param look: finds the asset by its name.
    :return: the asset; None in a dry run if it does not exist.
    :raises MarketoTransientError: Marketo may or may not have made the asset. The next try looks again.
    """
    found_operation = operations.get(operation)
    parameters = task.files.opened(found_operation, arguments)
    operations.prepare(found_operation, parameters)
    what = described(operation, arguments)
    if task.dry_run:
        found = look()
        log.info("The asset exists; would not call %s" if found else "Would call %s", what)
        return CreatedAsset(found, ours=False) if found else None
    return _make(task.client, task.ledger, task.sending(operation, arguments, what), parameters, look)


def _make(
    client: MarketoClient,
    ledger: Ledger,
    sending: Sending,
    parameters: Mapping[str, Any],
    look: Callable[[], Record | None],
) -> CreatedAsset:
    ours = ledger.knows(sending)
    found = look()
    if found is not None:
        return CreatedAsset(found, ours)
    if ours:
        ledger.forget(sending)  # the earlier try made nothing, or a person has deleted it
    answered: list[Record] = []

    def send() -> Any:
        answered.extend(client.call(sending.operation, **parameters).records[:1])
        return [_id_of(record) for record in answered]

    try:
        ledger.once(sending, send)
    except MarketoAmbiguousOutcomeError as error:
        found = look()
        if found is None:
            raise MarketoTransientError(
                f"the reply to {sending.what} was lost, and Marketo shows no asset of this name yet:"
                f" {getattr(error, 'why', error.message)}",
                operation=sending.operation,
                code=error.code,
                request_id=error.request_id,
                remedy="The next try looks for the asset again, and makes it only if it is still missing.",
                executed=True,
            ) from error
        log.info("Marketo's reply to %s was lost, but the asset exists", sending.what)
        return CreatedAsset(found, ours=True)
    made = answered[0] if answered else look()
    if made is None:
        raise MarketoTransientError(
            f"{sending.what} made the asset, but Marketo does not find it by its name yet", operation=sending.operation
        )
    return CreatedAsset(made, ours=True)


def _id_of(record: Any) -> Any:
    """Return the id of the asset that Marketo has made. Without an id, the caller looks for the asset by its name."""
    if not isinstance(record, Mapping) or record.get("id") is None:
        raise MarketoDataError(
            "Marketo's reply does not have the id of the asset that it made",
            remedy="The task looks for the asset by its name.",
            executed=True,
        )
    return record["id"]


def refuse_existing(asset_type: str, name: str, record: Record) -> MarketoInvalidRequestError:
    """
    Return the error for an asset that should not exist.

    :param asset_type: type of the asset, such as ``emails``.
    :param name: the asset's name.
    :param record: the asset's record.
    """
    return MarketoInvalidRequestError(
        f"{asset_type}: {name!r} exists already (id {record['id']})",
        parameter="name",
        remedy='Set if_exists to "reuse" or "update", or choose another name.',
    )


def transition(client: MarketoClient, asset_type: str, action: str, asset_id: int | str) -> bool:
    """
    Approve, unapprove, discard a draft, activate or deactivate.

    :param client: the instance.
    :param asset_type: type of the asset, such as ``emails``.
    :param action: the action, such as ``approve``.
    :param asset_id: the asset's id.
    :return: whether anything changed; False if the asset was in that state before.
    :raises MarketoInvalidRequestError: Marketo refuses; its reason is in the message.
    """
    operation = kinds.operation_of(asset_type, action)
    try:
        client.call(operation, **kinds.naming(asset_type, action, asset_id))
        return True
    except MarketoInvalidRequestError as error:
        if error.code == codes.BUSINESS_RULE and _is_done(client, asset_type, action, asset_id):
            return error.executed  # an earlier sending may have changed it, and its answer was lost
        error.parameter = "asset_id"
        raise


def _is_done(client: MarketoClient, asset_type: str, action: str, asset_id: int | str) -> bool:
    """Whether the asset is already in the state that the action leads to, so that Marketo refuses the action."""
    if action in ("activate", "deactivate"):
        record = find.by_id(client, asset_type, asset_id) or {}
        # A batch campaign is never active, even if it is scheduled to run.
        return record.get("type") == "trigger" and bool(record.get("isActive")) == (action == "activate")
    if asset_type == "programs":
        record = find.by_id(client, asset_type, asset_id) or {}
        # An e-mail program that has run is "completed", and programs of other types have no such status.
        return record.get("status") == _PROGRAM_STATUS[action]
    if kinds.in_new_designer(asset_type):
        record = find.by_id(client, asset_type, asset_id) or {}
        states = {str(each.get("state")).lower() for each in record.get("associatedStates") or ()}
        approved, draft = "approved" in states, "draft" in states
    else:
        approved = find.by_id(client, asset_type, asset_id, status="approved") is not None
        draft = find.by_id(client, asset_type, asset_id, status="draft") is not None
    return (draft and not approved) if action == "unapprove" else (approved and not draft)
