"""Making and changing Marketo assets so that a second time changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_marketo.at_most_once.ledger import Ledger, Sending
from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoInvalidRequestError,
    MarketoTransientError,
)
from airflow_provider_marketo.marketo_assets import find, kinds
from airflow_provider_marketo.marketo_assets.find import Record

log = logging.getLogger(__name__)

IF_EXISTS = ("fail", "reuse", "update")


@dataclass(frozen=True)
class Made:
    """
    :param record: as Marketo shows it.
    :param ours: whether this task instance made it, now or at an earlier try.
    """

    record: Record
    ours: bool


def make(
    client: MarketoClient,
    ledger: Ledger,
    sending: Sending,
    parameters: Mapping[str, Any],
    look: Callable[[], Record | None],
) -> Made:
    """
    Make what has a name of its own, unless it is there.

    A reply that is lost is looked after by looking for the name; so is a try that was killed. Marketo takes a name only
    once, so that not even a process that nobody waits for any more makes a second one.

    :param sending: the call, as the ledger knows it.
    :param parameters: of the call.
    :param look: finds it by its name.
    :raises MarketoTransientError: nobody knows yet whether it was made; the next try looks again.
    """
    ours = ledger.knows(sending)
    found = look()
    if found is not None:
        return Made(found, ours)
    if ours:
        ledger.forget(sending)  # an earlier try left nothing behind, or somebody deleted it
    answered: list[Record] = []

    def send() -> Any:
        answered.extend(client.call(sending.operation, **parameters).records[:1])
        return [record["id"] for record in answered]

    try:
        ledger.once(sending, send)
    except MarketoAmbiguousOutcomeError as error:
        found = look()
        if found is None:
            raise MarketoTransientError(
                f"{sending.what} has left nothing behind yet: {error.message}",
                operation=sending.operation,
                code=error.code,
                request_id=error.request_id,
                remedy="The next try looks for it again before it makes it.",
                executed=True,
            ) from error
        log.info("The answer to %s was lost, and it is there", sending.what)
        return Made(found, ours=True)
    made = answered[0] if answered else look()
    if made is None:
        raise MarketoTransientError(
            f"{sending.what} was made, but is not found by its name yet", operation=sending.operation
        )
    return Made(made, ours=True)


def refuse_existing(asset_type: str, name: str, record: Record) -> MarketoInvalidRequestError:
    """The error for what is there and should not be."""
    return MarketoInvalidRequestError(
        f"{asset_type}: {name!r} exists already (id {record['id']})",
        parameter="name",
        remedy='Set if_exists to "reuse" or "update", or take another name.',
    )


def transition(client: MarketoClient, asset_type: str, action: str, asset_id: int | str) -> bool:
    """
    Approve, unapprove, discard a draft, activate or deactivate.

    :return: whether anything changed; False if it was so already.
    :raises MarketoInvalidRequestError: Marketo refuses; its reason is in the message.
    """
    operation = kinds.operation_of(asset_type, action)
    try:
        client.call(operation, **kinds.naming(asset_type, action, asset_id))
        return True
    except MarketoInvalidRequestError as error:
        if error.code == codes.BUSINESS_RULE and _is_so(client, asset_type, action, asset_id):
            return False
        error.parameter = "asset_id"
        raise


def _is_so(client: MarketoClient, asset_type: str, action: str, asset_id: int | str) -> bool:
    """Whether it is in the state that the action would have led to: what a refusal may mean, too."""
    if action in ("activate", "deactivate"):
        record = find.by_id(client, asset_type, asset_id)
        return record is not None and bool(record.get("isActive")) == (action == "activate")
    if asset_type == "programs":
        record = find.by_id(client, asset_type, asset_id)
        return record is not None and (record.get("status") == "locked") == (action == "approve")
    if asset_type.endswith("_v2"):
        record = find.by_id(client, asset_type, asset_id) or {}
        states = {str(each.get("state")).lower() for each in record.get("associatedStates", ())}
        approved, draft = "approved" in states, "draft" in states
    else:
        approved = find.by_id(client, asset_type, asset_id, status="approved") is not None
        draft = find.by_id(client, asset_type, asset_id, status="draft") is not None
    return {"approve": approved and not draft, "unapprove": not approved, "discard_draft": approved and not draft}[
        action
    ]
