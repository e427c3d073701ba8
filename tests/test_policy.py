"""The cluster policy puts every Marketo task into its pool, or the DAG gets an import error that says what to do."""

from __future__ import annotations

import pytest
from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator

from airflow_provider_marketo import policy
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.options import Options
from airflow_provider_marketo.sensors.quota import MarketoQuotaSensor


class OfAUser(MarketoGetLeadsOperator):
    """An operator that a user derived from one of ours."""


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch):
    policy.read_pools.cache_clear()
    monkeypatch.setattr(policy, "options", Options())
    monkeypatch.setenv("AIRFLOW__MARKETO__ENFORCE_POOL", "True")
    yield
    policy.read_pools.cache_clear()


@pytest.fixture
def marker(monkeypatch):
    """What ``airflow marketo setup`` leaves. Airflow reads its Variables from the environment, too."""

    def leave(text: str) -> None:
        monkeypatch.setenv("AIRFLOW_VAR_MARKETO_POOLS", text)

    leave('{"marketo_default": "marketo", "marketo_eu": "marketo_eu_pool"}')
    return leave


def leads(kind=MarketoGetLeadsOperator, **arguments):
    return kind(task_id="leads", lookup_field="id", lookup_values=[1], **arguments)


@pytest.mark.parametrize(
    ("task", "pool"),
    [
        (leads(), "marketo"),
        (leads(marketo_conn_id="marketo_eu"), "marketo_eu_pool"),
        (leads(pool="some_other_pool"), "marketo"),
        (leads(OfAUser), "marketo"),
        (MarketoQuotaSensor(task_id="quota", min_calls=1), "marketo"),
        (EmptyOperator(task_id="nothing"), "default_pool"),
    ],
    ids=["default", "eu", "elsewhere", "derived", "sensor", "not ours"],
)
def test_tasks_are_put_into_the_pool_of_their_connection(marker, task, pool):
    policy.task_policy(task)
    assert task.pool == pool


def test_a_mapped_task_is_put_into_the_pool_of_its_connection(marker):
    mapped = MarketoGetLeadsOperator.partial(task_id="leads", lookup_field="id").expand(lookup_values=[[1], [2]])
    policy.task_policy(mapped)
    assert mapped.pool == "marketo"


def test_a_mapped_task_with_a_connection_of_its_own_is_put_into_that_ones_pool(marker):
    given = {"lookup_field": "id", "marketo_conn_id": "marketo_eu"}
    mapped = MarketoGetLeadsOperator.partial(task_id="leads", **given).expand(lookup_values=[[1], [2]])
    policy.task_policy(mapped)
    assert mapped.pool == "marketo_eu_pool"


def test_a_connection_without_a_pool_is_an_error_that_names_the_command(marker):
    marker("{}")
    with pytest.raises(AirflowClusterPolicyViolation, match="airflow marketo setup --conn-id marketo_default"):
        policy.task_policy(leads())


def test_where_setup_was_never_run_the_error_names_the_command():
    with pytest.raises(AirflowClusterPolicyViolation, match="airflow marketo setup"):
        policy.task_policy(leads())


def test_a_template_as_connection_is_accepted_if_all_connections_share_a_pool(marker):
    with pytest.raises(AirflowClusterPolicyViolation, match=r"Task leads: the Marketo connection .* has no pool"):
        policy.task_policy(leads(marketo_conn_id="{{ params.connection }}"))
    policy.read_pools.cache_clear()
    marker('{"one": "marketo", "other": "others"}')
    with pytest.raises(AirflowClusterPolicyViolation, match="Name the connection without a template"):
        policy.task_policy(leads(marketo_conn_id="{{ params.connection }}"))
    policy.read_pools.cache_clear()
    marker('{"one": "marketo", "other": "marketo"}')
    task = leads(marketo_conn_id="{{ params.connection }}")
    policy.task_policy(task)
    assert task.pool == "marketo"


@pytest.mark.parametrize("wrong", ["enabled", "maybe", "2", "%(odd)s"])
def test_a_wrong_value_is_one_warning_and_no_import_error(marker, monkeypatch, caplog, wrong):
    monkeypatch.setenv("AIRFLOW__MARKETO__ENFORCE_POOL", wrong)
    ours, theirs = leads(), EmptyOperator(task_id="nothing")
    for _ in range(3):
        policy.task_policy(ours)
        policy.task_policy(theirs)
    assert (ours.pool, theirs.pool) == ("default_pool", "default_pool")
    assert caplog.text.count("[marketo] enforce_pool has an invalid value") == 1


def test_tasks_of_others_are_never_looked_at(marker, monkeypatch):
    monkeypatch.setattr(policy.options, "flag", lambda name: 1 / 0)
    mapped = BashOperator.partial(task_id="two").expand(bash_command=["true"])
    for task in (EmptyOperator(task_id="one"), mapped):
        policy.task_policy(task)
    assert mapped.partial_kwargs.get("pool", "default_pool") == "default_pool"


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "5", "null", '{"marketo_default": 5}', '{"marketo_default": ""}', "[" * 100_000],
    ids=lambda text: text[:20],
)
def test_a_marker_that_is_none_is_an_error_that_names_the_command(marker, text):
    marker(text)
    with pytest.raises(AirflowClusterPolicyViolation, match="airflow marketo setup"):
        policy.task_policy(leads())


def test_the_policy_does_nothing_when_it_is_switched_off(monkeypatch):
    monkeypatch.setenv("AIRFLOW__MARKETO__ENFORCE_POOL", "False")
    task = leads()
    policy.task_policy(task)
    assert task.pool == "default_pool"


DAG_FILE = """
from airflow.sdk import DAG
from airflow_provider_marketo.sensors.quota import MarketoQuotaSensor

with DAG("a_dag", schedule=None):
    MarketoQuotaSensor(task_id="quota", min_calls=1)
    MarketoQuotaSensor.partial(task_id="mapped").expand(min_calls=[1, 2])
"""


@pytest.mark.parametrize("was_set_up", [True, False])
def test_airflow_applies_the_policy_when_it_parses_a_dag(marker, tmp_path, was_set_up):
    from airflow import settings

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]

    settings.initialize()
    (tmp_path / "a_dag.py").write_text(DAG_FILE)
    if not was_set_up:
        marker("{}")
    bag = DagBag(str(tmp_path))
    if was_set_up:
        assert {task.task_id: task.pool for task in bag.dags["a_dag"].tasks} == {
            "quota": "marketo",
            "mapped": "marketo",
        }
    else:
        (error,) = bag.import_errors.values()
        assert "airflow marketo setup" in error
