"""MarketoListingOperator: whole lists and changes, what Marketo refuses, budgets, kills and retries."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import (
    MarketoDataError,
    MarketoInvalidRequestError,
    MarketoStoppedError,
)
from airflow_provider_marketo.hooks import usage, variables
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime
from airflow_provider_marketo.hooks.task import RunningTask
from airflow_provider_marketo.listings.table import DEFAULT
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.output.manifest import CHANGES, FULL
from tests.listings.support import dataset, rows, run, with_pages_of
from tests.operators.importing import governed
from tests.support import task_context

__all__ = ["governed"]

YESTERDAY = datetime.now(timezone.utc) - timedelta(days=1)


@pytest.fixture
def instance(marketo, governed) -> Any:
    return marketo(leads=20, activities=20, custom_objects=1, assets=2, time_scale=1.0, limits=False)


@pytest.fixture
def calls(monkeypatch):
    """Run the context as a task that may make this number of calls."""
    monkeypatch.setattr(usage, "keep_usage", lambda: None)
    monkeypatch.setattr(variables, "find", lambda name: None)
    monkeypatch.setattr(variables, "try_to_write", lambda *_: None)

    def allow(most: int, parallel: int = 1) -> None:
        replace_runtime(TaskRuntime(lambda: RunningTask("a_dag", "a_task", "marketo", parallel, max_calls=most)))

    return allow


def change(instance: Any, family: str, number: int, name: str) -> None:
    assets = instance.instance.store.assets
    assets.change(assets.find(family, number), instance.instance.now, name)


def test_without_a_name_every_default_table_is_listed(instance, tmp_path):
    manifest = run(tmp_path)
    assert [each.name for each in manifest.datasets] == list(DEFAULT)
    assert manifest.rows == sum(len(rows(tmp_path, name)) for name in DEFAULT)
    assert {file.name.partition("/")[0] for file in manifest.files} <= set(DEFAULT)
    assert instance.report().violations == {}


def test_a_second_run_lists_everything_again_and_what_is_gone_is_not_there(instance, tmp_path):
    run(tmp_path, "programs", "snippets")
    assets = instance.instance.store.assets
    for number in list(assets.by_family["snippets"]):
        assets.remove(assets.find("snippets", number))
    change(instance, "programs", 1001, "Summer Webinar")
    manifest = run(tmp_path, "programs", "snippets", run_id="the next run")
    assert dataset(manifest, "snippets").kind == FULL
    assert not list((tmp_path / "snippets").glob("*"))
    assert next(row["name"] for row in rows(tmp_path, "programs") if row["id"] == 1001) == "Summer Webinar"


def test_with_a_start_tables_that_marketo_selects_by_date_have_the_changes(instance, tmp_path):
    change(instance, "programs", 1002, "Data and You")
    manifest = run(tmp_path, "programs", "snippets", start=YESTERDAY)
    programs, snippets = dataset(manifest, "programs"), dataset(manifest, "snippets")
    assert (programs.kind, snippets.kind, manifest.kind) == (CHANGES, FULL, CHANGES)
    assert [row["name"] for row in rows(tmp_path, "programs")] == ["Data and You"]
    assert len(rows(tmp_path, "snippets")) == 2
    (file,) = manifest.files_of(programs)
    assert file.name.startswith(f"programs/programs_{YESTERDAY:%Y%m%dT%H%M%SZ}_")
    assert manifest.start == f"{YESTERDAY:%Y-%m-%dT%H:%M:%SZ}"


def test_what_takes_a_call_per_row_follows_changed_rows_only(instance, tmp_path):
    change(instance, "programs", 1001, "Summer Webinar")
    change(instance, "forms", 7001, "Signup")
    manifest = run(tmp_path, "program_tokens", "form_fields", start=YESTERDAY)
    counted = instance.report().calls
    assert (counted["tokens.get_by_folder_id"], counted["form_fields.get_fields_for_form"]) == (
        1,
        2,
    )  # approved and draft
    assert {row["programId"] for row in rows(tmp_path, "program_tokens")} == {1001}
    assert {each.kind for each in manifest.datasets} == {CHANGES}


def test_members_of_lists_are_always_read_whole_so_that_a_removal_shows(instance, tmp_path):
    """A list's own date does not say that its members have changed."""
    before = run(tmp_path, "list_members", start=YESTERDAY)
    MarketoHook().call(
        "static_list_membership.remove_from_list", listId=1001, id=[rows(tmp_path, "list_members")[0]["leadId"]]
    )
    after = run(tmp_path, "list_members", start=YESTERDAY, run_id="the next run")
    assert (after.rows, dataset(after, "list_members").kind) == (before.rows - 1, FULL)


