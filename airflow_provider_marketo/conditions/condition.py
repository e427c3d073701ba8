"""What sensors wait for, and how conditions of one kind are asked together."""

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
"""What a sensor returns: ids and counts as plain JSON, never a person's data."""

Answer = Found | MarketoError
"""What was found, or why Marketo cannot say. A condition without an answer is asked again."""


@dataclass(frozen=True)
class Condition(Serializable):
    """A condition that may become true. Conditions with equal values are the same; values are plain and hashable."""

    VERSION: ClassVar[int] = 1
    kind: ClassVar[str]

    @property
    def group(self) -> Hashable:
        """What the conditions of a kind that can be asked in one call have in common."""
        return self

    def describe(self) -> str:
        """Return what the sensor waits for, for the log and the trigger; without a person's data."""
        raise NotImplementedError


ConditionT = TypeVar("ConditionT", bound=Condition)
ItemT = TypeVar("ItemT")


class ConditionPoller(Generic[ConditionT]):
    """
    Ask conditions of one kind. A poller may remember what it read, and lives as long as its sensor or trigger waits.

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
        Ask conditions, in as few calls as Marketo allows. The error of one group does not hide the others' answers.

        :param conditions: different ones.
        :return: answers by condition; a condition that is not true yet is missing.
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

        :param condition: one that this poller has asked.
        """
        return condition

    def _ask(self, conditions: Sequence[ConditionT]) -> Mapping[ConditionT, Answer]:
        """Ask conditions of one group."""
        raise NotImplementedError


def distinct_batches(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """
    Yield the distinct items in their order, a batch at a time.

    :param items: any; duplicates are left out.
    :param size: most items of a batch.
    """
    return map(list, batches(list(dict.fromkeys(items)), size))
