"""
Reports activated campaigns and deleted programs of Marketo, every ten minutes (experimental).

Adobe pushes user audits into the journal of Adobe I/O Events, which costs no API calls. The first task follows them and
keeps all of them as files. The second task looks for changes that you want to hear of, and is skipped if it finds no
such change: put a notifier after it.

Before the first run: a connection ``adobe_events_default`` to the journal, ``airflow marketo setup``, and the Variable
``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Asset, ObjectStoragePath, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.streams import MarketoUserAuditsOperator
from airflow_provider_marketo.output.manifest import read_manifest

ALARMING = {("smartcampaign", "activate"), ("emailbatchprogram", "approve")}
"""Types and actions. Adobe spells some of them in several ways, and adds others: look at your own files."""

with DAG(
    dag_id="marketo_user_audits",
    schedule=CronDataIntervalTimetable("*/10 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    audits = MarketoUserAuditsOperator(
        task_id="audits",
        stream="user_audits",
        adobe_conn_id="adobe_events_default",
        output_path="{{ var.value.marketo_lake }}/user_audits",
        file_format="jsonl",
        outlets=[Asset("marketo_user_audits")],
        pool="marketo",
    )

    @task
    def alarms(published: Any) -> list[str]:
        """Return a sentence for each change that you want to hear of."""
        manifest = read_manifest(published)
        lines = [
            line
            for file in manifest.files
            for line in (ObjectStoragePath(manifest.output) / file.name).read_text().splitlines()
        ]
        found = [
            f"{row['activityDate']}: {row['userId']} has done {row['eventAction']} to {row['componentType']}"
            f" {row['componentId']}"
            for row in map(json.loads, lines)
            if (row["eventType"], row["eventAction"]) in ALARMING
            or (row["eventAction"] == "delete" and row["eventType"].endswith("program"))
        ]
        if not found:
            raise AirflowSkipException(f"None of {len(lines)} changes is alarming.")
        return found

    alarms(audits.output)
