"""
What the demo runs: the simulated Marketo, and three of the example DAGs.

A flow knows how far its DAG has come, what it has written, and what the simulator holds for comparison.
"""

from __future__ import annotations

import calendar
import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_marketo.simulator import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from airflow_provider_marketo.simulator import Simulator

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".demo"
LAKE = FOLDER / "lake"
WAREHOUSE = FOLDER / "warehouse.duckdb"

TODAY = datetime.now(timezone.utc).date()
INSTANCE = Settings(
    leads=50_000,
    leads_since=TODAY - timedelta(days=360),
    activities=100_000,
    start=TODAY - timedelta(days=70),
    end=TODAY,
    time_scale=12,
    job_seconds=20,
)
"""Its data ends today: the DAG of the warehouse reads up to the present."""

FOUR_WEEKS_AGO = TODAY - timedelta(days=28)
"""Where the warehouse begins. This is one window for each object, also at the end of a day."""

ANSWERS = 5
QUESTION = f"""\
SELECT l.country, count(DISTINCT l.id) AS new_leads, count(v.lead_id) AS page_visits
FROM marketo.leads AS l LEFT JOIN marketo.activity_visit_webpage AS v ON v.lead_id = l.id
WHERE l.country IS NOT NULL
GROUP BY l.country ORDER BY page_visits DESC, l.country LIMIT {ANSWERS}"""
"""The countries whose new leads visit the most pages."""

Answer: TypeAlias = "list[tuple[str, int, int]]"
"""A country, its new leads, and the pages that they have visited."""

Task: TypeAlias = "Mapping[str, Any]"
"""A task instance as Airflow's REST API describes it."""


@dataclass(frozen=True, eq=False)
class Flow:
    """
    One of the DAGs that the demo runs.

    :param dag_id: id of the example DAG.
    :param label: what lines of progress call it.
    :param what: the flow's name in the report.
    :param trigger: the dates and the parameters of its run.
    """

    dag_id: str
    label: str
    what: str
    trigger: Mapping[str, Any]

    outside_pool = frozenset[str]()
    """Tasks that do not call Marketo."""

    def phase(self, tasks: Collection[Task]) -> tuple[int, str]:
        """Return how far the flow is, as a number that only grows, and what to say about it."""
        raise NotImplementedError

    def problems(self, simulator: Simulator) -> list[str]:
        """Return in what the flow's output differs from what the simulator holds."""
        raise NotImplementedError

    def _differing(self, counts: Mapping[str, int], expected: int) -> list[str]:
        return [
            f"{self.what}: {count:,} rows {where}, but the simulated Marketo holds {expected:,}"
            for where, count in counts.items()
            if count != expected
        ]


@dataclass(frozen=True, eq=False)
class FileFlow(Flow):
    """
    A DAG whose one task extracts to files.

    :param output: folder that the task writes to.
    :param key: the column that identifies a row.
    :param read_keys: reads the keys from a file of the task.
    :param expected: returns how many rows the simulator holds.
    """

    output: Path
    key: str
    read_keys: Callable[[Path, str], list[Any]]
    expected: Callable[[Simulator], int]

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the one run."""
        (manifest,) = self.output.glob("_marketo/manifests/*.json")
        return _read_json(manifest)

    @property
    def files(self) -> list[Path]:
        """The files that the flow has published."""
        return [self.output / file["name"] for file in self.manifest["files"]]

    def phase(self, tasks: Collection[Task]) -> tuple[int, str]:
        """Return how far the flow is: published windows, export jobs, or nothing yet."""
        for manifest in map(_read_json, self.output.glob("_marketo/manifests/*.json")):
            return 3, f"all {len(manifest['windows'])} windows are published, {manifest['rows']:,} rows"
        slices = self.output.glob("_marketo/runs/*/*/*/*/slices/*.json")
        published = sum(window["rows"] for window in map(_read_json, slices))
        if published:
            return 2, f"the first window is published, {published:,} rows; Marketo prepares the others"
        if any(task["state"] == "deferred" for task in tasks):
            return 1, "export jobs are in Marketo's queue; the task waits in the triggerer"
        return 0, "the task is about to start"

    def problems(self, simulator: Simulator) -> list[str]:
        """Compare the manifest and the files, read back, with what the simulator holds."""
        manifest = self.manifest
        keys = [key for file in self.files for key in self.read_keys(file, self.key)]
        counts = {"in the manifest": manifest["rows"], "in the files": len(keys), "different": len(set(keys))}
        return self._differing(counts, self.expected(simulator))


@dataclass(frozen=True, eq=False)
class WarehouseFlow(Flow):
    """
    The DAG that loads an instance into DuckDB.

    :param file: the DuckDB file.
    :param since: day from which the DAG reads leads and activities.
    """

    file: Path
    since: date

    outside_pool = frozenset({"report"})

    def phase(self, tasks: Collection[Task]) -> tuple[int, str]:
        """Return how far the flow is: ranges, extracts, loads."""
        done = {task["task_id"].removeprefix("marketo.") for task in tasks if task["state"] == "success"}
        loads = [task["task_id"] for task in tasks if "load_" in task["task_id"]]
        loaded = sorted(name.removeprefix("load_") for name in done if name.startswith("load_"))
        if loads and len(loaded) == len(loads):
            return 3, f"all {len(loads)} loads are committed"
        if loaded:
            return 2, f"the first load is committed ({loaded[0]}); the others follow"
        if "ranges" in done:
            return 1, "the range is settled; the extracts run side by side"
        return 0, "the first task asks Marketo for fields, types and programs"

    def loaded(self) -> tuple[int, int]:
        """Return how many tables were loaded, and how many rows, by the warehouse's own log."""
        loads = "marketo._marketo_loads WHERE rows_inserted > 0"
        ((tables, rows),) = self.query(f"SELECT count(DISTINCT table_name), sum(rows_inserted) FROM {loads}")
        return tables, int(rows)

    def answer(self) -> Answer:
        """Ask the tables :data:`QUESTION`."""
        return self.query(QUESTION)

    def query(self, sql: str) -> list[Any]:
        """Ask the tables anything."""
        import duckdb

        with closing(duckdb.connect(str(self.file), read_only=True)) as database:
            return database.execute(sql).fetchall()

    def problems(self, simulator: Simulator) -> list[str]:
        """Compare the rows of the tables, and the answer, with what the simulator holds."""
        store = simulator.instance.store
        since = calendar.timegm(self.since.timetuple())
        now = int(simulator.clock.now().timestamp())
        types = Counter(activity.type_id for activity in store.activities.between(since, now))
        expected = {
            "leads": sum(1 for _ in _created(simulator, since, now)),
            "programs": len(store.assets.by_family["programs"]),
            "program_members": sum(1 for program in store.programs.all for _ in store.programs.members(program)),
            **{_table(store.activities.types[type_id].name): count for type_id, count in types.items()},
        }
        counts = (f"(SELECT count(*) FROM marketo.{table} WHERE _deleted_at IS NULL)" for table in expected)
        (rows,) = self.query(f"SELECT {', '.join(counts)}")
        found = [
            problem
            for (table, count), there in zip(expected.items(), rows, strict=True)
            for problem in self._differing({f"in {table}": there}, count)
        ]
        if (answer := self.answer()) != (right := expected_answer(simulator, since, now)):
            found.append(f"{self.what}: the tables answer {answer}, but the simulated Marketo holds {right}")
        return found


