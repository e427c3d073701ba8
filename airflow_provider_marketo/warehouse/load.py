"""
A load of a dataset into its table: one transaction, which succeeds or changes nothing.

A load stages the rows, makes the table ready, takes each key once, merges, marks rows that are gone, and writes the
log. Rows of a new table need no stage.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStorageError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.output.manifest import CHANGES, DELETES, FULL
from airflow_provider_marketo.warehouse import erasure
from airflow_provider_marketo.warehouse.belonging import Belongings
from airflow_provider_marketo.warehouse.engine import quote
from airflow_provider_marketo.warehouse.fivetran_layout import fields_of_models
from airflow_provider_marketo.warehouse.history import History, close_deleted, history_table, restore_versions
from airflow_provider_marketo.warehouse.log import Counts, Log, LogEntry
from airflow_provider_marketo.warehouse.merge import STAGE, Merge, define_removed, mark_removed
from airflow_provider_marketo.warehouse.names import ERASED, OVERFLOW, table_name
from airflow_provider_marketo.warehouse.rows import FILE, DatasetRows
from airflow_provider_marketo.warehouse.shape import Shape, TableShaper, dataset_types, refuse_too_many, removal_target
from airflow_provider_marketo.warehouse.transactions import repeated
from airflow_provider_marketo.warehouse.view_pass import release_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.output.manifest import Manifest, ManifestDataset
    from airflow_provider_marketo.warehouse.engine import Engine

log = printable_logger(__name__)

Result = TypeVar("Result")

UPSERT, SNAPSHOT, TOMBSTONES = "upsert", "snapshot", "tombstones"
MODES = {CHANGES: UPSERT, FULL: SNAPSHOT, DELETES: TOMBSTONES}

ALLOWED_DELETES = 10
"""Rows that a full list may delete, however large their share of the table is."""


@dataclass(frozen=True)
class LoadOptions:
    """
    What an author wants of a load.

    :param table: the table, if it is not named after the dataset.
    :param mode: ``upsert``, ``snapshot`` or ``tombstones``; None for what the manifest says.
    :param history: whether versions of rows are also kept.
    :param on_delete: ``mark`` or ``erase``.
    :param max_deletes: largest number of rows that a full list may delete; below 1 a share of the live rows.
    :param max_columns: largest number of fields that get a column; None for all.
    :param dry_run: undo everything in the end.
    :param fivetran_schema: where Fivetran's views are; None for no views.
    :param task: ids of DAG, task and run, for the log.
    """

    table: str | None = None
    mode: str | None = None
    history: bool = False
    on_delete: str = "mark"
    max_deletes: float = 0.2
    max_columns: int | None = None
    dry_run: bool = False
    fivetran_schema: str | None = None
    task: tuple[str, str, str] = ("", "", "")


@dataclass
class Loaded:
    """
    What a load did.

    :param table: the table.
    :param load_id: id of the load.
    :param counts: what became of the rows.
    :param repeated: whether the load had run before, so this run changed nothing.
    :param created: whether the load has made the table.
    :param statements: statements that were sent to the database.
    :param until: the time up to which this load brings the table, ISO 8601.
    """

    table: str
    load_id: str
    counts: Counts = field(default_factory=Counts)
    repeated: bool = False
    created: bool = False
    statements: list[str] = field(default_factory=list)
    until: str = ""


@dataclass(frozen=True)
class _Tables:
    """
    The tables of a load, ready to be changed.

    :param merge: merges the staged rows into the table of the dataset.
    :param history: its versions, if they are kept.
    :param removes_from: the table whose rows the dataset marks as deleted, if it does.
    """

    merge: Merge
    history: History | None
    removes_from: Shape | None

    @property
    def may_append(self) -> bool:
        """Whether rows need no stage: the table is new, and they remove no rows of another one."""
        return self.merge.shape.created and self.removes_from is None


class DatasetLoad:
    """
    A load of one dataset.

    :param engine: the database.
    :param manifest: the manifest, which lists the files.
    :param dataset: one of the manifest's datasets.
    :param options: what the author wants.
    :raises MarketoInvalidRequestError: the dataset cannot be loaded as wanted.
    """

    def __init__(self, engine: Engine, manifest: Manifest, dataset: ManifestDataset, options: LoadOptions) -> None:
        self._engine = engine
        self._manifest = manifest
        self._dataset = dataset
        self._options = options
        self._log = Log(engine)
        self._mode = _mode(dataset, options.mode)
        removal = dataset.removal
        own = None if removal is not None else options.table
        self.table = table_name(own or dataset.name)
        self._removes_from = table_name(options.table or removal.dataset) if removal is not None else None
        marked = removal.dataset if removal is not None else dataset.name if self._mode == SNAPSHOT else None
        self._belongings = Belongings(engine, self._log, dataset.name, marked)
        self._fields = self._types = dataset_types(dataset)
        refuse_too_many(engine, self.table, min(len(self._fields), options.max_columns or len(self._fields)))
        self._staged: dict[str, str] = {}
        self._appended = False
        self._erased_in: set[str] = set()
        self._as_of = manifest.time_of(dataset) or _now()
        self.load_id = _load_id(engine, self.table, self._mode, manifest, dataset)

    def run(self) -> Loaded:
        """
        Load, and repeat a transaction that another load has disturbed.

        :raises MarketoError: nothing was changed; the text says why.
        """
        what = f"the load into {self._engine.table(self.table)}"
        loaded = repeated(self._engine, self._once, what)
        if loaded.repeated and not self._options.dry_run:
            repeated(self._engine, self._restore_versions, what)
        if not self._options.dry_run and (loaded.created or loaded.repeated or self._erased_in):
            repeated(self._engine, lambda: self._erase_missed(loaded), what)
        return loaded

    def _erase_missed(self, loaded: Loaded) -> None:
        """
        Look for rows of erased leads again, after the commit.

        An erasure at the same time does not see a table before its first load is committed, and that load does not see
        an erasure that is not committed. So each of them looks again after its commit: the later one sees the other.
        """
        if not self._engine.declared_columns(ERASED):
            return
        about_leads = set(self._log.tables_of_leads())
        missed = about_leads - self._erased_in if self._erased_in else set()
        if loaded.created or loaded.repeated:
            missed |= about_leads & {self.table}
        if missed:
            erasure.erase_in(self._engine, self._log, missed)

    def _restore_versions(self) -> None:
        """Create the versions if this load has run before and the table has none."""
        name = history_table(self.table)
        if self._keeps_history and not self._engine.declared_columns(name):
            log.warning("%s does not exist: it is created, with a version for each live row", name)
            restore_versions(self._engine, self._log, self.table, self._as_of)

    @property
    def _keeps_history(self) -> bool:
        return self._options.history and self._removes_from is None

    def _once(self) -> Loaded:
        engine, started = self._engine, datetime.now(timezone.utc)
        engine.statements.clear()
        until = self._entry().span[1] or self._as_of
        loaded = Loaded(self.table, self.load_id, statements=engine.statements, until=str(until))
        rows = DatasetRows(self._manifest, self._dataset, self._fields)
        tables = self._begin(rows)
        if tables is None:
            engine.rollback()
            loaded.repeated = True
            return loaded
        loaded.created = tables.merge.shape.created
        self._merge(tables, loaded.counts)
        loaded.counts.read = sum(file.rows for file in rows.files)
        loaded.counts.rejected = rows.nul_removed + rows.misfits
        self._log.write(self._entry(), loaded.counts, started, datetime.now(timezone.utc))
        if self._options.dry_run:
            engine.rollback()
        else:
            engine.commit()
        return loaded

    def _begin(self, rows: DatasetRows) -> _Tables | None:
        """Begin the transaction, stage the rows and make the tables ready; return None if this load has run before."""
        engine = self._engine
        is_apart = not (engine.definitions_commit or self._options.dry_run)
        if is_apart:
            self._log.create_apart()
        if not engine.definitions_commit:
            engine.begin()
        if not is_apart:
            self._log.create()
        if self._is_done():
            return None
        rows.overflow = self._overflow()
        self._types = rows.columns
        # Two names that differ only in case are one name in most databases.
        self._staged = {source: f"c{number}" for number, source in enumerate(self._types)}
        if engine.definitions_commit:
            self._stage(rows)
            tables = self._define()
            engine.begin()
            return None if self._has_run_meanwhile() else tables
        is_new = not engine.declared_columns(self.table)
        if not is_new:  # before other loads have to wait
            self._stage(rows)
        if self._has_run_meanwhile():
            return None
        tables = self._define()
        self._appended = tables.may_append and self._reading(rows, lambda: tables.merge.append(rows))
        if is_new and not self._appended:
            self._stage(rows)
        return tables

    def _overflow(self) -> frozenset[str] | None:
        """
        Return the fields that get no column; None if the table has no column for such fields.

        A field that has a column keeps it. Fields without which rows cannot be merged come first, those that the models
        of ``dbt_marketo`` read second, then the others in order.

        :raises MarketoInvalidRequestError: a view of ``fivetran_schema`` would not find a field.
        """
        known, most = self._log.known(self.table), self._options.max_columns
        overflow: frozenset[str] = frozenset()
        if most is not None:
            removal = self._dataset.removal
            needed = {*self._dataset.key, *self._dataset.scope, "updatedAt"}
            needed |= set(erasure.LEAD_IDS).intersection(self._fields)
            needed |= {*removal.key.values(), removal.date} if removal else set()
            read = fields_of_models(self._dataset.name, self._fields)
            new = sorted(
                (name for name in self._fields if name not in known),
                key=lambda name: (name not in needed, name not in read),
            )
            room = max(most - len(known), len(needed.intersection(new)))
            overflow = frozenset(new[room:])
            if self._options.fivetran_schema is not None and (hidden := overflow & read):
                raise MarketoInvalidRequestError(
                    f"max_columns={most} leaves no column for {', '.join(sorted(hidden))}, which the models of"
                    f" dbt_marketo read in {self._options.fivetran_schema}",
                    parameter="max_columns",
                    remedy=f"Give {most - room + len((needed | read).intersection(new))} or more.",
                )
        if overflow and OVERFLOW not in known:
            log.warning(
                "%s has columns for %s; %s to %s",
                self.table,
                counted(most or 0, "field"),
                counted(len(overflow), "more field goes", "more fields go"),
                OVERFLOW,
            )
        return overflow if overflow or OVERFLOW in known else None

    def _has_run_meanwhile(self) -> bool:
        """Wait for other loads of the tables; return whether one of them was this load."""
        for table in sorted({self.table, *filter(None, [self._removes_from]), *self._belongings.tables()}):
            self._engine.lock(table)
        return self._is_done()

    def _is_done(self) -> bool:
        """Whether the log has this load. If a person has dropped the table since, its rows are gone."""
        return self._log.has(self.load_id) and bool(self._engine.declared_columns(self.table))

    def _define(self) -> _Tables:
        """Create and extend tables: all that a load does before it changes rows."""
        engine, now = self._engine, _now()
        shaper = TableShaper(engine, self._log, self.table, self._dataset.name, self._release_views)
        shape = shaper.shape(self._types, self._dataset.key)
        staged = {shape.columns[source]: (name, self._types[source]) for source, name in self._staged.items()}
        merge = Merge(engine, shape, staged, as_of=self._as_of, load_id=self.load_id, now=now)
        merge.define()
        history = History(engine, shape, self._as_of) if self._keeps_history else None
        return _Tables(merge, history, self._removal_target())

    def _release_views(self) -> bool:
        """Drop our views of the table, so that a column can be widened; the task makes them again."""
        return release_views(self._engine, self._options.fivetran_schema, self.table)

    def _stage(self, rows: DatasetRows) -> None:
        columns = [*self._staged.values(), FILE]
        self._reading(rows, lambda: self._engine.stage(STAGE, rows, rows.schema, columns))

    def _reading(self, rows: DatasetRows, step: Callable[[], Result]) -> Result:
        """Take a step in which a driver reads rows."""
        try:
            return step()
        except Exception:
            if isinstance(rows.error, OSError):
                what = f"a file of the manifest cannot be read ({type(rows.error).__name__}: {rows.error})"
                raise MarketoStorageError(what) from None
            if rows.error is not None:  # drivers show little of it
                raise rows.error from None
            raise

    def _merge(self, tables: _Tables, counts: Counts) -> None:
        merge, history, shape = tables.merge, tables.history, tables.merge.shape
        newest = None
        if history is not None:
            newest = self._log.newest(self.table)
            history.refuse_older(newest)
        found = merge.fill(appended=self._appended) if shape.created else merge.compare()
        counts.inserted, counts.updated = found["inserted"], found["updated"]
        counts.unchanged = found["unchanged"]
        counts.older = (
            found["older"] + sum(file.rows for file in self._manifest.files_of(self._dataset)) - found["keys"]
        )
        if not shape.created:
            if history is not None:
                history.close_changed()
            merge.apply()
        if self._mode == SNAPSHOT and not shape.created:
            counts.deleted = self._mark_unlisted(merge)
        for when, scope in self._log.full_lists_after(self.table, self._as_of):
            merge.mark_missing_from(when, scope)
        if tables.removes_from is not None:
            counts.deleted = self._remove(tables.removes_from, merge.now)
        self._belongings.mark(merge.now)
        self._close_versions()
        if self._engine.declared_columns(ERASED):
            erasure.erase(self._engine, self._log, {shape.table})
        if history is not None:
            if newest is None:
                history.close_others()
            history.follow()
        merge.drop_temporary()

    def _close_versions(self) -> None:
        """Close the versions of rows that this load has marked in other tables: their next load may be far off."""
        for table in sorted({*filter(None, [self._removes_from]), *self._belongings.tables()} - {self.table}):
            if self._engine.declared_columns(history_table(table)):
                known = self._log.known(table).values()
                close_deleted(self._engine, table, [column for column, _, is_key in known if is_key])

    def _mark_unlisted(self, merge: Merge) -> int:
        gone, live = merge.count_unlisted(self._dataset.scope)
        most = self._options.max_deletes
        allowed = max(most * live, ALLOWED_DELETES) if most < 1 else most
        if gone > allowed or (gone == live and live > 1 and most < 1):
            raise MarketoInvalidRequestError(
                f"the list would delete {counted(gone, 'row')} of the {live} that {self.table} has",
                parameter="max_deletes",
                remedy=f"Check that the list is complete; if it is, load it with max_deletes={gone}.",
            )
        merge.mark_unlisted(self._dataset.scope)
        return gone

    @property
    def _erases(self) -> bool:
        """Whether leads that are deleted are also emptied."""
        removal = self._dataset.removal
        return self._options.on_delete == "erase" and removal is not None and removal.dataset == "leads"

    def _removal_target(self) -> Shape | None:
        """Return the table whose rows the dataset removes, made ready; None if it removes no rows."""
        removal, engine = self._dataset.removal, self._engine
        if removal is None or self._removes_from is None:
            return None
        key = {name: self._types[source] for name, source in removal.key.items()}
        target = removal_target(engine, self._log, self._removes_from, removal.dataset, key)
        define_removed(engine, {target.columns[name]: target.types[target.columns[name]] for name in key})
        if self._erases:
            erasure.create_erased(engine)
        return target

    def _remove(self, target: Shape, now: str) -> int:
        """Mark the rows of a table that the staged rows remove."""
        removal, engine = self._dataset.removal, self._engine
        assert removal is not None
        casts = {
            target.columns[name]: engine.from_stage(
                quote(self._staged[source]), self._types[source], target.types[target.columns[name]]
            )
            for name, source in removal.key.items()
        }
        marked = mark_removed(
            engine, target.table, casts, quote(self._staged[removal.date]), load_id=self.load_id, now=now
        )
        if self._erases:
            erasure.note_marked(engine, target.table, target.key[0], now)
            self._erased_in = set(self._log.tables_of_leads())
            erasure.erase(engine, self._log)
        return marked

    def _entry(self) -> LogEntry:
        manifest = self._manifest
        return LogEntry(
            self.load_id,
            self.table,
            self._dataset.name,
            self._mode,
            manifest.manifest or manifest.output,
            (manifest.start, manifest.end),
            self._as_of,
            self._dataset.scope,
            self._options.task,
        )


def _mode(dataset: ManifestDataset, wanted: str | None) -> str:
    mode = MODES[dataset.kind]
    if wanted is not None and wanted != mode:
        raise MarketoInvalidRequestError(
            f"mode={wanted!r} cannot load {dataset.name}: rows of the kind {dataset.kind} are loaded by mode={mode!r}",
            parameter="mode",
            remedy="Leave mode out: the manifest says what its rows are.",
        )
    return mode


def _load_id(engine: Engine, table: str, mode: str, manifest: Manifest, dataset: ManifestDataset) -> str:
    """
    Return the id of a load, made of target, mode, time of the reading, and names and checksums of its files.

    The id includes the time because a list may be the same today as last week, and have differed in between.
    """
    files = sorted((file.name, file.sha256) for file in manifest.files_of(dataset))
    facts = json.dumps([engine.schema, table, mode, dataset.as_of, manifest.start, manifest.end, files])
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _now() -> str:
    return iso(datetime.now(timezone.utc))
