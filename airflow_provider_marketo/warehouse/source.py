"""The load of everything that a source has published in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.warehouse.task import LoadResult, load_manifest, published
from airflow_provider_marketo.warehouse.watermarks import move_watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

log = printable_logger(__name__)


def load_source(
    manifests: Sequence[Any],
    arguments: Mapping[str, Any],
    task: Any,
    loaded: Callable[[str, LoadResult], None],
) -> dict[str, Any]:
    """
    Load manifests one after the other, and move the watermarks of their sources when all tables are committed.

    A manifest that fails does not stop the others.

    :param manifests: what the extracts returned, in the order of ``sources`` among the arguments.
    :param arguments: of the operator, checked.
    :param task: the running task instance.
    :param loaded: told of each table after its commit.
    :raises MarketoError: a table failed; its source's watermark has not moved.
    """
    result: dict[str, Any] = {"place": "", "tables": {}, "skipped": {}}
    failures: list[MarketoError] = []
    for source, each in zip(arguments["sources"], manifests, strict=True):
        try:
            found = published(each)
            one = load_manifest(each, arguments, (task.dag_id, task.task_id, task.run_id), loaded)
        except MarketoError as error:
            failures.append(error)
            continue
        result["place"] = one["place"]
        result["tables"] |= one["tables"]
        result["skipped"] |= one["skipped"]
        if arguments["until"] is not None:
            _move(source, found, arguments, task)
    if failures:
        for other in failures[1:]:
            log.error("%s", other)
        raise failures[0]
    return result


def _move(source: str, found: Any, arguments: Mapping[str, Any], task: Any) -> None:
    """Move a watermark to where reading ended: Marketo's clock may have said less than was asked for."""
    ends = [parse_date(time) for time in (found.end, found.as_of) if time is not None]
    until: datetime = min([arguments["until"], *ends])
    move_watermarks(arguments["sql_conn_id"], arguments["schema"], [source], until, (task.dag_id, task.run_id))
