"""A condition, what is found, and how those who ask the same thing are asked for together."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoError

Found = Mapping[str, Any]
"""What a sensor returns: ids and counts as plain JSON, never a person's data."""

Answer = Found | MarketoError
"""What there is, or why that cannot be said. A condition without an answer is asked again."""


@dataclass(frozen=True)
class Condition:
    """Something that is so, or is not yet so. Equal conditions are one; values are plain and hashable."""

    kind: ClassVar[str]

    @property
    def group(self) -> Hashable:
        """Questions of a kind with equal groups can be asked in one call."""
        return self

    def describe(self) -> str:
        """What is waited for, for the log and the trigger; without a person's data."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Any:
        """What :meth:`to_dict` made."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()})


Q = TypeVar("Q", bound=Condition)


class ConditionPoller(Generic[Q]):
    """
    Asks conditions of one kind, and may remember what it heard: one of them serves a poller as long as it lives.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client

    def check(self, condition: Q) -> None:
        """
        Check once, before a wait begins, that the subject of a condition exists. A missing subject would look as if
        nothing had happened to it yet.

        :raises MarketoInvalidRequestError: it would be waited for in vain.
        """

    def ask(self, conditions: Collection[Q]) -> Mapping[Q, Answer]:
        """
        Ask, in as few calls as Marketo allows. A group that fails does not keep the others from their answers.

        :param conditions: different ones.
        :return: by condition; those that are not yet so are missing.
        """
        groups: dict[Hashable, list[Q]] = {}
        for condition in conditions:
            groups.setdefault(condition.group, []).append(condition)
        answers: dict[Q, Answer] = {}
        for group in groups.values():
            try:
                answers.update(self._ask(group))
            except MarketoError as error:
                answers.update(dict.fromkeys(group, error))
        return answers

    def continued(self, condition: Q) -> Q:
        """The condition for somebody who goes on where this one stopped."""
        return condition

    def _ask(self, conditions: Sequence[Q]) -> Mapping[Q, Answer]:
        """Ask conditions of one group."""
        raise NotImplementedError


Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Distinct items, so many at a time, in their order."""
    distinct = list(dict.fromkeys(items))
    for first in range(0, len(distinct), size):
        yield distinct[first : first + size]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
