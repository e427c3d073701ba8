"""
A process that runs snippets, each on ``dag.test()`` against a new simulator.

It is a process of its own because ``dag.test()`` changes what a process shares: the database, secrets, the supervisor.
It reads the names of snippets from its input, and writes to the pipe that its argument names: a line of JSON for each,
``null`` or the traceback. The comments of a snippet may use the names that :func:`_names` gives them.
"""

from __future__ import annotations

import asyncio
import faulthandler
import functools
import importlib.util
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from airflow.models.xcom import XComModel
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.execution_time import supervisor
from airflow.triggers.base import TriggerEvent
from airflow.utils.db import initdb
from airflow.utils.session import create_session

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime
from airflow_provider_marketo.simulator import ScaledClock, Settings
from tests.seed import DATES
from tests.simulated import FAST, Marketo
from tests.snippets.pages import Snippet, snippets

TODAY = datetime(2026, 3, 12, 12, tzinfo=timezone.utc)
"""The time in Marketo when a snippet begins: the end of the tests' data."""

DAY = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
"""The time of the run of a DAG with a schedule. Its data interval ends before it."""

LAKES = ("s3://aws_default@lake", "/tmp/marketo")
"""Folders to which the snippets write. A folder of the test replaces them."""

HOME = Path(os.environ["AIRFLOW_HOME"])


def main(answers: int, time_limit: float) -> None:
    """
    Run the snippets that the input names, until it ends.

    :param answers: file descriptor for the answers.
    :param time_limit: seconds after which the process ends, because a snippet waits in vain. The log
        says where.
    """
    (HOME / "dags").mkdir(exist_ok=True)
    sys.path.append(str(HOME / "dags"))
    initdb()
    # Airflow 3.1 makes a server and a thread for each task, and each makes the next one slower.
    supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)
    by_name = {each.name: each for each in snippets()}
    with os.fdopen(answers, "w") as out:
        print(json.dumps(None), file=out, flush=True)
        for line in sys.stdin:
            faulthandler.dump_traceback_later(time_limit, exit=True)
            try:
                _run(by_name[line.strip()])
                answer = None
            except BaseException:  # noqa: BLE001 - an assertion of a page, or pytest.fail
                answer = traceback.format_exc()
            faulthandler.cancel_dump_traceback_later()
            print(json.dumps(answer), file=out, flush=True)


async def _at_once(trigger: DateTimeTrigger) -> AsyncIterator[TriggerEvent]:
    """Fire without a wait: Airflow's trigger reads this machine's clock, not the simulator's."""
    yield TriggerEvent(trigger.moment)


def _run(snippet: Snippet) -> None:
    folder = Path(tempfile.mkdtemp(prefix="snippet-"))
    replace_runtime(TaskRuntime())
    with _marketo() as marketo, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", _connection(marketo))
        monkeypatch.setattr(DateTimeTrigger, "run", _at_once)
        monkeypatch.chdir(folder)
        names = _names(marketo, folder, monkeypatch)
        try:
            exec(compile(snippet.given, "given", "exec"), names)
            code = re.sub("|".join(LAKES), str(names["lake"]), snippet.code)
            (_run_dags if snippet.has_dag else _run_code)(snippet, code, names)
            exec(compile(snippet.then, "then", "exec"), names)
        finally:
            shutil.rmtree(folder)
            shutil.rmtree(HOME / "marketo_governor", ignore_errors=True)


class _Clock(ScaledClock):
    """A clock that begins at the end of the data, so that nothing is too old for Marketo."""

    def __init__(self) -> None:
        super().__init__(FAST)
        self._start = TODAY


class _SqliteHook(DbApiHook):
    """A stand-in for the hook of the SQLite provider, which these tests do not need."""

    conn_name_attr = "sqlite_conn_id"

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def get_conn(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file)


def _marketo() -> Marketo:
    settings = {"leads": 200, "activities": 500, "custom_objects": 20, "time_scale": FAST, **DATES}
    return Marketo(Settings(**settings), clock=_Clock())


def _connection(marketo: Marketo, **extra: Any) -> str:
    connection = json.loads(marketo.connection())
    extra = {"poll_interval": 0.1, "hash_secret": "a secret of the tests", **extra}
    return json.dumps({**connection, "extra": extra})


