"""
Every name of Airflow that is private, moves between its versions 3.1, 3.2 and 3.3, or is missing from one of them.

Nothing of Airflow is imported before a name is used: most processes need none of them. ``tests/test_airflow_compat.py``
checks each name, and the members of it that we use, on each version.
"""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.common.db.common import SessionDep
    from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
    from airflow.cli.simple_table import AirflowConsole
    from airflow.listeners import hookimpl
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.connection import Connection
    from airflow.models.dag import DagModel
    from airflow.models.pool import Pool
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.variable import Variable
    from airflow.models.xcom import XComModel
    from airflow.sdk import BaseOperator, ObjectStoragePath
    from airflow.sdk.exceptions import AirflowRescheduleException, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, GetVariable, VariableResult
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.listener import get_listener_manager
    from airflow.triggers.shared_stream import SharedStreamProducer
    from airflow.utils.cli import action_cli
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded
    from airflow.utils.session import create_session

__all__ = [
    "AccessView",
    "AirflowConsole",
    "AirflowRescheduleException",
    "AssetEvent",
    "AssetModel",
    "Connection",
    "DagModel",
    "ErrorResponse",
    "ErrorType",
    "GetUserDep",
    "GetVariable",
    "Pool",
    "RuntimeTaskInstance",
    "SerializedDagModel",
    "SessionDep",
    "SharedStreamProducer",
    "TaskInstance",
    "Variable",
    "VariableResult",
    "XCom",
    "XComModel",
    "action_cli",
    "add_partitions",
    "asset_state_rows",
    "asset_state_store",
    "connection_of",
    "create_question",
    "create_session",
    "events_after",
    "get_auth_manager",
    "get_listener_manager",
    "hookimpl",
    "is_script",
    "is_supervised",
    "providers_configuration_loaded",
    "requires_access_view",
    "runs_in_process",
    "supervisor",
    "task_state_rows",
    "task_state_store",
    "use_metadata_database",
    "variable_is_listed",
    "wait_for_answer",
]

IN_PROCESS_SUPERVISOR = "InProcessSupervisorComms"
"""Class in ``airflow.sdk.execution_time.supervisor``. We load its module only where it is used."""

_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"
"""Environment variable in which Airflow's servers and commands say what they are."""

MODULES: Mapping[str, tuple[str, ...]] = {
    # What a task or a trigger asks its supervisor.
    "SUPERVISOR_COMMS": ("airflow.sdk.execution_time.task_runner",),
    "AirflowRuntimeError": ("airflow.sdk.exceptions",),
    "ErrorResponse": ("airflow.sdk.execution_time.comms",),
    "ErrorType": ("airflow.sdk.exceptions",),
    "GetVariable": ("airflow.sdk.execution_time.comms",),
    "GetVariableKeys": ("airflow.sdk.execution_time.comms",),
    "_set_variable": ("airflow.sdk.execution_time.context",),
    "_delete_variable": ("airflow.sdk.execution_time.context",),
    "RuntimeTaskInstance": ("airflow.sdk.execution_time.task_runner",),
    "VariableResult": ("airflow.sdk.execution_time.comms",),
    "XCom": ("airflow.sdk.execution_time.xcom",),
    "CreateHITLDetailPayload": ("airflow.sdk.execution_time.comms",),
    # The end of a task.
    "HITLTrigger": ("airflow.providers.standard.triggers.hitl",),
    "TaskAwaitingInput": ("airflow.sdk.exceptions",),
    "AirflowRescheduleException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "get_listener_manager": ("airflow.sdk.listener", "airflow.listeners.listener"),
    "hookimpl": ("airflow.listeners",),
    # The triggerer of Airflow 3.3.
    "SharedStreamProducer": ("airflow.triggers.shared_stream",),
    # The API server, in which the page runs. Plugins have no public API that says who may see what.
    "AccessView": ("airflow.api_fastapi.auth.managers.models.resource_details",),
    "GetUserDep": ("airflow.api_fastapi.core_api.security",),
    "SessionDep": ("airflow.api_fastapi.common.db.common",),
    "get_auth_manager": ("airflow.api_fastapi.app",),
    "requires_access_view": ("airflow.api_fastapi.core_api.security",),
    # The metadata database and the command line. "Variable" also works in a process that parses DAGs.
    "AirflowConsole": ("airflow.cli.simple_table",),
    "AssetEvent": ("airflow.models.asset",),
    "AssetModel": ("airflow.models.asset",),
    "AssetStateStoreModel": ("airflow.models.asset_state_store",),
    "Connection": ("airflow.models.connection",),
    "DagModel": ("airflow.models.dag",),
    "Pool": ("airflow.models.pool",),
    "SerializedDagModel": ("airflow.models.serialized_dag",),
    "TaskInstance": ("airflow.models.taskinstance",),
    "TaskStateStoreModel": ("airflow.models.task_state_store",),
    "Variable": ("airflow.models.variable",),
    "XComModel": ("airflow.models.xcom",),
    "action_cli": ("airflow.utils.cli",),
    "create_session": ("airflow.utils.session",),
    "providers_configuration_loaded": ("airflow.utils.providers_configuration_loader",),
}
"""Each name, with the modules that may have it; the newest Airflow's first."""


