"""
The kinds of task, and for each the check that compares what it left behind with what the simulator holds.

A check never asks the provider. An attempt has its number, and works on leads, days, lists and names of that number, so
that a check finds what belongs to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg2

from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.simulator import Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from tests.survive.job import DOUBLED, FIRST_LEAD, LOST, ORPHANED, WRONG, differences, keys

Problems = Iterable[tuple[str, str]]

RUNNING, DEFERRED, RESUMED = "running", "deferred", "resumed"
"""What a task does when a blow falls: it runs, it waits in the triggerer, or it runs again after that."""

RESERVED, OF_EACH = 2_000, 250
"""How many leads no task changes, and how many only one attempt changes."""

USER = "kill_"
"""Start of the name of an attempt's API user, before its number. The name tells the calls of attempts apart."""

ROWS = 700
TABLES = ("static_lists", "files")
DELETE_LEAD = 37
FIRST_DAY, FIRST_LEADS = datetime(2026, 1, 5, tzinfo=timezone.utc), datetime(2024, 3, 13, tzinfo=timezone.utc)


@dataclass
class World:
    """
    The servers and the folder on which the attempts work.

    :param marketo: the instance.
    :param lake: folder of the files.
    :param warehouse: URL of the database.
    """

    marketo: Simulator
    lake: Path
    warehouse: str

    @property
    def store(self) -> Any:
        """The records that the instance holds."""
        return self.marketo.instance.store


@dataclass
class Attempt:
    """
    A task that has to survive a blow.

    :param kind: what it does.
    :param number: the number of the attempt in the campaign, from 0.
    :param ended: True if it succeeded, False if it ended otherwise and may. Then the check judges only existing data.
    :param repeats: how many times it may repeat its job: after a try that came to its end, because a person cleared it
        or Airflow did not note the success, or because the answer to an upload was lost and Marketo cannot say whether
        it arrived.
    :param result: what the task returned.
    :param expected: what the check has to find, if that is known only when the attempt begins.
    """

    kind: Kind
    number: int
    ended: bool = False
    repeats: int = 0
    result: Any = None
    expected: set[str] = field(default_factory=set)

    def compared(self, wanted: Counter[Any], found: Counter[Any]) -> Problems:
        """Yield the differences; if the task did not end as it should, only those of existing data."""
        return differences(wanted if self.ended else found & wanted, found)

    @property
    def leads(self) -> list[int]:
        """The ids of the attempt's own leads."""
        first = FIRST_LEAD + RESERVED + self.number * OF_EACH
        return list(range(first, first + OF_EACH))


@dataclass(frozen=True)
class Kind:
    """
    A kind of task.

    :param dag_id: its DAG.
    :param begin: prepares an attempt and returns the ``conf`` of its run.
    :param check: yields what is wrong in the end.
    :param moments: what the task may do when a blow falls.
    :param once: whether it may end with an outcome that a person has to find out.
    :param meanwhile: what happens in Marketo after the blow.
    :param by_itself: whether Airflow starts its runs, for several attempts together.
    """

    dag_id: str
    begin: Callable[[World, Attempt], Mapping[str, Any]]
    check: Callable[[World, Attempt], Problems]
    moments: tuple[str, ...] = (RUNNING,)
    once: bool = False
    meanwhile: Callable[[World, Attempt], None] | None = None
    by_itself: bool = False


def _days(world: World, attempt: Attempt) -> tuple[datetime, datetime]:
    """Return days that no other attempt reads: each attempt's days begin a minute after those before it."""
    minutes = timedelta(minutes=attempt.number)
    if attempt.kind.dag_id != "extract_waiting":
        return FIRST_DAY + minutes, FIRST_DAY + minutes + timedelta(days=4)
    last = world.store.leads.get(FIRST_LEAD + RESERVED - 1)  # leads after it belong to attempts, which change them
    return FIRST_LEADS + minutes, min(FIRST_LEADS + minutes + timedelta(days=30), parse_date(last["createdAt"]))


def _span(world: World, attempt: Attempt) -> Mapping[str, Any]:
    start, end = _days(world, attempt)
    return {"start": iso(start), "end": iso(end)}


