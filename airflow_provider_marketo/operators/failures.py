"""Which of Marketo's errors are worth another try of the task, and how they show in its log."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoAuthError,
    MarketoBudgetError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
    MarketoStateError,
)
from airflow_provider_marketo.hooks.failure import MarketoTaskError, without_frames

PERMANENT_ERRORS = (
    MarketoAuthError,
    MarketoPermissionError,
    MarketoInvalidRequestError,
    MarketoAmbiguousOutcomeError,
    MarketoBudgetError,
    MarketoStateError,
)
"""Errors that remain until a person has done something about them."""


class TaskFailures:
    """
    Show the failure of a ``with`` block as one sentence, and skip Airflow's retries if a retry cannot mend it.

    ``contextlib.contextmanager`` will not do: it gives an error back the frames that it came with.

    :raises MarketoTaskError: instead of one of :data:`PERMANENT_ERRORS`, with its text.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, frames: object) -> None:
        if isinstance(error, (MarketoError, AirflowException)):
            _log_at_the_end()
            raise self.shown(without_frames(error)) from None

    def shown(self, error: Exception) -> Exception:
        """
        Return what the task ends with.

        :param error: the failure.
        """
        return MarketoTaskError(error) if isinstance(error, PERMANENT_ERRORS) else error


def _log_at_the_end() -> None:
    from airflow_provider_marketo.hooks.usage import listen

    listen()
