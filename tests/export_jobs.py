"""The export jobs of an instance whose clock stands still, for tests with a real Airflow."""

from __future__ import annotations

from collections import Counter

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.simulator import ManualClock, Simulator

ACTIVE = ("Created", "Queued", "Processing")


class ExportJobsOfTest:
    """
    The export jobs that one test creates, as Marketo lists them.

    :param held: the instance.
    :param clock: clock of the instance.
    """

    def __init__(self, held: Simulator, clock: ManualClock) -> None:
        self._client = MarketoClient(held.url, held.client_id, held.client_secret)
        self._clock = clock
        self._before = set(self._all())

    def states(self) -> Counter[str]:
        """Count the jobs that are active, Completed or Cancelled (Marketo has two spellings of the last)."""
        ours = {export_id: status for export_id, status in self._all().items() if export_id not in self._before}
        return Counter(
            "active" if status in ACTIVE else status.replace("Canceled", "Cancelled") for status in ours.values()
        )

    def work(self) -> None:
        """Let Marketo work on its queue for ten minutes."""
        self._clock.advance(600)

    def _all(self) -> dict[str, str]:
        return {job["exportId"]: job["status"] for job in self._client.call("bulk_export_activities.get_jobs").result}
