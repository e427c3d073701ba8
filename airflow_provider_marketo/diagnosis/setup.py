"""What the checks of ``airflow marketo doctor`` look at, read once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import select

from airflow_provider_marketo.airflow_compat import Pool, create_session
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.diagnosis.dag_tasks import DagTask, marketo_tasks
from airflow_provider_marketo.hooks.known_connections import find_connection, known_ids
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

_RATE = 20
"""
Calls in 20 seconds. A person waits for the few calls of the checks, so they are not coordinated with other processes:
a fixed share can be two calls, and the coordination itself may be what is broken.
"""

DEFAULT_CONNECTION = "marketo_default"


class Setup:
    """
    The connections, pools and tasks of this Airflow.

    :param conn_ids: the connections to check. Default: every connection of type ``marketo`` that can be listed.
    :ivar connections: the settings of the connections to check.
    :ivar others: the settings of all other Marketo connections, which may contradict the checked ones.
    :ivar refused: the connections to check that cannot be read, with the reason.
    :ivar answering: ids of the connections through which Marketo has answered. The check that calls Marketo adds them.
    """

    def __init__(self, conn_ids: Sequence[str] | None = None) -> None:
        known = known_ids()
        named = list(dict.fromkeys(conn_ids or known or [DEFAULT_CONNECTION]))
        self.refused: dict[str, MarketoError] = {}
        self.connections = self._read(named)
        self._others = [conn_id for conn_id in known if conn_id not in named]
        self.answering: set[str] = set()
        self._hooks: dict[str, MarketoHook] = {}

    def _read(self, conn_ids: Sequence[str]) -> list[ConnectionSettings]:
        found = []
        for conn_id in conn_ids:
            try:
                found.append(ConnectionSettings.from_connection(find_connection(conn_id)))
            except MarketoError as error:
                self.refused[conn_id] = error
        return found

    @cached_property
    def others(self) -> list[ConnectionSettings]:
        """The settings of the connections that were not named. One that cannot be read is left out."""
        refused = dict(self.refused)
        try:
            return self._read(self._others)
        finally:
            self.refused = refused

    @cached_property
    def tasks(self) -> list[DagTask]:
        """The Marketo tasks of all DAGs that use one of the connections, or a connection that a template names."""
        ids = {settings.conn_id for settings in self.connections} | set(self.refused)
        return [task for task in marketo_tasks() if task.conn_id in ids or "{{" in task.conn_id]

    @cached_property
    def pools(self) -> dict[str, tuple[int, bool]]:
        """The slots of each pool of this Airflow, and whether deferred tasks count in it."""
        with create_session() as session:
            rows = session.execute(select(Pool.pool, Pool.slots, Pool.include_deferred)).all()
        return {str(name): (slots, include_deferred) for name, slots, include_deferred in rows}

    def tasks_of(self, settings: ConnectionSettings) -> list[DagTask]:
        """Return the tasks that use a connection."""
        return [task for task in self.tasks if task.conn_id == settings.conn_id]

    def hook(self, settings: ConnectionSettings) -> MarketoHook:
        """Return the hook of a connection."""
        if settings.conn_id not in self._hooks:
            runtime().governor(Endpoint.parse(settings.host).instance, lambda: LocalGovernor(rate_limit=_RATE))
            self._hooks[settings.conn_id] = MarketoHook(settings.conn_id, settings=settings)
        return self._hooks[settings.conn_id]

    @property
    def calls(self) -> int:
        """Calls to Marketo that the checks have made."""
        return sum(hook.client.tally.calls for hook in self._hooks.values() if "client" in vars(hook))
