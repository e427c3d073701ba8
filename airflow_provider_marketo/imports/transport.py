"""Sync or bulk: what it costs in calls, and how long it takes."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from itertools import chain

from airflow_provider_marketo.imports.source import Rows
from airflow_provider_marketo.imports.targets import BULK, RECORDS_PER_CALL, SYNC

log = logging.getLogger(__name__)

SYNC_CALLS = 100
"""Calls up to which sync is preferred: it is done in less than a minute and tells what became of a row at once."""

BULK_TAKES = timedelta(minutes=10)
"""What a bulk import has to be given: its place in the queue is shared with every other integration."""

CALLS_OF_A_JOB = 8
"""Upload, looks at its state, and its reports."""


def choose(rows: Rows, latency: timedelta | None) -> tuple[str, Rows]:
    """
    Look at the input's beginning and decide.

    :param rows: the input.
    :param latency: how soon the rows have to be in Marketo; None for whenever.
    :return: ``sync`` or ``bulk``, and the input, none of it lost.
    """
    if latency is not None and latency < BULK_TAKES:
        log.info("transport=auto: sync, as a bulk import may take longer than the %s asked for", latency)
        return SYNC, rows
    most = SYNC_CALLS * RECORDS_PER_CALL
    seen, count = [], 0
    for batch in rows.batches:
        seen.append(batch)
        count += len(batch[0])
        if count > most:
            break
    # The list of files grows while batches are read: it has to stay the same object.
    rest = replace(rows, batches=chain(seen, rows.batches))
    if count > most:
        log.info(
            "transport=auto: bulk, as more than %d rows would cost more than %d sync calls; an import of up to 10 MB"
            " costs about %d",
            most,
            SYNC_CALLS,
            CALLS_OF_A_JOB,
        )
        return BULK, rest
    log.info("transport=auto: sync, as %d rows cost %d calls", count, -(-count // RECORDS_PER_CALL))
    return SYNC, rest
