"""Erasure on request: the leads that were meant, no others, and evidence that holds no personal data."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoStoppedError
from airflow_provider_marketo.client.governor import rules
from airflow_provider_marketo.imports.erasure import Erasure
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.simulator.routes import HANDLERS
from tests.support import run_task, task_context


class Request:
    """A request for erasure: three leads, two of them with one address."""

    def __init__(self, marketo: Any, folder: Path) -> None:
        self.marketo, self.folder = marketo, folder
        self.context = task_context()
        self.leads = marketo.instance.store.leads
        self.addresses = [str(self.leads.get(1001 + row)["email"]) for row in (0, 1)]
        self.twin = self.leads.create({"email": self.addresses[0]}, marketo.instance.now, 1)

    def run(self, **arguments: Any) -> dict[str, Any]:
        given = {
            "evidence": str(self.folder / "evidence"),
            "records": [{"email": address} for address in self.addresses],
            "lookup_field": "email",
            "confirm": True,
            **arguments,
        }
        return run_task(MarketoEraseLeadsOperator(task_id="a_task", **given), self.context)

    def there(self) -> list[int]:
        return [lead for lead in (1001, 1002, self.twin, 1003) if lead in self.leads]

    def evidence(self) -> str:
        (file,) = (self.folder / "evidence").glob("*.json")
        return file.read_text("utf-8")


@pytest.fixture
def request_(marketo, tmp_path) -> Request:
    return Request(marketo(), tmp_path)


def test_all_leads_of_an_address_are_erased_and_no_others(request_):
    done = request_.run()
    assert request_.there() == [1003]
    assert {name: done[name] for name in ("requested", "found", "erased", "remaining")} == {
        "requested": 2,
        "found": 3,
        "erased": 3,
        "remaining": 0,
    }


def test_the_evidence_says_what_was_done_and_to_whom_only_those_who_know(request_):
    done = request_.run()
    facts = json.loads(request_.evidence())
    assert (facts["dag_id"], facts["run_id"], facts["erased"], facts["remaining"]) == ("a_dag", "a run", 3, 0)
    assert facts["began"] <= facts["verified"]
    assert (facts["requested"], facts["found"]) == (2, 3)
    assert not any(address in request_.evidence() + json.dumps(done) for address in request_.addresses)
    assert f'"{request_.twin}"' not in request_.evidence()


def test_digests_have_the_key_of_the_connection(marketo, tmp_path):
    evidence = []
    for key in ("pepper", "salt"):
        keyed = Request(marketo(extra={"hash_secret": key}), tmp_path / key)
        keyed.run()
        evidence.append(json.loads(keyed.evidence()))
    assert [(len(each["requested_digests"]), len(each["lead_digests"])) for each in evidence] == [(2, 3), (2, 3)]
    assert set(evidence[0]["requested_digests"]).isdisjoint(evidence[1]["requested_digests"])


def test_evidence_without_a_key_has_counts_and_no_digests(request_):
    request_.run()
    assert not re.search(r"[0-9a-f]{64}|digest", request_.evidence())


def test_addresses_come_from_a_file_so_that_the_ui_does_not_show_them(request_, tmp_path):
    file = tmp_path / "requests.csv"
    file.write_text("mail,since\n" + "".join(f"{each},2026-03-01\n" for each in request_.addresses))
    assert request_.run(records=None, source=str(file), columns={"mail": "email"})["erased"] == 3


@pytest.mark.parametrize(
    "named",
    [
        {"lead_ids": [1001, 1002]},
        {"lead_ids": "[1001, '1002']"},
        {"records": [{"leadId": 1001}, {"leadId": "1002"}]},
        {"records": lambda: [{"lead": 1001}, {"lead": 1002}], "columns": {"lead": "leadId"}},
        {"records": [{"id": 1001}, {"id": 1002}], "lookup_field": "id"},
    ],
)
def test_leads_are_named_by_ids(request_, named):
    assert request_.run(**{"records": None, "lookup_field": None, **named})["erased"] == 2
    assert request_.there() == [request_.twin, 1003]


def test_a_second_run_finds_no_lead(request_):
    request_.run()
    assert request_.run()["erased"] == 3  # the count of both tries of the run, which share its evidence
    request_.context["ti"].run_id = "another run"
    assert request_.run(allow_none_found=True)["found"] == 0


def test_a_try_that_broke_off_is_counted_in(request_):
    request_.marketo.fail("leads.get_by_filter_type", "603", skip=1)
    with pytest.raises(AirflowFailException):
        request_.run()
    assert request_.there() == [1003]
    done = request_.run()
    assert (done["found"], done["erased"]) == (3, 3)


def test_leads_whose_deletion_got_no_answer_are_counted(request_):
    request_.marketo.fail("leads.delete", drop=True, executed=True)
    result = request_.run()
    assert result["erased"] == json.loads(request_.evidence())["deleted"] == result["found"] > 1


def test_what_marketo_refuses_fails_with_its_code(request_):
    request_.marketo.instance.store.leads.delete = lambda lead: None
    with pytest.raises(AirflowFailException, match="3 leads are still there"):
        request_.run()
    assert json.loads(request_.evidence())["remaining"] == 3


def test_the_later_look_succeeds_if_no_lead_is_there_again(request_):
    done = request_.run(verify_after=timedelta(seconds=0.1))
    assert done["reappeared"] == 0
    assert json.loads(request_.evidence())["rechecked"]


def test_the_later_look_fails_if_a_lead_is_there_again(request_):
    def return_of_a_lead(trigger: Any) -> None:
        request_.leads.create({"email": request_.addresses[0]}, request_.marketo.instance.now, 1)

    task = MarketoEraseLeadsOperator(
        task_id="a_task",
        evidence=str(request_.folder / "evidence"),
        records=[{"email": address} for address in request_.addresses],
        lookup_field="email",
        confirm=True,
        verify_after=timedelta(seconds=0.1),
    )
    with pytest.raises(AirflowFailException, match=r"1 erased lead is there again; see .*erasure-"):
        run_task(task, request_.context, return_of_a_lead)
    assert json.loads(request_.evidence())["reappeared"] == 1


def test_a_spent_quota_is_waited_out_and_the_leads_are_erased_afterwards(request_, monkeypatch):
    request_.run()  # an earlier try, whose evidence says that its deletion was checked
    request_.leads.create({"email": request_.addresses[0]}, request_.marketo.instance.now, 1)
    request_.marketo.fail("leads.get_by_filter_type", "607")
    monkeypatch.setattr(rules, "next_probe", lambda now: now + timedelta(seconds=0.2))
    done = request_.run()
    assert (done["erased"], done["remaining"], done["reappeared"]) == (4, 0, None)


def test_a_killed_task_deletes_no_more_leads(request_, monkeypatch):
    task = MarketoEraseLeadsOperator(
        task_id="a_task", evidence=str(request_.folder), lead_ids=[1001, 1002], confirm=True
    )
    find = Erasure.find

    def killed(erasure: Erasure) -> list[int]:
        task.on_kill()
        return find(erasure)

    monkeypatch.setattr(Erasure, "find", killed)
    with pytest.raises(MarketoStoppedError):
        task.execute(request_.context)
    assert request_.there() == [1001, 1002, request_.twin, 1003]


def test_a_dry_run_counts(request_):
    assert request_.run(confirm=False, dry_run=True)["found"] == 3
    assert request_.there() == [1001, 1002, request_.twin, 1003]
    assert not (request_.folder / "evidence").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"confirm": False}, "confirm is not True.*dry_run=True"),
        ({"max_leads": 2}, "find 3 leads, and max_leads is 2"),
        ({"records": [{"email": "a,b"}]}, "^records: 1 of 1 value contains a comma"),
        ({"records": [{"email": ["a", "b"]}]}, r"^records: records\[0\] is a list, not a text"),
        ({"records": None}, "exactly one argument, and no such argument is given"),
        ({"lead_ids": [1001]}, "exactly one argument, and records and lead_ids are given"),
        ({"records": None, "lead_ids": [1001]}, "lookup_field cannot be used with lead_ids, only with rows"),
        ({"lookup_field": None}, "no column 'leadId'.*Its columns are email. .*lookup_field='email'"),
        ({"lookup_field": "nothing"}, "no column 'nothing'"),
    ],
)
def test_a_wrong_request_deletes_no_lead(request_, arguments, message):
    with pytest.raises(AirflowFailException, match=message):
        request_.run(**arguments)
    assert request_.there() == [1001, 1002, request_.twin, 1003]


def test_no_values_are_not_a_mistake(request_):
    assert request_.run(records=[])["found"] == 0


@pytest.mark.parametrize("values", [["nobody@example.com"], ["nobody@example.com", "no.one@example.com"], ["  x  "]])
def test_values_that_find_no_lead_are_a_mistake_and_leave_no_evidence(request_, values):
    with pytest.raises(AirflowFailException, match=r". given values? of email found no lead"):
        request_.run(records=[{"email": value} for value in values])
    assert not list((request_.folder / "evidence").glob("*.json"))


def test_rows_without_a_value_are_a_mistake(request_, tmp_path):
    file = tmp_path / "requests.csv"
    file.write_text('mail,since\n"",2026-03-01\n" ",2026-03-01\n')
    with pytest.raises(AirflowFailException, match="2 given values of email found no lead"):
        request_.run(records=None, source=str(file), columns={"mail": "email"})


def test_a_dry_run_says_that_no_lead_was_found(request_, caplog):
    assert request_.run(records=[{"email": "nobody@example.com"}], dry_run=True)["found"] == 0
    assert "1 given value of email found no lead" in caplog.text


def test_an_address_with_an_apostrophe_is_erased(request_):
    address = "pat.o'neil@example.com"
    request_.leads.create({"email": address}, request_.marketo.instance.now, 1)
    assert request_.run(records=[{"email": address}])["erased"] == 1


def test_a_name_with_a_comma_is_refused_and_not_taken_apart(request_):
    with pytest.raises(AirflowFailException, match="contains a comma"):
        request_.run(lookup_field="company", records=[{"company": "Acme, Inc."}])


def test_a_stopped_task_says_how_many_leads_it_has_deleted(request_, monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.imports.erasure.PER_CALL", 1)
    task = MarketoEraseLeadsOperator(
        task_id="a_task", evidence=str(request_.folder / "evidence"), lead_ids=[1001, 1002, 1003], confirm=True
    )
    answer = HANDLERS["leads.delete"]

    def stopped_here(*given: Any) -> Any:
        task.on_kill()
        return answer(*given)

    monkeypatch.setitem(HANDLERS, "leads.delete", stopped_here)
    with pytest.raises(MarketoStoppedError):
        task.execute(request_.context)
    assert (len(request_.there()), json.loads(request_.evidence())["deleted"]) == (3, 1)


def test_a_lead_without_an_id_is_an_error_and_no_lead_is_deleted(request_, monkeypatch):
    monkeypatch.setattr(MarketoClient, "paginate", lambda *_, **__: iter([{"id": 1001}, None]))
    with pytest.raises(MarketoDataError, match="a lead without an id"):
        request_.run()
    assert request_.there() == [1001, 1002, request_.twin, 1003]


def test_what_a_killed_try_left_is_gone_after_the_next_one(request_):
    request_.run()
    (evidence,) = (request_.folder / "evidence").glob("*.json")
    folder = OutputFolder(str(request_.folder / "evidence"), owner=evidence.stem)
    with folder.staging().open("erasure.json") as left:
        left.write(b"{}")
    request_.run()
    assert [path.name for path in (request_.folder / "evidence").rglob("*") if path.is_file()] == [evidence.name]


@pytest.mark.parametrize("text", ["", "{", "null", "{}", "[]"])
def test_damaged_evidence_is_never_taken_for_none(request_, text):
    """If it counted as missing, the new evidence would report too few erased leads."""
    request_.run()
    (file,) = (request_.folder / "evidence").glob("*.json")
    file.write_text(text)
    with pytest.raises(AirflowFailException, match=f"{file.name} is damaged.*Restore this evidence"):
        request_.run()
    assert file.read_text() == text


def test_values_without_a_lead_are_counted_and_listed_by_their_positions(request_, caplog):
    """The task fails only if no value finds a lead: a request often names addresses that Marketo never had."""
    values = ["nobody@example.com", request_.addresses[0].upper(), "never@example.com"]
    done = request_.run(records=[{"email": value} for value in values])
    assert (done["requested"], done["found"], done["without_lead"]) == (3, 2, 2)
    facts = json.loads(request_.evidence())
    assert (facts["without_lead"], facts["without_lead_at"]) == (2, [1, 3])
    assert "2 values of 3 found no lead; the evidence lists their positions" in caplog.text
    assert not any(value in request_.evidence() + json.dumps(done) for value in values)


def test_a_value_whose_lead_an_earlier_try_has_erased_has_found_one(request_, monkeypatch):
    delete = Erasure.delete

    def killed(self, lead_ids, note):
        delete(self, lead_ids[:1], note)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Erasure, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            request_.run(records=None, lookup_field=None, lead_ids=[1001, 1002, 99_999])
    done = request_.run(records=None, lookup_field=None, lead_ids=[1001, 1002, 99_999])
    assert (done["erased"], done["without_lead"]) == (2, 1)
    assert json.loads(request_.evidence())["without_lead_at"] == [3]
