"""Failures of an import after all rows were sent that could be sent."""

from __future__ import annotations

from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError, MarketoInvalidRequestError


class MarketoRowsRejectedError(MarketoInvalidRequestError):
    """More rows were rejected than ``max_reject_ratio`` allows. All other rows are imported."""


class MarketoRowsUnknownError(MarketoAmbiguousOutcomeError):
    """The outcome of some rows is unknown."""