def test_a_default_table_that_marketo_refuses_is_skipped_and_the_manifest_says_why(instance, tmp_path, caplog):
    instance.fail("smart_lists.get", "1035")
    instance.fail("segments.get_for_segmentation", "603")
    manifest = run(tmp_path)
    skipped = {each.name: each.skipped for each in manifest.datasets if each.skipped}
    assert set(skipped) == {"smart_lists", "segments"}
    assert "code 1035" in skipped["smart_lists"]
    assert "segments is skipped: segments.get_for_segmentation: " in caplog.text
    assert rows(tmp_path, "segmentations")
    assert rows(tmp_path, "programs")


def test_a_refused_table_that_was_named_fails_the_task(instance, tmp_path):
    instance.fail("programs.get", "603")
    with pytest.raises(AirflowFailException, match=r"programs\.get: .*603.*permission"):
        run(tmp_path, "snippets", "programs")


def test_a_table_that_would_pass_max_calls_is_not_begun(instance, calls, tmp_path):
    calls(5)
    with pytest.raises(AirflowFailException, match=r"program_tokens would take 6 calls or more, one for .* With start"):
        run(tmp_path, "program_tokens", max_calls=5)
    assert "tokens.get_by_folder_id" not in instance.report().calls


def test_a_retry_lists_only_what_is_missing(instance, calls, tmp_path):
    calls(8)
    names = ("lead_fields", "programs", "emails", "snippets")
    with pytest.raises(AirflowFailException, match="max_calls"):
        run(tmp_path, *names)
    before = dict(instance.report().calls)
    change(instance, "programs", 1001, "Summer Webinar")
    calls(100)
    manifest = run(tmp_path, *names)
    after = instance.report().calls
    assert [after[f"{name}.get"] - before[f"{name}.get"] for name in ("programs", "emails")] == [0, 0]
    assert [each.name for each in manifest.datasets] == list(names)
    assert not list((tmp_path / "_marketo/runs").rglob("*.json"))
    run(tmp_path, *names)
    assert "Summer Webinar" in {row["name"] for row in rows(tmp_path, "programs")}


def test_a_retry_that_wants_something_else_reads_everything(instance, calls, tmp_path):
    calls(3)
    with pytest.raises(AirflowFailException, match="max_calls"):
        run(tmp_path, "programs", "emails")
    calls(100)
    run(tmp_path, "programs", "emails", exclude_fields=["description"])
    assert "description" not in rows(tmp_path, "programs")[0]


@pytest.mark.parametrize("record", [{}, {"id": None, "name": "no id"}])
def test_a_record_that_does_not_say_which_one_it_is_fails_the_task(instance, tmp_path, record):
    body = json.dumps({"success": True, "result": [record]})
    instance.fail("programs.get", status=200, body=body)
    with pytest.raises(MarketoDataError, match=r"a record of programs\.get has no id"):
        run(tmp_path, "programs")
    assert not list(tmp_path.rglob("programs.*"))
    run(tmp_path, "programs")
    assert all(isinstance(row["id"], int) for row in rows(tmp_path, "programs"))


