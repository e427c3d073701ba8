"""A question, what is found, and how those who ask the same thing are asked for together."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar

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


Q = TypeVar("Q", bound=Question)


class Inquirer(Generic[Q]):
    """
    Asks questions of one kind, and may remember what it heard: one of them serves a poller as long as it lives.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client

    def check(self, question: Q) -> None:
        """
        Look whether there is what a question is about, once before a wait begins: what is not there looks as if nothing
        had happened to it yet.

        :raises MarketoInvalidRequestError: it would be waited for in vain.
        """

    def ask(self, questions: Collection[Q]) -> Mapping[Q, Answer]:
        """
        Ask, in as few calls as Marketo allows. A group that fails does not keep the others from their answers.

        :param questions: different ones.
        :return: by question; those that are not yet so are missing.
        """
        groups: dict[Hashable, list[Q]] = {}
        for question in questions:
            groups.setdefault(question.group, []).append(question)
        answers: dict[Q, Answer] = {}
        for group in groups.values():
            try:
                answers.update(self._ask(group))
            except MarketoError as error:
                answers.update(dict.fromkeys(group, error))
        return answers

    def continued(self, question: Q) -> Q:
        """The question for somebody who goes on where this one stopped."""
        return question

    def _ask(self, questions: Sequence[Q]) -> Mapping[Q, Answer]:
        """Ask questions of one group."""
        raise NotImplementedError


Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Distinct items, so many at a time, in their order."""
    distinct = list(dict.fromkeys(items))
    for first in range(0, len(distinct), size):
        yield distinct[first : first + size]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
