"""A question, what is found, and how those who ask the same thing are asked for together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeVar

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoError

Found = Mapping[str, Any]
"""What a sensor returns: ids and counts as plain JSON, never a person's data."""

Answer = Found | MarketoError
"""What there is, or why that cannot be said. A question without an answer is asked again."""


@dataclass(frozen=True)
class Question:
    """Something that is so, or is not yet so. Equal questions are one; values are plain and hashable."""

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


class Inquirer(Protocol):
    """Asks questions of one kind, and may remember what it heard: one of them serves a poller as long as it lives."""

    def __init__(self, client: MarketoClient) -> None: ...

    def ask(self, questions: Collection[Any]) -> Mapping[Any, Answer]:
        """
        Ask, in as few calls as Marketo allows.

        :param questions: different ones.
        :return: by question; those that are not yet so are missing.
        """
        ...


Q = TypeVar("Q", bound=Question)


def by_group(questions: Iterable[Q], ask: Callable[[Sequence[Q]], Mapping[Q, Answer]]) -> dict[Q, Answer]:
    """
    Ask group by group. One that fails does not keep the others from their answers.

    :param questions: of one kind.
    :param ask: asks questions of one group.
    """
    groups: dict[Hashable, list[Q]] = {}
    for question in questions:
        groups.setdefault(question.group, []).append(question)
    answers: dict[Q, Answer] = {}
    for group in groups.values():
        try:
            answers.update(ask(group))
        except MarketoError as error:
            answers.update(dict.fromkeys(group, error))
    return answers


Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Distinct items, so many at a time, in their order."""
    distinct = list(dict.fromkeys(items))
    for first in range(0, len(distinct), size):
        yield distinct[first : first + size]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
