"""Which pools the connections ask for, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.settings import INSTANCE_SETTINGS, MARKETO_PARALLEL, ConnectionSettings

_MOST_SLOTS = MARKETO_PARALLEL - 1
"""A task in the pool may always have a call in flight, and the triggerer's has to fit in, too."""


@dataclass
class PlannedPool:
    """
    :param name: of the pool.
    :param slots: how many tasks may use Marketo at once.
    :param instances: Munchkin IDs that the tasks in it lead to.
    :param conn_ids: connections that name it.
    """

    name: str
    slots: int
    instances: list[str] = field(default_factory=list)
    conn_ids: list[str] = field(default_factory=list)

    @property
    def description(self) -> str:
        """What Airflow shows beside it."""
        return f"Calls at once to Marketo {', '.join(self.instances)} (airflow marketo setup)"

    @property
    def advice(self) -> str | None:
        """What could be better about it."""
        if len(self.instances) < 2:
            return None
        return (
            f"{' and '.join(self.instances)} share the pool {self.name} and wait for each other: "
            f"give each a pool of its own in the extra `pool` of its connections ({', '.join(self.conn_ids)})."
        )


def plan_pools(connections: Iterable[ConnectionSettings]) -> list[PlannedPool]:
    """
    :param connections: all that are set up together.
    :raises MarketoInvalidRequestError: two connections to one instance, or to one pool, contradict each other.
    """
    connections = list(connections)
    _refuse_contradictions(connections)
    pools: dict[str, PlannedPool] = {}
    for settings in connections:
        pool = pools.setdefault(settings.pool, PlannedPool(settings.pool, min(settings.max_parallel, _MOST_SLOTS)))
        pool.conn_ids.append(settings.conn_id)
        instance = Endpoint.parse(settings.host).instance
        if instance not in pool.instances:
            pool.instances.append(instance)
    return list(pools.values())


def _refuse_contradictions(connections: Sequence[ConnectionSettings]) -> None:
    for one, other in combinations(connections, 2):
        instance = Endpoint.parse(one.host).instance
        if instance == Endpoint.parse(other.host).instance:
            _refuse_difference(one, other, INSTANCE_SETTINGS, f"lead to the instance {instance}")
        elif one.pool == other.pool:
            _refuse_difference(one, other, ("max_parallel",), f"share the pool {one.pool}")


def _refuse_difference(one: ConnectionSettings, other: ConnectionSettings, names: Iterable[str], because: str) -> None:
    for name in names:
        ours, theirs = getattr(one, name), getattr(other, name)
        if ours != theirs:
            raise MarketoInvalidRequestError(
                f"connections {one.conn_id} and {other.conn_id} {because}, but one says {name}={ours} and the other "
                f"{name}={theirs}",
                parameter=name,
                remedy="Give both the same value: limits belong to the instance, not to a connection.",
            )