def test_a_killed_task_makes_no_further_call_and_publishes_no_half_table(instance, tmp_path, monkeypatch):
    with_pages_of(monkeypatch, 2)
    operator = MarketoListingOperator(task_id="a_task", output_path=str(tmp_path), object_types=["programs", "emails"])
    call, made = MarketoHook.get_conn(operator.hook).call, []

    def kill_after_two(operation: str, /, **arguments: Any) -> Any:
        made.append(operation)
        reply = call(operation, **arguments)
        if len(made) == 2:
            operator.on_kill()
        return reply

    monkeypatch.setattr(operator.hook.get_conn(), "call", kill_after_two)
    with pytest.raises(MarketoStoppedError):
        operator.execute(task_context())
    assert sum(count for name, count in instance.report().calls.items() if name.endswith(".get")) == 2
    assert not list(tmp_path.glob("programs/*"))


def test_as_many_tables_are_read_at_once_as_the_task_has_slots(marketo, governed, tmp_path):
    instance = marketo(assets=2, latency=0.02, limits=False)
    names = ["programs", "snippets", "forms", "files"]
    run(tmp_path / "alone", *names)
    assert instance.report().peak_concurrency == 1
    run(tmp_path / "together", *names, pool_slots=4)
    assert instance.report().peak_concurrency > 1
    assert [rows(tmp_path / "alone", name) for name in names] == [rows(tmp_path / "together", name) for name in names]


def test_columns_are_chosen_for_all_tables_or_by_table_and_the_key_stays(instance, tmp_path):
    manifest = run(
        tmp_path,
        "programs",
        "emails",
        fields={"programs": ["name", "channel"]},
        exclude_fields=["description", "ccFields"],
    )
    assert list(rows(tmp_path, "programs")[0]) == ["id", "name", "channel"]
    assert {"id", "status", "subject"} <= set(rows(tmp_path, "emails")[0])
    assert "description" not in rows(tmp_path, "emails")[0]
    assert manifest.dropped_fields["emails.ccFields"] == "excluded"


def test_hashed_columns_are_digests(marketo, governed, tmp_path):
    marketo({"hash_secret": "a long secret"}, limits=False)
    manifest = run(tmp_path, "emails", hash_fields={"emails": ["fromEmail"]})
    assert {len(row["fromEmail"]) for row in rows(tmp_path, "emails")} == {64}
    types = {each.name: each.type for each in dataset(manifest, "emails").columns}
    assert types["fromEmail"] == "string"


def test_csv_has_a_header_and_dates_in_utc(instance, tmp_path):
    run(tmp_path, "programs", file_format="csv")
    with (tmp_path / "programs/programs.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["name"] for row in found} >= {"Whitepaper: Data & You"}
    assert all(row["updatedAt"].endswith(":00Z") for row in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"object_types": ["program"]}, "object_types.*='program' is not one of .*Did you mean 'programs'"),
        ({"file_format": "xml"}, "file_format='xml' is not one of 'parquet', 'jsonl', 'csv'"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(instance, tmp_path, arguments, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        MarketoListingOperator(task_id="a_task", **{"output_path": str(tmp_path)} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fields": ["work_space"]}, "fields: none of the tables has a column 'work_space' .did you mean 'workspace'"),
        ({"fields": {"programs": ["subjekt"]}}, "fields: programs has no column 'subjekt'"),
        ({"fields": {"emails": ["subject"]}}, "fields: 'emails' is not among the tables that are listed"),
        ({"exclude_fields": ["id"]}, "id tells the rows of programs apart and cannot be excluded. Name the tables"),
        ({"exclude_fields": {"programs": ["id"]}}, "id tells the rows of programs apart and .* excluded. Leave it out"),
        ({"hash_fields": ["id"]}, "id tells the rows of programs apart and cannot be hashed"),
        ({"hash_fields": ["name"]}, "hash_fields: .* has no hash_secret"),
        ({"end": YESTERDAY}, "start: end needs a start"),
        ({"start": YESTERDAY, "end": YESTERDAY}, "end: the span .* is empty"),
        ({"start": YESTERDAY + timedelta(days=30)}, "start: the span from .* lies in the future"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_first_call(instance, tmp_path, arguments, message):
    with pytest.raises(AirflowFailException, match=message):
        run(tmp_path, "programs", **arguments)
    assert instance.report().total_calls == 0
