"""
Tasks that began under an earlier release end under this one, and nothing is submitted twice.

Each folder beside this file has what a release had stored: Airflow's state stores and Variables, the trigger of a
deferred task, and the files in the output. To add this release's own, name its folder::

    MARKETO_WRITE_UPGRADE=0.2.0 pytest tests/upgrades
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.client.governor.state import State
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from tests.simulated import POLL, Marketo, extract, marketo
from tests.support import StateStore, run_task, task_context
from tests.variables import airflow_variables

__all__ = ["airflow_variables", "marketo"]

HERE = Path(__file__).parent
WRITTEN = os.environ.get("MARKETO_WRITE_UPGRADE")
RELEASES = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name[0].isdigit())
MUNCHKIN_ID = "123-ABC-456"
LATER = 99


@dataclass
class World:
    """
    One task, what Airflow keeps of it, and the instance.

    :param marketo: the instance.
    :param folder: the task's output.
    :param variables: Airflow's Variables.
    :param store: the state store of the task.
    """

    marketo: Marketo
    folder: Path
    variables: dict[str, str]
    store: StateStore = field(default_factory=StateStore)

    def context(self) -> dict[str, Any]:
        return task_context(self.store, max_tries=3)

    def submitted(self) -> dict[str, int]:
        """Return how many times the instance ran each operation that submits something."""
        begun = ("create_job", "enqueue_job", "import", "request", "add_custom_activities")
        return {name: n for name, n in self.marketo.report().executed.items() if name.rpartition(".")[2] in begun}


@dataclass(frozen=True)
class Case:
    """
    A task in the middle of its work.

    :param begin: begins it, and returns what waits in the triggerer, if anything does.
    :param submit: submits the same again to another instance, and returns its id there.
    :param end: ends the task under this release, and checks the result.
    :param stops: the error with which the task ends, if a person has to decide.
    """

    begin: Callable[[World], TaskDeferred | None]
    submit: Callable[[World], Any]
    end: Callable[[World, dict[str, Any] | None], None]
    stops: str | None = None


def deferred(world: World, operator: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as waiting:
        operator.execute(world.context())
    return waiting.value


def go_on(world: World, operator: Any, waiting: dict[str, Any] | None) -> Any:
    """Let the trigger of an earlier release fire, and resume the task."""
    assert waiting is not None
    again = TaskDeferred(trigger=_Stored(*waiting["trigger"]), method_name=waiting["method"])

    class Resumed:
        def execute(self, context: Any) -> Any:
            raise again

        def __getattr__(self, name: str) -> Any:
            return getattr(operator, name)

    return run_task(Resumed(), world.context())


class _Stored:
    """A trigger as the triggerer reads it from the database."""

    def __init__(self, path: str, arguments: dict[str, Any]) -> None:
        self._stored = path, arguments

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return self._stored


FIELDS = [
    "marketoGUID",
    "leadId",
    "activityDate",
    "activityTypeId",
    "campaignId",
    "primaryAttributeValueId",
    "primaryAttributeValue",
    "attributes",
]
SPAN = {"start": "2026-01-01", "end": "2026-01-20"}


def an_extract(world: World) -> Any:
    return extract(world.folder / "out", **SPAN)


def submit_export(world: World) -> Any:
    span = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-20T00:00:00Z"}
    hook = MarketoHook()
    wanted = {"filter": {"createdAt": span}, "fields": FIELDS, "format": "CSV"}
    made = hook.call("bulk_export_activities.create_job", **wanted).result[0]
    hook.call("bulk_export_activities.enqueue_job", exportId=made["exportId"])
    return made["exportId"]


def end_extract(world: World, waiting: dict[str, Any] | None) -> None:
    manifest = go_on(world, an_extract(world), waiting)
    assert manifest["rows"] == world.marketo.activities(SPAN["start"], SPAN["end"]) > 100


CSV = "email,firstName\na@example.com,Ada\nb@example.com,Bea\nc@example.com,Cem\n"


def an_import(world: World) -> Any:
    (world.folder / "in.csv").write_text(CSV)
    return MarketoBulkImportOperator(
        task_id="a_task",
        object_type="leads",
        source="in.csv",  # in the working directory: the plan has a digest, so its path must be the same
        rejects_path=str(world.folder / "out"),
        deferrable=True,
        poll_interval=POLL,
    )


def submit_import(world: World) -> Any:
    return MarketoHook().call("bulk_import_leads.import", format="csv", file=CSV.encode()).result[0]["batchId"]


def end_import(world: World, waiting: dict[str, Any] | None) -> None:
    result = go_on(world, an_import(world), waiting)
    assert result["accepted"] == 3


def a_campaign(world: World) -> Any:
    return MarketoTriggerCampaignOperator(task_id="a_task", campaign_id=2001, lead_ids=[1001, 1002])


def send_campaign(world: World) -> None:
    a_campaign(world).execute(world.context())


UNKNOWN = "it is unknown whether"


def lose_campaign(world: World) -> None:
    world.marketo.fail("campaigns.request", drop=True, executed=True)
    with pytest.raises(AirflowException, match=UNKNOWN):
        a_campaign(world).execute(world.context())


def nothing_more(world: World) -> None:
    """Submit nothing: the instance of that time ran the request, and it must not run again."""


def end_sent_campaign(world: World, waiting: dict[str, Any] | None) -> None:
    result = a_campaign(world).execute(world.context())
    assert (result["groups_sent"], result["groups_sent_earlier"]) == (0, 1)


def end_lost_campaign(world: World, waiting: dict[str, Any] | None) -> None:
    a_campaign(world).execute(world.context())


TODAY = datetime.now(timezone.utc).date()
DAYS = {"{first}": TODAY - timedelta(days=20), "{second}": TODAY - timedelta(days=10), "{third}": TODAY}
"""The days on which a stream begins and on which its two runs end: Marketo keeps activities for 90 days."""


def a_stream(world: World, end: str) -> Any:
    return MarketoActivitiesOperator(
        task_id="a_task",
        stream="s",
        start=str(DAYS["{first}"]),
        end=str(DAYS[end]),
        output_path=str(world.folder / "out"),
    )


def read_stream(world: World) -> None:
    run_task(a_stream(world, "{second}"), stream_context(world))


def end_stream(world: World, waiting: dict[str, Any] | None) -> None:
    context = stream_context(world)
    context["ti"].run_id = "the next run"
    manifest = run_task(a_stream(world, "{third}"), context)
    assert manifest["start"] == f"{DAYS['{second}']}T00:00:00Z"


def stream_context(world: World) -> dict[str, Any]:
    context = world.context()
    context["ti"].task = SimpleNamespace(outlets=[])
    return context


CASES = {
    "extract": Case(lambda world: deferred(world, an_extract(world)), submit_export, end_extract),
    "import": Case(lambda world: deferred(world, an_import(world)), submit_import, end_import),
    "sent_campaign": Case(send_campaign, nothing_more, end_sent_campaign),
    "lost_campaign": Case(lose_campaign, nothing_more, end_lost_campaign, UNKNOWN),
    "stream": Case(read_stream, nothing_more, end_stream),
}


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a JSON value in which each member is changed."""
    if isinstance(value, dict):
        return {change(name): changed(member, change) for name, member in value.items()}
    return [changed(each, change) for each in value] if isinstance(value, list) else change(value)


