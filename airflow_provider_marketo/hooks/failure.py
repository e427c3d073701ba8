"""How a failure shows in a task's log: its sentence as an error, and where it happened at DEBUG."""

from __future__ import annotations

from typing import TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.printable import printable_logger

log = printable_logger(__name__)

Failure = TypeVar("Failure", bound=BaseException)


class MarketoTaskError(AirflowFailException):
    """
    A failure that no retry can fix. Airflow makes no further try of the task.

    :param error: what happened.
    :ivar error: the error, for callbacks: its class, ``code``, ``operation`` and ``request_id``.
    """

    def __init__(self, error: MarketoError) -> None:
        parameter, text = getattr(error, "parameter", None), str(error)
        is_named = not parameter or f"{parameter}=" in text or text.startswith(f"{parameter}: ")
        super().__init__(text if is_named else f"{parameter}: {text}")
        self.error = error


def without_frames(error: Failure) -> Failure:
    """
    Log the traceback of an error and its cause at DEBUG, and return the error without them. Raise it ``from None``.

    Airflow logs every frame of an error and of its causes. The client's frames do not help the author of a DAG, and the
    error's own sentence has the words of the cause.

    :param error: the error, which is being handled.
    """
    log.debug("Where the error happened:", exc_info=error)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def log_failure(error: BaseException | str | None) -> None:
    """
    Log the sentence of a failure once more, as the last line of the task's log, below Airflow's frames.

    :param error: why the task has failed. An error of the author's own code is not logged again.
    """
    if isinstance(error, (MarketoError, AirflowException)):
        log.error("%s", error)
