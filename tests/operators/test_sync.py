"""Records through the sync endpoints: each is accounted for, and no record is in two calls at once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import get_type_hints

import pyarrow.parquet as pq
import pytest

from airflow_provider_marketo.client.errors import (
    MarketoQuotaExhaustedError,
    MarketoStoppedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.governor import rules
from airflow_provider_marketo.imports.result import RESULT_VERSION, ImportDetails, ImportResult
from airflow_provider_marketo.imports.staged import StagedImport
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator, MarketoSyncOperator
from airflow_provider_marketo.output.folder import Staging
from tests.operators.importing import (
    DeadError,
    DyingStore,
    Impatient,
    counts,
    fails,
    governed,
    lead,
    run_import,
    staged,
    table,
    token_expires_at,
)
from tests.support import StateStore, task_context

__all__ = ["governed"]


def people(count: int, **fields):
    return [{"email": f"new{number}@example.com", "firstName": f"Name {number}", **fields} for number in range(count)]


def test_leads_are_created_and_updated(marketo, tmp_path):
    instance = marketo()
    known = dict(instance.instance.store.leads.get(1001))
    records = [*people(3, leadScore=7), {"email": known["email"], "firstName": "Changed"}]
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=records)
    assert counts(result) == {"accepted": 4}
    assert (result["created"], result["updated"], result["calls"], result["rejects"]) == (3, 1, 1, None)
    assert lead(instance, "new2@example.com")["leadScore"] == 7
    assert lead(instance, known["email"])["firstName"] == "Changed"
    assert lead(instance, known["email"])["lastName"] == known["lastName"]
    assert staged(tmp_path) == []
    assert instance.report().violations == {}


def test_three_hundred_go_into_a_call_and_calls_run_side_by_side(marketo, tmp_path):
    instance = marketo(latency=0.1)
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=people(1_201), pool_slots=4)
    assert counts(result) == {"accepted": 1_201}
    assert result["calls"] == instance.report().calls["leads.sync"] == 5
    assert 2 <= instance.report().peak_concurrency <= 4


def test_a_task_with_one_slot_makes_one_call_at_a_time(marketo, tmp_path):
    instance = marketo(latency=0.02)
    run_import(MarketoSyncLeadsOperator, tmp_path, records=people(1_000))
    assert instance.report().peak_concurrency == 1


def test_large_records_make_more_calls_instead_of_one_that_is_too_large(marketo, tmp_path):
    instance = marketo()
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=people(300, comments="ü" * 4_000))
    assert counts(result) == {"accepted": 300}
    assert result["calls"] > 1
    assert instance.report().rejected == {}


def test_rejected_records_fail_the_task_after_all_others_were_loaded(marketo, tmp_path):
    instance = marketo()
    records = [{"email": "no address"}, *people(400), {"email": None, "firstName": "Nobody"}]
    text, account = fails(MarketoSyncLeadsOperator, tmp_path, records=records)
    assert "2 of 402 rows were rejected, more than max_reject_ratio=0 allows" in text
    assert account["rejects"] in text
    assert counts(account) == {"accepted": 400, "rejected": 2}
    rows = {row["_marketo_row"]: row for row in table(account["rejects"])}
    assert (rows[1]["email"], rows[1]["_marketo_code"]) == ("no address", "1003")
    assert (rows[402]["firstName"], rows[402]["_marketo_code"]) == ("Nobody", "missing_key")
    assert instance.report().executed["leads.sync"] == 2


def test_a_part_of_the_rows_may_be_rejected(marketo, tmp_path):
    marketo()
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=[{"email": "x"}, *people(9)], max_reject_ratio=0.1)
    assert counts(result) == {"accepted": 9, "rejected": 1}


def test_a_table_of_rejects_can_be_corrected_and_sent_again(marketo, tmp_path):
    instance = marketo()
    _, account = fails(MarketoSyncLeadsOperator, tmp_path, records=[{"email": "nobody", "leadScore": 3}])
    corrected = tmp_path / "corrected.jsonl"
    text = Path(account["rejects"]).read_text("utf-8")
    corrected.write_text(text.replace('"nobody"', '"body@example.org"'))
    assert counts(run_import(MarketoSyncLeadsOperator, tmp_path, source=str(corrected))) == {"accepted": 1}
    assert lead(instance, "body@example.org")["leadScore"] == 3


def test_rejects_hold_values_as_the_source_has_them_and_say_what_is_wrong(marketo, tmp_path):
    marketo()
    source = tmp_path / "in.csv"
    source.write_text(
        "email,leadScore,unsubscribed\nnobody,3,1\nada@example.com,many,yes\n,007,no\n" + f"{'x' * 600_000},5,no\n"
    )
    _, account = fails(MarketoSyncLeadsOperator, tmp_path, source=str(source))
    rows = {row["_marketo_row"]: row for row in table(account["rejects"])}
    assert [rows[number]["_marketo_code"] for number in (1, 2, 3, 4)] == [
        "1003",
        "invalid_value",
        "missing_key",
        "too_large",
    ]
    assert [rows[number]["leadScore"] for number in (1, 2, 3, 4)] == ["3", "many", "007", "5"]
    assert rows[2]["unsubscribed"] == "yes"


def test_numbers_stay_numbers_among_the_rejects(marketo, tmp_path):
    marketo()
    _, account = fails(MarketoSyncLeadsOperator, tmp_path, records=[{"email": "nobody", "leadScore": 3}])
    assert table(account["rejects"])[0]["leadScore"] == 3


def test_rows_that_marketo_refuses_come_back_as_they_were_given(marketo, tmp_path):
    marketo()
    scores = ["03", "007", 3, " 5 ", "1e1", None]
    records = [{"email": f"nobody{at}", "leadScore": score} for at, score in enumerate(scores)]
    _, account = fails(MarketoSyncLeadsOperator, tmp_path, records=records)
    assert [row["leadScore"] for row in table(account["rejects"])] == scores
    assert {row["_marketo_code"] for row in table(account["rejects"])} == {"1003"}


@pytest.mark.parametrize("damage", [None, b"", b"\xff\n", b'{"column": 0, "rows": [0, 1]', "at a line's end"])
def test_values_as_they_were_given_that_are_lost_keep_no_task_from_its_account(
    marketo, tmp_path, monkeypatch, caplog, damage
):
    """The rows are in Marketo already: the tables then show the sent values, and the log says so."""
    marketo()
    settle = StagedImport.settle

    def damaged(self, *args, **kwargs):
        (file,) = (tmp_path / "rejects/_marketo").rglob("given-*.jsonl")
        if damage is None:
            file.unlink()
        else:
            lines = file.read_bytes().splitlines(keepends=True)
            file.write_bytes(b"".join(lines[:-1]) if isinstance(damage, str) else damage)
        settle(self, *args, **kwargs)

    monkeypatch.setattr(StagedImport, "settle", damaged)
    records = [{"id": 999_999_999 - number, "leadScore": f"0{number}"} for number in range(2)]
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=records, lookup_field="id", action="updateOnly",
                        max_reject_ratio=1)  # fmt: skip
    assert counts(result) == {"rejected": 2}
    assert [row["leadScore"] for row in table(result["rejects"])] == [0, 1]
    (said,) = [text for text in caplog.messages if "given-" in text]
    assert said.endswith("the tables of rejects and warnings show 2 rows as sent to Marketo, not as in the input")


@pytest.mark.parametrize("rejects_format", ["jsonl", "parquet"])
def test_lists_and_objects_of_rejected_rows_come_back_as_they_were_given(marketo, tmp_path, rejects_format):
    marketo()
    notes = [["a", "b, c"], {"when": [1, None]}, [], None, '["a"]']
    records = [{"email": f"nobody{at}", "comments": note} for at, note in enumerate(notes)]
    _, account = fails(MarketoSyncLeadsOperator, tmp_path, records=records, rejects_format=rejects_format)
    if rejects_format == "jsonl":
        assert [row["comments"] for row in table(account["rejects"])] == notes
    else:
        rows = pq.read_table(account["rejects"]).to_pylist()
        assert [row["comments"] for row in rows] == ['["a", "b, c"]', '{"when": [1, null]}', "[]", None, '["a"]']


def test_rejects_can_be_written_as_parquet(marketo, tmp_path):
    marketo()
    _, account = fails(
        MarketoSyncLeadsOperator, tmp_path, records=[{"email": "x"}, {"email": "y"}], rejects_format="parquet"
    )
    rows = pq.read_table(account["rejects"]).to_pylist()
    assert [(row["email"], row["_marketo_row"], row["_marketo_outcome"]) for row in rows] == [
        ("x", 1, "rejected"),
        ("y", 2, "rejected"),
    ]


def test_the_last_row_of_a_key_wins(marketo, tmp_path):
    instance = marketo()
    records = [*people(500), {"email": "NEW7@example.com", "firstName": "Last"}]
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=records, pool_slots=4)
    assert counts(result) == {"accepted": 500, "superseded": 1}
    assert lead(instance, "new7@example.com")["firstName"] == "Last"


def test_duplicates_may_be_refused_before_anything_is_sent(marketo, tmp_path):
    instance = marketo()
    text, _ = fails(MarketoSyncLeadsOperator, tmp_path, records=people(2) * 2, on_duplicates="fail")
    assert "2 of 4 rows cannot be sent: a later row has the same email" in text
    assert "leads.sync" not in instance.report().calls


@pytest.mark.parametrize("empty_fields", ["keep", "clear"])
def test_an_empty_value_keeps_the_field_unless_told_to_clear_it(marketo, tmp_path, empty_fields):
    instance = marketo()
    email = instance.instance.store.leads.get(1001)["email"]
    records = [{"email": email, "lastName": None, "city": ""}]
    run_import(MarketoSyncLeadsOperator, tmp_path, records=records, empty_fields=empty_fields)
    changed = lead(instance, email)
    assert ((changed["lastName"], changed["city"]) == (None, None)) is (empty_fields == "clear")


def test_records_may_come_from_a_function(marketo, tmp_path):
    marketo()
    assert run_import(MarketoSyncLeadsOperator, tmp_path, records=lambda: people(2))["accepted"] == 2


def test_the_result_has_the_documented_shape_and_is_json(marketo, tmp_path):
    marketo()
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=people(1))
    assert result.keys() == get_type_hints(ImportResult).keys() - get_type_hints(ImportDetails).keys()
    assert result["version"] == RESULT_VERSION
    assert json.loads(json.dumps(result)) == result


def test_no_rows_are_a_success_that_says_so(marketo, tmp_path, caplog):
    instance = marketo()
    assert counts(run_import(MarketoSyncLeadsOperator, tmp_path, records=[])) == {}
    assert "leads.sync" not in instance.report().calls


ROLE = {"externalOpportunityId": "o1", "leadId": 1001, "role": "Buyer"}


@pytest.mark.parametrize(
    ("object_type", "good", "bad", "code"),
    [
        ("companies", {"externalCompanyId": "c1", "company": "Acme"},
         {"externalCompanyId": "c2", "externalSalesPersonId": "?"}, "718"),
        ("opportunities", {"externalOpportunityId": "o1", "name": "Deal"}, {"externalOpportunityId": "o2"}, "1002"),
        ("opportunity_roles", ROLE, {**ROLE, "leadId": 7}, "1004"),
        ("sales_persons", {"externalSalesPersonId": "s1", "email": "s@example.org"},
         {"externalSalesPersonId": "s2", "email": "s"}, "1003"),
        ("named_accounts", {"name": "Acme"}, {"name": "Globex", "numberOfEmployees": 1, "city": "x" * 300}, "1003"),
        ("custom_objects", {"vin": "V1", "ownerId": 1001}, {"vin": "V2", "make": "x" * 300}, "1003"),
    ],
)  # fmt: skip
def test_a_bad_record_of_any_kind_is_rejected_and_the_good_one_beside_it_is_written(
    marketo, tmp_path, object_type, good, bad, code
):
    instance = marketo()
    how = {"object_type": object_type}
    if object_type == "custom_objects":
        how["custom_object"] = "car_c"
    if object_type == "opportunity_roles":
        opportunity = {"externalOpportunityId": "o1", "name": "Deal"}
        run_import(MarketoSyncOperator, tmp_path, object_type="opportunities", records=[opportunity])
    result = run_import(MarketoSyncOperator, tmp_path, records=[bad, good], max_reject_ratio=0.5, **how)
    assert counts(result) == {"accepted": 1, "rejected": 1}
    (reject,) = table(result["rejects"])
    assert (reject["_marketo_row"], reject["_marketo_code"]) == (1, code)
    assert run_import(MarketoSyncOperator, tmp_path, records=[good], **how)["updated"] == 1
    assert instance.report().violations == {}


def test_records_that_exist_are_rejected_by_create_only(marketo, tmp_path):
    instance = marketo()
    known = instance.instance.store.leads.get(1001)["email"]
    records = [{"email": known}, *people(1)]
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=records, action="createOnly", max_reject_ratio=1)
    assert counts(result) == {"accepted": 1, "rejected": 1}
    assert table(result["rejects"])[0]["_marketo_code"] == "1005"
    assert "leads.get_by_filter_type" not in instance.report().calls


def test_lookup_by_id_updates_and_is_refused_for_other_actions(marketo, tmp_path):
    instance = marketo()
    how = {"action": "updateOnly", "lookup_field": "id"}
    assert counts(run_import(MarketoSyncLeadsOperator, tmp_path, records=[{"id": 1001, "city": "Bonn"}], **how)) == {
        "accepted": 1
    }
    assert instance.instance.store.leads.get(1001)["city"] == "Bonn"
    text, _ = fails(MarketoSyncLeadsOperator, tmp_path, records=[{"id": 1001}], lookup_field="id")
    assert "lookup_field='id' needs action='updateOnly'" in text


def test_a_dry_run_sends_nothing_and_leaves_nothing_behind(marketo, tmp_path):
    instance = marketo()
    records = [{"email": None}, *people(700), {"email": "new1@example.com", "firstName": "x" * 300}]
    plan = run_import(MarketoSyncLeadsOperator, tmp_path, records=records, dry_run=True)
    assert (plan["rows"], plan["rejected"], plan["superseded"], plan["to_send"], plan["calls"]) == (702, 1, 1, 700, 3)
    assert plan["long_values"] == {"firstName": 1}
    assert "leads.sync" not in instance.report().calls
    assert staged(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"object_type": "lists"}, "object_type='lists' is not one of 'leads', 'companies'"),
        ({"object_type": "custom_objects"}, "needs custom_object"),
        ({"object_type": "leads", "custom_object": "car_c"}, "custom_object needs object_type='custom_objects'"),
        ({"object_type": "companies", "dedupe_by": "idField"}, "needs action='updateOnly'"),
        ({"object_type": "leads", "max_reject_ratio": 2}, "max_reject_ratio=2 is not between 0 and 1"),
        ({"object_type": "leads", "rejects_format": "csv"}, "rejects_format='csv' is not one of 'jsonl', 'parquet'"),
        ({"object_type": "leads", "on_duplicates": "first"}, "on_duplicates='first' is not one of 'last', 'fail'"),
        ({"object_type": "leads", "on_quota_exhausted": "wait"}, "on_quota_exhausted='wait' is not one of"),
        ({"object_type": "leads", "source": "x.csv"}, "exactly one argument, and records and source are given"),
        ({"object_type": "leads", "constants": {"leadScore": "x"}}, "constants: leadScore is not a number"),
        (
            {"object_type": "leads", "columns": {"mail": "email"}},
            "columns: the input has no column 'mail' (did you mean 'email'?)",
        ),
    ],
)
def test_what_is_wrong_is_refused_before_a_record_is_sent(marketo, tmp_path, arguments, message):
    instance = marketo()
    text, account = fails(MarketoSyncOperator, tmp_path, **{"records": people(1), **arguments})
    assert message in text
    assert account is None
    assert not any(name.endswith(".sync") for name in instance.report().calls)


# Weather.


@pytest.mark.parametrize("code", ["604", "HTTP 413"])
def test_a_call_that_is_too_much_is_split(marketo, tmp_path, governed, code):
    instance = marketo()
    if code == "604":
        instance.fail(
            "companies.sync", "604", times=7
        )  # the first call and one half, each as often as it is sent again
    else:
        instance.fail("companies.sync", status=413, times=2)
    records = [{"externalCompanyId": f"c{number}"} for number in range(100)]
    result = run_import(MarketoSyncOperator, tmp_path, object_type="companies", records=records)
    assert counts(result) == {"accepted": 100}
    assert len(instance.instance.store.crm["companies"].records) == 100
    assert result["calls"] > 2


def test_one_row_that_is_too_large_for_marketo_is_rejected_and_the_others_are_sent(marketo, tmp_path, governed):
    instance = marketo()
    # The calls with both rows, and with the first row alone.
    instance.fail("companies.sync", status=413, times=2)
    records = [{"externalCompanyId": "large"}, {"externalCompanyId": "small"}]
    _, account = fails(MarketoSyncOperator, tmp_path, object_type="companies", records=records)
    assert counts(account) == {"accepted": 1, "rejected": 1}
    assert [(row["_marketo_code"], row["externalCompanyId"]) for row in table(account["rejects"])] == [
        ("too_large", "large")
    ]
    assert len(instance.instance.store.crm["companies"].records) == 1


@pytest.mark.parametrize(
    ("fault", "error"), [({"code": "604"}, "Marketo code 604"), ({"drop": True}, "the connection broke")]
)
def test_a_single_row_without_an_answer_may_have_been_taken_and_is_not_a_reject(
    marketo, tmp_path, governed, fault, error
):
    instance = marketo()
    instance.fail("companies.sync", times=None, **fault)
    task = {"object_type": "companies", "records": [{"externalCompanyId": "slow"}]}
    store = StateStore()
    with pytest.raises(MarketoTransientError, match=error):
        run_import(MarketoSyncOperator, tmp_path, store, **task)
    instance.clear_faults()
    assert counts(run_import(MarketoSyncOperator, tmp_path, store, **task)) == {"accepted": 1}


@pytest.mark.parametrize(("busy", "accepted"), [(29, 1), (30, None)])
def test_a_load_has_half_an_hour_while_others_use_all_calls_of_the_instance(
    marketo, tmp_path, governed, monkeypatch, busy, accepted
):
    instance = marketo()
    load = MarketoSyncLeadsOperator(task_id="a_task", records=people(1), rejects_path=str(tmp_path))
    governor, asked = load.hook.client.governor, []
    acquire = governor.acquire

    def crowded(operation, **how):
        if operation == "leads.sync":
            asked.append(operation)
            if len(asked) <= busy:
                raise MarketoThrottledError("no turn came within a minute")
        return acquire(operation, **how)

    monkeypatch.setattr(governor, "acquire", crowded)
    if accepted is None:
        with pytest.raises(MarketoThrottledError):
            load.execute(task_context())
    else:
        assert load.execute(task_context())["accepted"] == accepted
    assert instance.report().executed.get("leads.sync", 0) == (accepted or 0)


def test_calls_of_a_chunk_that_have_not_begun_are_not_made_after_one_has_failed(marketo, tmp_path, governed):
    instance = marketo()
    instance.fail("leads.sync", "603", times=None)
    text, account = fails(MarketoSyncLeadsOperator, tmp_path, records=people(3_000))
    assert "603" in text
    assert account is None
    assert instance.report().calls["leads.sync"] < 10


def test_an_upsert_whose_answer_was_lost_is_repeated_and_makes_no_second_lead(marketo, tmp_path, governed):
    instance = marketo()
    instance.fail("leads.sync", drop=True, executed=True)
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=people(300))
    assert counts(result) == {"accepted": 300}
    assert result["updated"] == 300
    leads = instance.instance.store.leads
    assert len(list(leads.keys())) == leads.count + 300


NEW_RECORDS = {
    "leads": lambda number: {"email": f"new{number}@example.com"},
    "companies": lambda number: {"externalCompanyId": f"c{number}"},
    "opportunities": lambda number: {"externalOpportunityId": f"o{number}", "name": "Deal"},
    "opportunity_roles": lambda number: {"externalOpportunityId": "o", "leadId": 1001 + number, "role": "Buyer"},
    "sales_persons": lambda number: {"externalSalesPersonId": f"s{number}", "email": f"s{number}@example.com"},
    "named_accounts": lambda number: {"name": f"Account {number}"},
    "custom_objects": lambda number: {"vin": f"V{number}", "ownerId": 1001},
}


def pass_time(instance, minutes: int) -> None:
    now = instance.clock.now
    instance.clock.now = lambda: now() + timedelta(minutes=minutes)


def existing(instance, tmp_path, object_type: str, *numbers: int) -> dict[str, str]:
    """Create records half an hour before a task creates others. Return the arguments that name their kind."""
    how = {"object_type": object_type} | ({"custom_object": "car_c"} if object_type == "custom_objects" else {})
    if object_type == "opportunity_roles":
        opportunity = {"externalOpportunityId": "o", "name": "Deal"}
        run_import(MarketoSyncOperator, tmp_path, object_type="opportunities", records=[opportunity])
    run_import(MarketoSyncOperator, tmp_path, records=[NEW_RECORDS[object_type](number) for number in numbers], **how)
    pass_time(instance, minutes=30)
    return how


@pytest.mark.parametrize("object_type", NEW_RECORDS)
def test_records_that_the_lost_call_created_are_accepted_and_those_that_were_there_rejected(
    marketo, tmp_path, governed, object_type
):
    instance = marketo(time_scale=1)
    how = existing(instance, tmp_path, object_type, 0, 310)
    instance.fail(f"{object_type}.sync", drop=True, executed=True)
    records = [NEW_RECORDS[object_type](number) for number in range(320)]
    result = run_import(MarketoSyncOperator, tmp_path, records=records, action="createOnly", max_reject_ratio=1, **how)
    assert counts(result) == {"accepted": 318, "rejected": 2}
    assert result["created"] == 318
    assert [row["_marketo_row"] for row in table(result["rejects"])] == [1, 311]
    assert instance.report().violations == {}


@pytest.mark.parametrize("object_type", ["leads", "companies"])
def test_records_that_a_killed_try_created_are_accepted_and_those_that_were_there_rejected(
    marketo, tmp_path, governed, monkeypatch, object_type
):
    monkeypatch.setattr("airflow_provider_marketo.imports.sync.SystemClock", Impatient)
    instance = marketo(time_scale=1)
    how = existing(instance, tmp_path, object_type, 0, 310) | {"action": "createOnly", "max_reject_ratio": 1}
    records = [NEW_RECORDS[object_type](number) for number in range(320)]
    store = DyingStore(3, written=False)  # Marketo has done all calls, and no state says so
    with pytest.raises(DeadError):
        run_import(MarketoSyncOperator, tmp_path, store, records=records, **how)
    pass_time(instance, minutes=1)
    result = run_import(MarketoSyncOperator, tmp_path, store.survivor(), records=records, **how)
    assert counts(result) == {"accepted": 318, "rejected": 2}


def test_records_that_a_try_created_before_its_next_call_failed_are_accepted(marketo, tmp_path, governed, monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.imports.sync.SystemClock", Impatient)
    instance = marketo(time_scale=1)
    how = existing(instance, tmp_path, "leads", 0, 310) | {"action": "createOnly", "max_reject_ratio": 1}
    records = [NEW_RECORDS["leads"](number) for number in range(320)]
    instance.fail("leads.sync", "603", skip=1, times=None)
    store = StateStore()
    assert "603" in fails(MarketoSyncOperator, tmp_path, store, records=records, **how)[0]
    instance.clear_faults()
    pass_time(instance, minutes=1)
    result = run_import(MarketoSyncOperator, tmp_path, store, records=records, **how)
    assert counts(result) == {"accepted": 318, "rejected": 2}


@pytest.mark.parametrize("read", ["leads.get_by_filter_type", "companies.get"])
def test_records_whose_creation_cannot_be_read_are_unknown(marketo, tmp_path, governed, read):
    instance = marketo(time_scale=1)
    object_type = "leads" if read.startswith("leads") else "companies"
    instance.fail(f"{object_type}.sync", drop=True, executed=True)
    instance.fail(read, "603")
    records = [NEW_RECORDS[object_type](number) for number in range(3)]
    text, account = fails(MarketoSyncOperator, tmp_path, object_type=object_type, records=records, action="createOnly")
    assert "3 of 3 rows may or may not be in Marketo" in text
    assert counts(account) == {"unknown": 3}


def test_a_key_with_a_comma_cannot_be_looked_up(marketo, tmp_path, governed):
    instance = marketo(time_scale=1)
    instance.fail("named_accounts.sync", drop=True, executed=True)
    records = [{"name": "Acme, Inc."}, {"name": "Globex"}]
    how = {"object_type": "named_accounts", "action": "createOnly"}
    _, account = fails(MarketoSyncOperator, tmp_path, records=records, **how)
    assert counts(account) == {"accepted": 1, "unknown": 1}


def test_a_duplicate_that_may_have_been_created_is_unknown_and_not_sent_again(marketo, tmp_path, governed):
    instance = marketo()
    instance.fail("leads.sync", drop=True, executed=True)
    text, account = fails(MarketoSyncLeadsOperator, tmp_path, records=people(400), action="createDuplicate")
    assert counts(account) == {"accepted": 100, "unknown": 300}
    assert "300 of 400 rows may or may not be in Marketo" in text
    assert {row["_marketo_outcome"] for row in table(account["rejects"])} == {"unknown"}
    assert instance.report().executed["leads.sync"] == 2


def test_the_author_may_have_rows_sent_once_more_that_may_or_may_not_have_been_created(marketo, tmp_path, governed):
    instance = marketo()
    instance.fail("leads.sync", drop=True)
    store = StateStore()
    fails(MarketoSyncLeadsOperator, tmp_path, store, records=people(400), action="createDuplicate")
    how = {"action": "createDuplicate", "on_lost_upload": "resend"}
    assert counts(run_import(MarketoSyncLeadsOperator, tmp_path, store, records=[], **how)) == {"accepted": 400}
    leads = instance.instance.store.leads
    assert len(list(leads.keys())) == leads.count + 400


def test_rows_without_a_status_are_sent_once_more_by_the_next_try_where_that_does_no_harm(marketo, tmp_path, governed):
    instance = marketo()
    body = json.dumps({"success": True, "requestId": "a#1", "result": [{"id": 1}, None, {"status": "created"}]})
    instance.fail("companies.sync", status=200, body=body)
    store = StateStore()
    _, account = fails(MarketoSyncOperator, tmp_path, store, records=companies(3), object_type="companies")
    assert counts(account) == {"accepted": 1, "unknown": 2}
    result = run_import(MarketoSyncOperator, tmp_path, store, records=[], object_type="companies")
    assert counts(result) == {"accepted": 3}
    assert result["rejects"] is None


def test_a_token_that_expires_halfway_is_renewed(marketo, tmp_path, governed, monkeypatch):
    instance = marketo()
    token_expires_at(monkeypatch, "leads.sync")
    assert counts(run_import(MarketoSyncLeadsOperator, tmp_path, records=people(900))) == {"accepted": 900}
    assert instance.report().rejected == {"602": 1}


def test_a_spent_quota_is_slept_off_without_a_worker_and_the_rest_is_sent(marketo, tmp_path, governed, monkeypatch):
    instance = marketo()
    instance.fail("leads.sync", "607", skip=21)
    monkeypatch.setattr(rules, "next_probe", lambda now: now + timedelta(seconds=0.2))
    deferred = []

    def sleeps(self, context, wait, interval):
        deferred.append(wait.until)
        governed.advance(60)
        raise DeadError

    monkeypatch.setattr(MarketoSyncLeadsOperator, "_defer", sleeps)
    store = StateStore()
    with pytest.raises(DeadError):
        run_import(MarketoSyncLeadsOperator, tmp_path, store, records=people(9_000))
    assert len(deferred) == 1
    result = run_import(MarketoSyncLeadsOperator, tmp_path, store, records=people(1))
    assert counts(result) == {"accepted": 9_000}
    assert instance.report().executed["leads.sync"] == 20 + 1 + 10


def test_a_spent_quota_fails_the_task_if_its_author_wants_that(marketo, tmp_path, governed):
    instance = marketo()
    instance.fail("leads.sync", "607")
    with pytest.raises(MarketoQuotaExhaustedError):
        run_import(MarketoSyncLeadsOperator, tmp_path, records=people(1), on_quota_exhausted="fail")


# Kills.


@pytest.mark.parametrize("killed_in", [(Staging, "publish"), (StagedImport, "_publish"), (StagedImport, "settle")])
def test_what_a_killed_try_left_unfinished_is_gone_after_a_retry_that_succeeds(
    marketo, tmp_path, governed, monkeypatch, killed_in
):
    marketo()
    places = []

    def killed(*_):
        raise DeadError

    def remains(staging, *_):  # a process that is killed cleans nothing up
        places.append(staging._directory)

    how = {"object_type": "companies", "staging": str(tmp_path / "staging"), "max_reject_ratio": 1}
    records = [*companies(5), {"externalCompanyId": "x", "externalSalesPersonId": "?"}]
    store = StateStore()
    with monkeypatch.context() as dying:
        dying.setattr(Staging, "__exit__", remains)
        dying.setattr(*killed_in, killed)
        with pytest.raises(DeadError):
            run_import(MarketoSyncOperator, tmp_path, store, records=records, **how)
    assert any(place.exists() for place in places)
    result = run_import(MarketoSyncOperator, tmp_path, store, records=records, **how)
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file()] == [result["rejects"]]
    assert not any(place.exists() for place in places)


def test_a_task_that_is_killed_while_it_reads_its_input_sends_nothing(marketo, tmp_path):
    instance = marketo()

    def records():
        task.on_kill()
        return people(3)

    task = MarketoSyncLeadsOperator(task_id="a_task", records=records, rejects_path=str(tmp_path))
    with pytest.raises(MarketoStoppedError, match="the task was killed"):
        task.execute(task_context(StateStore()))
    assert "leads.sync" not in instance.report().calls


def test_a_dry_run_leaves_alone_what_an_earlier_try_has_staged(marketo, tmp_path, governed):
    instance = marketo()
    store = StateStore()
    instance.fail("leads.sync", drop=True, executed=True)
    how = {"action": "createDuplicate"}
    load_until_unknown = fails(MarketoSyncLeadsOperator, tmp_path, store, records=people(1), **how)
    assert "1 of 1 row" in load_until_unknown[0]
    kept = (staged(tmp_path), dict(store.values))
    assert run_import(MarketoSyncLeadsOperator, tmp_path, store, records=people(2), dry_run=True, **how)["rows"] == 2
    assert (staged(tmp_path), store.values) == kept
    assert kept[0]


def test_rows_that_a_failed_task_keeps_are_for_this_user_only(marketo, tmp_path):
    marketo().fail("leads.sync", "611", times=99)
    (tmp_path / "in.jsonl").write_text(json.dumps(people(1)[0]))
    places = {name: str(tmp_path / name) for name in ("staging", "rejects_path")}
    task = MarketoSyncLeadsOperator(task_id="a_task", source=str(tmp_path / "in.jsonl"), **places)
    with pytest.raises(MarketoTransientError, match="Marketo code 611"):
        task.execute(task_context())
    kept = [path for path in (tmp_path / "staging/_marketo/runs/a_dag/a_task").rglob("*") if path.is_file()]
    assert any(b"@" in path.read_bytes() for path in kept)
    for path in kept:
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def companies(count: int):
    return [{"externalCompanyId": f"c{number}", "company": f"Name {number}"} for number in range(count)]


@pytest.mark.parametrize("written", [True, False], ids=["after the write", "before the write"])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_killed_task_sends_the_rest_of_the_same_rows(marketo, tmp_path, governed, monkeypatch, at, written):
    """Writes: the plan, what ended and what begins around each of three calls, the end, and the state's removal."""
    monkeypatch.setattr("airflow_provider_marketo.imports.begin.CALLS_PER_CHUNK", 1)
    instance = marketo()
    store = DyingStore(at, written=written)
    how = {"object_type": "companies"}
    with pytest.raises(DeadError):
        run_import(MarketoSyncOperator, tmp_path, store, records=companies(700), **how)
    result = run_import(MarketoSyncOperator, tmp_path, store.survivor(), records=companies(701), **how)
    nothing_was_begun, all_was_forgotten = (at, written) == (1, False), (at, written) == (7, True)
    rows = 701 if nothing_was_begun or all_was_forgotten else 700
    assert counts(result) == {"accepted": rows}
    assert len(instance.instance.store.crm["companies"].records) == rows
    sent_and_not_written_down = not written and at in (3, 4, 5)
    again = 3 if all_was_forgotten else 1 if sent_and_not_written_down else 0
    assert instance.report().executed["companies.sync"] == 3 + again
    assert staged(tmp_path) == []


