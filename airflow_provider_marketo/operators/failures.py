"""Which of Marketo's errors are worth another try of the task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoAuthError,
    MarketoBudgetError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
)

FINAL = (
    MarketoAuthError,
    MarketoPermissionError,
    MarketoInvalidRequestError,
    MarketoAmbiguousOutcomeError,
    MarketoBudgetError,
)
"""What stays wrong until a person has done something about it."""


@contextmanager
def fail_for_good() -> Iterator[None]:
    """
    Spare Airflow's retries where they cannot help.

    :raises AirflowFailException: in the place of a :data:`FINAL` error, with its text, which names the way out.
    """
    try:
        yield
    except FINAL as error:
        raise AirflowFailException(_text(error)) from error


def _text(error: Exception) -> str:
    parameter = getattr(error, "parameter", None)
    text = str(error)
    return f"{parameter}: {text}" if parameter and f"{parameter}=" not in text else text
