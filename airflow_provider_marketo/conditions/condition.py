"""Conditions that sensors wait for, and pollers that ask Marketo about conditions of one kind together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.serializable import Serializable

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence

    from airflow_provider_marketo.client.client import MarketoClient

Found = Mapping[str, Any]
"""The value that a sensor returns: ids and counts as plain JSON, never a person's data."""

Answer = Found | MarketoError
"""The facts that were found, or why Marketo cannot say. The poller asks again about a condition without an answer."""


@dataclass(frozen=True)
class Condition(Serializable):
    """A condition that may become true. Conditions with equal values are equal; values are plain and hashable."""

    VERSION: ClassVar[int] = 1
    kind: ClassVar[str]

    @property
    def group(self) -> Hashable:
        """A value that is equal for conditions of a kind that one call can answer."""
        return self

    def describe(self) -> str:
        """Return what the sensor waits for, for the log and the trigger; without a person's data."""
        raise NotImplementedError


ConditionT = TypeVar("ConditionT", bound=Condition)
ItemT = TypeVar("ItemT")


class ConditionPoller(Generic[ConditionT]):
    """
    Ask Marketo about conditions of one kind.

    A poller lives as long as its sensor or trigger waits, and may remember what it read.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client

    def check(self, condition: ConditionT) -> None:
        """
        Check once, before a wait begins, that the subject of a condition exists.

        A missing subject would look as if nothing had happened to it yet.

        :param condition: what the sensor waits for.
        :raises MarketoInvalidRequestError: the sensor would never end.
        """

    def ask(self, conditions: Collection[ConditionT]) -> Mapping[ConditionT, Answer]:
        """
        Ask Marketo about conditions, in as few calls as it allows. An error in one group leaves the answers of others.

        :param conditions: different conditions.
        :return: answers by condition, without conditions that are not true yet.
        """
        groups: dict[Hashable, list[ConditionT]] = {}
        for condition in conditions:
            groups.setdefault(condition.group, []).append(condition)
        answers: dict[ConditionT, Answer] = {}
        for group in groups.values():
            try:
                answers.update(self._ask(group))
            except MarketoError as error:
                answers.update(dict.fromkeys(group, error))
        return answers

    def continued(self, condition: ConditionT) -> ConditionT:
        """
        Return the condition for another poller, which continues where this one stopped.

        :param condition: a condition that this poller has asked about.
        """
        return condition

    def _ask(self, conditions: Sequence[ConditionT]) -> Mapping[ConditionT, Answer]:
        """Ask Marketo about conditions of one group."""
        raise NotImplementedError


def distinct_batches(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """
    Yield the distinct items in their order, a batch at a time.

    :param items: the items, perhaps with duplicates.
    :param size: largest number of items of a batch.
    """
    return map(list, batches(list(dict.fromkeys(items)), size))
