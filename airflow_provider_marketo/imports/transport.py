"""Sync or bulk: what it costs in calls, and how long it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.counts import counted, duration
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.imports.targets import BULK, RECORDS_PER_CALL, SYNC

if TYPE_CHECKING:
    from airflow_provider_marketo.imports.rows import Rows

log = printable_logger(__name__)

SYNC_CALLS = 100
"""Calls up to which sync is preferred: it takes less than a minute and shows the outcome of each row at once."""

BULK_TAKES = timedelta(minutes=10)
"""The least time that a bulk import needs: it shares the queue with all other integrations."""

CALLS_OF_A_JOB = 8
"""The upload, polls of its state, and its reports."""


def choose(rows: Rows, latency: timedelta | None) -> tuple[str, Rows]:
    """
    Choose the transport by the beginning of the input.

    :param rows: the input.
    :param latency: how soon the rows have to be in Marketo; None for any time.
    :return: ``sync`` or ``bulk``, and the whole input.
    """
    if latency is not None and latency < BULK_TAKES:
        log.info("transport=auto uses sync: a bulk import may take longer than latency=%s", duration(latency))
        return SYNC, rows
    most = SYNC_CALLS * RECORDS_PER_CALL
    seen, count = [], 0
    for batch in rows.batches:
        seen.append(batch)
        count += batch.rows
        if count > most:
            break
    # The list of files grows while batches are read: it has to stay the same object.
    rest = replace(rows, batches=chain(seen, rows.batches))
    if count > most:
        log.info(
            "transport=auto uses bulk: more than %d rows would cost more than %d sync calls; an import of up to 10 MB"
            " costs about %d",
            most,
            SYNC_CALLS,
            CALLS_OF_A_JOB,
        )
        return BULK, rest
    log.info(
        "transport=auto uses sync: %s would cost %s",
        counted(count, "row"),
        counted(-(-count // RECORDS_PER_CALL), "call"),
    )
    return SYNC, rest
