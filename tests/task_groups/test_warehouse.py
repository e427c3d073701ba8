"""A whole instance in DuckDB, run by run: every table has exactly the rows that the simulator has."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import closing
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import get_args

import duckdb
import pytest
from airflow.sdk import DAG, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_provider_marketo.choices import LookedUpObject
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.hooks.failure import MarketoTaskError
from airflow_provider_marketo.listings.table import LISTINGS
from airflow_provider_marketo.task_groups.tasks import LoadSourceOperator
from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup
from tests.support import run_task, task_context
from tests.warehouse.published import published

START = "2024-01-01"


@pytest.fixture
def database(tmp_path, monkeypatch):
    path = tmp_path / "wh.db"
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps({"conn_type": "duckdb", "host": str(path)}))
    monkeypatch.setattr(variables, "read_json", lambda *_, **__: None)
    monkeypatch.setattr(variables, "write_json", lambda *_, **__: None)
    return path


def group(tmp_path, **arguments):
    with DAG("d", max_active_runs=1):
        return MarketoWarehouseTaskGroup(
            sql_conn_id="wh",
            output_path=str(tmp_path / "lake"),
            default_args={"poll_interval": 0.05},
            **{"schema": "marketo", "start": START} | arguments,
        )


class Run:
    """A DAG run: its tasks are run one after the other, with the values that Airflow passes between them."""

    def __init__(self, tasks, run_id: str, run_type: str = "manual", **interval) -> None:
        self.tasks = {task.task_id.rpartition(".")[2]: task for task in tasks}
        self.run_id = run_id
        self.variables: dict = {}
        self.params: dict = {}
        self.dag_run = SimpleNamespace(run_type=run_type)
        self.interval = interval
        self.xcoms: dict = {}
        self.results = defaultdict(list)

    def all(self):
        for name in sorted(self.tasks, key=lambda name: (name != "ranges", not name.startswith("extract"), name)):
            self.one(name)
        return self

    def one(self, name: str):
        """Run a task; one that is mapped runs for each value, and one that is mapped over nothing is skipped."""
        task = self.tasks[name]
        if not isinstance(task, MappedOperator):
            self.xcoms[task.task_id, "return_value"] = result = self._run(task.prepare_for_execution())
            return result
        ((argument, values),) = task.expand_input.value.items()
        if isinstance(values, XComArg):
            values = self.xcoms[values.operator.task_id, "return_value"]
        for index, value in enumerate(values):
            self._run(task.unmap({argument: value}).prepare_for_execution(), index)
        return self.xcoms.setdefault((task.task_id, "return_value"), self.results[task.task_id] or None)

    def _run(self, task, map_index: int = -1):
        context = task_context(**self.interval) | {"dag_run": self.dag_run, "params": self.params}
        context["var"] = {"value": self.variables}
        ti = context["ti"]
        ti.task_id, ti.run_id, ti.task, ti.dag_id, ti.map_index = task.task_id, self.run_id, task, "d", map_index
        ti.xcom_pull = lambda task_ids, key, default=None, **_: self.xcoms.get((task_ids, key), default)
        ti.xcom_push = lambda key, value: self.xcoms.update({(task.task_id, key): value} if value is not None else {})
        if isinstance(getattr(task, "manifest", None), dict):  # Airflow asks its server for what mapped tasks returned
            given = task.manifest.items()
            task.manifest = {
                source: self.xcoms[arg.operator.task_id, "return_value"] if arg.operator.is_mapped else arg
                for source, arg in given
            }
        task.render_template_fields(context)
        result = run_task(task, context)
        if map_index >= 0:
            self.results[task.task_id].append(result)
        return result

    @property
    def ranges(self):
        return {key: value for (task, key), value in self.xcoms.items() if task == "marketo.ranges"}


def query(path, sql):
    with closing(duckdb.connect(str(path))) as connection:
        return connection.execute(sql).fetchall()


def rows(path, *tables):
    return {
        table: query(path, f"SELECT count(*) FROM marketo.{table} WHERE _deleted_at IS NULL")[0][0] for table in tables
    }


@pytest.mark.slow(reason="it loads sixty tables twice")
def test_an_instance_is_loaded_whole_and_then_kept_current(marketo, governed, database, tmp_path):
    instance = marketo(leads=60, activities=300, assets=2, custom_objects=1, limits=False)
    store = instance.instance.store
    first = Run(group(tmp_path), "scheduled__1").all()
    assert len(first.tasks) == 12
    assert sum(name.startswith("extract") for name in first.tasks) == 6
    assert query(database, "SELECT id FROM marketo.leads ORDER BY id") == [
        (each,) for each in sorted(store.leads.keys())
    ]
    assert rows(database, "programs") == {"programs": len(store.assets.by_family["programs"])}
    activities = sum(
        query(database, f"SELECT count(*) FROM marketo.{table}")[0][0]
        for (table,) in query(
            database,
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marketo'"
            " AND table_name LIKE 'activity\\_%' ESCAPE '\\' AND table_name NOT LIKE 'activity_type%'",
        )
    )
    assert activities == sum(1 for _ in store.activities.between(0, 2**33))
    members = {(member["leadId"], program) for program in (1001, 1002) for member in store.programs.members(program)}
    found = query(database, "SELECT lead_id, program_id FROM marketo.program_members WHERE program_id IN (1001, 1002)")
    assert set(found) == members
    assert len(found) == len(members) > 0
    watermarks = dict(query(database, "SELECT source, loaded_until FROM marketo._marketo_watermarks"))
    assert set(watermarks) == {"leads", "activities", "reference", "program_members", "custom_objects", "removals"}
    cars = set(query(database, "SELECT marketo_guid FROM marketo.custom_car_c"))
    assert len(cars) == sum(map(len, store.custom_objects["car_c"].updated_between(0, 2**33))) > 0

    client = MarketoClient(instance.url, instance.client_id, instance.client_secret)
    gone, changed, winner, loser = sorted(store.leads.keys())[:4]
    client.call("leads.merge", leadId=winner, leadIds=[loser])
    client.call("leads.delete", input=[{"id": gone}])
    client.call("leads.sync", action="updateOnly", lookupField="id", input=[{"id": changed, "email": "new@x.example"}])
    second = Run(group(tmp_path), "manual__2").all()
    assert second.ranges["leads_mode"] == "auto"
    assert first.ranges["until"] < second.ranges["until"]
    assert rows(database, "leads") == {"leads": 58}
    assert query(database, "SELECT loser_id, winner_id FROM marketo.merged_leads") == [(loser, winner)]
    assert query(database, f"SELECT email FROM marketo.leads WHERE id = {changed}") == [("new@x.example",)]
    assert query(database, f"SELECT _deleted_at IS NOT NULL FROM marketo.leads WHERE id = {gone}") == [(True,)]

    before = query(database, "SELECT source, loaded_until FROM marketo._marketo_watermarks ORDER BY source")
    loads = query(database, "SELECT count(*) FROM marketo._marketo_loads")
    ranges = dict(second.ranges)
    second.one("ranges")
    assert second.ranges == ranges, "a cleared run reads its own ranges again"
    second.one("load_leads")
    assert query(database, "SELECT count(*) FROM marketo._marketo_loads") == loads
    assert query(database, "SELECT source, loaded_until FROM marketo._marketo_watermarks ORDER BY source") == before


def test_a_run_with_a_data_interval_loads_it_and_moves_no_watermark(marketo, governed, database, tmp_path):
    instance = marketo(leads=60, activities=300, limits=False)
    day = {"data_interval_start": datetime(2026, 2, 1, tzinfo=timezone.utc)}
    run = Run(group(tmp_path), "backfill__1", **day, data_interval_end=datetime(2026, 3, 1, tzinfo=timezone.utc))
    for name in ("ranges", "extract_leads", "load_leads"):
        run.one(name)
    assert (run.ranges["leads_start"], run.ranges["leads_end"]) == ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert rows(database, "leads") == {"leads": instance.leads("updatedAt", "2026-02-01", "2026-03-01")}
    following = Run(group(tmp_path), "manual__2")
    following.one("ranges")
    assert (following.ranges["leads_start"], following.ranges["leads_mode"]) == (f"{START}T00:00:00Z", "snapshot")


def test_a_backfill_without_intervals_reads_what_is_new_and_says_so(marketo, governed, database, tmp_path, caplog):
    marketo(leads=5, activities=5, limits=False)
    run = Run(group(tmp_path), "backfill__1", run_type="backfill")
    run.one("ranges")
    assert run.ranges["leads_start"] == f"{START}T00:00:00Z"
    assert "backfill has no data interval" in caplog.text


@pytest.mark.slow
def test_what_was_extracted_and_not_loaded_is_read_again_by_the_next_run(marketo, governed, database, tmp_path):
    marketo(leads=20, activities=20, limits=False)
    run = Run(group(tmp_path), "r1")
    run.one("ranges")
    manifest = run.one("extract_leads")
    for file in manifest["files"]:
        (tmp_path / "lake/leads" / file["name"]).unlink()
    with pytest.raises(MarketoError, match="does not exist"):
        run.one("load_leads")
    following = Run(group(tmp_path), "r2")
    for name in ("ranges", "extract_leads", "load_leads"):
        following.one(name)
    assert following.ranges["leads_start"] == f"{START}T00:00:00Z"
    assert rows(database, "leads") == {"leads": 20}
    third = Run(group(tmp_path, lookback="PT2H"), "r3")
    third.one("ranges")
    until = parse_date(following.ranges["until"])
    assert parse_date(third.ranges["leads_start"]) == until - timedelta(hours=2)


def test_a_manifest_that_is_gone_does_not_stop_the_other_sources(database, tmp_path):
    leads = published(tmp_path / "lake", [(1,)], columns={"id": "integer"}).to_xcom()
    sources = {"activities": str(tmp_path / "gone.json"), "leads": leads}
    load = LoadSourceOperator(
        task_id="load", manifest=sources, sql_conn_id="wh", schema="marketo", until=None, keep_files=None
    )
    context = task_context()
    context["ti"].task = load
    with pytest.raises(MarketoTaskError, match=r"the manifest cannot be read.*Give what the task returned"):
        run_task(load, context)
    assert rows(database, "leads") == {"leads": 1}


def test_fields_that_are_excluded_never_reach_the_table(marketo, governed, database, tmp_path):
    marketo(leads=20, activities=20, limits=False)
    run = Run(group(tmp_path, tables={"leads": {"exclude_fields": ["email"], "history": True}}), "r")
    for name in ("ranges", "extract_leads", "load_leads"):
        run.one(name)
    columns = {row[0] for row in query(database, "DESCRIBE marketo.leads")}
    assert "first_name" in columns
    assert "email" not in columns
    assert len(query(database, "SELECT id FROM marketo.leads_history")) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tables": {"leeds": {}}}, "no options for 'leeds' .did you mean 'leads'"),
        ({"tables": {"leads": {"exclude": ["email"]}}}, "leads has no 'exclude'"),
        ({"tables": ["leads"]}, "is not a dict of options by table"),
        ({"tables": {"leads": None}}, r"tables\['leads'\]=None is not a dict of options"),
        ({"tables": {"leads": {"history": "yes"}}}, r"tables\['leads'\]\['history'\]='yes' is neither True nor False"),
        ({"start": "soon"}, "start='soon' is not a date"),
        ({"lookback": 5}, "lookback=5 has no unit"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(tmp_path, arguments, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        group(tmp_path, **arguments)


def test_a_dag_with_several_runs_at_a_time_is_refused(tmp_path):
    with DAG("d"), pytest.raises(MarketoInvalidRequestError, match="Give the DAG max_active_runs=1"):
        MarketoWarehouseTaskGroup(sql_conn_id="wh", schema="marketo", start=START, output_path=str(tmp_path))


def test_without_a_folder_the_error_names_the_option():
    with DAG("d", max_active_runs=1), pytest.raises(MarketoInvalidRequestError, match=r"\[marketo\] output_path"):
        MarketoWarehouseTaskGroup(sql_conn_id="wh", schema="marketo", start=START)


def test_all_bulk_extracts_of_the_group_share_its_daily_budget(tmp_path):
    tasks = group(tmp_path, daily_export_mb=50).children.values()
    budgets = {task.task_id: task.daily_export_mb for task in tasks if hasattr(task, "daily_export_mb")}
    assert budgets == {f"marketo.extract_{source}": 50 for source in ("leads", "activities", "program_members")}
    with pytest.raises(MarketoInvalidRequestError, match="daily_export_mb=0 is not a number greater than zero"):
        group(tmp_path, daily_export_mb=0)


def test_what_leads_hide_is_hidden_in_their_changes(tmp_path, database):
    tables = {
        "leads": {"hash_fields": ["email"], "exclude_fields": ["phone"]},
        "activities": {"hash_fields": ["primaryAttributeValue", "email"]},
    }
    tasks = {task.task_id: task for task in group(tmp_path, tables=tables).iter_tasks()}
    assert tasks["marketo.extract_activities"].hash_fields == ["primaryAttributeValue", "email"]
    assert tasks["marketo.extract_activities"].exclude_fields == ["phone"]
    tasks = {task.task_id: task for task in group(tmp_path, tables={"leads": {"exclude_fields": "phone"}}).iter_tasks()}
    assert tasks["marketo.extract_activities"].exclude_fields == ["phone"]


def test_what_leads_hide_is_hidden_in_program_members(marketo, governed, database, tmp_path):
    marketo(leads=20, activities=20, assets=1, limits=False)
    tables = {"leads": {"exclude_fields": ["email", "updatedAt"]}, "program_members": {"exclude_fields": ["company"]}}
    run = Run(group(tmp_path, tables=tables), "r")
    run.one("ranges")
    (dataset,) = run.one("extract_program_members")["datasets"]
    columns = {column["name"] for column in dataset["columns"]}
    assert not columns & {"email", "company"}
    assert {"leadId", "firstName", "updatedAt"} <= columns


def test_what_leads_hide_may_be_missing_in_program_members(marketo, governed, database, tmp_path):
    marketo(leads=20, activities=20, assets=1, limits=False)
    members = {"fields": ["leadId", "programId", "statusName"]}
    run = Run(group(tmp_path, tables={"leads": {"exclude_fields": ["email"]}, "program_members": members}), "r")
    run.one("ranges")
    assert run.one("extract_program_members")["rows"] > 0


def test_what_marketo_only_looks_up_needs_keys(tmp_path, database):
    with pytest.raises(
        MarketoInvalidRequestError, match=r"does not list companies.*tables={'companies': {'keys': \[\.\.\.\]}}"
    ):
        group(tmp_path, tables={"companies": {}})
    assert set(get_args(LookedUpObject)) == {name for name, each in LISTINGS.items() if each.looked_up_by}


@pytest.mark.slow(reason="it lists an instance twice")
def test_tables_that_are_named_follow_removals_and_keys(marketo, governed, database, tmp_path):
    instance = marketo(leads=20, activities=20, limits=False)
    client = MarketoClient(instance.url, instance.client_id, instance.client_secret)
    client.call("companies.sync", input=[{"externalCompanyId": f"C-{n}", "company": f"Company {n}"} for n in (1, 2)])
    client.call("static_list_membership.add_to_list", listId=1001, input=[{"id": 1001}, {"id": 1002}])
    tables = {"list_members": {}, "companies": {"keys": ["C-2"], "exclude_fields": ["website"]}}
    reference = ("ranges", "extract_reference", "load_reference")
    first = Run(group(tmp_path, tables=tables), "r1")
    for name in reference:
        first.one(name)
    members = "SELECT lead_id FROM marketo.list_members WHERE list_id = 1001 AND _deleted_at IS NULL ORDER BY lead_id"
    before = query(database, members)
    assert {(1001,), (1002,)} <= set(before)
    assert query(database, "SELECT external_company_id, company FROM marketo.companies") == [("C-2", "Company 2")]
    assert "website" not in {row[0] for row in query(database, "DESCRIBE marketo.companies")}

    client.call("static_list_membership.remove_from_list", listId=1001, id=[1001])
    client.call("companies.sync", input=[{"externalCompanyId": "C-2", "company": "Renamed"}])
    second = Run(group(tmp_path, tables=tables), "r2")
    for name in reference:
        second.one(name)
    assert query(database, members) == [row for row in before if row != (1001,)]
    assert query(database, "SELECT external_company_id, company FROM marketo.companies") == [("C-2", "Renamed")]


FOUND = {table: {"keys": "found"} for table in get_args(LookedUpObject)}


@pytest.mark.slow(reason="it lists an instance twice")
def test_keys_that_the_tables_have_are_looked_up(marketo, governed, database, tmp_path):
    instance = marketo(leads=20, activities=20, limits=False)
    client = MarketoClient(instance.url, instance.client_id, instance.client_secret)
    first, second = sorted(instance.instance.store.leads.keys())[:2]

    def link(lead: int, number: int) -> None:
        client.call("companies.sync", input=[{"externalCompanyId": f"C-{number}", "company": f"Company {number}"}])
        client.call("sales_persons.sync", input=[{"externalSalesPersonId": f"S-{number}", "email": "s@x.example"}])
        client.call("named_accounts.sync", input=[{"name": f"Company {number}"}])
        client.call("opportunities.sync", input=[{"externalOpportunityId": f"O-{number}", "name": "a deal"}])
        role = {"externalOpportunityId": f"O-{number}", "leadId": lead, "role": "Buyer"}
        client.call("opportunity_roles.sync", input=[role])
        keys = {"externalCompanyId": f"C-{number}", "externalSalesPersonId": f"S-{number}"}
        company = {"company": f"Company {number}"}
        client.call("leads.sync", action="updateOnly", lookupField="id", input=[{"id": lead, **keys, **company}])

    client.call("companies.sync", input=[{"externalCompanyId": "C-9", "company": "nobody's"}])
    link(first, 1)
    tasks = group(tmp_path, tables={**FOUND, "companies": {"keys": "found", "exclude_fields": ["website"]}})
    assert "marketo.load_leads" in tasks.children["marketo.extract_reference"].upstream_task_ids
    steps = ("ranges", "extract_leads", "load_leads", "extract_reference", "load_reference")

    def ran(run_id: str) -> None:
        run = Run(tasks, run_id)
        for name in steps:
            run.one(name)

    ran("r1")
    assert query(database, "SELECT external_company_id FROM marketo.companies") == [("C-1",)]
    assert query(database, "SELECT external_sales_person_id FROM marketo.sales_persons") == [("S-1",)]
    assert query(database, "SELECT name FROM marketo.named_accounts") == [("Company 1",)]
    assert query(database, "SELECT lead_id, role FROM marketo.opportunity_roles") == [(first, "Buyer")]
    opportunities = "SELECT external_opportunity_id FROM marketo.opportunities ORDER BY 1"
    assert query(database, opportunities) == [("O-1",)]
    link(second, 2)
    ran("r2")
    companies = "SELECT external_company_id FROM marketo.companies ORDER BY 1"
    assert query(database, companies) == [("C-1",), ("C-2",)]
    assert query(database, opportunities) == [("O-1",), ("O-2",)]


@pytest.mark.slow(reason="it lists an instance")
def test_a_retry_finds_the_keys_of_rows_that_its_first_try_has_read(marketo, governed, database, tmp_path):
    instance = marketo(leads=20, activities=20, limits=False)
    client = MarketoClient(instance.url, instance.client_id, instance.client_secret)
    names = ("O-1", "O-2", "two, for Marketo")
    client.call("opportunities.sync", input=[{"externalOpportunityId": name, "name": "a deal"} for name in names])
    roles = [{"externalOpportunityId": name, "leadId": 1001, "role": "Buyer"} for name in names]
    client.call("opportunity_roles.sync", input=roles)
    run = Run(
        group(tmp_path, tables={table: {"keys": "found"} for table in ("opportunities", "opportunity_roles")}), "r"
    )
    for name in ("ranges", "extract_leads", "load_leads"):
        run.one(name)
    instance.fail("opportunities.get", "603")
    with pytest.raises(MarketoTaskError, match=r"opportunities.*Marketo code 603"):
        run.one("extract_reference")
    run.one("extract_reference")
    run.one("load_reference")
    assert query(database, "SELECT count(*) FROM marketo.opportunity_roles") == [(3,)]
    found = query(database, "SELECT external_opportunity_id FROM marketo.opportunities ORDER BY 1")
    assert found == [("O-1",), ("O-2",)]


def test_keys_in_a_field_that_leads_leave_out_are_refused_by_name(marketo, governed, database, tmp_path):
    marketo(leads=20, activities=20, limits=False)
    tables = {"leads": {"exclude_fields": ["externalCompanyId"]}, "companies": {"keys": "found"}}
    run = Run(group(tmp_path, tables=tables), "r")
    for name in ("ranges", "extract_leads", "load_leads"):
        run.one(name)
    with pytest.raises(MarketoTaskError, match=r"are in externalCompanyId of leads.*tables={'companies'"):
        run.one("extract_reference")
