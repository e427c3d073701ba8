"""The condition that a Marketo asset is in a state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from airflow_provider_marketo.choices import AssetState
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller
from airflow_provider_marketo.conditions.existing import missing, title
from airflow_provider_marketo.marketo_assets import find
from airflow_provider_marketo.marketo_assets.kinds import checked_id, checked_type, in_new_designer, operation_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = printable_logger(__name__)

APPROVED, DRAFT, DELETED = "approved", "draft", "deleted"
STATES: Sequence[str] = get_args(AssetState)


@dataclass(frozen=True)
class AssetCondition(Condition):
    """
    A Marketo asset is approved, has a draft, or is deleted.

    :param asset_type: type of the asset, such as ``emails``.
    :param asset_id: the asset's id: a number, or a text in the new designer.
    :param state: ``approved`` (a version is live), ``draft`` (a draft exists, with or without a live version) or
        ``deleted``.
    """

    kind: ClassVar[str] = "asset"
    asset_type: str
    asset_id: int | str
    state: str = APPROVED

    def __post_init__(self) -> None:
        checked_type(self.asset_type)
        if self.state not in STATES:
            raise MarketoInvalidRequestError(
                f"state={self.state!r} is not one of {', '.join(STATES)}", parameter="state"
            )
        has_drafts = "status" in operations.get(operation_of(self.asset_type, "get")).parameters
        if self.state != DELETED and not (has_drafts or in_new_designer(self.asset_type)):
            raise MarketoInvalidRequestError(
                f"state={self.state!r} is impossible: {self.asset_type} have no drafts to approve",
                parameter="state",
                remedy=f"Use state={DELETED!r}: {self.asset_type} have no other state.",
            )

    def describe(self) -> str:
        """Return what the sensor waits for, without a person's data."""
        condition = "have a draft" if self.state == DRAFT else f"be {self.state}"
        return f"{title(self.asset_type, self.asset_id)} to {condition}"


class AssetPoller(ConditionPoller[AssetCondition]):
    """Read the state of assets (``<asset_type>.get_by_id``), with one or two calls for each asset."""

    def check(self, condition: AssetCondition) -> None:
        """
        Check that the asset exists, unless the sensor waits until it is deleted.

        :param condition: what the sensor waits for.
        :raises MarketoNotFoundError: the asset does not exist.
        """
        if self._record(condition) is not None:
            return
        if condition.state != DELETED:
            raise missing(condition.asset_type, condition.asset_id, "asset_id")
        log.warning(
            "There is no %s: it was deleted before, or it never existed, or the API user cannot see it",
            title(condition.asset_type, condition.asset_id),
        )

    def _ask(self, conditions: Sequence[AssetCondition]) -> Mapping[AssetCondition, Answer]:
        (condition,) = conditions
        if not self._is_true(condition):
            return {}
        return {
            condition: {
                "asset_type": condition.asset_type,
                "asset_id": condition.asset_id,
                "state": condition.state,
            }
        }

    def _is_true(self, condition: AssetCondition) -> bool:
        if condition.state == DELETED:
            return self._record(condition) is None
        if in_new_designer(condition.asset_type):
            return condition.state in _states(self._record(condition))
        record = self._record(condition, status=condition.state)
        return record is not None and condition.state in str(record.get("status", condition.state)).lower()

    def _record(self, condition: AssetCondition, **version: str) -> Mapping[str, Any] | None:
        return find.by_id(self._client, condition.asset_type, condition.asset_id, **version)


def _states(record: Mapping[str, Any] | None) -> set[str]:
    """Return the states of all versions of an asset of the new designer, whose one record lists them."""
    versions = (record or {}).get("associatedStates") or [record or {}]
    return {str(each.get("state") or each.get("status")).lower() for each in versions}


def asset_condition(asset_type: str, asset_id: str, state: str) -> AssetCondition:
    """
    Return the condition that an asset is in a state.

    :param asset_type: type of the asset, such as ``emails``.
    :param asset_id: the asset's id as text; a number, except in the new designer.
    :param state: ``approved``, ``draft`` or ``deleted``.
    :raises MarketoInvalidRequestError: the id has the wrong form for this type, or the type has no such state.
    """
    return AssetCondition(asset_type, checked_id(asset_type, asset_id), state)