def _table(activity_type: str) -> str:
    return f"activity_{activity_type.lower().replace(' ', '_')}"


def expected_answer(simulator: Simulator, since: int, now: int) -> Answer:
    """
    Answer :data:`QUESTION` from what the simulator holds, without SQL.

    :param since: first second of the leads and activities, in seconds since 1970.
    :param now: last second.
    """
    store = simulator.instance.store
    visit = next(each.id for each in store.activities.types.values() if each.name == "Visit Webpage")
    visits = Counter(activity.lead_id for activity in store.activities.between(since, now, {visit}))
    leads: Counter[str] = Counter()
    pages: Counter[str] = Counter()
    for lead in _created(simulator, since, now):
        if lead["country"] is not None:
            leads[lead["country"]] += 1
            pages[lead["country"]] += visits[lead["id"]]
    answer = [(country, count, pages[country]) for country, count in leads.items()]
    return sorted(answer, key=lambda row: (-row[2], row[0]))[:ANSWERS]


def _created(simulator: Simulator, since: int, now: int) -> Iterator[Mapping[str, Any]]:
    """Iterate over the id and the country of the leads that were created between two times, both included."""
    leads = simulator.instance.store.leads
    for rows in leads.created_between(since, now):
        if isinstance(rows, range):
            yield from ({name: leads.columns[name].value(row) for name in ("id", "country")} for row in rows)
        else:
            yield rows


def parquet_keys(file: Path, key: str) -> list[Any]:
    """Read one column of a Parquet file."""
    import pyarrow.parquet

    return list(pyarrow.parquet.read_table(file, columns=[key]).column(key).to_pylist())


def jsonl_keys(file: Path, key: str) -> list[Any]:
    """Read one field of every record of a JSON Lines file."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line)[key] for line in lines]


def _read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


_FIRST_SECOND, _LAST_SECOND = (calendar.timegm(day.timetuple()) for day in (INSTANCE.dates.start, INSTANCE.dates.end))
_INTERVAL = {
    "logical_date": f"{INSTANCE.dates.end}T00:00:00Z",
    "data_interval_start": f"{INSTANCE.dates.start}T00:00:00Z",
    "data_interval_end": f"{INSTANCE.dates.end}T00:00:00Z",
}

FILES: Sequence[FileFlow] = (
    FileFlow(
        "marketo_activities_to_parquet",
        "activities",
        "activities of 70 days, Parquet",
        _INTERVAL,
        LAKE / "activities",
        "marketoGUID",
        parquet_keys,
        lambda simulator: sum(1 for _ in simulator.instance.store.activities.between(_FIRST_SECOND, _LAST_SECOND)),
    ),
    FileFlow(
        "marketo_lead_snapshot",
        "leads",
        "all leads, JSON Lines",
        {**_INTERVAL, "conf": {"first_lead": str(INSTANCE.dates.leads_since)}},
        LAKE / "leads" / f"snapshot={INSTANCE.dates.end}",
        "id",
        jsonl_keys,
        lambda simulator: simulator.settings.leads,
    ),
)
TABLES = WarehouseFlow(
    "marketo_to_duckdb",
    "warehouse",
    "the instance in DuckDB",
    {"conf": {"first_lead": str(FOUR_WEEKS_AGO)}},
    WAREHOUSE,
    FOUR_WEEKS_AGO,
)
FLOWS: Sequence[Flow] = (*FILES, TABLES)