def inserted(text: Any, known: dict[str, Any]) -> Any:
    """Return a value in which known texts are replaced, such as names by the values of this run."""
    for name, value in known.items():
        if text == name:
            return value
        text = text.replace(str(name), str(value)) if isinstance(text, str) else text
    return text


@pytest.fixture
def world(marketo, airflow_variables, monkeypatch, tmp_path) -> World:
    parse = Endpoint.parse
    monkeypatch.setattr(Endpoint, "parse", lambda *given: replace(parse(*given), instance=MUNCHKIN_ID))
    governor = LocalGovernor(parallel=10, rate_limit=100_000)
    monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: governor)
    monkeypatch.chdir(tmp_path)
    return World(marketo(), tmp_path, airflow_variables)


def write(world: World, name: str, waiting: TaskDeferred | None) -> None:
    """Write what the task has stored, with names instead of the values that differ from run to run."""
    out = world.folder / "out"
    files = {
        str(path.relative_to(out)): path.read_bytes().decode("latin-1") for path in out.rglob("*") if path.is_file()
    }
    trigger = None if waiting is None else {"trigger": waiting.trigger.serialize(), "method": waiting.method_name}
    facts = {"waiting": trigger, "state": world.store.values, "variables": world.variables, "files": files}
    known = {str(world.folder): "{folder}", f'"{socket.gethostname()}"': '"{host}"'}
    for name_of_day, day in DAYS.items():
        known |= {str(day): name_of_day, f"{day:%Y%m%d}": f"{{{name_of_day}}}"}
    if trigger is not None:
        arguments = trigger["trigger"][1]
        known |= {arguments["deadline"]: "{deadline}"}
        known |= dict.fromkeys(arguments.get("export_ids") or arguments["batch_ids"], "{id}")
    place = HERE / str(WRITTEN) / f"{name}.json"
    place.parent.mkdir(exist_ok=True)
    if world.store.values:
        known[socket.gethostname()] = "{host}"  # files have it in quotes, because a word may contain a short name
    told = changed(json.loads(json.dumps(facts)), lambda value: inserted(value, known))
    place.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


