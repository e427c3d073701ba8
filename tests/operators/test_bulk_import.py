"""Files in bulk: chunks, reports, waits, and what became of every row."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoDeadlineError, MarketoStoppedError
from airflow_provider_marketo.client.governor import rules
from airflow_provider_marketo.load import staging
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.simulator import ApiUser
from airflow_provider_marketo.simulator.import_jobs import FAILED
from airflow_provider_marketo.simulator.routes import HANDLERS
from tests.operators.loading import DeadError, DyingStore, counts, fails, governed, lead, load, staged, table
from tests.support import StateStore, run_task, task_context

__all__ = ["governed"]

LEADS = {"object_type": "leads"}
WEBINAR = {"object_type": "program_members", "program_id": 1001, "program_member_status": "Attended"}
CARS = {"object_type": "custom_objects", "custom_object": "car_c"}


@pytest.fixture
def source(tmp_path) -> Callable[..., str]:
    """Writes a csv file of 200 new leads, or of other rows."""

    def write(*rows: dict[str, str], count: int = 200) -> str:
        given = rows or [{"email": f"new{n}@example.com", "firstName": f"Name {n}"} for n in range(count)]
        path = tmp_path / "in.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(given[0]))
            writer.writeheader()
            writer.writerows(given)
        return str(path)

    return write


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    """Some fifty rows to a chunk."""
    limits = staging.ChunkLimits(rows=None, size=1_500, row=1_500)
    monkeypatch.setattr("airflow_provider_marketo.load.begin.BULK", limits)


def run(folder: Path, source: str, store: StateStore | None = None, **arguments):
    return load(MarketoBulkImportOperator, folder, store, **{**LEADS, "source": source, **arguments})


def refused(folder: Path, source: str, store: StateStore | None = None, **arguments):
    return fails(MarketoBulkImportOperator, folder, store, **{**LEADS, "source": source, **arguments})


def jobs(instance):
    with instance.instance.lock:
        return instance.instance.imports.all()


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


def test_members_of_a_program(marketo, tmp_path, source):
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


def test_custom_objects_from_parquet(marketo, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
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


# What Marketo says of rows.


def test_reports_are_led_back_to_rows_whatever_marketo_made_of_them(marketo, tmp_path, source, small_chunks):
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


def test_failed_rows_that_cannot_be_told_are_unknown_and_fail_the_task(marketo, tmp_path, source):
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
        ({"object_type": "companies"}, "cannot be imported in bulk"),
        ({"list_id": 77}, "there is no static list 77"),
        ({**WEBINAR, "program_id": 77}, "there is no program 77"),
        ({**WEBINAR, "program_member_status": "Engaged"}, "the channel of program 1001 has no status 'Engaged'"),
        ({"object_type": "program_members"}, "needs program_id"),
        ({**WEBINAR, "lookup_field": "id"}, "lookup_field does not go with object_type='program_members'"),
        ({**CARS, "columns": {"firstName": "make"}}, "the input has no vin"),
        ({"columns": {"email": "email", "firstName": "fistName"}}, "did you mean firstName?"),
        ({"columns": {"email": "email", "firstName": "createdAt"}}, "createdAt cannot be written"),
        ({"on_lost_upload": "retry"}, "on_lost_upload='retry' is not one of resend, stop"),
        ({"rejects": "nowhere://x"}, "rejects=nowhere://x"),
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


# Queue and quota.


def test_a_full_queue_is_waited_for(marketo, tmp_path, source):
    instance = marketo()
    instance.instance.imports.of_others = 10
    waits = []

    def someone_finishes(trigger):
        waits.append(type(trigger).__name__)
        instance.instance.imports.of_others = 9

    operator = {"task_id": "a", "source": source(), "rejects": str(tmp_path), "deferrable": True, "poll_interval": 0.05}
    result = run_task(
        lambda: MarketoBulkImportOperator(**LEADS, **operator), task_context(StateStore()), someone_finishes
    )
    assert counts(result) == {"accepted": 200}
    assert waits[0] == "DateTimeTrigger"
    assert instance.report().rejected == {"1016": 1}


def test_no_more_than_ten_imports_are_queued(marketo, tmp_path, source, small_chunks, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MARKETO__IMPORTS_IN_FLIGHT", "50")
    instance = marketo()
    rows = [{"email": f"new{n}@example.com", "comments": "x" * 60} for n in range(250)]
    result = run(tmp_path, source(*rows))
    assert counts(result) == {"accepted": 250}
    assert result["chunks"] > 10
    assert instance.report().rejected == {}


def test_a_list_that_is_being_imported_to_is_waited_for(marketo, tmp_path, source, small_chunks):
    instance = marketo(time_scale=100)
    result = run(tmp_path, source(), list_id=1001)
    assert counts(result) == {"accepted": 200}
    assert instance.report().rejected["1019"] > 0


def test_a_spent_quota_lets_the_task_sleep_and_go_on(marketo, tmp_path, source, small_chunks, monkeypatch):
    instance = marketo()
    instance.fail("bulk_import_leads.import", "607", skip=1)
    monkeypatch.setattr(rules, "next_probe", lambda now: now + timedelta(seconds=0.4))
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert instance.report().executed["bulk_import_leads.import"] == result["chunks"]


def test_a_chunk_that_is_too_large_for_marketo_is_split(marketo, tmp_path, source):
    instance = marketo(max_import_body=2_500)
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert result["chunks"] >= 4
    assert instance.report().rejected["HTTP 413"] > 0


def test_a_token_that_expires_halfway_is_nobodys_business(marketo, tmp_path, source, small_chunks, monkeypatch):
    instance = marketo()
    upload = HANDLERS["bulk_import_leads.import"]

    def expiring(of, request):
        monkeypatch.setitem(HANDLERS, "bulk_import_leads.import", upload)
        of.tokens.expire()
        return upload(of, request)

    monkeypatch.setitem(HANDLERS, "bulk_import_leads.import", expiring)
    assert counts(run(tmp_path, source())) == {"accepted": 200}
    assert instance.report().rejected == {"602": 1}


def test_an_import_that_never_ends_fails_at_the_deadline_and_stays_known(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.import", job="stuck")
    store = StateStore()
    with pytest.raises(MarketoDeadlineError, match=r"imports 3404 did not finish .* nothing is sent twice"):
        run(tmp_path, source(), store, timeout=timedelta(seconds=0.5))
    jobs(instance)[0].fate = None
    assert counts(run(tmp_path, source(), store)) == {"accepted": 200}
    assert len(jobs(instance)) == 1


def test_an_import_that_marketo_has_forgotten_is_unknown(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.get_status", "1013", times=None)
    _, account = refused(tmp_path, source())
    assert counts(account) == {"unknown": 200}
    assert "it forgets them after seven days" in table(account["rejects"])[0]["_marketo_message"]


# Lost uploads.


def test_a_lost_upload_of_leads_is_sent_again_after_everything_else(marketo, tmp_path, source, small_chunks):
    instance = marketo()
    instance.fail("bulk_import_leads.import", drop=True, executed=True)
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert len(jobs(instance)) == result["chunks"] + 1
    again = jobs(instance)[-1]
    assert all(job.finished_at <= again.started_at for job in jobs(instance)[:-1])


@pytest.mark.parametrize("how", [{"list_id": 1001}, WEBINAR, {"on_lost_upload": "stop"}])
def test_a_lost_upload_that_may_fire_campaigns_is_not_sent_again(marketo, tmp_path, source, small_chunks, how):
    instance = marketo()
    operation = f"bulk_import_{how.get('object_type', 'leads')}.import"
    instance.fail(operation, drop=True, executed=True)
    store = StateStore()
    text, account = refused(tmp_path, source(), store, **how)
    lost = counts(account)["unknown"]
    assert counts(account) == {"accepted": 200 - lost, "unknown": lost}
    assert len(table(account["rejects"])) == lost
    assert "set on_lost_upload='resend' and clear the task" in text
    sent = len(jobs(instance))
    # The author has looked, and wants these rows sent once more: those and no others.
    result = run(tmp_path, "gone.csv", store, **{**how, "on_lost_upload": "resend"})
    assert result["accepted"] + result["warned"] == 200  # members that were members already
    assert len(jobs(instance)) == sent + 1
    assert result["rejects"] is None


# Kills.


@pytest.mark.parametrize("written", [True, False], ids=["after the write", "before the write"])
@pytest.mark.parametrize("at", range(1, 16))
def test_a_killed_task_sends_the_rest_of_the_same_bytes(marketo, tmp_path, source, small_chunks, at, written):
    instance = marketo()
    store = DyingStore(at, written=written)
    path = source(count=60)
    died = False
    try:
        result = run(tmp_path, path, store)
    except DeadError:
        died = True
        source(count=61)  # a second query would find another row
        result = run(tmp_path, path, store.survivor())
    begun_anew = result["rows"] == 61
    assert counts(result) == {"accepted": result["rows"]}
    assert staged(tmp_path) == []
    uploads = [job.processed for job in jobs(instance)]
    if begun_anew:
        # Before anything was sent, or after everything was done and the task had no more than to say so.
        assert sum(uploads) in (61, 60 + 61)
        assert died
    else:
        # One upload may be sent twice: the one that was under way.
        assert sum(uploads) - 60 in (0, *uploads)


def test_a_killed_task_stops_where_campaigns_may_fire(marketo, tmp_path, source):
    instance = marketo()
    store = DyingStore(4, written=False)  # the upload is through, and its id was not written down
    with pytest.raises(DeadError):
        run(tmp_path, source(), store, list_id=1001)
    _, account = refused(tmp_path, source(), store.survivor(), list_id=1001)
    assert counts(account) == {"unknown": 200}
    assert len(jobs(instance)) == 1


def test_another_try_that_has_taken_over_stops_this_one(marketo, tmp_path, source):
    instance = marketo()
    store = StateStore()

    def takes_over(trigger):
        store.values["marketo_load"]["owner"] = "another"

    operator = {"task_id": "a", "source": source(), "rejects": str(tmp_path), "deferrable": True, "poll_interval": 0.05}
    task = MarketoBulkImportOperator(**LEADS, **operator)
    bulk = task._wait

    def interrupted(*arguments):
        takes_over(None)
        task.deferrable = False
        bulk(*arguments)

    task._wait = interrupted
    with pytest.raises(MarketoStoppedError, match="another try of this task has taken over"):
        task.execute(task_context(store))
    assert len(jobs(instance)) == 1


def test_a_killed_task_sends_nothing_more(marketo, tmp_path, source, small_chunks, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MARKETO__IMPORTS_IN_FLIGHT", "1")
    instance = marketo()
    operator = {"task_id": "a", "source": source(), "rejects": str(tmp_path), "deferrable": False, "poll_interval": 0.1}
    task = MarketoBulkImportOperator(**LEADS, **operator)
    wait = task._wait

    def killed(*arguments):
        task.on_kill()
        wait(*arguments)

    task._wait = killed
    with pytest.raises(MarketoStoppedError, match="the task was killed"):
        task.execute(task_context(StateStore()))
    assert len(jobs(instance)) == 1


def test_before_airflow_3_3_the_ledger_lies_beside_the_chunks(marketo, tmp_path, source, small_chunks, monkeypatch):
    instance = marketo()
    path = source()
    given = {"task_id": "a", "source": path, "rejects": str(tmp_path / "rejects"), "poll_interval": 0.05}
    task = MarketoBulkImportOperator(**LEADS, **given, deferrable=False)
    monkeypatch.setattr(task, "_wait", lambda *_: (_ for _ in ()).throw(DeadError()))
    with pytest.raises(DeadError):
        task.execute(task_context())
    Path(path).unlink()
    result = MarketoBulkImportOperator(**LEADS, **given, deferrable=False).execute(task_context())
    assert counts(result) == {"accepted": 200}
    assert len(jobs(instance)) == result["chunks"]


def test_staged_bytes_that_have_changed_are_never_sent(marketo, tmp_path, source, small_chunks):
    marketo()
    store = DyingStore(4, written=True)
    with pytest.raises(DeadError):
        run(tmp_path, source(), store, staging=str(tmp_path / "staging"))
    for chunk in (tmp_path / "staging").rglob("chunk-*.csv"):
        chunk.write_text("email\nsomebody@else.example\n")
    with pytest.raises(MarketoDataError, match="is not what was staged"):
        run(tmp_path, source(), store.survivor(), staging=str(tmp_path / "staging"))


def test_another_destination_begins_anew(marketo, tmp_path, source):
    instance = marketo()
    store = DyingStore(2, written=True)
    with pytest.raises(DeadError):
        run(tmp_path, source(), store)
    result = run(tmp_path, source(count=3), store.survivor(), list_id=1001)
    assert counts(result) == {"accepted": 3}
    assert len(jobs(instance)) == 1


def test_a_task_that_was_mended_before_anything_was_sent_reads_its_input_anew(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.import", "1003", message="Invalid file")
    store = StateStore()
    text, _ = refused(tmp_path, source(), store)
    assert "Invalid file" in text
    result = run(tmp_path, source(count=7), store, columns={"email": "email"})
    assert (counts(result), len(jobs(instance))) == ({"accepted": 7}, 1)


def test_an_api_user_without_the_permission_is_told_so(marketo, tmp_path, source):
    user = ApiUser("id", "secret", "user@example.org", frozenset({"Read-Write Lead"}))
    marketo(users=(user,))
    text, _ = refused(tmp_path, source())
    assert "603" in text
