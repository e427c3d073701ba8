"""Fixtures that run the commands on a separate Airflow database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_marketo.__main__ import main


@pytest.fixture(scope="session")
def _database() -> None:
    from airflow import models, settings
    from airflow.models.base import Base

    models.import_all_models()
    Base.metadata.create_all(settings.engine)


@pytest.fixture
def airflow(_database: None, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """
    Return a function that runs a command as ``airflow marketo`` does and returns its output.

    The database has no pools, Variables or connections before and after each test.
    """
    _empty_database()

    def run(*arguments: str) -> str:
        capsys.readouterr()
        main(arguments)
        return capsys.readouterr().out

    yield run
    _empty_database()


def _empty_database() -> None:
    from airflow.models.connection import Connection
    from airflow.models.pool import Pool
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        for table in (Connection, Variable):
            session.execute(delete(table))
        session.execute(delete(Pool).where(Pool.pool != "default_pool"))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that defines a Marketo connection in the environment."""

    def define(conn_id: str, host: str = "123-ABC-456", *, login: str = "an-id", password: str = "a-secret", **extra):
        facts = {"conn_type": "marketo", "host": host, "login": login, "password": password, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(facts))

    return define


@pytest.fixture
def store_dag(_database: None) -> Iterator[Callable[[DAG], None]]:
    """Return a function that stores a DAG as the DAG processor does."""
    from airflow.models.dag import DagModel
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete, insert, select

    def store(dag: DAG) -> None:
        with create_session() as session:
            if session.scalar(select(DagBundleModel).where(DagBundleModel.name == "tests")) is None:
                session.add(DagBundleModel(name="tests"))
            session.flush()
            session.add(DagModel(dag_id=dag.dag_id, bundle_name="tests", is_stale=False, fileloc="a_file.py"))
            session.flush()
            version = DagVersion.write_dag(dag_id=dag.dag_id, bundle_name="tests", session=session)
            session.flush()
            stored = {"dag_id": dag.dag_id, "dag_hash": dag.dag_id, "dag_version_id": version.id}
            session.execute(insert(SerializedDagModel.__table__).values(data=_serialized(dag), **stored))

    yield store
    with create_session() as session:
        for table in (SerializedDagModel, DagVersion, DagModel):
            session.execute(delete(table))


def _serialized(dag: DAG) -> dict[str, Any]:
    from airflow.serialization import serialized_objects

    serializer = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    return dict(serializer.to_dict(dag))
