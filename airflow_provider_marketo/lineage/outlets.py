"""What operators tell Airflow about the data that they have published: asset events, hook lineage, OpenLineage."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_marketo.airflow_compat import add_partitions
from airflow_provider_marketo.client.dates import parse_date, without_zone

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = logging.getLogger(__name__)

"""As Airflow's mappers of hours and days read it."""


class PublishesLineage:
    """
    An operator that publishes a dataset and returns its manifest. :meth:`_emit` is called in its last method: what is
    said before a deferral is lost.
    """

    marketo_conn_id: str
    partition_events: bool = False
    _published: tuple[str, str, Mapping[str, Any]] | None = None

    def _emit(self, context: Context, manifest: Mapping[str, Any]) -> None:
        """
        Never fails: the data are in place, whoever hears of them.

        :param context: of the running task.
        :param manifest: of what was published.
        """
        from airflow_provider_marketo.client.endpoint import Endpoint
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        try:
            hook = MarketoHook(self.marketo_conn_id)
            instance = Endpoint.parse(hook.settings.host).instance
            kind = str(manifest.get("custom_object") or manifest["object_type"])
            self._published = (instance, kind, manifest)
            self._emit_asset_events(context, instance, kind, manifest)
            _tell_lineage(hook, instance, kind, str(manifest["output"]))
        except Exception:
            log.warning("Airflow could not be told of what was published", exc_info=True)

    def _emit_asset_events(self, context: Context, instance: str, kind: str, manifest: Mapping[str, Any]) -> None:
        from airflow.sdk import Asset

        from airflow_provider_marketo.lineage.uris import marketo_uri

        events = context.get("outlet_events")
        if events is None:
            return
        facts = {name: manifest.get(name) for name in ("start", "end", "rows", "manifest", "output")}
        facts |= {"source": marketo_uri(instance, kind), "files": _count(manifest)}
        for outlet in context["ti"].task.outlets:
            if isinstance(outlet, Asset):
                events[outlet].extra = facts
                if self.partition_events:
                    _add_partitions(events[outlet], self._partitions(context, manifest))

    def _partitions(self, context: Context, manifest: Mapping[str, Any]) -> list[str]:
        """
        Start of the run's data interval, or of what was read where the run has none, as with ``schedule="@hourly"``; no
        key if the run has a partition, which Airflow adds by itself.
        """

        if context.get("partition_key") is not None:
            return []
        start: datetime | None = context.get("data_interval_start")
        if (start is None or start == context.get("data_interval_end")) and manifest["start"]:
            start = parse_date(manifest["start"])
        return [without_zone(start)] if start else []

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """For the OpenLineage provider: from the instance's object to the output."""
        from airflow.providers.common.compat.openlineage.facet import (
            Dataset,
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage

        from airflow_provider_marketo.lineage.uris import SCHEME

        if self._published is None:
            return OperatorLineage()
        instance, kind, manifest = self._published
        output = urlsplit(_absolute(str(manifest["output"])))
        namespace = f"{output.scheme}://{output.netloc.rpartition('@')[2]}" if output.netloc else output.scheme
        statistics = OutputStatisticsOutputDatasetFacet(
            rowCount=manifest["rows"], size=manifest.get("bytes"), fileCount=_count(manifest)
        )
        return OperatorLineage(
            inputs=[Dataset(namespace=f"{SCHEME}://{instance}", name=kind)],
            outputs=[
                OutputDataset(
                    namespace=namespace,
                    name=output.path.strip("/") if output.netloc else output.path,
                    outputFacets={"outputStatistics": statistics},
                )
            ],
        )


def _count(manifest: Mapping[str, Any]) -> int:
    """How many files there are; the list is left out where it is long."""
    return int(manifest.get("file_count", len(manifest.get("files", ()))))


def _add_partitions(event: Any, keys: list[str]) -> None:
    if keys and not add_partitions(event, keys):
        log.warning("partition_events needs Airflow 3.3; the asset event has no partition")


def _tell_lineage(hook: MarketoHook, instance: str, kind: str, output: str) -> None:
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    from airflow_provider_marketo.lineage.uris import SCHEME

    collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
    collector.add_input_asset(context=hook, scheme=SCHEME, asset_kwargs={"instance": instance, "object_type": kind})
    collector.add_output_asset(context=hook, uri=_absolute(output))


def _absolute(output: str) -> str:
    """A local path as the URL that it is."""
    return output if "://" in output else f"file://{output}"
