"""Bulk imports of files: which rows arrive, what Marketo reports, and what is refused before a file is sent."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.simulator import ApiUser
from airflow_provider_marketo.simulator.import_jobs import FAILED
from tests.operators.bulk_importing import CARS, LEADS, WEBINAR, jobs, refused, run, small_chunks, source
from tests.operators.importing import counts, governed, lead, staged, table
from tests.support import StateStore, run_task, task_context
from tests.variables import airflow_variables

__all__ = ["airflow_variables", "governed", "small_chunks", "source"]

# What comes in.


def test_leads_come_in_and_nothing_is_left_behind(marketo, tmp_path, source):
    instance = marketo()
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert (result["chunks"], result["calls"], len(result["batch_ids"])) == (1, 1, 1)
    assert lead(instance, "new199@example.com")["firstName"] == "Name 199"
    assert staged(tmp_path) == []
    assert instance.report().violations == {}


def test_a_task_that_holds_its_worker_does_the_same(marketo, tmp_path, source):
    marketo()
    assert counts(run(tmp_path, source(), deferrable=False)) == {"accepted": 200}


def test_what_is_inside_cells_arrives_as_it_was(marketo, tmp_path, source, small_chunks):
    instance = marketo()
    texts = ['a,b;"c"\nd', "Ünï😀" * 100, "x\r\ny", "null hypothesis", "  blank  "]
    source_path = source(*({"email": f"t{n}@example.com", "comments": text} for n, text in enumerate(texts)))
    assert counts(run(tmp_path, source_path)) == {"accepted": 5}
    arrived = [lead(instance, f"t{n}@example.com")["comments"] for n in range(5)]
    assert [text.strip() for text in texts] == arrived


def test_rows_are_spread_over_chunks_of_whole_rows(marketo, tmp_path, source, small_chunks):
    instance = marketo()
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert result["chunks"] == len(result["batch_ids"]) > 3
    assert len(jobs(instance)) == result["chunks"]


def test_imported_rows_become_members_with_the_status_and_their_own_fields(marketo, tmp_path, source):
    instance = marketo()
    known = instance.instance.store.leads.get(1002)["email"]
    rows = [{"email": known, "seatNumber": "7"}, {"email": "new@example.com", "seatNumber": "8"}]
    assert counts(run(tmp_path, source(*rows), **WEBINAR)) == {"accepted": 2}
    member = instance.instance.store.programs.member(1001, lead(instance, "new@example.com")["id"])
    assert (member["statusName"], member["seatNumber"]) == ("Attended", 8)


def test_a_member_who_is_past_the_status_is_loaded_with_a_warning(marketo, tmp_path, source):
    instance = marketo()
    programs, leads = instance.instance.store.programs, instance.instance.store.leads
    attended = (member["leadId"] for member in programs.members(1001) if member["statusName"] == "Attended")
    past = next(lead_id for lead_id in attended if leads.get(lead_id)["email"])
    rows = [{"email": leads.get(past)["email"]}, {"email": "new@example.com"}]
    result = run(tmp_path, source(*rows), **{**WEBINAR, "program_member_status": "Registered"})
    assert counts(result) == {"accepted": 1, "warned": 1}
    (warning,) = table(result["warnings"])
    assert (warning["_marketo_row"], warning["_marketo_outcome"]) == (1, "warned")
    assert programs.member(1001, past)["statusName"] == "Attended"


def test_typed_custom_objects_of_parquet_are_imported_and_rejects_say_why(marketo, tmp_path):
    instance = marketo()
    cars = {"vin": ["V1", "V2", None], "ownerId": [1001, 77, 1001], "electric": [True, None, False]}
    pq.write_table(pa.table(cars), tmp_path / "cars.parquet")
    result = run(tmp_path, str(tmp_path / "cars.parquet"), **CARS, max_reject_ratio=1)
    assert counts(result) == {"accepted": 1, "rejected": 2}
    messages = {row["_marketo_row"]: row["_marketo_message"] for row in table(result["rejects"])}
    assert messages == {2: "Lead '77' not found", 3: "vin is empty, and Marketo tells records apart by it"}
    (guid,) = instance.instance.store.custom_objects["car_c"].find("vin", ["V1"])
    assert instance.instance.store.custom_objects["car_c"].get(guid)["electric"] is True


def test_imported_leads_join_a_list(marketo, tmp_path, source):
    instance = marketo()
    run(tmp_path, source(), list_id="1001")
    assert instance.instance.store.lists.has(1001, lead(instance, "new7@example.com")["id"])


def test_leads_are_looked_up_by_another_field_and_live_in_a_partition(marketo, tmp_path, source):
    instance = marketo()
    rows = [{"customerNumber": "K-1", "email": "k@example.com"}]
    run(tmp_path, source(*rows), lookup_field="customerNumber", partition_name="EMEA")
    run(tmp_path, source({"customerNumber": "K-1", "email": "l@example.com"}), lookup_field="customerNumber")
    assert lead(instance, "l@example.com")["leadPartitionId"] == 2


def test_columns_are_mapped_and_constants_added(marketo, tmp_path, source):
    instance = marketo()
    how = {"columns": {"MAIL": "email", "NAME": "lastName"}, "constants": {"leadSource": "Warehouse", "leadScore": 5}}
    run(tmp_path, source({"MAIL": "m@example.com", "NAME": "Mo", "X": "ignored"}), **how)
    loaded = lead(instance, "m@example.com")
    assert (loaded["lastName"], loaded["leadSource"], loaded["leadScore"]) == ("Mo", "Warehouse", 5)


def test_null_and_the_empty_text_empty_a_field_and_so_may_the_word(marketo, tmp_path, caplog):
    instance = marketo()
    cities = {"a": None, "b": "", "c": "null", "d": "Null Island"}
    for name, values in (("before", dict.fromkeys(cities, "Bonn")), ("after", cities)):
        rows = [{"email": f"{who}@example.com", "city": city} for who, city in values.items()]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        assert counts(run(tmp_path, str(tmp_path / f"{name}.jsonl"))) == {"accepted": 4}
    assert [lead(instance, f"{who}@example.com")["city"] for who in cities] == [None, None, None, "Null Island"]
    assert "1 value of city is the word null, which Marketo may read as no value" in caplog.text


# What Marketo says of rows.


def test_reports_are_led_back_to_rows_however_marketo_rewrote_them(marketo, tmp_path, source, small_chunks):
    marketo()
    rows = [{"lastName": "", "email": f"N{n}@example.com", "leadScore": "1.0", "city": ""} for n in range(200)]
    for at in (3, 77, 199):
        rows[at]["email"] = f"bad {at}"
        rows[at]["city"] = "Bonn" if at == 77 else ""
    text, account = refused(tmp_path, source(*rows))
    assert counts(account) == {"accepted": 197, "rejected": 3}
    assert account["rejects"] in text
    rejects = table(account["rejects"])
    assert [(row["_marketo_row"], row["email"], row["city"]) for row in rejects] == [
        (4, "bad 3", ""),
        (78, "bad 77", "Bonn"),
        (200, "bad 199", ""),
    ]
    assert {row["_marketo_file"].rpartition("/")[2] for row in rejects} == {"in.csv"}


def test_a_value_that_does_not_fit_in_marketos_eyes_is_a_warning(marketo, tmp_path, source):
    instance = marketo()
    long = {"email": "a@example.com", "firstName": "x" * 300, "city": "Bonn"}
    rows = [long, {"email": "b@example.com", "firstName": "", "city": ""}]
    result = run(tmp_path, source(*rows))
    assert counts(result) == {"accepted": 1, "warned": 1}
    assert result["long_values"] == {"firstName": 1}
    assert lead(instance, "a@example.com")["city"] == "Bonn"
    (warning,) = table(result["warnings"])
    assert "too long" in warning["_marketo_message"]


def test_a_value_that_cannot_be_encoded_is_rejected_here(marketo, tmp_path, source):
    marketo()
    rows = [{"email": "a@example.com", "lifetimeValue": "1,50"}, {"email": "b@example.com", "lifetimeValue": "1.50"}]
    _, account = refused(tmp_path, source(*rows))
    assert counts(account) == {"accepted": 1, "rejected": 1}
    (reject,) = table(account["rejects"])
    assert reject["_marketo_message"] == "lifetimeValue is not a number; write a point, not a comma"
    assert reject["lifetimeValue"] == "1,50"


def test_a_row_that_is_larger_than_a_file_may_be_is_rejected_here(marketo, tmp_path):
    instance = marketo()
    path = tmp_path / "in.csv"
    path.write_text(f"email,comments\na@example.com,{'x' * 10_000_000}\nb@example.com,short\n")
    _, account = refused(tmp_path, str(path))
    assert counts(account) == {"accepted": 1, "rejected": 1}
    assert table(account["rejects"])[0]["_marketo_message"] == "the row is larger than Marketo takes at once"
    assert lead(instance, "b@example.com")["comments"] == "short"


def test_superseded_rows_are_not_sent(marketo, tmp_path, source, small_chunks):
    instance = marketo()
    rows = [{"email": f"new{n % 120}@example.com", "firstName": str(n)} for n in range(200)]
    assert counts(run(tmp_path, source(*rows))) == {"accepted": 120, "superseded": 80}
    assert lead(instance, "new5@example.com")["firstName"] == "125"
    assert sum(job.processed for job in jobs(instance)) == 120


def test_failed_rows_that_cannot_be_told_are_unknown_and_fail_the_task(marketo, tmp_path, source, monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.client.bulk.imports.PAUSE", 0.0)
    instance = marketo()
    instance.fail("bulk_import_leads.get_failures", status=404, times=None)
    rows = [{"email": "good@example.com"}, {"email": "bad"}]
    text, account = refused(tmp_path, source(*rows), max_reject_ratio=1)
    assert counts(account) == {"accepted": 1, "unknown": 1}
    assert "1 of 2 rows may or may not be in Marketo" in text


def test_an_import_that_failed_has_rejected_its_rows(marketo, tmp_path, source, small_chunks):
    instance = marketo()
    instance.fail("bulk_import_leads.import", job="failed", skip=1)
    _, account = refused(tmp_path, source())
    assert counts(account)["rejected"] == len(table(account["rejects"])) > 0
    assert counts(account)["accepted"] + counts(account)["rejected"] == 200
    assert [job.status for job in jobs(instance)].count(FAILED) == 1
    assert "failed: Import failed: internal error" in table(account["rejects"])[0]["_marketo_message"]


@pytest.mark.parametrize("largest", [9_990_000, 2_500], ids=["whole", "split"])
def test_rows_that_marketo_refuses_come_back_as_they_were_given(marketo, tmp_path, largest):
    marketo(max_import_body=largest)
    given = [("03", "yes"), (7, True), (None, None)] * 60
    names = ("email", "leadScore", "unsubscribed")
    rows = [dict(zip(names, (f"nobody{at}", *row), strict=True)) for at, row in enumerate(given)]
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    _, account = refused(tmp_path, str(path))
    assert [{name: row[name] for name in names} for row in table(account["rejects"])] == rows
    assert (account["chunks"] > 1) == (largest == 2_500)


def test_no_rows_and_no_files_are_a_success(marketo, tmp_path, source):
    instance = marketo()
    (tmp_path / "header.csv").write_text("email,firstName\n")
    assert counts(run(tmp_path, str(tmp_path / "header.csv"))) == {}
    assert counts(run(tmp_path, f"{tmp_path}/none-*.csv")) == {}
    assert jobs(instance) == []


# Checks.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"object_type": "companies"}, "object_type='companies' is not one of 'leads', 'program_members'"),
        ({"list_id": 77}, "there is no static list 77"),
        ({**WEBINAR, "program_id": 77}, "there is no program 77"),
        ({**WEBINAR, "program_member_status": "Engaged"}, "the channel of program 1001 has no status 'Engaged'"),
        ({"object_type": "program_members"}, "needs program_id"),
        ({**WEBINAR, "lookup_field": "id"}, "lookup_field cannot be used with object_type='program_members'"),
        ({**CARS, "columns": {"firstName": "make"}}, "the input has no 'vin'"),
        ({"columns": {"email": "email", "firstName": "fistName"}}, "did you mean 'firstName'?"),
        ({"columns": {"email": "email", "firstName": "createdAt"}}, "createdAt cannot be written"),
        ({"on_lost_upload": "retry"}, "on_lost_upload='retry' is not one of 'resend', 'stop'"),
        ({"rejects_path": "nowhere://x"}, "rejects_path=nowhere://x"),
    ],
)
def test_what_is_wrong_is_refused_before_a_file_is_sent(marketo, tmp_path, source, arguments, message):
    instance = marketo()
    text, _ = refused(tmp_path, source(), **arguments)
    assert message in text
    assert jobs(instance) == []


def test_a_dry_run_plans_and_sends_nothing(marketo, tmp_path, source, small_chunks):
    instance = marketo()
    plan = run(tmp_path, source(), dry_run=True)
    assert plan["to_send"] == 200
    assert plan["chunks"] == plan["calls"] > 3
    assert jobs(instance) == []
    assert staged(tmp_path) == []


@pytest.mark.usefixtures("small_chunks", "governed")
@pytest.mark.parametrize("has_sent", [True, False], ids=["after a row was sent", "before"])
@pytest.mark.parametrize("store", [StateStore, lambda: None], ids=["Airflow 3.3", "Airflow 3.1"])
def test_an_import_that_is_tried_again_on_a_disk_that_is_not_shared_sends_nothing_twice(
    marketo, source, tmp_path, monkeypatch, airflow_variables, store, has_sent
):
    instance, staging, kept = marketo(), tmp_path / "staging", store()

    def task():
        places = {"staging": str(staging), "rejects_path": str(tmp_path / "rejects")}
        return MarketoBulkImportOperator(
            task_id="a_task", **LEADS, source=source(), deferrable=False, poll_interval=0.05, **places
        )

    instance.fail("bulk_import_leads.get_status" if has_sent else "bulk_import_leads.import", "603", times=99)
    with pytest.raises(Exception, match="Marketo code 603"):
        run_task(task, task_context(kept, max_tries=3))
    instance.clear_faults()
    assert bool(jobs(instance)) == has_sent
    monkeypatch.setattr("socket.gethostname", lambda: "worker-2")
    staging.rename(tmp_path / "of worker-1")
    if has_sent:
        batches = len(jobs(instance))
        with pytest.raises(AirflowFailException, match=r"host worker-2 does not see .*staging=.* by every worker"):
            run_task(task, task_context(kept, try_number=2, max_tries=3))
        assert len(jobs(instance)) == batches
    else:
        assert run_task(task, task_context(kept, try_number=2, max_tries=3))["accepted"] == 200
        assert not any(key.startswith("marketo_host_") for key in airflow_variables)


def test_an_api_user_without_the_permission_is_told_so(marketo, tmp_path, source):
    user = ApiUser("id", "secret", "user@example.org", frozenset({"Read-Write Lead"}))
    marketo(users=(user,))
    text, _ = refused(tmp_path, source())
    assert "603" in text


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("store", [StateStore, lambda: None], ids=["Airflow 3.3", "Airflow 3.1"])
def test_a_deferred_import_that_resumes_on_a_disk_that_is_not_shared_sends_nothing_twice(
    marketo, source, tmp_path, monkeypatch, store
):
    instance, staging = marketo(), tmp_path / "staging"

    def moves(_):
        monkeypatch.setattr("socket.gethostname", lambda: "worker-2")
        staging.rename(tmp_path / "of worker-1")

    def task():
        places = {"staging": str(staging), "rejects_path": str(tmp_path / "rejects")}
        return MarketoBulkImportOperator(
            task_id="a_task", **LEADS, source=source(), deferrable=True, poll_interval=0.05, **places
        )

    with pytest.raises(AirflowFailException, match=r"host worker-2 does not see .*staging=.* by every worker"):
        run_task(task, task_context(store(), max_tries=3), on_deferral=moves)
    batches = [job.batch_id for job in jobs(instance)]
    assert len(batches) == len(set(batches)) > 0
    assert not list(staging.rglob("chunk-*")), "it was not staged again"
