"""Tables that Marketo refuses. The log of loads and the check of freshness show them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.warehouse.log import SKIPPED, Counts, Log, LogEntry
from airflow_provider_marketo.warehouse.names import table_name
from airflow_provider_marketo.warehouse.transactions import repeated

if TYPE_CHECKING:
    from airflow_provider_marketo.output.manifest import Manifest, ManifestDataset
    from airflow_provider_marketo.warehouse.engine import Engine


def note_skipped(engine: Engine, manifest: Manifest, dataset: ManifestDataset, task: tuple[str, str, str]) -> None:
    """
    Add a row to the log of loads for a table that Marketo refused, once for each manifest.

    :param engine: the database.
    :param manifest: the manifest that has the dataset.
    :param dataset: the dataset, which has the reason and no rows.
    :param task: ids of DAG, task and run.
    """
    now = datetime.now(timezone.utc)
    as_of = manifest.time_of(dataset) or iso(now)
    facts = json.dumps([engine.schema, dataset.name, SKIPPED, as_of, manifest.manifest])
    entry = LogEntry(
        hashlib.sha256(facts.encode()).hexdigest()[:32],
        table_name(dataset.name),
        dataset.name,
        SKIPPED,
        manifest.manifest or manifest.output,
        (manifest.start, manifest.end),
        as_of,
        {SKIPPED: [dataset.skipped]},
        task,
    )

    def transaction() -> None:
        log = Log(engine)
        engine.begin_with(log.create)
        if log.has(entry.load_id):
            engine.rollback()
            return
        log.write(entry, Counts(), now, now)
        engine.commit()

    repeated(engine, transaction, f"the row of {entry.table} in the log of loads")
