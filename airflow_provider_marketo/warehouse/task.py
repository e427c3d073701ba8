"""The task that loads a manifest: each of its datasets into a table, in a transaction of its own."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError, MarketoStorageError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.output.manifest import Manifest, ManifestDataset, read_manifest
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.fivetran import refuse_schema
from airflow_provider_marketo.warehouse.load import DatasetLoad, Loaded, LoadOptions
from airflow_provider_marketo.warehouse.names import table_name
from airflow_provider_marketo.warehouse.skipped import note_skipped
from airflow_provider_marketo.warehouse.view_pass import make_views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.warehouse.engine import Engine

log = printable_logger(__name__)


class LoadResult(TypedDict):
    """
    What a load returns.

    ``place`` is the URL of the schema without credentials, ``tables`` has the counts of each table by its name, and
    ``skipped`` the datasets that Marketo refused, with the reason.

    A table's counts are ``read``, ``inserted``, ``updated``, ``deleted``, ``unchanged``, ``older``, ``rejected`` and
    ``repeated``, which is true if the same load had run before. ``until`` is the time up to which it has
    Marketo's changes.
    """

    place: str
    tables: dict[str, dict[str, Any]]
    skipped: dict[str, str]


def load_manifest(
    source: Any,
    arguments: Mapping[str, Any],
    task: tuple[str, str, str] = ("", "", ""),
    loaded: Callable[[str, LoadResult], None] = lambda table, result: None,
) -> LoadResult:
    """
    Load every dataset of a manifest. One that fails does not stop the others.

    :param source: the manifest, as :func:`published` takes it.
    :param arguments: the operator's arguments, checked; ``max_deletes_of`` has the limits of single datasets.
    :param task: ids of DAG, task and run.
    :param loaded: a function that is called for each table after its commit, with the result so far.
    :raises MarketoWarehouseError: a table failed; the others are loaded.
    """
    manifest = published(source)
    datasets = _datasets(manifest, arguments["table"])
    options = LoadOptions(
        table=arguments["table"],
        mode=arguments["mode"],
        history=arguments["history"],
        on_delete=arguments["on_delete"],
        max_deletes=arguments["max_deletes"],
        max_columns=arguments["max_columns"],
        dry_run=arguments["dry_run"],
        fivetran_schema=arguments["fivetran_schema"],
        task=task,
    )
    own = arguments.get("max_deletes_of", {})
    failures: dict[str, MarketoError] = {}
    engine = connect(arguments["sql_conn_id"], arguments["schema"])
    result: LoadResult = {"place": engine.place, "tables": {}, "skipped": {}}
    try:
        engine.introduce(" ".join(filter(None, task)))
        if options.fivetran_schema is not None:
            refuse_schema(engine, options.fivetran_schema)
        for dataset in datasets:
            if dataset.skipped is not None:
                result["skipped"][dataset.name] = dataset.skipped
                log.warning("%s is skipped: %s", dataset.name, dataset.skipped)
                if not options.dry_run:
                    note_skipped(engine, manifest, dataset, task)
                continue
            try:
                most = own.get(dataset.name, options.max_deletes)
                one = _load(engine, manifest, dataset, replace(options, max_deletes=most))
            except MarketoError as error:
                failures[dataset.name] = error
                log.error("%s is not loaded: %s", dataset.name, error)
                continue
            result["tables"][one.table] = {**asdict(one.counts), "repeated": one.repeated, "until": one.until}
            if not options.dry_run:
                loaded(one.table, result)
        try:
            make_views(engine, options.fivetran_schema, dry_run=options.dry_run)
        except MarketoError as error:
            if not failures:
                raise
            log.error("The views are unchanged: %s", error)  # what failed before says why
    finally:
        engine.close()
    _raise(failures, len(datasets))
    return result


def published(source: Any) -> Manifest:
    """
    Read the manifest of a load.

    :param source: as :func:`~airflow_provider_marketo.output.manifest.read_manifest` takes it, or what was read.
    :raises MarketoInvalidRequestError: there is no such file.
    :raises MarketoStorageError: the storage failed in another way, which a retry may overcome.
    """
    if isinstance(source, Manifest):
        return source
    try:
        return read_manifest(source)
    except MarketoError:
        raise
    except Exception as error:
        what = f"the manifest cannot be read ({type(error).__name__}: {error})"
        if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)):
            raise MarketoInvalidRequestError(
                what,
                parameter="manifest",
                remedy="Give what the task returned (extract.output), or the path of the manifest that it wrote.",
            ) from error
        raise MarketoStorageError(f"manifest: {what}") from error


def _load(engine: Engine, manifest: Manifest, dataset: ManifestDataset, options: LoadOptions) -> Loaded:
    one = DatasetLoad(engine, manifest, dataset, options).run()
    counts = one.counts
    if one.repeated:
        log.info("%s: nothing to do, this load has run before", one.table)
        return one
    if options.dry_run:
        for statement in one.statements:
            log.info("%s", statement)
    log.info(
        "%s%s: %s read, %d inserted, %d updated, %d deleted, %d unchanged, %d older",
        "Dry run, undone: " if options.dry_run else "",
        one.table,
        counted(counts.read, "row"),
        counts.inserted,
        counts.updated,
        counts.deleted,
        counts.unchanged,
        counts.older,
    )
    if counts.rejected:
        log.warning(
            "%s: %s changed by the load: a value that does not fit its column becomes null, and a NUL character is"
            " removed",
            one.table,
            counted(counts.rejected, "value was", "values were"),
        )
    return one


def _datasets(manifest: Manifest, table: str | None) -> list[ManifestDataset]:
    """:raises MarketoInvalidRequestError: there is nothing to load, or more than one dataset for one table."""
    if not manifest.datasets and manifest.manifest is None:
        log.info("The manifest lists nothing: there was nothing to read")
        return []
    if not manifest.datasets:
        raise MarketoInvalidRequestError(
            "the manifest does not say what tables its rows form: an older version of this provider wrote it",
            parameter="manifest",
            remedy="Clear the task that wrote the manifest.",
        )
    if table is not None and len(manifest.datasets) > 1:
        names = ", ".join(dataset.name for dataset in manifest.datasets[:5])
        raise MarketoInvalidRequestError(
            f"table={table!r} names one table, and the manifest has {len(manifest.datasets)} datasets: {names} ...",
            parameter="table",
            remedy="Leave table out: each dataset then gets a table of its own.",
        )
    if table is not None and not table_name(table):
        raise MarketoInvalidRequestError(
            f"table={table!r} has no ASCII letter or digit, and names of tables have nothing else",
            parameter="table",
            remedy="Name it in ASCII, such as table='customers'.",
        )
    taken: dict[str, str] = {}
    for dataset in manifest.datasets:
        other = taken.setdefault(table_name(dataset.name), dataset.name)
        if other != dataset.name:
            raise MarketoInvalidRequestError(
                f"{dataset.name} and {other} would get the same table, {table_name(other)}",
                parameter="manifest",
                remedy="Extract them in separate tasks, and load one of them with the argument table.",
            )
    return list(manifest.datasets)


def _raise(failures: Mapping[str, MarketoError], total: int) -> None:
    if not failures:
        return
    if total == 1:
        raise next(iter(failures.values()))
    texts = "; ".join(f"{name}: {error.message}" for name, error in failures.items())
    remedies = {error.remedy for error in failures.values()}
    remedy = (remedies.pop() or None) if len(remedies) == 1 else "The log has the remedy for each of them."
    text = f"{len(failures)} of {counted(total, 'dataset')} {'is' if len(failures) == 1 else 'are'} not loaded. {texts}"
    if all(isinstance(error, MarketoInvalidRequestError) for error in failures.values()):
        raise MarketoInvalidRequestError(text, remedy=remedy)
    raise MarketoWarehouseError(text, remedy=remedy)