def _rows(world: World, attempt: Attempt) -> Mapping[str, Any]:
    """Write a file with rows that no other attempt sends, for a list that no other import fills."""
    source = world.lake / f"in_{attempt.number}.csv"
    source.write_text("\n".join(["email,firstName", *(f"{email},x" for email in _emails(attempt))]) + "\n")
    return {"source": str(source), "list": _list_of(world, attempt)}


def _members(world: World, attempt: Attempt) -> Mapping[str, Any]:
    """Put some leads on a list that should hold others."""
    list_id, leads = _list_of(world, attempt), attempt.leads
    for lead_id in leads[-100:]:
        world.store.lists.add(list_id, lead_id, world.marketo.instance.now)
    return {"list": list_id, "leads": leads[:200]}


def _fill_forms(world: World, attempt: Attempt) -> Mapping[str, Any]:
    activities, now = world.store.activities, world.marketo.instance.now
    for lead_id in attempt.leads[:3]:
        attempt.expected.add(str(activities.add(now, lead_id, types.FILL_OUT_FORM).number))
    return {}


def _create_lead(world: World, attempt: Attempt) -> None:
    world.store.leads.create({"email": _emails(attempt)[0]}, world.marketo.instance.now, 1)


def _leads(world: World, attempt: Attempt) -> Mapping[str, Any]:
    return {"leads": attempt.leads}


def _one_email(world: World, attempt: Attempt) -> Mapping[str, Any]:
    return {"emails": _emails(attempt)[:1]}


def _nothing(world: World, attempt: Attempt) -> Mapping[str, Any]:
    return {}


def _emails(attempt: Attempt) -> list[str]:
    return [f"kill{attempt.number}-{row}@example.com" for row in range(ROWS)]


def _list_of(world: World, attempt: Attempt) -> int:
    return sorted(asset.id for asset in world.store.assets.records("static_lists"))[-1 - attempt.number]


def _output(world: World, attempt: Attempt) -> Path:
    return world.lake / attempt.kind.dag_id / str(attempt.number)


def _activities(world: World, attempt: Attempt) -> Problems:
    start, end = _days(world, attempt)
    happened = world.store.activities.between(int(start.timestamp()), int(end.timestamp()) - 1)
    is_feed = attempt.kind.dag_id == "stream"
    wanted = Counter(str(each.number) for each in happened if not (is_feed and each.type_id == DELETE_LEAD))
    yield from attempt.compared(wanted, Counter(map(str, keys(_output(world, attempt), "marketoGUID"))))
    yield from () if is_feed else _export_jobs(world, attempt, "activities")


def _created_leads(world: World, attempt: Attempt) -> Problems:
    begin, end = map(iso, _days(world, attempt))
    leads = (world.store.leads.get(FIRST_LEAD + number) for number in range(RESERVED))
    wanted = Counter(str(lead["id"]) for lead in leads if begin <= lead["createdAt"] < end)
    yield from attempt.compared(wanted, Counter(keys(_output(world, attempt), "id")))
    yield from _export_jobs(world, attempt, "leads")


def _export_jobs(world: World, attempt: Attempt, kind: str) -> Problems:
    """Find out whether one window was exported twice."""
    start, now = _days(world, attempt)[0], world.marketo.clock.now()
    jobs = [
        job.status(now)
        for job in world.marketo.instance.exports.all()
        if job.kind == kind and any(dates.get("startAt") == start for dates in job.filter.values())
    ]
    if jobs.count("Completed") > 1 + attempt.repeats:
        yield DOUBLED, f"{jobs.count('Completed')} export jobs for one window"


def _sent_rows(world: World, attempt: Attempt) -> Problems:
    emails = _emails(attempt)
    there = Counter({email: len(list(world.store.leads.find("email", [email]))) for email in emails})
    yield from attempt.compared(Counter(emails), +there)
    if attempt.ended and attempt.result["accepted"] + attempt.result["superseded"] != ROWS:
        yield WRONG, f"{ROWS} rows entered, and the account says {attempt.result['accepted']} accepted"


