"""In which state is a Marketo asset?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.questions.question import Answer, Found, Question, by_group

ASSET_TYPES: Mapping[str, str] = {
    "email": "emails",
    "email_template": "email_templates",
    "form": "forms",
    "landing_page": "landing_pages",
    "landing_page_template": "landing_page_templates",
    "snippet": "snippets",
}
"""Marketo assets that have drafts, by the family of their operations."""

APPROVED, DRAFT, DELETED = "approved", "draft", "deleted"
STATES = (APPROVED, DRAFT, DELETED)
_NOT_FOUND = ("702", "HTTP 404", "1013")


@dataclass(frozen=True)
class AssetQuestion(Question):
    """
    Is a Marketo asset approved, does it have a draft, or is it gone?

    :param asset_type: a key of :data:`ASSET_TYPES`.
    :param asset_id: Marketo's id.
    :param state: ``approved`` (a version of it is live), ``draft`` (it has one, beside a live version or alone) or
        ``deleted``.
    """

    kind: ClassVar[str] = "asset"
    asset_type: str
    asset_id: int
    state: str = APPROVED

    def __post_init__(self) -> None:
        for parameter, value, choices in (
            ("asset_type", self.asset_type, tuple(ASSET_TYPES)),
            ("state", self.state, STATES),
        ):
            if value not in choices:
                raise MarketoInvalidRequestError(
                    f"{parameter}={value!r} is not one of {', '.join(choices)}", parameter=parameter
                )

    def describe(self) -> str:
        return f"{self.asset_type} {self.asset_id} to be {self.state}"


class AssetInquirer:
    """
    Asks ``<family>.get_by_id`` for each.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client
        self._seen: set[tuple[str, int]] = set()

    def ask(self, questions: Collection[AssetQuestion]) -> Mapping[AssetQuestion, Answer]:
        return by_group(questions, self._ask)

    def _ask(self, questions: Sequence[AssetQuestion]) -> Mapping[AssetQuestion, Answer]:
        (question,) = questions
        found: Found = {
            "asset_type": question.asset_type,
            "asset_id": question.asset_id,
            "state": question.state,
        }
        if question.state == DELETED:
            return {} if self._exists(question) else {question: found}
        if self._exists(question, status=question.state):
            return {question: found}
        if (question.asset_type, question.asset_id) not in self._seen:
            if not self._exists(question):
                raise MarketoNotFoundError(
                    f"there is no {question.asset_type} {question.asset_id}",
                    operation=self._operation(question),
                    parameter="asset_id",
                    remedy="Take the id from the asset's address in Marketo.",
                )
            self._seen.add((question.asset_type, question.asset_id))
        return {}

    def _operation(self, question: AssetQuestion) -> str:
        return f"{ASSET_TYPES[question.asset_type]}.get_by_id"

    def _exists(self, question: AssetQuestion, **version: str) -> bool:
        """Marketo says of what is not there either that it is not found, or nothing."""
        try:
            records = self._client.call(self._operation(question), id=question.asset_id, **version).records
        except MarketoInvalidRequestError as error:
            if error.code not in _NOT_FOUND:
                raise
            return False
        if not records:
            return False
        status = version.get("status")
        return status is None or str(records[0].get("status", status)).lower() == status
