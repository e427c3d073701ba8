"""Errors that an import raises after it has sent all rows that it could send."""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError, MarketoInvalidRequestError


class MarketoRowsRejectedError(MarketoInvalidRequestError):
    """More rows were rejected than ``max_reject_ratio`` allows. All other rows are imported."""


class MarketoRowsUnknownError(MarketoAmbiguousOutcomeError):
    """
    The outcome of some rows is unknown.

    :param lost: describes the requests whose answers were lost; empty if other rows are unknown as well.
    :param instance: the Munchkin ID.
    """

    def __init__(self, message: str, *, lost: str = "", instance: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.lost = lost
        self.instance = instance