def _names(marketo: Marketo, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """
    Return what the comments around a snippet may use.

    ``marketo`` is the simulator and ``call`` calls one of its operations. ``lake`` is the folder that stands for the
    object store, and ``rows(path)`` reads all files of a dataset in it. After the run, ``dags`` has the DAGs, ``state``
    the state of each task, and ``returned(task_id)`` what a task returned. ``connection(simulator)`` is the text of an
    Airflow connection, and ``first_event(trigger)`` runs a trigger from a day with activities.
    ``dags_folder`` is on the path of imports. ``email_of(lead_id)`` is the e-mail address of a lead. ``database(sql)``
    writes the tables that any ``sql_conn_id`` reads, and ``instance()`` is another simulator.
    """
    lake = folder / "lake"
    lake.mkdir()

    def database(sql: str) -> None:
        file = folder / "warehouse.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(sql)
        hook = classmethod(lambda cls, conn_id, hook_params=None: _SqliteHook(file))
        monkeypatch.setattr(BaseHook, "get_hook", hook)

    client = MarketoClient(marketo.url, marketo.client_id, marketo.client_secret)
    return {
        "__name__": "snippet",
        "marketo": marketo,
        "call": client.call,
        "email_of": lambda lead_id: marketo.instance.store.leads.get(lead_id)["email"],
        "lake": lake,
        "dags_folder": HOME / "dags",
        "rows": lambda path: _rows(lake / path),
        "monkeypatch": monkeypatch,
        "connection": _connection,
        "database": database,
        "first_event": lambda trigger: _first_event(trigger, monkeypatch),
        "instance": _marketo,
        "pytest": pytest,
    }


def _run_code(snippet: Snippet, code: str, names: dict[str, Any]) -> None:
    exec(compile(code, snippet.name, "exec"), names)


def _run_dags(snippet: Snippet, code: str, names: dict[str, Any]) -> None:
    """Write the snippet to a file, since ``dag.test()`` wants one, and run each DAG that can run by itself."""
    file = HOME / "dags" / (re.sub(r"\W", "_", snippet.name) + ".py")
    file.write_text(code)
    try:
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
        names.update({name: value for name, value in vars(module).items() if not name.startswith("__")})
        dags = {dag.dag_id: dag for dag in _dags(module)}
        assert dags, "write `as dag`"
        state: dict[str, str] = {}
        xcoms: dict[str, Any] = {}
        for dag in dags.values():
            if dag.timetable.__class__.__name__ != "AssetTriggeredTimetable":
                _run_dag(dag, state, xcoms)
        names.update(dags=dags, state=state, returned=xcoms.__getitem__)
    finally:
        file.unlink()


def _dags(module: Any) -> list[DAG]:
    found = [value for value in vars(module).values() if isinstance(value, DAG)]
    return list({id(dag): dag for dag in found}.values())


def _run_dag(dag: DAG, state: dict[str, str], xcoms: dict[str, Any]) -> None:
    """Run a DAG; if it has no schedule, without a logical date, as a run that a user starts may be."""
    by_hand = dag.timetable.__class__.__name__ == "NullTimetable"
    people = [task.task_id for task in dag.tasks if type(task).__module__.endswith(".hitl")]
    run = dag.test(
        run_after=TODAY if by_hand else None,  # sensors look for what happened after it
        logical_date=None if by_hand else DAY,
        mark_success_pattern=re.compile(f"^({'|'.join(people)})$") if people else None,
    )
    for ti in run.get_task_instances():
        state[ti.task_id] = str(ti.state)
    with create_session() as session:
        for xcom in session.query(XComModel).filter_by(dag_id=dag.dag_id, run_id=run.run_id, key="return_value"):
            xcoms[xcom.task_id] = XComModel.deserialize_value(xcom)
    failed = [task for task, ended in state.items() if ended not in ("success", "skipped")]
    assert not failed, f"{failed} did not succeed: see the log"


def _rows(folder: Path) -> list[dict[str, Any]]:
    files = sorted(
        file for file in folder.rglob("*") if file.is_file() and "/_" not in str(file.relative_to(folder.parent))
    )
    found: list[dict[str, Any]] = []
    for file in files:
        if file.suffix == ".parquet":
            found += pyarrow.parquet.ParquetFile(file).read().to_pylist()
        else:
            found += [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return found


def _first_event(trigger: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the payload of the trigger's first event, as if its stream had begun at a day with activities."""
    variables: dict[str, str] = {}
    monkeypatch.setattr("airflow_provider_marketo.hooks.variables.read", variables.get)
    monkeypatch.setattr(
        "airflow_provider_marketo.hooks.variables.write_json",
        lambda name, value, _: variables.update({name: json.dumps(value)}),
    )
    _, arguments = trigger.serialize()
    again = type(trigger)(**{**arguments, "start": "2026-01-15T00:00:00Z"})

    async def first() -> Any:
        return (await anext(aiter(again.run()))).payload

    return asyncio.run(asyncio.wait_for(first(), 20))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
