"""An import that is killed at any step: no row is lost, and no row is sent twice if it must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imports import victim
from tests.imports.victim import Step, go_on, kill
from tests.operators.importing import counts, governed, staged
from tests.simulated import marketo

pytestmark = pytest.mark.slow(reason="it kills processes")

__all__ = ["governed", "marketo"]

ROWS = 150
BULK = {
    "while the input is staged": Step("imports.staging:ChunkWriter._append", 2, after=True),
    "when it is staged and not written down": Step("imports.begin:Beginning._staged"),
    "before the first byte leaves": Step("client.bulk.imports:ImportJobs.start", under_way=True),
    "before the first answer is written down": Step(
        "client.bulk.imports:ImportJob.from_record", after=True, under_way=True, sent=True
    ),
    "between two chunks": Step("imports.bulk:BulkImport._send", after=True),
    "before the last answer is written down": Step(
        "client.bulk.imports:ImportJob.from_record", 3, after=True, under_way=True, sent=True
    ),
    "while Marketo imports": Step("operators.base:MarketoDeferrableOperator._wait"),
    "while a report is fetched": Step("client.bulk.imports:ImportJobs.report"),
    "when a chunk is settled": Step("imports.staged:StagedImport.settle", after=True),
    "before the account is written": Step("imports.staged:StagedImport.finish"),
    "when the tables are published": Step("imports.staged:StagedImport._publish", 2, after=True),
    "before the last trace is gone": Step("imports.begin:Beginning.cleanup"),
}
SYNC = {
    "when it is staged and not written down": Step("imports.begin:Beginning._staged"),
    "before a call": Step("imports.sync:_Sender.send", 2, under_way=True),
    "before an answer is written down": Step("imports.sync:_Sender.send", 2, after=True, under_way=True, sent=True),
    "when it is settled and not written down": Step(
        "imports.staged:StagedImport.settle", after=True, under_way=True, sent=True
    ),
    "when that and the next are written down": Step("output.progress:ProgressKeeper.save", 3, after=True),
    "before the account is written": Step("imports.staged:StagedImport.finish"),
}
UNDER_WAY = {name: step for name, step in BULK.items() if step.under_way}


def table(steps: dict[str, Step]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("step", steps.values(), ids=steps.keys())


@pytest.fixture
def arguments(tmp_path, monkeypatch, governed) -> dict[str, str]:
    """Leads in three chunks, the last of them with an address that Marketo refuses."""
    for name in ("BULK", "CALLS_PER_CHUNK"):
        monkeypatch.setattr(victim.begin, name, getattr(victim.begin, name))  # restored in the end
    victim.small_chunks()
    emails = [f"new{number}@example.com" for number in range(ROWS - 1)]
    (tmp_path / "in.csv").write_text("\n".join(["email", *emails, "no address", ""]))
    return {"object_type": "leads", "source": str(tmp_path / "in.csv")}


def times_there(instance, emails: range) -> set[int]:
    """How many times Marketo has each of the new leads."""
    leads = instance.instance.store.leads
    return {len(list(leads.find("email", [f"new{number}@example.com"]))) for number in emails}


def imports(instance) -> int:
    with instance.instance.lock:
        return len(instance.instance.imports.all())


@table(BULK)
def test_leads_are_all_there_and_only_what_was_under_way_is_sent_again(marketo, tmp_path, arguments, step):
    instance = marketo()
    kill(step, tmp_path, **arguments)
    account, _ = go_on(tmp_path, **arguments)
    assert counts(account) == {"accepted": ROWS - 1, "rejected": 1}
    assert times_there(instance, range(ROWS - 1)) == {1}
    assert imports(instance) == account["chunks"] + step.sent == 3 + step.sent
    assert len(Path(account["rejects"]).read_text().splitlines()) == 1
    assert staged(tmp_path) == []


@table(UNDER_WAY)
def test_what_may_fire_campaigns_is_never_sent_again(marketo, tmp_path, arguments, step):
    # Marketo refuses a second import into a list while the first one runs. The number of refusals must not depend on
    # speed.
    instance = marketo(job_seconds=0.0, job_seconds_per_mb=0.0)
    arguments |= {"list_id": "1001"}
    kill(step, tmp_path, **arguments)
    account, failed = go_on(tmp_path, **arguments)
    found = counts(account)
    assert failed
    assert found["unknown"] == len(Path(account["rejects"]).read_text().splitlines()) - found.get("rejected", 0) > 0
    assert sum(found.values()) == ROWS
    assert imports(instance) == 3 - (not step.sent)


@table(SYNC)
def test_companies_are_all_there_and_only_what_was_under_way_is_sent_again(marketo, tmp_path, arguments, step):
    instance = marketo()
    records = [{"externalCompanyId": f"c{number}"} for number in range(700)]
    how = {"object_type": "companies", "records": records}
    kill(step, tmp_path, **how)
    account, _ = go_on(tmp_path, **how)
    assert counts(account) == {"accepted": 700}
    assert len(instance.instance.store.crm["companies"].records) == 700
    assert instance.report().executed["companies.sync"] == 3 + step.sent


@table({name: step for name, step in SYNC.items() if step.under_way})
def test_what_would_create_a_duplicate_is_never_sent_again(marketo, tmp_path, arguments, step):
    instance = marketo()
    records = [{"email": f"new{number}@example.com"} for number in range(700)]
    how = {"object_type": "leads", "action": "createDuplicate", "records": records}
    kill(step, tmp_path, **how)
    account, failed = go_on(tmp_path, **how)
    assert failed
    assert counts(account) == {"accepted": 400, "unknown": 300}
    assert times_there(instance, range(700)) == ({1} if step.sent else {0, 1})
