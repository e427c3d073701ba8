"""In which state is a Marketo asset?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_marketo.arguments import one_id
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller
from airflow_provider_marketo.conditions.existing import missing, title
from airflow_provider_marketo.marketo_assets import find
from airflow_provider_marketo.marketo_assets.kinds import checked_type, operation_of

log = logging.getLogger(__name__)

APPROVED, DRAFT, DELETED = "approved", "draft", "deleted"
STATES = (APPROVED, DRAFT, DELETED)


@dataclass(frozen=True)
class AssetCondition(Condition):
    """
    Is a Marketo asset approved, does it have a draft, or is it gone?

    :param asset_type: family of the catalogue, such as ``emails``.
    :param asset_id: Marketo's id.
    :param state: ``approved`` (a version of it is live), ``draft`` (it has one, beside a live version or alone) or
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
        if self.state != DELETED and not (has_drafts or self.in_new_designer):
            raise MarketoInvalidRequestError(
                f"state={self.state!r}, and {self.asset_type} have no drafts to approve",
                parameter="state",
                remedy=f"Of {self.asset_type} wait for state={DELETED!r}.",
            )

    @property
    def in_new_designer(self) -> bool:
        """Whether Marketo shows its states in one record, and not each version by itself."""
        return self.asset_type.endswith("_v2")

    def describe(self) -> str:
        condition = "have a draft" if self.state == DRAFT else f"be {self.state}"
        return f"{title(self.asset_type, self.asset_id)} to {condition}"


class AssetPoller(ConditionPoller[AssetCondition]):
    """Asks ``<family>.get_by_id`` for each."""

    def check(self, condition: AssetCondition) -> None:
        """That it is there. What is to be deleted may be gone already, which looks as if it had never been."""
        if self._record(condition) is not None:
            return
        if condition.state != DELETED:
            raise missing(condition.asset_type, condition.asset_id, "asset_id")
        log.warning(
            "There is no %s: it was deleted before, or there never was one, or the API user does not see it",
            title(condition.asset_type, condition.asset_id),
        )

    def _ask(self, conditions: Sequence[AssetCondition]) -> Mapping[AssetCondition, Answer]:
        (condition,) = conditions
        if not self._is_so(condition):
            return {}
        return {
            condition: {
                "asset_type": condition.asset_type,
                "asset_id": condition.asset_id,
                "state": condition.state,
            }
        }

    def _is_so(self, condition: AssetCondition) -> bool:
        if condition.state == DELETED:
            return self._record(condition) is None
        if condition.in_new_designer:
            return condition.state in _states(self._record(condition))
        record = self._record(condition, status=condition.state)
        return record is not None and condition.state in str(record.get("status", condition.state)).lower()

    def _record(self, condition: AssetCondition, **version: str) -> Mapping[str, Any] | None:
        return find.by_id(self._client, condition.asset_type, condition.asset_id, **version)


def _states(record: Mapping[str, Any] | None) -> set[str]:
    """Of all versions that a record of the new designer speaks of."""
    versions = (record or {}).get("associatedStates") or [record or {}]
    return {str(each.get("state") or each.get("status")).lower() for each in versions}


def asset_condition(asset_type: str, asset_id: str, state: str) -> AssetCondition:
    """
    Return the state of an asset that a sensor waits for.

    :param asset_type: family of the catalogue, such as ``emails``.
    :param asset_id: Marketo's id as text: a number, but for the assets of the new designer.
    :param state: ``approved``, ``draft`` or ``deleted``.
    :raises MarketoInvalidRequestError: the id is not one of this type, or the type has no such state.
    """
    is_number = not asset_type.endswith("_v2")
    return AssetCondition(asset_type, one_id(required=True)("asset_id", asset_id) if is_number else asset_id, state)
