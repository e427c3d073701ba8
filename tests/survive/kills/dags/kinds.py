"""One DAG for each kind of task. The ``conf`` of a run says on what the run works."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_marketo.operators.assets import MarketoCloneProgramOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor
from airflow_provider_marketo.streams.batches import new_batches
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger

CHANGES = 0
"""How many times the campaign has changed this file while its DAGs ran."""

LAKE = os.environ.get("KILLS_LAKE", "/nowhere")
OUTPUT = f"{LAKE}/{{{{ dag.dag_id }}}}/{{{{ dag_run.conf['number'] }}}}"
REJECTS = f"{LAKE}/rejects"


def limit_time(context: Any) -> None:
    """Give the first try the time limit that the run's ``conf`` names, if it names one."""
    seconds = context["dag_run"].conf.get("time_limit")
    if seconds and context["ti"].try_number == 1:
        context["task"].execution_timeout = timedelta(seconds=seconds)


def conf(name: str) -> str:
    """Return the template of a value in the run's ``conf``."""
    return f"{{{{ dag_run.conf['{name}'] }}}}"


def dag(dag_id: str, schedule: Any = None, **more: Any) -> DAG:
    """Return a DAG whose tasks are tried again soon."""
    tries = {"retries": 4, "retry_delay": timedelta(seconds=1), "pool": "marketo", "pre_execute": limit_time}
    own = {"marketo_conn_id": "marketo_kill_" + conf("number")}
    made = DAG(dag_id, schedule=schedule, default_args={**tries, **own}, render_template_as_native_obj=True, **more)
    if CHANGES % 2:  # one change adds this task, and the next one takes it away
        EmptyOperator(task_id="added", dag=made)
    return made


for deferrable in (True, False):
    where = "deferred" if deferrable else "waiting"
    with dag(f"extract_{where}"):
        MarketoBulkExtractOperator(
            task_id="a_task",
            object_type="activities" if deferrable else "leads",
            start=conf("start"),
            end=conf("end"),
            output_path=OUTPUT,
            file_format="jsonl" if deferrable else "csv",
            deferrable=deferrable,
            **({} if deferrable else {"date_field": "createdAt", "fields": ["id", "email", "createdAt"]}),
        )
    with dag(f"import_{where}"):
        MarketoBulkImportOperator(
            task_id="a_task",
            object_type="leads",
            source=conf("source"),
            list_id=conf("list"),
            rejects_path=REJECTS,
            on_lost_upload="resend",  # with a list it would ask a person, who has to answer for each
            deferrable=deferrable,
        )

with dag("sync"):
    MarketoSyncLeadsOperator(task_id="a_task", source=conf("source"), rejects_path=REJECTS)

with dag("mirror"):
    MarketoListMembersOperator(
        task_id="a_task",
        mode="mirror",
        list_id=conf("list"),
        lead_ids=conf("leads"),
        max_removals=1_000,
        rejects_path=REJECTS,
    )

with dag("stream"):
    MarketoActivitiesOperator(
        task_id="a_task", stream="kill_" + conf("number"), start=conf("start"), end=conf("end"), output_path=OUTPUT
    )

with dag("listing"):
    MarketoListingOperator(task_id="a_task", object_types=["static_lists", "files"], output_path=OUTPUT)

with dag("load"):
    listing = MarketoListingOperator(
        task_id="published", object_types=["static_lists", "files"], output_path=OUTPUT, file_format="jsonl"
    )
    MarketoToSqlOperator(
        task_id="a_task", manifest=listing.output, sql_conn_id="warehouse", schema="kill_" + conf("number")
    )

with dag("clone"):
    MarketoCloneProgramOperator(
        task_id="a_task",
        template="Spring Webinar",
        name="Kill " + conf("number"),
        folder="/Marketing Activities/Campaigns",
        tokens={"Headline": "Survived"},
        on_unknown="fail",
    )

with dag("erase"):
    MarketoEraseLeadsOperator(task_id="a_task", lead_ids=conf("leads"), confirm=True, evidence=f"{LAKE}/evidence")

with dag("campaign"):
    MarketoTriggerCampaignOperator(
        task_id="a_task", campaign_id=2001, lead_ids=conf("leads"), max_audience=1_000, on_unknown="fail"
    )

with dag("sensor"):
    MarketoLeadSensor(
        task_id="a_task", lookup_field="email", lookup_values=conf("emails"), deferrable=True, timeout=3_600
    )

fills = Asset(
    "kills_form_fills",
    watchers=[
        AssetWatcher(name="kills", trigger=MarketoActivityTrigger(stream="kills", activity_types=[2], poll_interval=9))
    ],
)

with dag("watch", schedule=[fills], catchup=False, max_active_runs=1):

    @task(inlets=[fills])
    def a_task(triggering_asset_events: Any = None, inlet_events: Any = None, run_id: Any = None) -> dict[str, Any]:
        """Return the fills that no earlier run has taken."""
        return new_batches(triggering_asset_events[fills], run_id, stream="kills", later=inlet_events[fills])

    a_task()
