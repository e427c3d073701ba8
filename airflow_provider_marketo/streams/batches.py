"""For DAGs that a watcher starts: the batches that no earlier run has processed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.hooks import variables

if TYPE_CHECKING:
    from collections.abc import Iterable

log = printable_logger(__name__)

PREFIX = "marketo_batches_"
REMEMBERED = 1000
"""Batches that a Variable remembers. A batch is repeated soon after it first came, or never."""
_RESTORE = (
    "It says which batches earlier runs have processed. Restore it, or delete it. Without it, a run may process again a"
    " batch that the watcher sends twice after a crash."
)


@dataclass(frozen=True)
class TakenBatches(Serializable):
    """
    The batches that runs have processed.

    :param runs: map of batch ids to the ids of their runs, oldest first.
    """

    VERSION: ClassVar[int] = 1

    runs: Mapping[str, str]


def new_batches(events: Iterable[Any], run_id: str, *, stream: str, later: Any = ()) -> dict[str, Any]:
    """
    Return the batches that started a run, without those of earlier runs: after a crash, a watcher repeats a batch.

    A run that is cleared gets its own batches once more. Call it in the DAG's first task, and give the DAG
    ``max_active_runs=1``: the Variable ``marketo_batches_<stream>`` has one writer.

    If several events come while a run of the DAG is active, Airflow starts one run for the first and gives it only that
    event. The others would wait until the next event, however late. With ``later`` the run takes them as well.

    :param events: the run's asset events, ``triggering_asset_events[asset]``.
    :param run_id: id of the run.
    :param stream: the watcher's stream.
    :param later: all events of the asset, ``inlet_events[asset]``, of a task with ``inlets=[asset]``.
    :return: ``{"batch_ids", "activities", "lead_ids"}``; empty lists if there is nothing new.
    :raises OSError: Airflow cannot say which batches were taken; a batch might be processed twice.
    :raises MarketoStateError: the Variable is damaged; a batch might be processed twice.
    """
    name = PREFIX + key_part(stream)
    before = variables.read_state(TakenBatches, name, remedy=_RESTORE)
    taken = dict(before.runs) if before is not None else {}
    found = list(events)
    found += airflow_compat.events_after(later, max(event.timestamp for event in found)) if found else []
    batches = [event.extra["payload"] for event in found if "batch_id" in (event.extra.get("payload") or {})]
    new = {batch["batch_id"]: batch for batch in batches if taken.get(batch["batch_id"], run_id) == run_id}
    if len(new) < len(batches):
        given = counted(len(batches), "batch", "batches")
        log.info("Left out %d of %s, because an earlier run has processed them", len(batches) - len(new), given)
    if new:
        taken.update(dict.fromkeys(new, run_id))
        latest = TakenBatches(dict(list(taken.items())[-REMEMBERED:]))
        variables.write_state(name, latest, "Batches of Marketo activities that runs have processed")
    return {
        "batch_ids": list(new),
        "activities": [each for batch in new.values() for each in batch["activities"]],
        "lead_ids": sorted({lead for batch in new.values() for lead in batch["lead_ids"]}),
    }
