"""Tells Airflow which data an operator has published: asset events and hook lineage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.sdk import Asset, AssetAlias

from airflow_provider_marketo.airflow_compat import add_partitions
from airflow_provider_marketo.client.dates import stamp
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.hooks.variables import TABLES
from airflow_provider_marketo.lineage.uris import SCHEME, marketo_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

log = printable_logger(__name__)


@dataclass(frozen=True)
class Published:
    """
    Data that an operator has published.

    :param instance: the Munchkin ID of the instance that the data come from.
    :param object_type: ``leads``, ``activities`` and so on, or the API name of a custom object type.
    :param manifest: the manifest of the data.
    """

    instance: str
    object_type: str
    manifest: Mapping[str, Any]

    @property
    def output(self) -> str:
        """The URL of the folder where the data are."""
        output = str(self.manifest["output"])
        return output if "://" in output else f"file://{output}"

    @property
    def file_count(self) -> int:
        """The number of files; a manifest with many files has the number instead of the list."""
        return int(self.manifest.get("file_count", len(self.manifest.get("files", ()))))


def published_by(marketo_conn_id: str, manifest: Mapping[str, Any]) -> Published:
    """
    Describe the data of a manifest.

    :param marketo_conn_id: id of the connection through which the data were read.
    :param manifest: the manifest of the published data.
    """
    host = MarketoHook(marketo_conn_id).settings.host
    object_type = str(manifest.get("custom_object") or manifest["object_type"])
    return Published(Endpoint.parse(host).instance, object_type, manifest)


def emit_asset_events(context: Context, published: Published, partitions: list[str]) -> None:
    """
    Describe the published data in the asset event of each outlet of the running task.

    :param context: the running task's context.
    :param published: the data.
    :param partitions: partition keys to add to the events. They need Airflow 3.3.
    """
    events = context.get("outlet_events")
    if events is None:
        return
    facts = {name: published.manifest.get(name) for name in ("start", "end", "rows", "manifest", "output")}
    facts |= {"source": marketo_uri(published.instance, published.object_type), "files": published.file_count}
    for outlet in context["ti"].task.outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra = facts
            if partitions and not add_partitions(events[outlet], partitions):
                log.warning("partition_events needs Airflow 3.3; the asset event has no partition")


def record_lineage(marketo_conn_id: str, published: Published) -> None:
    """
    Record hook lineage from Marketo's objects to the output.

    :param marketo_conn_id: id of the connection that the data were read from.
    :param published: the data.
    """
    hook = MarketoHook(marketo_conn_id)
    collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
    source = {"instance": published.instance, "object_type": published.object_type}
    collector.add_input_asset(context=hook, scheme=SCHEME, asset_kwargs=source)
    collector.add_output_asset(context=hook, uri=published.output)


def emit_table_events(context: Context, place: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """
    Describe loaded tables in the asset events of the running task, and as hook lineage.

    An outlet that is an alias gets an event for each table; the event's asset has the table's URL. Any other outlet
    gets the counts of all tables.

    :param context: the running task's context.
    :param place: URL of the schema, without credentials.
    :param tables: counts of the loaded tables by name.
    """
    collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
    for table in tables:
        collector.add_output_asset(context=context["ti"].task, uri=f"{place}/{table}")
    events = context.get("outlet_events")
    if events is None:
        return
    for outlet in context["ti"].task.outlets:
        if isinstance(outlet, AssetAlias):
            for table, counts in tables.items():
                events[outlet].add(Asset(uri=f"{place}/{table}"), extra=dict(counts))
        elif isinstance(outlet, Asset):
            events[outlet].extra = {"tables": {table: dict(counts) for table, counts in tables.items()}}


def keep_tables(context: Context, place: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """
    Store in a Variable how new the tables of a task are, for the page *Marketo* and ``airflow marketo status``.

    :param context: the running task's context.
    :param place: URL of the schema, without credentials.
    :param tables: counts of the loaded tables by name, each with the time up to which it has Marketo's changes.
    """
    if runtime().task is None:
        return
    ti, now = context["ti"], stamp()
    name = TABLES + key_part(f"{ti.dag_id}.{ti.task_id}")
    known = _known_tables(variables.find(name))
    facts = {
        "version": 1,
        "dag_id": ti.dag_id,
        "task_id": ti.task_id,
        "place": place,
        "tables": {
            **known,
            **{table: {"until": each.get("until"), "loaded_at": now} for table, each in tables.items()},
        },
    }
    variables.try_to_write(name, json.dumps(facts), "How new the tables of a Marketo task are")


def _known_tables(text: str | None) -> Mapping[str, Any]:
    """Return the tables in a Variable's text; empty if it is damaged. People read it; no task depends on it."""
    try:
        tables = json.loads(text or "{}")["tables"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return {}
    return tables if isinstance(tables, dict) else {}
