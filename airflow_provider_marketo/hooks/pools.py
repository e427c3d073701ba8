"""Plan the pools that the connections ask for, and refuse contradictions between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.settings import INSTANCE_SETTINGS, ConnectionSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_SLOTS = limits.PARALLEL - 1
"""Each task in the pool may have a call in flight, and one of Marketo's ten is left to the triggerer."""


@dataclass
class PlannedPool:
    """
    A pool that connections ask for.

    :param name: name of the pool.
    :param slots: how many tasks may use Marketo at once.
    :param instances: Munchkin IDs of the instances that tasks in the pool use.
    :param conn_ids: ids of the connections that name the pool.
    """

    name: str
    slots: int
    instances: list[str] = field(default_factory=list)
    conn_ids: list[str] = field(default_factory=list)

    @property
    def description(self) -> str:
        """The description that Airflow shows."""
        return f"Calls at once to Marketo {', '.join(self.instances)} (airflow marketo setup)"

    @property
    def advice(self) -> str | None:
        """Return advice about the pool; None if there is nothing to improve."""
        if len(self.instances) == 1:
            return None
        return (
            f"{' and '.join(self.instances)} share the pool {self.name} and wait for each other: "
            f"give each a pool of its own in the extra `pool` of its connections ({', '.join(self.conn_ids)})."
        )


def plan_pools(connections: Iterable[ConnectionSettings]) -> list[PlannedPool]:
    """
    Return the pools that connections ask for.

    :param connections: all connections of this Airflow.
    :raises MarketoInvalidRequestError: two connections to one instance, or to one pool, contradict each other.
    """
    connections = list(connections)
    for contradiction in contradictions(connections):
        raise contradiction
    pools: dict[str, PlannedPool] = {}
    for settings in connections:
        pool = pools.setdefault(settings.pool, PlannedPool(settings.pool, min(settings.max_parallel, MOST_SLOTS)))
        pool.conn_ids.append(settings.conn_id)
        instance = Endpoint.parse(settings.host).instance
        if instance not in pool.instances:
            pool.instances.append(instance)
    return list(pools.values())


def contradictions(connections: Sequence[ConnectionSettings]) -> Iterator[MarketoInvalidRequestError]:
    """
    Yield an error for each setting in which two connections to one instance, or to one pool, differ.

    :param connections: all connections of this Airflow.
    """
    for one, other in combinations(connections, 2):
        instance = Endpoint.parse(one.host).instance
        if instance == Endpoint.parse(other.host).instance:
            yield from _differences(one, other, INSTANCE_SETTINGS, f"lead to the instance {instance}")
        elif one.pool == other.pool:
            yield from _differences(one, other, ("max_parallel",), "share a pool")


def _differences(
    one: ConnectionSettings, other: ConnectionSettings, names: Iterable[str], because: str
) -> Iterator[MarketoInvalidRequestError]:
    for name in names:
        if getattr(one, name) != getattr(other, name):
            yield MarketoInvalidRequestError(
                f"connections {one.conn_id} and {other.conn_id} {because}, but one has {one.shown(name)} and the other"
                f" has {other.shown(name)}",
                parameter=name,
                remedy="Give both the same value.",
            )