def restore(world: World, release: str, name: str, change: Callable[[str], str] = str) -> dict[str, Any] | None:
    """Store what the task had stored, and submit to the instance what was in flight."""
    known = {
        "{folder}": str(world.folder),
        **{f"{{{name_of_day}}}": f"{day:%Y%m%d}" for name_of_day, day in DAYS.items()},
        **{name_of_day: str(day) for name_of_day, day in DAYS.items()},
        "{host}": socket.gethostname(),
        "{deadline}": (datetime.now(timezone.utc) + timedelta(days=1)).isoformat(),
        "{id}": CASES[name].submit(world),
    }
    text = change((HERE / release / f"{name}.json").read_text("utf-8"))
    facts = changed(json.loads(text), lambda value: inserted(value, known))
    for path, content in facts["files"].items():
        file = world.folder / "out" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode("latin-1"))
    world.store.values.update(facts["state"])
    world.variables.update(facts["variables"])
    waiting: dict[str, Any] | None = facts["waiting"]
    return waiting


@pytest.mark.skipif(WRITTEN is None, reason="MARKETO_WRITE_UPGRADE names no release")
@pytest.mark.parametrize("name", CASES)
def test_this_release_is_written(world, name):
    write(world, name, CASES[name].begin(world))


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", CASES)
def test_a_task_of_an_earlier_release_ends_and_submits_nothing_twice(world, name, release):
    waiting = restore(world, release, name)
    before = world.submitted()
    stops = CASES[name].stops
    with pytest.raises(AirflowException, match=stops) if stops else nullcontext():
        CASES[name].end(world, waiting)
    assert world.submitted() == before


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", CASES)
def test_a_task_of_a_later_release_is_refused_by_name_and_submits_nothing(world, name, release):
    def later_version(text: str) -> str:
        # Files and Variables hold JSON in a text.
        return text.replace('"version": 1', f'"version": {LATER}').replace(
            '\\"version\\": 1', f'\\"version\\": {LATER}'
        )

    waiting = restore(world, release, name, later_version)
    before = world.submitted()
    with pytest.raises((MarketoError, AirflowException), match=f"has format {LATER}.*Update airflow-provider-marketo"):
        CASES[name].end(world, waiting)
    assert world.submitted() == before


GOVERNOR = (
    '{"clock":1000.5,"sent":[990.0,999.0],"leases":{"a":[999.0,1030.0]},"waiting":{"b":[1.0,1010.0]},"ceiling":80.0,'
    '"cut_at":900.0,"slots":8,"slot_lost_at":950.0,"paused_until":0.0,"latches":{"calls":1800000000.0},'
    '"probes":{"calls":"a"},"queues":{"export":{"job":1300.0}},"claims":{"usage":1060.0},"day_ends":1800000000.0,'
    '"used":4711,"extracts_end":45000,"calls_of":{"a_dag":12},"unknown":false,"alone_until":0.0,"back":["c"]}'
)
"""What 0.1.0rc1 stores of an instance's limits. It has no version: a text with an unknown member is refused."""


def test_the_limits_of_an_instance_are_read_as_0_1_0rc1_stored_them():
    assert State.load(GOVERNOR).dump() == GOVERNOR
    with pytest.raises(ValueError, match="not a governor's state"):
        State.load(GOVERNOR.replace('"back"', '"of_a_later_release"'))
