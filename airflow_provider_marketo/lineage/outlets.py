"""
The part of an operator that tells Airflow which data it has published.

Airflow imports this file with every operator, so its methods import other modules only when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import parse_date, without_zone
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_marketo.lineage.publish import Published

log = printable_logger(__name__)


class PublishesLineage:
    """
    An operator that publishes a dataset and returns its manifest.

    It calls :meth:`_emit` in its last method, because Airflow drops events that are emitted before a deferral.
    """

    marketo_conn_id: str
    partition_events: bool = False
    _published: Published | None = None

    def _emit(self, context: Context, manifest: Mapping[str, Any]) -> None:
        """
        Emit asset events and hook lineage. A failure is logged, not raised, because the data are in place.

        :param context: the running task's context.
        :param manifest: the manifest of the published data.
        """
        from airflow_provider_marketo.lineage import publish

        try:
            self._published = publish.published_by(self.marketo_conn_id, manifest)
            partitions = self._partitions(context, manifest) if self.partition_events else []
            publish.emit_asset_events(context, self._published, partitions)
            publish.record_lineage(self.marketo_conn_id, self._published)
        except Exception:
            log.warning("The data are published, but Airflow did not get their asset events or lineage", exc_info=True)

    def _partitions(self, context: Context, manifest: Mapping[str, Any]) -> list[str]:
        """
        Return the partition keys of the asset events: the start of the run's data interval.

        For a run without an interval, as with ``schedule="@hourly"``, it is the start of the span that was read. A run
        that has a partition gets no further key, because Airflow adds its own.
        """
        if context.get("partition_key") is not None:
            return []
        start: datetime | None = context.get("data_interval_start")
        if (start is None or start == context.get("data_interval_end")) and manifest["start"]:
            start = parse_date(manifest["start"])
        return [without_zone(start)] if start else []

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the lineage that the OpenLineage provider asks for: from Marketo's objects to the output."""
        from airflow_provider_marketo.lineage import openlineage

        return openlineage.operator_lineage(self._published)
