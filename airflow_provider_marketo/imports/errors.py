"""Failures of an import after all rows were sent that could be sent."""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError, MarketoInvalidRequestError


class MarketoRowsRejectedError(MarketoInvalidRequestError):
    """More rows were rejected than ``max_reject_ratio`` allows. All other rows are imported."""


class MarketoRowsUnknownError(MarketoAmbiguousOutcomeError):
    """
    The outcome of some rows is unknown.

    :param lost: the requests whose answers were lost, in words; empty if the rows are those of several kinds.
    :param instance: the Munchkin ID.
    """

    def __init__(self, message: str, *, lost: str = "", instance: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.lost = lost
        self.instance = instance
