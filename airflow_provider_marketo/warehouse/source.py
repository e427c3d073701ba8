"""Load everything that some sources have published in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.warehouse.retention import remove_loaded_files
from airflow_provider_marketo.warehouse.task import LoadResult, load_manifest, published
from airflow_provider_marketo.warehouse.watermarks import move_watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.output.manifest import Manifest

log = printable_logger(__name__)


def load_sources(arguments: Mapping[str, Any], task: Any, loaded: Callable[[str, LoadResult], None]) -> dict[str, Any]:
    """
    Load manifests one after the other. A manifest that fails does not stop the others.

    The watermark of a source moves when all of its tables are committed. Then its old files are removed.

    :param arguments: the operator's arguments, checked: ``manifest`` has the manifests of each source.
    :param task: the running task instance.
    :param loaded: a function that is called for each table after its commit.
    :raises MarketoError: a table failed; its source's watermark has not moved.
    """
    result: dict[str, Any] = {"place": "", "tables": {}, "skipped": {}}
    failures: list[MarketoError] = []
    for source, manifests in arguments["manifest"].items():
        before = len(failures)
        found = []
        for each in manifests:
            one = {**arguments, "history": source in arguments["history_of"]}
            try:
                manifest = published(each)
                found.append(manifest)
                _add(result, load_manifest(manifest, one, (task.dag_id, task.task_id, task.run_id), loaded))
            except MarketoError as error:
                failures.append(error)
        if len(failures) == before:
            _complete(source, found, arguments, task)
    if failures:
        for other in failures[1:]:
            log.error("%s", other)
        raise failures[0]
    return result


def _add(result: dict[str, Any], one: LoadResult) -> None:
    result["place"] = one["place"]
    result["tables"] |= one["tables"]
    result["skipped"] |= one["skipped"]


def _complete(source: str, manifests: Sequence[Manifest], arguments: Mapping[str, Any], task: Any) -> None:
    """Move a watermark to where reading ended: by Marketo's clock that may be earlier than the wanted end."""
    if arguments["until"] is not None:
        ends = [parse_date(time) for each in manifests for time in (each.end, each.as_of) if time is not None]
        until: datetime = min([arguments["until"], *ends])
        move_watermarks(arguments["sql_conn_id"], arguments["schema"], [source], until, (task.dag_id, task.run_id))
    if arguments["keep_files"] is not None:
        for output in {each.output for each in manifests}:
            remove_loaded_files(output, arguments["sql_conn_id"], arguments["schema"], arguments["keep_files"])
