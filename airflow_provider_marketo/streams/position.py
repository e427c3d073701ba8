"""The position up to which a stream is published, and where it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airflow.sdk import Asset

from airflow_provider_marketo.airflow_compat import asset_state_store
from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.dates import parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.output.foreign import refuse_foreign

if TYPE_CHECKING:
    from airflow_provider_marketo.output.folder import OutputFolder

log = printable_logger(__name__)

PREFIX = "marketo_position_"
"""Start of the names of keys and Variables. No name has "token" in it: Airflow would mask the value in logs."""

REMEMBERED_RANGES = 100
"""A run reads back over a few ranges. A Variable must not hold thousands."""

_RESTORE = (
    "Restore it, or delete it. The stream then continues from another copy: the Variable, the outlet's state, or"
    " _marketo/positions in the output. Without copies, it begins at start or at the run's data interval."
)

_COPY = "_marketo/positions/{}.json"


@dataclass(frozen=True)
class Position(Serializable):
    """
    A place in a feed.

    :param instance: the instance whose feed it is.
    :param since: where the stream begins; ISO 8601, UTC.
    :param time: everything dated before it is published.
    :param pages: by pass, Marketo's token of the first page that may hold later records.
    :param published: the latest ranges, by the name of their keys, with the URL of the output that has these.
    :param moved_by: the task instance that moved it, by the name of its place in the output.
    :param host: the host of the process that moved it.
    :param mark: the mark of the output, so that a folder of the same name on another host is not taken for it.
    """

    VERSION: ClassVar[int] = 1

    instance: str
    since: str
    time: str
    pages: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)
    moved_by: str = ""
    host: str = ""
    mark: str = ""

    def refuse_foreign(self, folder: OutputFolder) -> None:
        """
        Refuse a folder on a disk that is not shared with the host of the run before.

        :param folder: the output.
        :raises MarketoInvalidRequestError: it has the URL of the last output, and lacks its mark.
        """
        if self.published and max(self.published.items())[1] == folder.url:
            refuse_foreign(folder, self.host, self.mark)

    def refuse_sibling(self, task_instance: str) -> None:
        """
        Refuse a position that another mapped instance has moved: each would skip what the other has read.

        :raises MarketoInvalidRequestError: another mapped instance of the same run has moved it.
        """
        (run, _, index), (other_run, _, other) = (each.rpartition("/") for each in (task_instance, self.moved_by))
        if run == other_run and index != other:
            raise MarketoInvalidRequestError(
                f"mapped task {other} of this run reads the same stream",
                parameter="stream",
                remedy="Give each mapped task a stream and an output of its own.",
            )

    def with_range(self, name: str, output: str) -> Mapping[str, str]:
        """
        Return the latest published ranges, with one more.

        :param name: name of the range's keys.
        :param output: URL of the output that has them.
        """
        ranges = {**self.published, name: output}
        return dict(sorted(ranges.items())[-REMEMBERED_RANGES:])


class _Store(Protocol):
    def place(self, key: str) -> str: ...

    def get(self, key: str) -> Mapping[str, Any] | None: ...

    def set(self, key: str, value: dict[str, Any]) -> None: ...


class _AssetState:
    """
    The state store of an Airflow asset.

    :param store: Airflow's store.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def place(self, key: str) -> str:
        return f"{key} in the state store of the task's outlet"

    def get(self, key: str) -> Mapping[str, Any] | None:
        value = self._store.get(key)
        return None if value is None else stored.checked(value, dict, place=self.place(key), remedy=_RESTORE)

    def set(self, key: str, value: dict[str, Any]) -> None:
        self._store.set(key, value)


class _Variables:
    """Airflow's Variables: they have no compare-and-set, so a stream has one writer at a time."""

    def place(self, key: str) -> str:
        return f"the Variable {key}"

    def get(self, key: str) -> Mapping[str, Any] | None:
        value: Mapping[str, Any] | None = variables.read_json(key, remedy=_RESTORE)
        return value

    def set(self, key: str, value: dict[str, Any]) -> None:
        variables.write_json(key, value, "Time up to which a Marketo stream is published")