def _imported(world: World, attempt: Attempt) -> Problems:
    yield from _sent_rows(world, attempt)
    list_id = _list_of(world, attempt)
    batches = [job for job in world.marketo.instance.imports.all() if job.parameters.get("listId") == list_id]
    if len(batches) > 1 + attempt.repeats:
        yield DOUBLED, f"{len(batches)} import jobs for one file"
    if attempt.ended:
        yield from differences(Counter({ROWS: 1}), Counter({len(world.store.lists.members(list_id)): 1}))


def _mirrored(world: World, attempt: Attempt) -> Problems:
    members = Counter(world.store.lists.members(_list_of(world, attempt)))
    wanted = Counter(attempt.leads[:200])
    yield from differences(wanted, members) if attempt.ended else ()


def _listed(world: World, attempt: Attempt) -> Problems:
    for table in TABLES:
        wanted = Counter(str(asset.id) for asset in world.store.assets.records(table))
        yield from attempt.compared(wanted, Counter(map(str, keys(_output(world, attempt) / table, "id"))))


def _loaded(world: World, attempt: Attempt) -> Problems:
    schema = f"kill_{attempt.number}"
    with closing(psycopg2.connect(world.warehouse)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [schema])
        tables = {name for (name,) in cursor.fetchall()}
        if surplus := {name for name in tables if name not in TABLES and not name.startswith("_marketo_")}:
            yield ORPHANED, f"the tables {', '.join(sorted(surplus))} are left"
        for table in TABLES:
            found: Counter[int] = Counter()
            if table in tables:
                cursor.execute(f'SELECT id FROM "{schema}"."{table}"')
                found.update(int(key) for (key,) in cursor.fetchall())
            yield from attempt.compared(Counter(int(each.id) for each in world.store.assets.records(table)), found)


def _cloned(world: World, attempt: Attempt) -> Problems:
    made = world.store.assets.named("programs", f"Kill {attempt.number}")
    yield from attempt.compared(Counter({"the program": 1}), Counter({"the program": len(made)}))
    if attempt.ended and made:
        tokens = world.store.assets.tokens.get(("Program", made[0].id), {})
        if tokens.get(("Headline", "text")) != "Survived":
            yield WRONG, f"the tokens of the new program are {tokens}"


def _erased(world: World, attempt: Attempt) -> Problems:
    there = [lead_id for lead_id in attempt.leads if lead_id in world.store.leads]
    if attempt.ended and there:
        yield LOST, f"{len(there)} of {OF_EACH} leads are still there"


def _triggered(world: World, attempt: Attempt) -> Problems:
    own = set(attempt.leads)
    sent = Counter(lead_id for each in world.store.assets.sendings for lead_id in each.leads if lead_id in own)
    yield from attempt.compared(Counter(own), sent)


def _found(world: World, attempt: Attempt) -> Problems:
    if attempt.result == "too early":
        yield WRONG, "it succeeded before there was a lead"


def _watched(world: World, attempt: Attempt) -> Problems:
    taken = Counter(activity for activity in attempt.result or () if activity in attempt.expected)
    yield from differences(Counter(attempt.expected), taken)


KINDS = (
    Kind("extract_deferred", _span, _activities, (RUNNING, DEFERRED, RESUMED)),
    Kind("extract_waiting", _span, _created_leads),
    Kind("import_deferred", _rows, _imported, (RUNNING, DEFERRED, RESUMED)),
    Kind("import_waiting", _rows, _imported),
    Kind("sync", _rows, _sent_rows),
    Kind("mirror", _members, _mirrored),
    Kind("stream", _span, _activities),
    Kind("listing", _nothing, _listed),
    Kind("load", _nothing, _loaded),
    Kind("clone", _nothing, _cloned, once=True),
    Kind("erase", _leads, _erased),
    Kind("campaign", _leads, _triggered, once=True),
    Kind("sensor", _one_email, _found, (DEFERRED,), meanwhile=_create_lead),
    Kind("watch", _fill_forms, _watched, (DEFERRED,), by_itself=True),
)
