"""One Marketo instance: its data, its jobs, its limits. Handlers answer calls from it."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator import import_rows
from airflow_provider_marketo.simulator.export_jobs import ExportJobs
from airflow_provider_marketo.simulator.export_sources import ExportSources
from airflow_provider_marketo.simulator.faults import Fault, Faults
from airflow_provider_marketo.simulator.import_jobs import ImportJobs
from airflow_provider_marketo.simulator.ingestion import Ingestion, Work
from airflow_provider_marketo.simulator.journal import Journal
from airflow_provider_marketo.simulator.meter import Meter
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.report import Observations, Report
from airflow_provider_marketo.simulator.store import Store
from airflow_provider_marketo.simulator.tokens import Tokens

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from airflow_provider_marketo.simulator.clock import Clock
    from airflow_provider_marketo.simulator.settings import Settings


class Instance:
    """
    Everything behind the web server. Handlers run one at a time, under ``lock``.

    :param settings: size, limits and features of the instance.
    :param clock: the time.
    :param folder: directory of the export files.
    """

    def __init__(self, settings: Settings, clock: Clock, folder: Path) -> None:
        if settings.end is None:
            settings = replace(settings, end=clock.now().date())
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self.store = Store(settings)
        self.journal = Journal(settings, self.store, clock)
        self.meter = Meter(settings, clock)
        self.tokens = Tokens(settings, clock)
        self.faults = Faults()
        self.seen = Observations()
        self.last_polls: dict[tuple[Any, ...], datetime] = {}
        self.imports = ImportJobs(settings, clock, partial(import_rows.run, self))
        self.ingestion = Ingestion(settings, clock, self._ingest)
        self.exports = ExportJobs(settings, clock, self.meter, ExportSources(settings, self.store), folder)

    @property
    def now(self) -> int:
        """Simulated seconds since 1970."""
        return int(self.clock.now().timestamp())

    def report(self) -> Report:
        """Return what the instance has seen so far."""
        with self.lock:
            self.ingestion.settle()
            return self.seen.report(self.meter.peak_running, self.meter.peak_window, self.store.assets.sent_twice())

    def spend(self, calls: int, export_bytes: int) -> None:
        """Count what another integration uses of today's quotas."""
        self.meter.spend("somebody.else@example.org", calls)
        self.exports.bytes_of_others[self.meter.today()] += export_bytes

    def fault(self, operation: str) -> Fault | None:
        """Return the fault on request that a call of an operation meets, if there is one."""
        with self.lock:
            fault = self.faults.take(operation)
            if fault is not None:
                self.seen.faults[operation] += 1
            return fault

    def note(self, violation: str) -> None:
        """Count something that a careful client does not do."""
        with self.lock:
            self.seen.note(violation)

    def _ingest(self, work: Work) -> None:
        """Do work of data ingestion. Its outcome appears in the report only, as Marketo tells no caller."""
        try:
            self.seen.count_skipped(work())
        except ApiError as error:
            self.seen.skipped[error.code] += 1
