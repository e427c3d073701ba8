"""Which of Marketo's errors are worth another try of the task."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoAuthError,
    MarketoBudgetError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PERMANENT_ERRORS = (
    MarketoAuthError,
    MarketoPermissionError,
    MarketoInvalidRequestError,
    MarketoAmbiguousOutcomeError,
    MarketoBudgetError,
)
"""Errors that remain until a person has done something about them."""


@contextmanager
def no_retry_on_permanent_errors() -> Iterator[None]:
    """
    Skip Airflow's retries after an error that a retry cannot mend.

    :raises AirflowFailException: instead of one of :data:`PERMANENT_ERRORS`, with its text.
    """
    try:
        yield
    except PERMANENT_ERRORS as error:
        raise AirflowFailException(_text(error)) from error


def _text(error: Exception) -> str:
    parameter = getattr(error, "parameter", None)
    text = str(error)
    return f"{parameter}: {text}" if parameter and f"{parameter}=" not in text else text