def test_leads_that_a_dead_process_was_sending_come_last_and_not_before_marketo_is_through_with_them(
    marketo, tmp_path, governed, monkeypatch
):
    monkeypatch.setattr("airflow_provider_marketo.imports.begin.CALLS_PER_CHUNK", 1)
    waits = []

    class Watched(Impatient):
        def sleep(self, seconds: float) -> None:
            waits.append((round(seconds, -1), instance.report().executed["leads.sync"]))

    monkeypatch.setattr("airflow_provider_marketo.imports.sync.SystemClock", Watched)
    instance = marketo()
    store = DyingStore(3, written=False)  # Marketo has done the first call, and no state says so
    with pytest.raises(DeadError):
        run_import(MarketoSyncLeadsOperator, tmp_path, store, records=people(900))
    assert counts(run_import(MarketoSyncLeadsOperator, tmp_path, store.survivor(), records=[])) == {"accepted": 900}
    assert waits == [(100, 3)]  # the other two calls were made first
    assert instance.report().executed["leads.sync"] == 4


def test_the_input_is_not_read_again_after_a_kill(marketo, tmp_path, governed):
    instance = marketo()
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in companies(10)))
    store = DyingStore(2, written=True)
    how = {"object_type": "companies", "source": str(source)}
    with pytest.raises(DeadError):
        run_import(MarketoSyncOperator, tmp_path, store, **how)
    source.unlink()
    assert counts(run_import(MarketoSyncOperator, tmp_path, store.survivor(), **how)) == {"accepted": 10}
    assert len(instance.instance.store.crm["companies"].records) == 10
