"""The Marketo tasks of all DAGs, as Airflow has stored the DAGs. No DAG file is imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_marketo.airflow_compat import DagModel, SerializedDagModel, create_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGE = f"{__name__.partition('.')[0]}."
DEFAULT_POOL = "default_pool"
"""Airflow's own pool, which always exists."""

_FOLDERS = ("output_path", "rejects_path", "staging", "ledger", "evidence")


@dataclass(frozen=True)
class DagTask:
    """
    A task of a DAG.

    :param dag_id: id of the DAG.
    :param task_id: id of the task.
    :param module: module of its class.
    :param operator: name of its class.
    :param pool: the pool that its author gave it.
    :param arguments: its stored arguments, as far as Airflow stores them.
    :param dagrun_timeout: ``dagrun_timeout`` of the DAG.
    """

    dag_id: str
    task_id: str
    module: str
    operator: str
    pool: str
    arguments: Mapping[str, Any]
    dagrun_timeout: timedelta | None = None

    @property
    def name(self) -> str:
        """The task's name in messages."""
        return f"{self.dag_id}.{self.task_id}"

    @property
    def conn_id(self) -> str:
        """Id of its Marketo connection. It may be a template."""
        return str(self.arguments.get("marketo_conn_id") or "marketo_default")

    @property
    def queue(self) -> str:
        """The queue from which workers take it."""
        return str(self.arguments.get("queue") or conf.get("operators", "default_queue", fallback="default"))

    @property
    def execution_timeout(self) -> timedelta | None:
        """How long a try of it may take."""
        return _seconds(self.arguments.get("execution_timeout"))

    @property
    def folders(self) -> list[str]:
        """The folders that it names. They may be templates."""
        named = (self.arguments.get(name) for name in _FOLDERS)
        return [folder for folder in named if isinstance(folder, str) and folder]


def marketo_tasks() -> list[DagTask]:
    """Return the tasks of this package in all DAGs that are not stale; empty without a database."""
    try:
        with create_session() as session:
            dag_ids = list(session.scalars(select(DagModel.dag_id).where(DagModel.is_stale.is_(False))))
            stored = SerializedDagModel.get_latest_serialized_dags(dag_ids=dag_ids, session=session)
            return [task for dag in stored for task in _tasks(dag.dag_id, (dag.data or {}).get("dag", {}))]
    except SQLAlchemyError:
        return []


def _tasks(dag_id: str, stored: Mapping[str, Any]) -> Iterator[DagTask]:
    timeout = _seconds(stored.get("dagrun_timeout"))
    for each in stored.get("tasks", ()):
        facts = each.get("__var", each)
        module = str(facts.get("_task_module", ""))
        if not module.startswith(_PACKAGE):
            continue
        arguments = {**facts, **facts.get("partial_kwargs", {})}
        pool = str(arguments.get("pool") or DEFAULT_POOL)
        yield DagTask(dag_id, str(facts["task_id"]), module, str(facts.get("task_type")), pool, arguments, timeout)


def _seconds(stored: Any) -> timedelta | None:
    """Return a stored length of time, which Airflow wraps in a mapping in the arguments of mapped tasks."""
    seconds = stored.get("__var") if isinstance(stored, dict) else stored
    return timedelta(seconds=seconds) if isinstance(seconds, (int, float)) else None