class _Copy:
    """A copy beside the output, where no change of the DAG or of Airflow loses it."""

    def __init__(self, stream: str, folder: OutputFolder) -> None:
        self._name = _COPY.format(key_part(stream))
        self._folder = folder

    def place(self, key: str) -> str:
        return str(self._folder.path(self._name))

    def get(self, key: str) -> Mapping[str, Any] | None:
        value: Mapping[str, Any] | None = self._folder.read_json(self._name, remedy=_RESTORE)
        return value

    def set(self, key: str, value: dict[str, Any]) -> None:
        self._folder.write_json(self._name, value)


class PositionStore:
    """
    Where the position of one stream is kept.

    It is kept in the state store of the task's first outlet asset (Airflow 3.3) or in a Variable, with a copy beside
    the output. Where they differ, the latest counts: a task whose outlets change, or that moves to another Airflow,
    leaves old positions behind.

    :param stream: the stream's name.
    :param folder: the output.
    :param context: the running task's context.
    """

    def __init__(self, stream: str, folder: OutputFolder, context: Mapping[str, Any]) -> None:
        self._key = PREFIX + key_part(stream)
        self._copy = _Copy(stream, folder)
        self._stores: list[_Store] = [*_asset_store(context), _Variables(), self._copy]

    def load(self, instance: str) -> Position | None:
        """
        Return the stored position; None for a new stream.

        :param instance: the instance to read.
        :raises MarketoInvalidRequestError: the position is of another instance, or of a watcher.
        :raises OSError: Airflow cannot say whether it has a position.
        :raises MarketoStateError: one of its copies is damaged. A copy that can be read may be older.
        """
        found = [self._read(store) for store in self._stores]
        known = [each for each in found if each is not None]
        if not known:
            return None
        position = max(known, key=lambda each: each.time)
        if found[0] is None or found[0].time != position.time:
            log.warning(
                "Airflow does not have the latest position %s; continuing from a copy, which is at %s",
                self._key,
                position.time,
            )
        if position.instance != instance:
            raise MarketoInvalidRequestError(
                f"the stored position {self._key} belongs to instance {position.instance}, and the connection leads to"
                f" {instance}",
                parameter="stream",
                remedy="Give the stream another name and another output, or correct the connection.",
            )
        return position

    def _read(self, store: _Store) -> Position | None:
        facts = store.get(self._key)
        if facts is None:
            return None
        if "pending" in facts and "pages" not in facts:
            raise MarketoInvalidRequestError(
                f"{self._key} already says how far a watcher has read",
                parameter="stream",
                remedy="Give the stream another name.",
            )
        place = store.place(self._key)
        if "pages" not in facts:
            raise stored.damaged(place, "it has no pages", _RESTORE)
        position = stored.revive(Position, facts, place=place, remedy=_RESTORE)
        for time in (position.time, position.since):
            if parse_date_or_none(time) is None:
                raise stored.damaged(place, f"{time!r} is not a time", _RESTORE)
        return position

    def advance(self, position: Position) -> None:
        """
        Store a position, unless a later one is stored: a run that is run again never moves it back.

        A process that was killed between two writes has left an older copy, which then gets the later position.
        """
        current = self.load(position.instance)
        if current is not None and current.time >= position.time:
            log.info("The stream's position stays at %s", current.time)
            position = current
        else:
            log.info("The stream's position is %s", position.time)
        for store in (self._stores[0], self._copy):
            kept = self._read(store)
            if kept is None or kept.time < position.time:
                store.set(self._key, position.to_dict())


class NoPosition(PositionStore):
    """For a run with a given range: it needs no position, and no other run continues from it."""

    def __init__(self) -> None:
        self._stores = []

    def load(self, instance: str) -> Position | None:
        """Return None: there is no position."""
        return None

    def advance(self, position: Position) -> None:
        """Do nothing: a given range moves no position."""


def _asset_store(context: Mapping[str, Any]) -> list[_AssetState]:
    """Return the state store of the first outlet that is an asset; empty if this Airflow has no such store."""
    stores = (asset_state_store(context, each) for each in context["ti"].task.outlets if isinstance(each, Asset))
    return [_AssetState(store) for store in stores if store is not None][:1]
