"""``airflow marketo ledger``, with entries in a real Airflow database or in a folder."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from airflow.models.variable import Variable
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_marketo.at_most_once.decision import ALIVE
from airflow_provider_marketo.at_most_once.entries import CLAIM, PREFIX, Entry
from airflow_provider_marketo.at_most_once.stores import FolderStore

LONG_AGO = (datetime.now(timezone.utc) - timedelta(days=100)).isoformat()
RECENTLY = (datetime.now(timezone.utc) - timedelta(days=10)).isoformat()


def entry(what: str, until: str | None = None) -> Entry:
    return Entry(
        state="settled" if until else "sending",
        owner="me",
        instance="123-ABC-456",
        operation="campaigns.request",
        what=what,
        dag_id="a_dag",
        task_id="a_task",
        run_id="a run",
        map_index=-1,
        generation=0,
        since=until or RECENTLY,
        until=until,
        settled_by="reply" if until else None,
    )


ENTRIES = {f"{PREFIX}1": entry("old", LONG_AGO), f"{PREFIX}2": entry("new", RECENTLY), f"{PREFIX}3": entry("open")}
CLAIMS = (f"{PREFIX}1{CLAIM}", f"{PREFIX}3{CLAIM}")


@pytest.fixture(params=["Variables", "folder"])
def ledger(request, airflow, tmp_path):
    """Return a function that runs a command on a ledger with an old, a new and an open entry."""
    folder = FolderStore(str(tmp_path))
    texts = {key: each.to_json() for key, each in ENTRIES.items()} | dict.fromkeys(CLAIMS, "me")
    with create_session() as session:
        session.add(Variable("of_somebody_else", "1"))
    for key, text in texts.items():
        if request.param == "folder":
            folder.write(key, text)
        else:
            with create_session() as session:
                session.add(Variable(key, text))

    def run(*arguments: str) -> str:
        where = ("--ledger", str(tmp_path)) if request.param == "folder" else ()
        return airflow("ledger", *arguments, *where)

    return run


def listed(ledger) -> dict[str, str]:
    return {row["what"]: row["state"] for row in json.loads(ledger("list", "--output", "json"))}


def test_list_shows_unresolved_entries_first(ledger):
    assert list(listed(ledger).items()) == [("open", "unresolved"), ("old", "sent"), ("new", "sent")]


def test_an_entry_settled_as_sent_stays_sent(ledger):
    said = ledger("settle", f"{PREFIX}3", "--sent")
    assert "open is recorded as sent. Clear the task a_dag.a_task" in said
    assert listed(ledger)["open"] == "sent"
    with pytest.raises(SystemExit, match="is already settled \\(person\\)"):
        ledger("settle", f"{PREFIX}3", "--not-sent")


def test_settle_as_not_sent_deletes_the_entry_so_that_the_next_try_sends(ledger):
    assert "is recorded as not sent" in ledger("settle", f"{PREFIX}3", "--not-sent")
    assert "open" not in listed(ledger)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((f"{PREFIX}9", "--sent"), "there is no entry"),
        ((f"{PREFIX}3",), "give either --sent or --not-sent"),
        ((f"{PREFIX}3", "--sent", "--not-sent"), "give either --sent or --not-sent"),
        ((f"{PREFIX}9", "--sent", "--not-sent"), "give either --sent or --not-sent"),
    ],
)
def test_settle_refuses_wrong_arguments(ledger, arguments, message):
    with pytest.raises(SystemExit, match=message):
        ledger("settle", *arguments)
    assert listed(ledger)["open"] == "unresolved"


@pytest.mark.parametrize(("answer", "left"), [("--sent", "sent"), ("--not-sent", None)])
def test_a_damaged_entry_is_listed_and_settled(ledger, tmp_path, answer, left):
    key = f"{PREFIX}3"
    if (tmp_path / f"{key}.json").exists():
        (tmp_path / f"{key}.json").write_bytes(b"")
    else:
        with create_session() as session:  # like a Variable whose Fernet key is lost
            session.query(Variable).filter_by(key=key).update({"_val": "x", "is_encrypted": True})
    damaged = "the request of a damaged entry"
    assert listed(ledger)[damaged] == "unresolved"
    assert "Clear the task" in ledger("settle", key, answer)
    assert listed(ledger).get(damaged) == left


def test_prune_deletes_old_settled_entries_and_keeps_unresolved_ones(ledger):
    assert ledger("prune").endswith("Deleted 1 entry settled more than 90 days ago; 2 left\n")
    assert set(listed(ledger)) == {"new", "open"}
    assert "Deleted 1 entry settled more than 1 day ago; 1 left" in ledger("prune", "--older-than-days", "1")
    assert set(listed(ledger)) == {"open"}
    with create_session() as session:
        assert session.query(Variable).filter_by(key="of_somebody_else").count() == 1


@pytest.mark.parametrize("days", ["-1", "1.5", "soon"])
def test_prune_takes_a_number_of_days(ledger, capsys, days):
    before = listed(ledger)
    with pytest.raises(SystemExit):
        ledger("prune", f"--older-than-days={days}")
    assert "not a number of days: give 0 or more" in capsys.readouterr().err
    assert listed(ledger) == before


def test_settle_keeps_the_description_of_the_variable(airflow):
    key = f"{PREFIX}3"
    with create_session() as session:
        Variable.set(key, ENTRIES[key].to_json(), description="keeps a request from being sent twice", session=session)
    airflow("ledger", "settle", key, "--sent")
    with create_session() as session:
        found = session.scalar(select(Variable).where(Variable.key == key))
        assert (found.description, Entry.from_json(found.val).settled_by) == (
            "keeps a request from being sent twice",
            "person",
        )


@pytest.mark.parametrize("state", ALIVE)
def test_an_entry_whose_task_may_be_sending_is_not_settled(ledger, monkeypatch, state):
    monkeypatch.setattr(
        "airflow_provider_marketo.cli.ledger.states", lambda session, instances: dict.fromkeys(instances, state)
    )
    with pytest.raises(SystemExit, match=f"a_dag.a_task is {state} and may be sending open right now"):
        ledger("settle", f"{PREFIX}3", "--sent")
    assert listed(ledger)["open"] == "unresolved"


def test_a_settled_entry_has_no_claim_left(ledger, tmp_path):
    ledger("settle", f"{PREFIX}3", "--sent")
    kept = FolderStore(str(tmp_path)).all_keys()
    with create_session() as session:
        kept += session.scalars(select(Variable.key)).all()
    assert f"{PREFIX}3" in kept
    assert f"{PREFIX}3{CLAIM}" not in kept
