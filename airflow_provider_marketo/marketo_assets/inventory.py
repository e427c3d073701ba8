"""The task of listing all Marketo assets, and what has changed since the run before."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.marketo_assets.inventory_rows import collect
from airflow_provider_marketo.marketo_assets.inventory_store import InventoryStore
from airflow_provider_marketo.marketo_assets.kinds import INVENTORY_TYPES
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)


class InventoryResult(TypedDict):
    """
    What an inventory returns.

    ``assets`` counts the assets of each type, ``changes`` the changes of each kind. ``files`` has path, rows and bytes
    of each table.
    """

    output_path: str
    assets: dict[str, int]
    changes: dict[str, int]
    files: list[dict[str, Any]]


def run(
    context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any], *, at_once: int
) -> InventoryResult:
    """
    List all Marketo assets as tables.

    :param context: Airflow's, of the running task.
    :param hook: the connection.
    :param arguments: of the operator, rendered and converted.
    :param at_once: how many types to read in parallel.
    """
    types = arguments["asset_types"] or INVENTORY_TYPES
    folder = OutputFolder.for_task(arguments["output_path"], context["ti"])
    folder.check_writable()
    store = InventoryStore(folder, context["ti"].run_id)
    began = datetime.now(timezone.utc)
    since = store.since if arguments["incremental"] else None
    found = collect(hook.get_conn(), types, store.before(types), since, began, at_once=at_once)
    files = store.publish(found, arguments["file_format"], began)
    changes = found.change_counts()
    log.info(
        "%d assets; %s",
        sum(found.counts().values()),
        ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in changes.items()),
    )
    return {"output_path": folder.url, "assets": found.counts(), "changes": changes, "files": files}
