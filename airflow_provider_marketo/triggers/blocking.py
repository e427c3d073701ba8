"""
The calls that triggers make to Marketo.

Airflow imports triggers on its event loop and warns if something blocks the loop. The client takes longer than a tenth
of a second to import, so only threads import this module, by :func:`~.connection.blocking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.bulk.imports import ImportJobs, import_object
from airflow_provider_marketo.client.bulk.jobs import CANCELLED, ExportJob, ExportJobs
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoError, MarketoNotFoundError
from airflow_provider_marketo.conditions.activities import ActivityCondition, ActivityWatcher
from airflow_provider_marketo.conditions.encryption import decrypt
from airflow_provider_marketo.conditions.kinds import KINDS
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.options import options
from airflow_provider_marketo.streams.follow import OVERLAP
from airflow_provider_marketo.streams.watch import Handover, WatchState

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.conditions.condition import Condition, ConditionPoller
    from airflow_provider_marketo.hooks.settings import ConnectionSettings
    from airflow_provider_marketo.triggers.watched import Watched

Jobs = Mapping[str, ExportJob]


def hook(settings: ConnectionSettings) -> MarketoHook:
    """
    Return a hook with as many calls at once as a triggerer may have.

    :param settings: the connection.
    """
    parallel = options.number("triggerer_parallel", 1)
    return MarketoHook(settings.conn_id, parallel=parallel, settings=settings)


def export_jobs(client: MarketoClient, object_type: str, custom_object: str | None) -> ExportJobs:
    """
    Return the export jobs of one kind of object.

    :param client: the instance.
    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param custom_object: API name of the custom object type.
    """
    return ExportJobs(client, export_object(object_type), custom_object)


def ended_exports(found: Jobs, wanted: Collection[frozenset[str]]) -> Mapping[frozenset[str], Jobs]:
    """
    Return the answers for triggers that wait for export jobs.

    :param found: the jobs that Marketo knows. A job that it has forgotten counts as cancelled.
    :param wanted: sets of ids; each is answered when one of its jobs has ended.
    """
    answers = {ids: {each: found.get(each, ExportJob(each, CANCELLED)) for each in ids} for ids in wanted}
    return {ids: jobs for ids, jobs in answers.items() if not all(job.waiting for job in jobs.values())}


def ended_imports(
    client: MarketoClient, object_type: str, custom_object: str | None, wanted: Collection[frozenset[int]]
) -> Mapping[frozenset[int], bool | MarketoError]:
    """
    Return the answers for triggers that wait for import jobs.

    :param client: the instance.
    :param object_type: ``leads``, ``program_members`` or ``custom_objects``.
    :param custom_object: API name of the custom object type.
    :param wanted: sets of ids; each is answered when one of its jobs has ended, or cannot be looked up.
    """
    jobs = ImportJobs(client, import_object(object_type), custom_object)
    answers = {batch_ids: _ended(jobs, batch_ids) for batch_ids in wanted}
    return {batch_ids: answer for batch_ids, answer in answers.items() if answer is not False}


def give_back_imports(
    settings: ConnectionSettings, object_type: str, custom_object: str | None, batch_ids: Collection[int]
) -> None:
    """
    Give back the places of imports in our count of Marketo's queue. No call is made.

    :param settings: the connection.
    :param object_type: object type of the imports.
    :param custom_object: API name of the custom object type.
    :param batch_ids: ids of the imports.
    """
    ImportJobs(hook(settings).get_conn(), import_object(object_type), custom_object).give_back(batch_ids)


def _ended(jobs: ImportJobs, batch_ids: Collection[int]) -> bool | MarketoError:
    try:
        return jobs.any_ended(batch_ids)
    except MarketoNotFoundError:
        return True  # forgotten: the task finds out and says so
    except MarketoError as error:
        return error  # only triggers that wait for these imports get the error


def condition(kind: str, encrypted: str, settings: ConnectionSettings) -> Condition:
    """
    Decrypt a condition of a sensor.

    :param kind: the kind of the condition.
    :param encrypted: the condition, as in the trigger's arguments.
    :param settings: the connection, whose client secret is the key.
    :raises MarketoAuthError: the condition was encrypted with another secret.
    """
    return decrypt(kind, encrypted, settings.client_secret)


def condition_poller(kind: str, settings: ConnectionSettings) -> ConditionPoller[Any]:
    """
    Return the poller of conditions of one kind.

    :param kind: the kind of the conditions.
    :param settings: the connection.
    """
    return KINDS[kind][1](hook(settings).get_conn())


class InstanceWatcher(ActivityWatcher):
    """
    The reader of an instance's activities that its watchers share.

    :param settings: the connection.
    :ivar looked: when the last poll began, by the clock of the event loop; None before the first.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        client = hook(settings).get_conn()
        super().__init__(client)
        self.instance = client.instance
        self.looked: float | None = None

    def now(self) -> datetime:
        """Return the time by Marketo's clock."""
        return self._client.call("activities.get_types").date or datetime.now(timezone.utc)


def shared_watcher(settings: ConnectionSettings) -> InstanceWatcher:
    """
    Return the one reader of a connection. It lives as long as a watcher holds it.

    :param settings: the connection.
    """
    return runtime().shared((InstanceWatcher, settings), lambda: InstanceWatcher(settings))


def begin_watching(watched: Watched, state: WatchState) -> tuple[ActivityCondition, Handover]:
    """
    Return the condition to check at every poll, and the object that sorts the answers into batches.

    :param watched: what the trigger watches.
    :param state: the progress of the watcher.
    """
    asked = ActivityCondition(
        activity_types=watched.activity_types,
        start=state.since,
        asset_ids=watched.asset_ids,
        list_id=watched.list_id,
        read_from=iso(max(parse_date(state.time) - OVERLAP, parse_date(state.since))),
    )
    return asked, Handover(state, watched.batch_size, OVERLAP)
