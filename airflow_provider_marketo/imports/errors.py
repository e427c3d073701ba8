"""How a load fails after everything that could be loaded was."""

from __future__ import annotations

from airflow_provider_marketo.client.errors import MarketoAmbiguousOutcomeError, MarketoInvalidRequestError


class MarketoRowsRejectedError(MarketoInvalidRequestError):
    """More rows were rejected than ``max_reject_ratio`` allows. All others are loaded."""


class MarketoRowsUnknownError(MarketoAmbiguousOutcomeError):
    """Of some rows nobody can tell whether they were loaded."""
