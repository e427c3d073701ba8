"""
Canaries for every name of Airflow that may move: on each line they name what is gone before a task fails.

When one of these tests fails on a new Airflow, the fix belongs in ``airflow_compat.py``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow import __version__ as airflow_version
from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseEventTrigger, BaseTrigger

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.airflow_compat import MODULES

PACKAGE = Path(airflow_compat.__file__).parent

LINE = tuple(int(part) for part in airflow_version.split(".")[:2])

SINCE = {
    "AssetStateStoreModel": (3, 3),
    "GetVariableKeys": (3, 3),
    "SharedStreamProducer": (3, 3),
    "TaskAwaitingInput": (3, 3),
    "TaskStateStoreModel": (3, 3),
}
"""Names that older lines of Airflow lack, with the first line that has them."""

ONLY_IN_A_TASK = {"SUPERVISOR_COMMS"}
"""Names that Airflow sets when a task or a trigger begins."""

CALLS = {
    "AssetEvent": ("asset_id", "timestamp"),
    "AssetModel": ("id", "uri"),
    "AssetStateStoreModel": ("key", "value"),
    "AirflowConsole.print_as": ("self", "data", "output"),
    "Connection.get_connection_from_secrets": ("conn_id",),
    "CreateHITLDetailPayload": ("ti_id", "options", "subject", "body", "params", "assigned_users"),
    "DagModel": ("dag_id", "is_stale"),
    "ErrorResponse": ("error",),
    "GetVariable": ("key",),
    "GetVariableKeys": ("prefix",),
    "HITLTrigger": ("ti_id", "options", "params", "timeout_datetime"),
    "Pool": ("pool", "slots", "description", "include_deferred"),
    "RuntimeTaskInstance.get_task_states": ("dag_id", "task_ids", "run_ids", "map_index"),
    "SerializedDagModel.get_latest_serialized_dags": ("dag_ids", "session"),
    "SharedStreamProducer.advance": ("self", "batch"),
    "SharedStreamProducer.open_stream": ("self",),
    "TaskInstance": ("dag_id", "task_id", "run_id", "map_index", "state", "operator", "pool", "hostname"),
    "TaskAwaitingInput": ("method_name", "kwargs"),
    "TaskStateStoreModel": ("dag_id", "task_id", "run_id", "map_index", "key", "value"),
    "Variable.delete": ("key", "session"),
    "Variable.get": ("key", "default_var"),
    "Variable.set": ("key", "value", "description", "serialize_json", "session"),
    "VariableResult": ("key", "value"),
    "XComModel": ("key", "value", "dag_id", "task_id", "run_id", "map_index"),
    "XCom.get_one": ("key", "dag_id", "task_id", "run_id", "map_index"),
    "action_cli": ("check_db",),
    "create_session": (),
    "get_listener_manager": (),
    "hookimpl": ("function",),
    "providers_configuration_loaded": ("func",),
    "requires_access_view": ("access_view",),
}
"""The functions of Airflow that the package calls, with the parameters that it gives."""

OVERRIDDEN = [
    (BaseOperator, "resume_execution", ("self", "next_method", "next_kwargs", "context"), (3, 1)),
    (BaseOperator, "defer", ("self", "trigger", "method_name", "kwargs", "timeout"), (3, 1)),
    (BaseTrigger, "on_kill", ("self",), (3, 3)),
    (BaseEventTrigger, "shared_stream_key", ("self",), (3, 3)),
    (BaseEventTrigger, "create_shared_stream_producer", ("kwargs",), (3, 3)),
]
"""Methods that our classes override or call, their parameters, and the first line of Airflow that has them."""

PUBLIC = {
    "airflow.cli.cli_config",
    "airflow.configuration",
    "airflow.exceptions",
    "airflow.plugins_manager",
    "airflow.policies",
    "airflow.sdk",
    "airflow.sdk.log",
    "airflow.sdk.types",
    "airflow.triggers.base",
}
"""The modules of Airflow that the rest of the package may import: they are documented for providers."""

here = [name for name in MODULES if SINCE.get(name, LINE) <= LINE and name not in ONLY_IN_A_TASK]


def takes(function, parameters) -> bool:
    """Return whether a function has these parameters. A model of the database takes each of its columns."""
    known = inspect.signature(function).parameters
    return set(parameters) <= set(known) | (set(dir(function)) if inspect.isclass(function) else set())


@pytest.mark.parametrize("name", here)
def test_a_name_is_in_one_of_its_modules(name):
    assert getattr(airflow_compat, name) is not None


@pytest.mark.parametrize("name", sorted(ONLY_IN_A_TASK))
def test_the_module_of_a_name_that_only_a_task_has_exists(name):
    assert [importlib.import_module(module) for module in MODULES[name]]


@pytest.mark.parametrize("called", sorted(CALLS))
def test_a_function_takes_the_parameters_that_we_give(called):
    name, _, method = called.partition(".")
    if name not in here:
        pytest.skip(f"Airflow {airflow_version} has no {name}")
    target = getattr(airflow_compat, name)
    function = getattr(target, method) if method else target
    assert takes(function, CALLS[called]), (
        f"Airflow {airflow_version}: {called} takes {inspect.signature(function)}, not {CALLS[called]}"
    )


@pytest.mark.parametrize(("owner", "method", "parameters", "since"), OVERRIDDEN, ids=[each[1] for each in OVERRIDDEN])
def test_a_method_that_we_override_exists(owner, method, parameters, since):
    if since > LINE:
        pytest.skip(f"Airflow {airflow_version} does not call {method}")
    assert hasattr(owner, method), f"Airflow {airflow_version}: {owner.__name__} has no {method} any more"
    assert takes(getattr(owner, method), parameters), (
        f"Airflow {airflow_version}: {owner.__name__}.{method} takes {inspect.signature(getattr(owner, method))}"
    )


def test_airflow_calls_resume_execution_after_a_deferral():
    from airflow.sdk.execution_time import task_runner

    assert ".resume_execution" in inspect.getsource(task_runner), (
        f"Airflow {airflow_version} does not call resume_execution: usage is lost in a deferral"
    )


def test_a_listener_is_registered_once_however_often_it_is_added():
    manager, listener = airflow_compat.get_listener_manager(), object()
    before = len(manager.pm.get_plugins())
    for _ in range(2):
        manager.add_listener(listener)
    try:
        assert len(manager.pm.get_plugins()) == before + 1
    finally:
        manager.pm.unregister(listener)


def test_the_error_about_a_name_that_airflow_lacks_says_what_to_do(monkeypatch):
    monkeypatch.setitem(MODULES, "Pool", ("airflow.gone", "airflow.models.variable"))
    with pytest.raises(ImportError, match=r"no Pool in airflow\.gone or airflow\.models\.variable\. Upgrade"):
        _ = airflow_compat.Pool


def test_the_first_module_that_has_the_name_is_used(monkeypatch):
    monkeypatch.setitem(MODULES, "Pool", ("airflow.gone", "airflow.models.pool"))
    assert airflow_compat.Pool.__name__ == "Pool"


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(airflow_compat, "NoSuchName")


def test_a_process_without_a_task_has_no_supervisor():
    with pytest.raises(OSError, match="only tasks and triggers can read Variables"):
        airflow_compat.supervisor()


def test_the_supervisor_of_a_test_command_has_its_name():
    from airflow.sdk.execution_time import supervisor

    assert hasattr(supervisor, airflow_compat.IN_PROCESS_SUPERVISOR)
    assert not airflow_compat.runs_in_process()


def test_the_stores_of_a_task_come_from_its_context():
    assert airflow_compat.task_state_store({}) is None
    assert airflow_compat.task_state_store({"task_state_store": "a store"}) == "a store"
    assert airflow_compat.asset_state_store({}, "an asset") is None
    assert airflow_compat.asset_state_store({"asset_state_store": {"an asset": "a store"}}, "an asset") == "a store"


NOON = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize("can_filter", [True, False])
def test_all_lines_return_the_same_events_after_a_time(can_filter):
    events = [SimpleNamespace(timestamp=NOON.replace(hour=hour)) for hour in (11, 12, 13)]

    class Events(list):
        """Events as Airflow 3.2 has them: ``after`` includes the time itself."""

        def after(self, time: str) -> list:
            return [event for event in self if event.timestamp >= datetime.fromisoformat(time)]

    later = airflow_compat.events_after(Events(events) if can_filter else events, NOON)
    assert [event.timestamp.hour for event in later] == [13]


def test_a_partition_is_added_where_events_have_partitions():
    added: list[str] = []
    assert airflow_compat.add_partitions(SimpleNamespace(add_partitions=added.extend), ["2026-01-15T00:00:00"])
    assert added == ["2026-01-15T00:00:00"]
    assert not airflow_compat.add_partitions(SimpleNamespace(), ["2026-01-15T00:00:00"])


def test_only_airflow_compat_imports_private_modules_of_airflow():
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module or ""]
            found |= {name: file.name for name in names if name.partition(".")[0] == "airflow"}
    private = {name: file for name, file in found.items() if name not in PUBLIC and "airflow.providers." not in name}
    assert set(private.values()) == {"airflow_compat.py"}, private


def test_importing_it_imports_nothing_of_airflow(python):
    assert python("import sys, airflow_provider_marketo.airflow_compat; print('airflow' in sys.modules)") == "False"


@pytest.fixture
def python():
    import subprocess

    return lambda code: subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
