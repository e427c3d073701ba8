"""Up to where a stream has been published, and where that is kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.storage import OutputFolder

log = logging.getLogger(__name__)

PREFIX = "marketo_position_"
"""Keys and Variables start with it. None has "token" in its name: Airflow would mask the value in logs."""

_MIRROR = "_marketo/positions/{}.json"


@dataclass(frozen=True)
class Position:
    """
    A place in a feed.

    :param instance: where it is a place.
    :param since: where the stream begins; ISO 8601, UTC.
    :param time: everything dated before it is published.
    :param pages: by pass, Marketo's word for the first page that may hold something later.
    """

    instance: str
    since: str
    time: str
    pages: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Position:
        """What :func:`dataclasses.asdict` made of one."""
        return cls(facts["instance"], facts["since"], facts["time"], facts["pages"])


class _Store(Protocol):
    def get(self, key: str) -> Mapping[str, Any] | None: ...

    def set(self, key: str, value: dict[str, Any]) -> None: ...


class _Variables:
    """Airflow's Variables: they have no compare-and-set, so a stream has one writer at a time."""

    where = "Variable"

    def get(self, key: str) -> Mapping[str, Any] | None:
        from airflow.sdk import Variable

        value: Mapping[str, Any] | None = Variable.get(key, default=None, deserialize_json=True)
        return value

    def set(self, key: str, value: dict[str, Any]) -> None:
        from airflow.sdk import Variable

        Variable.set(key, value, description="Up to where a Marketo stream is published", serialize_json=True)


class PositionStore:
    """
    Where the position of one stream is kept: the state store of the task's first outlet asset (Airflow 3.3), or a
    Variable. A copy lies beside the output, since a Variable that cannot be read looks to a task like one that is not
    there.

    :param stream: the stream's name.
    :param folder: the output.
    :param context: Airflow's, of the running task.
    """

    def __init__(self, stream: str, folder: OutputFolder, context: Mapping[str, Any]) -> None:
        self._key = PREFIX + stream
        self._mirror = _MIRROR.format(quote(stream, safe=""))
        self._folder = folder
        self._stores: list[_Store] = [*_asset_store(context), _Variables()]

    def load(self, instance: str) -> Position | None:
        """
        The stored position, None for a new stream.

        :param instance: the one that is going to be read.
        :raises MarketoInvalidRequestError: it is a position in another instance.
        """
        found: Any = next((value for store in self._stores if (value := store.get(self._key))), None)
        if found is None:
            found = self._folder.read_json(self._mirror)
            if found is None:
                return None
            log.warning("Airflow has no %s; going on from the copy beside the output", self._key)
        position = Position.from_dict(found)
        if position.instance != instance:
            raise MarketoInvalidRequestError(
                f"the stored position {self._key} is one in instance {position.instance}, and the connection leads to"
                f" {instance}",
                parameter="stream",
                remedy="Give the stream another name and another output, or correct the connection.",
            )
        return position

    def advance(self, position: Position) -> None:
        """Store a position, unless a later one is stored: a run that is run again never moves it back."""
        current = self.load(position.instance)
        if current is not None and current.time >= position.time:
            log.info("The stream's position stays at %s", current.time)
            return
        self._stores[0].set(self._key, asdict(position))
        self._folder.write_json(self._mirror, asdict(position))
        log.info("The stream's position is %s", position.time)


def _asset_store(context: Mapping[str, Any]) -> list[_Store]:
    """Of the first outlet that is an asset, where Airflow has such a thing."""
    from airflow.sdk import Asset

    stores = context.get("asset_state_store")
    if stores is None:
        return []
    return [stores[outlet] for outlet in context["ti"].task.outlets if isinstance(outlet, Asset)][:1]