def __getattr__(name: str) -> Any:
    """Import a name of :data:`MODULES` when it is used."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    for module in MODULES[name]:
        try:
            return getattr(importlib.import_module(module), name)
        except (AttributeError, ModuleNotFoundError):
            continue
    raise ImportError(
        f"This version of Airflow has no {name} in {' or '.join(MODULES[name])}. "
        "Upgrade airflow-provider-marketo, or install an Airflow that its documentation lists as tested."
    )


def supervisor() -> Any:
    """
    Return the connection over which a task or a trigger asks Airflow.

    :raises OSError: this process is neither a task nor a trigger.
    """
    try:
        return __getattr__("SUPERVISOR_COMMS")
    except ImportError:
        raise OSError("only tasks and triggers can read Variables, and this process is neither") from None


@contextmanager
def answering() -> Iterator[None]:
    """
    Raise an ``OSError`` for a question inside the ``with`` block that Airflow does not answer.

    :raises OSError: Airflow did not answer, or answered with an error.
    """
    try:
        yield
    except __getattr__("AirflowRuntimeError") as error:
        raise OSError(f"Airflow did not answer the task ({error})") from error


def set_variable(key: str, text: str, description: str) -> None:
    """
    Set a Variable. ``Variable.set`` of Airflow 3.1 and 3.2 only logs a failure.

    :param key: the Variable's key.
    :param text: its text.
    :param description: shown in Airflow's list of Variables.
    :raises OSError: Airflow did not answer.
    """
    with answering():
        __getattr__("_set_variable")(key, text, description)


def delete_variable(key: str) -> None:
    """
    Delete a Variable, which may be missing; ``Variable.delete`` of Airflow 3.1 and 3.2 only logs a failure.

    :param key: the Variable's key.
    :raises OSError: Airflow did not answer.
    """
    with answering():
        __getattr__("_delete_variable")(key)


def variable_is_listed(name: str) -> bool:
    """
    Whether the API server lists a Variable of this name, whether or not it can read the value.

    :param name: the Variable's key.
    :return: False before Airflow 3.3, which has no such list.
    :raises OSError: Airflow did not answer.
    """
    try:
        question = __getattr__("GetVariableKeys")
    except ImportError:
        return False
    with answering():
        answer = supervisor().send(question(prefix=name))
    keys = getattr(answer, "keys", None)
    if not isinstance(keys, list):
        raise OSError(f"Airflow does not say whether the Variable {name} exists")
    return name in keys


def is_supervised() -> bool:
    """Whether this process is a task or a trigger, which has a supervisor."""
    try:
        supervisor()
    except OSError:
        return False
    return True


def runs_in_process() -> bool:
    """Whether ``dags test``, ``tasks test`` or ``dag.test()`` runs the task in this process, without a scheduler."""
    return is_supervised() and type(supervisor()).__name__ == IN_PROCESS_SUPERVISOR


def use_metadata_database() -> None:
    """Let Airflow look up connections in its database: a command has no supervisor that it could ask instead."""
    os.environ[_CONTEXT] = "server"


def is_script() -> bool:
    """Whether this process is outside Airflow, where connections come from environment variables only."""
    return not is_supervised() and os.environ.get(_CONTEXT) != "server"


def connection_of(path: ObjectStoragePath) -> str | None:
    """
    Return the id of the connection that a path is read with; None if it names no connection.

    :param path: a path, which keeps its connection in another place before Airflow 3.3.
    """
    if hasattr(path, "conn_id"):
        return path.conn_id
    return path.storage_options.get("conn_id")


def create_question(ti_id: Any, options: list[str], subject: str, body: str) -> str | None:
    """
    Put a question of the running task into Airflow's Required Actions, or take back the answer to it.

    :param ti_id: id of the task instance.
    :param options: the possible answers.
    :param subject: one line.
    :param body: Markdown.
    :return: the body that Airflow shows: that of the task instance's first question; None if Airflow does not say.
    """
    payload = __getattr__("CreateHITLDetailPayload")
    asked = payload(ti_id=ti_id, options=options, subject=subject, body=body, params={}, assigned_users=[])
    return getattr(supervisor().send(asked), "body", None)


def wait_for_answer(
    operator: BaseOperator, ti_id: Any, options: list[str], method_name: str, kwargs: dict[str, Any]
) -> NoReturn:
    """
    End this process of a task until a person has answered its question.

    :param operator: the task's operator.
    :param ti_id: id of the task instance.
    :param options: the possible answers.
    :param method_name: name of the operator's method, called with ``kwargs`` and the answer as ``event``.
    :param kwargs: keyword arguments of the method, as plain JSON.
    """
    try:
        awaiting = __getattr__("TaskAwaitingInput")
    except ImportError:  # before Airflow 3.3 a trigger waits
        trigger = __getattr__("HITLTrigger")(ti_id=ti_id, options=options, params={}, timeout_datetime=None)
        operator.defer(trigger=trigger, method_name=method_name, kwargs=kwargs)
    raise awaiting(method_name=method_name, kwargs=kwargs)


def task_state_store(context: Mapping[str, Any]) -> Any:
    """Return the store that survives the tries of the running task; None before Airflow 3.3."""
    return context.get("task_state_store")


def asset_state_store(context: Mapping[str, Any], asset: Any) -> Any:
    """Return the store of an outlet of the running task; None before Airflow 3.3."""
    stores = context.get("asset_state_store")
    return None if stores is None else stores[asset]


def asset_state_rows(session: Any, prefix: str) -> list[tuple[str, Any]]:
    """
    Return the keys and values that assets keep under keys with a prefix.

    :param session: a session of Airflow's database.
    :param prefix: prefix of the keys.
    :return: keys and values; an empty list before Airflow 3.3, which has no such store.
    """
    try:
        model = __getattr__("AssetStateStoreModel")
    except ImportError:
        return []
    rows = session.query(model.key, model.value).filter(model.key.startswith(prefix, autoescape=True))
    return [(key, value) for key, value in rows]


def task_state_rows(
    session: Any, dag_ids: Collection[str], keys: Collection[str]
) -> list[tuple[str, str, str, int, str, Any]]:
    """
    Return what the tasks of some DAGs keep between their tries.

    :param session: a session of Airflow's database.
    :param dag_ids: ids of the DAGs.
    :param keys: keys in the task state store.
    :return: DAG, task, run, map index, key and value; empty before Airflow 3.3, which has no such store.
    """
    try:
        model = __getattr__("TaskStateStoreModel")
    except ImportError:
        return []
    columns = (model.dag_id, model.task_id, model.run_id, model.map_index, model.key, model.value)
    rows = session.query(*columns).filter(model.dag_id.in_(sorted(dag_ids)), model.key.in_(sorted(keys)))
    return [tuple(row) for row in rows]


def events_after(events: Any, time: datetime) -> Iterable[Any]:
    """
    Return the asset events later than a time, in order.

    :param events: one entry of the context's ``inlet_events``. From Airflow 3.2 on, it can leave out earlier events.
    :param time: the time, aware.
    """
    later = events.after(time.isoformat()) if hasattr(events, "after") else events
    return [event for event in later if event.timestamp > time]


def add_partitions(event: Any, keys: list[str]) -> bool:
    """
    Name the partitions that an outlet event is about.

    :param event: one entry of the context's ``outlet_events``.
    :param keys: the partitions' keys.
    :return: False before Airflow 3.3, whose events have no partitions.
    """
    if not hasattr(event, "add_partitions"):
        return False
    event.add_partitions(keys)
    return True
