"""Databases for an Airflow, on a temporary server (:mod:`tools.services`)."""

from __future__ import annotations

import os
from contextlib import closing

import psycopg2


def empty_database(server: str, suffix: str = "") -> str:
    """
    Create an empty database on a server of PostgreSQL, and return its URL for SQLAlchemy.

    :param server: URL of the server.
    :param suffix: end of the name, which makes it unique in this process.
    """
    name = f"airflow_{os.getpid()}{suffix}"
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    return server.replace("postgresql://", "postgresql+psycopg2://").rsplit("/", 1)[0] + f"/{name}"
