"""
Every operation that must not run twice, with every fault that can happen to it.

Marketo executes each operation at most once, even if the request, the reply or the process is lost, and Airflow runs
the task again and again. ``docs/campaigns.md`` has the table of the faults that are tested here.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.at_most_once.stores import FolderStore
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.governor import Lease
from airflow_provider_marketo.client.transport import Transport
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.simulator import Settings, Simulator
from tests.seed import DATES
from tests.support import task_context

TRIGGER, BATCH, EMAIL, PROGRAM, FORM, SNIPPET, PAGE = 2001, 2002, 3001, 1001, 7001, 8001, 5001
CSV = b"email,firstName\na@example.com,A\n"
SENDER = {"subject": "Hi", "fromName": "M", "fromEmail": "m@example.com", "replyEmail": "m@example.com"}
HTML = ("page.html", b'<p class="mktEditable" id="a">Hi</p>', "text/html")


class Place:
    """The target of a call: an instance, and a name that no other call uses."""

    _numbers = itertools.count()

    def __init__(self, simulator: Simulator) -> None:
        self.assets = simulator.instance.store.assets
        simulator.instance.store.schemas.activities.clear()  # Marketo allows ten custom types
        self.munchkin_id = simulator.settings.munchkin_id
        self.number = next(self._numbers)
        self.name = f"Name{self.number}"
        self.lead = 1001 + 2 * (self.number % 400)

    def folder(self, name: str) -> dict[str, Any]:
        found = next(folder for folder in self.assets.folders.values() if folder.name == name)
        return {"id": found.id, "type": "Folder"}

    def template(self, family: str) -> int:
        return int(next(iter(self.assets.by_family[family])))

    def new(self, family: str, folder: str) -> Any:
        """Return the id of an approved asset that no other call uses."""
        home = self.assets.location(self.folder(folder))
        return self.assets.add(family, self.name, home, {}, 0, approved=True).id


IN_PROGRAM = {"id": PROGRAM, "type": "Program"}


def clone(family_id: int, folder: str) -> Callable[[Place], dict[str, Any]]:
    return lambda place: {"id": family_id, "name": place.name, "folder": place.folder(folder)}


def v2(family: str, folder: str, **body: Any) -> dict[str, Callable[[Place], dict[str, Any]]]:
    return {
        f"{family}.create": lambda place: {"name": place.name, "appData": {"workspaceId": "1"}, **body},
        f"{family}.clone": lambda place: {
            "assetId": place.new(family, folder),
            "newAsset": {"name": f"{place.name} 2"},
        },
        f"{family}.update_status": lambda place: {"contentId": place.new(family, folder), "action": "create_draft"},
    }


CALLS: dict[str, Callable[[Place], dict[str, Any]]] = {
    "activities.add_custom_activities": lambda place: {
        "input": [
            {
                "leadId": place.lead,
                "activityTypeId": 100001,
                "activityDate": "2026-03-01T00:00:00Z",
                "primaryAttributeValue": place.name,
                "attributes": [],
            }
        ]
    },
    "bulk_import_custom_objects.import": lambda place: {
        "apiName": "car_c",
        "format": "csv",
        "file": ("a.csv", b"vin\n1\n"),
    },
    "bulk_import_leads.import": lambda place: {"format": "csv", "file": ("leads.csv", CSV)},
    "bulk_import_program_members.import": lambda place: {
        "programId": PROGRAM,
        "programMemberStatus": "Invited",
        "format": "csv",
        "file": ("leads.csv", CSV),
    },
    "campaigns.request": lambda place: {"campaignId": TRIGGER, "input": {"leads": [{"id": place.lead}]}},
    "campaigns.schedule": lambda place: {
        "campaignId": BATCH,
        "input": {"tokens": [{"name": "{{my.Headline}}", "value": place.name}]},
    },
    "data_ingestion.sync_persons": lambda place: {
        "munchkinId": place.munchkin_id,
        "persons": [{"email": f"{place.name}@example.com"}],
    },
    "email_templates.clone": lambda place: clone(place.template("email_templates"), "Email Templates")(place),
    "email_templates.create": lambda place: {
        "name": place.name,
        "folder": place.folder("Email Templates"),
        "content": HTML,
    },
    "emails.add_module": lambda place: {"id": EMAIL, "moduleId": "hero", "name": place.name, "index": 0},
    "emails.duplicate_module": lambda place: {"id": EMAIL, "moduleId": "hero", "name": place.name},
    "emails.clone": clone(EMAIL, "Emails"),
    "emails.create": lambda place: {
        "name": place.name,
        "folder": place.folder("Emails"),
        "template": place.template("email_templates"),
        **SENDER,
    },
    "emails.send_sample": lambda place: {"id": EMAIL, "emailAddress": f"{place.name}@example.com"},
    "files.create": lambda place: {
        "name": place.name,
        "folder": place.folder("Images"),
        "file": ("a.png", b"png", "image/png"),
        "insertOnly": True,
    },
    "folders.create": lambda place: {"name": place.name, "parent": place.folder("Campaigns")},
    "form_fields.add_field_to_form": lambda place: {
        "id": place.new("forms", "Landing Page Forms"),
        "fieldId": "Phone",
    },
    "form_fields.add_fieldset_to_form": lambda place: {"id": FORM, "label": place.name},
    "form_fields.add_rich_text_field": lambda place: {"id": FORM, "text": HTML},
    "forms.clone": clone(FORM, "Landing Page Forms"),
    "forms.create": lambda place: {"name": place.name, "folder": place.folder("Landing Page Forms")},
    "landing_page_content.add_section": lambda place: {
        "id": PAGE,
        "contentId": place.name,
        "type": "HTML",
        "value": "x",
    },
    "landing_page_redirect_rules.create": lambda place: {
        "hostname": "info.example.com",
        "redirectFrom": {"type": "path", "value": place.name},
        "redirectTo": {"type": "url", "value": "https://example.com"},
    },
    "landing_page_templates.clone": lambda place: clone(
        place.template("landing_page_templates"), "Landing Page Templates"
    )(place),
    "landing_page_templates.create": lambda place: {
        "name": place.name,
        "folder": place.folder("Landing Page Templates"),
    },
    "landing_pages.clone": lambda place: {
        **clone(PAGE, "Landing Pages")(place),
        "template": place.template("landing_page_templates"),
    },
    "landing_pages.create": lambda place: {
        "name": place.name,
        "folder": place.folder("Landing Pages"),
        "template": place.template("landing_page_templates"),
    },
    "leads.create_fields": lambda place: {
        "input": [{"name": place.name, "displayName": place.name, "dataType": "string"}]
    },
    "leads.push": lambda place: {
        "programName": "Spring Webinar",
        "input": [{"email": f"{place.name}@example.com"}],
    },
    "leads.submit_form": lambda place: {
        "formId": FORM,
        "input": [{"leadFormFields": {"email": f"{place.name}@example.com"}}],
    },
    "activities.create_custom_type": lambda place: {
        "apiName": place.name,
        "name": place.name,
        "triggerName": place.name,
        "filterName": f"Was {place.name}",
        "primaryAttribute": {"apiName": "what", "name": "What", "dataType": "string"},
    },
    "activities.create_custom_type_attributes": lambda place: {
        "apiName": "attendedEvent_c",
        "attributes": [{"apiName": place.name, "name": place.name, "dataType": "string"}],
    },
    "custom_object_schema.add_type_fields": lambda place: {
        "apiName": "car_c",
        "input": [{"name": place.name, "displayName": place.name, "dataType": "string"}],
    },
    "user_management.invite_user": lambda place: {
        "emailAddress": f"{place.name}@example.com",
        "firstName": "A",
        "lastName": "B",
        "userRoleWorkspaces": [{"accessRoleId": 1, "workspaceId": 0}],
    },
    "leads.merge": lambda place: {"leadId": place.lead, "leadIds": [place.lead + 1]},
    "leads.sync": lambda place: {"action": "createDuplicate", "input": [{"email": f"{place.name}@example.com"}]},
    "program_members.create_fields": lambda place: {
        "input": [{"name": place.name, "displayName": place.name, "dataType": "string"}]
    },
    "programs.clone": clone(PROGRAM, "Campaigns"),
    "programs.create": lambda place: {
        "name": place.name,
        "folder": place.folder("Campaigns"),
        "type": "Default",
        "channel": "Content",
    },
    "programs.update_metadata": lambda place: {
        "id": PROGRAM,
        "costs": [{"cost": place.number, "startDate": "2026-01-01"}],
    },
    "smart_campaigns.clone": clone(BATCH, "Campaigns"),
    "smart_campaigns.create": lambda place: {"name": place.name, "folder": place.folder("Campaigns")},
    "smart_lists.clone": clone(5001, "Lead Database"),
    "snippets.clone": clone(SNIPPET, "Snippets"),
    "snippets.create": lambda place: {"name": place.name, "folder": place.folder("Snippets")},
    "static_lists.create": lambda place: {"name": place.name, "folder": place.folder("Lead Database")},
    **v2("emails_v2", "Emails", headers={"subject": "Hi"}),
    **v2("email_templates_v2", "Email Templates"),
    **v2("fragments_v2", "Snippets", settings={"fragmentType": "html", "supportedChannels": ["email"]}),
}
"""For each operation, arguments that Marketo accepts and that differ from those of all other calls."""


class Fault(NamedTuple):
    """
    A fault that the simulator produces.

    :param how: arguments of the simulator's ``fail``.
    :param executions: how many times Marketo executes the call in all tries together.
    :param task: ``stops`` until a person decides, ``continues`` by itself, or ``fails`` and may be run again.
    """

    how: dict[str, Any]
    executions: int
    task: str


FAULTS = {
    "reset before it ran": Fault({"drop": True}, 0, "stops"),
    "reset after it ran": Fault({"drop": True, "executed": True}, 1, "stops"),
    "timeout after it ran": Fault({"delay": 0.25, "executed": True}, 1, "stops"),
    "502 before it ran": Fault({"status": 502}, 0, "stops"),
    "502 after it ran": Fault({"status": 502, "executed": True}, 1, "stops"),
    "604 before it ran": Fault({"code": "604"}, 0, "stops"),
    "604 after it ran": Fault({"code": "604", "executed": True}, 1, "stops"),
    "606": Fault({"code": "606"}, 1, "continues"),
    "601": Fault({"code": "601"}, 1, "fails"),
}

KILLS = {"before the call": 0, "after the call": 1, "before the ledger is settled": 1}
"""How many times Marketo executes the call."""


class FreeGovernor:
    """A governor without limits; other tests cover the limits."""

    def acquire(self, operation: str, *, hold: float = 0) -> Lease:
        return Lease(operation, 0)

    def renew(self, lease: Lease) -> None: ...

    def release(self, lease: Lease, error: MarketoError | None) -> None: ...

    def probe(self, *arguments: Any) -> None: ...


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Settings(leads=900, activities=100, custom_objects=10, assets=3, limits=False, **DATES)) as running:
        yield running


@pytest.fixture
def task(simulator, monkeypatch, tmp_path) -> Callable[..., Callable[..., Any]]:
    """Returns a function that makes a task of one DAG run, which may run several times."""
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", _connection(simulator))
    monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: FreeGovernor())
    monkeypatch.setattr(SystemClock, "sleep", lambda self, seconds: None)

    def make(operation: str) -> Callable[..., Any]:
        place, context = Place(simulator), task_context(max_tries=3)
        parameters = CALLS[operation](place)

        def run(*, cleared: bool = False, **arguments: Any) -> Any:
            context["ti"].max_tries += cleared
            given = {"operation": operation, "arguments": parameters, "ledger": str(tmp_path), **arguments}
            return MarketoApiOperator(task_id="a_task", **given).execute(context)

        return run

    return make


def _connection(simulator: Simulator) -> str:
    from airflow.models.connection import Connection

    connection = Connection(
        conn_type="marketo",
        host=simulator.url,
        login=simulator.client_id,
        password=simulator.client_secret,
    )
    return connection.as_json()


def executed(simulator: Simulator, operation: str) -> int:
    return simulator.report().executed.get(operation, 0)


def test_the_table_has_every_operation_that_must_not_run_twice():
    wanted = {
        operation.name
        for operation in operations.all_operations()
        if operation.retry in ("once", "reconcile")
        or any(retry in ("once", "reconcile") for *_, retry in operation.retry_overrides)
    }
    assert set(CALLS) == wanted


@pytest.mark.parametrize("operation", sorted(CALLS))
def test_without_faults_it_runs_once_however_often_the_task_runs(simulator, task, operation):
    before, run = executed(simulator, operation), task(operation)
    assert not run()["sent_earlier"]
    assert run()["sent_earlier"]
    assert run(cleared=True)["sent_earlier"]
    assert executed(simulator, operation) - before == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", sorted(CALLS))
def test_no_fault_makes_it_run_twice(simulator, task, monkeypatch, operation, fault):
    how, executions, outcome = FAULTS[fault]
    before, run = executed(simulator, operation), task(operation)
    if "delay" in how:
        monkeypatch.setattr(Transport, "__init__", _impatient(Transport.__init__))
    simulator.fail(operation, **how)
    if outcome == "stops":
        for cleared in (False, False, True):
            with pytest.raises(AirflowFailException, match="it is unknown whether"):
                run(cleared=cleared)
    elif outcome == "fails":
        with pytest.raises(AirflowFailException, match=r"Marketo code (601|401013)"):
            run()
        assert not run(cleared=True)["sent_earlier"]
    else:
        run()
        assert run()["sent_earlier"]
    simulator.clear_faults()
    assert executed(simulator, operation) - before == executions


def _impatient(initialise: Callable[..., None]) -> Callable[..., None]:
    def wrapped(self: Transport, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **{**options, "read_timeout": 0.1})

    return wrapped


@pytest.mark.slow(reason="it kills processes")
@pytest.mark.parametrize("when", KILLS)
@pytest.mark.parametrize("operation", sorted(CALLS))
def test_a_killed_process_does_not_make_it_run_twice(simulator, task, monkeypatch, operation, when):
    before, run = executed(simulator, operation), task(operation)
    executions = KILLS[when]
    with monkeypatch.context() as dying:
        _die(dying, when, operation)
        assert _in_a_process(run) == -signal.SIGKILL
    for cleared in (False, True):
        with pytest.raises(AirflowFailException, match="did not record the outcome"):
            run(cleared=cleared)
    assert executed(simulator, operation) - before == executions
    if executions == 0:
        # A person has looked in Marketo, and says so by clearing the task.
        assert run(cleared=True, on_ambiguous="resend")["count"] >= 0
        assert executed(simulator, operation) - before == 1


def _die(monkeypatch: pytest.MonkeyPatch, when: str, operation: str) -> None:
    send, write = Transport.send, FolderStore.write

    def dying_send(self: Transport, request: Any, token: str) -> Any:
        if request.operation.name != operation:
            return send(self, request, token)
        reply = send(self, request, token) if when != "before the call" else None
        if when != "before the ledger is settled":
            os.kill(os.getpid(), signal.SIGKILL)
        return reply

    def dying_write(self: FolderStore, key: str, text: str) -> None:
        if '"settled"' in text:
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, key, text)

    monkeypatch.setattr(Transport, "send", dying_send)
    monkeypatch.setattr(FolderStore, "write", dying_write)


def _in_a_process(run: Callable[[], object]) -> int:
    """Run a function in a process of its own; return the exit code, which is negative for a signal."""
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            run()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
