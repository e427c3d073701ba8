"""Columns that an author excludes are neither exported nor written, in every way to read the rows."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.operators.incremental_leads import MarketoIncrementalLeadsOperator
from airflow_provider_marketo.output.manifest import read_manifest
from tests.simulated import POLL, data_files, extract
from tests.support import StateStore, run_task, task_context

LEADS = {
    "object_type": "leads",
    "fields": ["email", "firstName", "createdAt"],
    "start": "2026-02-01",
    "end": "2026-02-20",
}


def run(operator: Any) -> dict[str, Any]:
    result: dict[str, Any] = run_task(operator, task_context(StateStore()))
    return result


def test_a_bulk_extract_does_not_ask_for_them(marketo, tmp_path):
    instance = marketo()
    everything = run(extract(tmp_path / "all", **LEADS))
    found = read_manifest(run(extract(tmp_path / "some", **LEADS, exclude_fields=["email", "createdAt"])))
    (text,) = [(tmp_path / "some" / name).read_text("utf-8") for name in data_files(tmp_path / "some")]
    assert text.split("\n")[0] == "id,firstName"
    with instance.instance.lock:
        asked = [set(job.fields) for job in instance.instance.exports.all()]
    assert "email" in asked[0]
    assert "email" not in asked[1]
    assert found.rows == everything["rows"]  # cut by a date that is not written
    assert found.dropped_fields == {"createdAt": "excluded", "email": "excluded"}
    assert [column.name for column in found.datasets[0].columns] == ["id", "firstName"]


def test_the_incremental_leads_do_not_write_them(marketo, tmp_path):
    marketo()
    operator = MarketoIncrementalLeadsOperator(
        task_id="leads",
        output_path=str(tmp_path),
        mode="updated_at",
        fields=["email", "leadStatus"],
        exclude_fields=["email"],
        start="2026-03-01",
        end="2026-03-05",
        poll_interval=POLL,
    )
    assert run(operator)["rows"] > 0
    (name,) = data_files(tmp_path)
    assert pq.read_schema(tmp_path / name).names == ["id", "leadStatus"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exclude_fields": ["emial"]}, "there is no 'emial' .did you mean 'email'"),
        ({"exclude_fields": ["id"]}, "id tells the rows apart and cannot be excluded"),
        ({"exclude_fields": ["email"], "hash_fields": ["email"]}, "'email' is not exported"),
        ({"hash_fields": ["shoe", "hat"]}, "'shoe', 'hat' are not exported"),
    ],
)
def test_what_cannot_be_excluded_is_refused_before_a_job(marketo, tmp_path, arguments, message):
    instance = marketo({"hash_secret": "a long secret"})
    with pytest.raises(AirflowFailException, match=message):
        run(extract(tmp_path, **LEADS, **arguments))
    assert instance.jobs() == []
