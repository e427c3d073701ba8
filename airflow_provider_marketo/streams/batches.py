"""For DAGs that a watcher starts: the batches that no earlier run has taken."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from airflow_provider_marketo import variables

log = logging.getLogger(__name__)

PREFIX = "marketo_batches_"
REMEMBERED = 1000
"""Batches come again soon after they came first, or never."""


def new_batches(events: Iterable[Any], run_id: str, *, stream: str) -> dict[str, Any]:
    """
    What started a run, without what an earlier run has taken: a watcher that crashes hands a batch over again.

    A run that is cleared gets its own batches once more. Call it in the DAG's first task, and give the DAG
    ``max_active_runs=1``: the Variable ``marketo_batches_<stream>`` has one writer.

    :param events: the run's asset events, ``triggering_asset_events[asset]``.
    :param run_id: of the run.
    :param stream: the watcher's.
    :return: ``{"batch_ids", "activities", "lead_ids"}``; empty lists if there is nothing new.
    :raises OSError: Airflow does not say what was taken; a batch might be processed twice.
    """
    name = PREFIX + stream
    taken: dict[str, str] = variables.read_json(name) or {}
    batches = [event.extra["payload"] for event in events if "batch_id" in (event.extra.get("payload") or {})]
    new = {batch["batch_id"]: batch for batch in batches if taken.get(batch["batch_id"], run_id) == run_id}
    if len(new) < len(batches):
        log.info("%d of %d batches came before, and are left out", len(batches) - len(new), len(batches))
    if new:
        taken.update(dict.fromkeys(new, run_id))
        latest = dict(list(taken.items())[-REMEMBERED:])
        variables.write_json(name, latest, "Marketo batches that runs have taken")
    return {
        "batch_ids": list(new),
        "activities": [each for batch in new.values() for each in batch["activities"]],
        "lead_ids": sorted({lead for batch in new.values() for lead in batch["lead_ids"]}),
    }
