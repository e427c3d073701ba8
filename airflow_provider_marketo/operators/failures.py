"""Which of Marketo's errors are worth another try of the task, and how they show in its log."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoAuthError,
    MarketoBudgetError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
    MarketoStateError,
    MarketoStorageError,
)
from airflow_provider_marketo.hooks.failure import MarketoTaskError, without_frames

if TYPE_CHECKING:
    from collections.abc import Callable

Operator = TypeVar("Operator")
Given = ParamSpec("Given")
Result = TypeVar("Result")

PERMANENT_ERRORS = (
    MarketoAuthError,
    MarketoPermissionError,
    MarketoInvalidRequestError,
    MarketoAmbiguousOutcomeError,
    MarketoBudgetError,
    MarketoStateError,
)
"""Errors that remain until a person acts."""


def task_error(operator: object, error: Exception) -> Exception:
    """
    Return the error that ends a task: one that skips Airflow's retries, if no retry can help.

    :param operator: the task's operator or sensor.
    :param error: the failure.
    """
    return MarketoTaskError(error) if isinstance(error, PERMANENT_ERRORS) else error


def storage_error(error: OSError) -> MarketoStorageError:
    """
    Return the error of a task whose disk, object store or Airflow has failed in the middle of its work.

    A place that is forbidden or missing from the start never gets here: an earlier check refuses it, and names its
    parameter, before any call to Marketo.

    :param error: what Python or Airflow said.
    """
    if error.errno is None:
        return MarketoStorageError(str(error))
    return MarketoStorageError(f"a file cannot be read or written ({type(error).__name__}: {error})")


def fails_plainly(
    shown: Callable[[Any, Exception], Exception] = task_error,
) -> Callable[[Callable[Concatenate[Operator, Given], Result]], Callable[Concatenate[Operator, Given], Result]]:
    """
    Decorate a method that Airflow calls: its errors show as one sentence, raised in one frame.

    Airflow logs every frame between itself and the place where an error was raised. This decorator raises an error
    again in the outermost frame of this package, without its cause, so that one frame is left.

    :param shown: a function that takes the operator and the failure, and returns the error that ends the task.
    """

    def decorate(
        method: Callable[Concatenate[Operator, Given], Result],
    ) -> Callable[Concatenate[Operator, Given], Result]:
        @wraps(method)
        def plain(operator: Operator, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
            try:
                with airflow_compat.answering():
                    return method(operator, *args, **kwargs)
            except (MarketoError, AirflowException, OSError) as error:
                if isinstance(error, (AirflowSkipException, airflow_compat.AirflowRescheduleException)):
                    raise  # a skip or a reschedule is no failure
                _log_at_the_end()
                without_frames(error)
                failure = shown(operator, storage_error(error) if isinstance(error, OSError) else error)
            raise failure

        return plain

    return decorate


def _log_at_the_end() -> None:
    from airflow_provider_marketo.hooks.usage import listen

    listen()
