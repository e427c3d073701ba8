"""Transactions that are repeated when another load is in the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.warehouse.engine import Engine

__all__ = ["refused", "repeated"]

log = printable_logger(__name__)

Result = TypeVar("Result")

TRIES = 10
"""How many times a disturbed transaction is repeated."""


def repeated(engine: Engine, transaction: Callable[[], Result], what: str) -> Result:
    """
    Run a transaction, and repeat it if another load has disturbed it.

    :param engine: the database.
    :param transaction: a function that begins a transaction, and commits it or rolls it back.
    :param what: what the transaction does, for the error: ``the load into marketo.leads``.
    :raises MarketoError: nothing was changed; the text says why.
    """
    for number in range(TRIES):
        try:
            return transaction()
        except Exception as error:
            engine.rollback()
            if isinstance(error, MarketoError):
                raise
            if not engine.is_conflict(error) or number == TRIES - 1:
                raise refused(engine, what, error) from error
            log.info("%s has to wait (%s); trying again", what, engine.reason(error))
            time.sleep(engine.pause * 2**number)
    raise AssertionError  # the last try has returned or raised


def refused(engine: Engine, what: str, error: Exception) -> MarketoWarehouseError:
    """Return the error that says that the database has refused something."""
    remedy = next((remedy for words, remedy in engine.remedies.items() if words in str(error)), None)
    return MarketoWarehouseError(f"{engine.name} refused {what}: {engine.reason(error)}", remedy=remedy)
