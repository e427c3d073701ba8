"""The governor's state in a file, for all processes of a host."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.governor.state import Moment, State
from airflow_provider_marketo.client.governor.stores import Answer, Change, StoreUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

_BUSY_TIMEOUT = 2.0
_SCHEMA = "CREATE TABLE IF NOT EXISTS limits (instance TEXT PRIMARY KEY, state TEXT NOT NULL)"
_READ = "SELECT state FROM limits WHERE instance = ?"
_WRITE = "INSERT INTO limits VALUES (?, ?) ON CONFLICT (instance) DO UPDATE SET state = excluded.state"

_abandoned: list[sqlite3.Connection] = []
"""Connections that a parent process opened: SQLite does not allow a child process to use or close them."""


class SQLiteStore:
    """
    Keeps the state of an instance in one file. The clock is the machine's monotonic clock, which all processes share.

    :param folder: folder on a local disk; created if missing. Only this user can read its files.
    :param instance: the Munchkin ID.
    """

    def __init__(self, folder: Path, instance: str) -> None:
        self.path = folder / f"{re.sub('[^A-Za-z0-9.-]', '_', instance)}.sqlite"
        self._instance = instance
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def update(self, change: Change[Answer]) -> Answer:
        """Change the state, in a transaction of the file."""
        with self._lock:
            try:
                connection = self._connection or self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    row = connection.execute(_READ, (self._instance,)).fetchone()
                    before = row[0] if row else None
                    state = State.load(before if before is None or isinstance(before, str) else "a blob")
                    answer = change(state, Moment(time.monotonic(), datetime.now(timezone.utc)))
                    after = state.dump()
                    if after != before:
                        connection.execute(_WRITE, (self._instance, after))
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except (sqlite3.Error, OSError, ValueError) as error:
                raise StoreUnavailableError(f"{self.path}: {error}") from error
            return answer

    def after_fork(self) -> None:
        """Reset the store in a child process after a fork: a thread that only its parent has may hold the lock."""
        self._lock = threading.Lock()
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_SCHEMA)
        self._connection = connection
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait if another process creates the file at the same moment, so try again."""
    deadline = time.monotonic() + _BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)
