"""
Marketo's descriptions of an instance's fields and types, asked for once for all tasks of a run of the task group.

The first task stores the descriptions, and the others read them. Each run replaces them. After an hour the tasks ask
Marketo themselves: a task that is cleared next week must not export the fields of today.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client.client import list_name
from airflow_provider_marketo.client.errors import MarketoFeatureUnavailableError, MarketoPermissionError
from airflow_provider_marketo.client.records import ReplyRecord
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.transport import Reply
from airflow_provider_marketo.extract.programs import PROGRAMS, PROGRAMS_PAGE
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.client.client import MarketoClient

OPERATIONS = ("leads.describe", "activities.get_types", "program_members.describe", "custom_objects.list")
_PLACE = "descriptions.json"
_FRESH = timedelta(hours=1)


@dataclass(frozen=True)
class RunDescriptions(Serializable):
    """
    Marketo's replies.

    :param asked: Marketo's time when it was asked.
    :param bodies: JSON texts by operation; texts of whole lists by the list's name.
    """

    VERSION: ClassVar[int] = 1

    asked: datetime
    bodies: Mapping[str, str]


def ask_and_share(client: MarketoClient, folder: OutputFolder) -> None:
    """
    Ask Marketo, and store its replies for the other tasks. A task that needs a refused description asks again.

    :param client: client of the instance, which from now on also knows the replies.
    :param folder: where :func:`use_shared` finds them.
    """
    bodies = {}
    for operation in OPERATIONS:
        try:
            bodies[operation] = json.dumps(client.call(operation).body)
        except (MarketoPermissionError, MarketoFeatureUnavailableError):
            continue
    folder.write_state(_PLACE, RunDescriptions(client.marketo_time(), bodies))
    use_shared(client, folder.url)


def share_programs(client: MarketoClient, folder: OutputFolder) -> None:
    """
    List all programs for the other tasks of a run that reads all: one publishes them, one exports their members.

    :param client: the instance.
    :param folder: the folder that :func:`ask_and_share` has written to.
    """
    shared = folder.read_state(RunDescriptions, _PLACE)
    assert shared is not None
    try:
        body = {"success": True, "result": list(client.paginate(PROGRAMS, **PROGRAMS_PAGE))}
    except (MarketoPermissionError, MarketoFeatureUnavailableError):
        return
    bodies = {**shared.bodies, list_name(PROGRAMS, PROGRAMS_PAGE): json.dumps(body)}
    folder.write_state(_PLACE, replace(shared, bodies=bodies))


def use_shared(client: MarketoClient, folder: str) -> None:
    """
    Let a client know what Marketo has said to the first task of the run, so that it need not ask.

    :param client: the instance.
    :param folder: URL of the folder with the replies. If it has no replies, or old ones, the client asks.
    """
    found = OutputFolder(folder).read_state(RunDescriptions, _PLACE)
    if found is not None and client.marketo_time() - found.asked < _FRESH:
        client.known_replies = _Replies(found.bodies)


class _Replies(Mapping[str, Reply]):
    """
    Replies by name. Each is parsed when a task first asks for it: most tasks need no list of all programs.

    :param bodies: the JSON texts by name.
    """

    def __init__(self, bodies: Mapping[str, str]) -> None:
        self._bodies = bodies
        self._parsed: dict[str, Reply] = {}

    def __getitem__(self, name: str) -> Reply:
        if name not in self._parsed:
            body = json.loads(self._bodies[name], object_hook=ReplyRecord)
            self._parsed[name] = Reply(name.partition(" ")[0], body)
        return self._parsed[name]

    def __contains__(self, name: object) -> bool:
        return name in self._bodies

    def __iter__(self) -> Iterator[str]:
        return iter(self._bodies)

    def __len__(self) -> int:
        return len(self._bodies)
