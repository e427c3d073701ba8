"""The calls that watchers make to a journal (experimental). Like :mod:`.blocking`, only threads import this."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import (
    MarketoError,
    MarketoInvalidRequestError,
    MarketoJournalExpiredError,
)
from airflow_provider_marketo.client.journal import events
from airflow_provider_marketo.client.journal.reader import CHECKED_EVERY, KEPT, JournalReader
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.schema import activity_types
from airflow_provider_marketo.conditions.activities import ActivityCondition, ActivityWatcher
from airflow_provider_marketo.extract.plan import activity_type_id
from airflow_provider_marketo.hooks.adobe_events import AdobeEventsHook, JournalSettings
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.streams.follow import OVERLAP
from airflow_provider_marketo.streams.journal import MARGIN
from airflow_provider_marketo.streams.watch import FILLED, JournalHandover, WatchState
from airflow_provider_marketo.triggers.blocking import hook

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from airflow_provider_marketo.conditions.condition import Answer, Found
    from airflow_provider_marketo.hooks.settings import ConnectionSettings
    from airflow_provider_marketo.triggers.watched import Watched

log = printable_logger(__name__)

SPARE = timedelta(minutes=1)
"""How long before the start reading begins: clocks show whole seconds. Events before the start are left out."""


@dataclass(frozen=True)
class JournalCondition:
    """
    What a watcher wants of the journal.

    :param activity_types: ids of activity types, or their names in lower case where Marketo could not be asked.
    :param asset_ids: primary attributes; empty for any.
    :param start: first second that counts, ISO 8601.
    :param link: where reading begins.
    :param time: the time up to which the journal was read, ISO 8601.
    :param on_gap: ``fail``, ``skip`` or ``fill`` when Adobe has forgotten ``link``.
    """

    activity_types: frozenset[int | str]
    asset_ids: tuple[int, ...]
    start: str
    link: str
    time: str
    on_gap: str

    def fits(self, activity: Mapping[str, Any]) -> bool:
        """
        Return whether an activity is wanted.

        :param activity: an activity, as in the journal's event.
        """
        name = str(activity["activityType"] or "").lower()
        return (
            (activity["activityTypeId"] in self.activity_types or name in self.activity_types)
            and (not self.asset_ids or activity["primaryAttributeValueId"] in self.asset_ids)
            and str(activity["activityDate"] or "")[:19] >= self.start[:19]
        )


class JournalWatcher:
    """
    The reader of a journal that its watchers share: they read together what has arrived since the last poll.

    :param settings: the connection to Marketo, which says whose events are wanted.
    :param journal: the connection to the journal.
    :ivar looked: when the last poll began, by the clock of the event loop; None before the first.
    """

    def __init__(self, settings: ConnectionSettings, journal: JournalSettings) -> None:
        self._client = hook(settings).get_conn()
        self.instance = self._client.instance
        self.looked: float | None = None
        self._munchkin_id = journal.instance_of(self.instance)
        self._journal = AdobeEventsHook(journal.conn_id, settings=journal).client

    def now(self) -> datetime:
        """Return the time by Adobe's clock."""
        return self._journal.page(self._journal.address.latest()).date

    def begin(self, watched: Watched, state: WatchState) -> tuple[JournalCondition, JournalHandover]:
        """
        Return the condition to check at every poll, and the object that sorts the answers into batches.

        :param watched: what the trigger watches.
        :param state: the progress of the watcher.
        :raises MarketoInvalidRequestError: there is no such activity type.
        """
        address = self._journal.address
        if state.link and state.journal == address.name:
            link = state.link
        else:
            begin = max(parse_date(state.time) - OVERLAP, parse_date(state.since))
            if not state.journal:  # the feed has shown what is older; the journal may get it late
                state.since = iso(begin)
            link = address.relative(address.seek(self.now() - begin + SPARE))
        types = self._type_ids(watched.activity_types)
        condition = JournalCondition(types, watched.asset_ids, state.since, link, state.time, watched.on_gap)
        return condition, JournalHandover(state, watched.batch_size, address.name)

    def ask(self, conditions: Collection[JournalCondition]) -> Mapping[JournalCondition, Answer]:
        """
        Return for each condition the activities that have arrived after its place.

        Nothing is remembered here, so an answer is repeated if its watcher ended before it took it.

        :param conditions: conditions of the watchers that wait. Conditions with the same place share the reading.
        """
        places: dict[str, list[JournalCondition]] = defaultdict(list)
        for condition in conditions:
            places[condition.link].append(condition)
        found: dict[JournalCondition, Answer] = {}
        for link, some in places.items():
            found.update(self._read(link, some))
        return found

    def _read(self, link: str, conditions: Collection[JournalCondition]) -> Mapping[JournalCondition, Answer]:
        try:
            return self._read_on(link, conditions, stored=min(parse_date(each.time) for each in conditions))
        except MarketoJournalExpiredError as error:
            gap = error.message
        # A link also expires on a quiet instance. The journal still has every event since a poll in the last days.
        now, address = self.now(), self._journal.address
        looked = {each: parse_date(each.time) for each in conditions}
        lost = {each for each, time in looked.items() if time < now - KEPT}
        failed = {each for each in lost if each.on_gap == "fail"}
        going_on = [each for each in conditions if each not in failed]
        since = min((looked[each] for each in going_on), default=now)
        begin = address.oldest() if lost - failed else address.seek(now - since + CHECKED_EVERY)
        found = self._read_on(begin, going_on) if going_on else {}
        answers: dict[JournalCondition, Answer] = {**found, **{each: _gap(gap) for each in failed}}
        for each in lost - failed:
            if each.on_gap == "skip":
                log.warning("%s. Continuing with the oldest event, as on_gap='skip' says", gap)
            else:
                log.warning("%s. Reading what is missing from Marketo's feed, as on_gap='fill' says", gap)
                answers[each] = {**found[each], "activities": self._missing(each) + found[each]["activities"]}
        return answers

    def _missing(self, condition: JournalCondition) -> list[dict[str, Any]]:
        """
        Read from Marketo's feed the activities since the journal was read, and those that it would have got late.

        Repetitions are left out later.
        """
        start = iso(max(parse_date(condition.time) - MARGIN, parse_date(condition.start)))
        wanted = ActivityCondition(tuple(sorted(map(str, condition.activity_types))), start, condition.asset_ids)
        before = self._client.tally.calls
        answer = ActivityWatcher(self._client).ask([wanted])[wanted]
        if isinstance(answer, MarketoError):
            raise answer
        activities: list[dict[str, Any]] = [{**each, FILLED: True} for each in answer["activities"]]
        log.warning(
            "Read %s since %s from Marketo's feed, as on_gap='fill' says: %s",
            counted(len(activities), "activity", "activities"),
            start,
            counted(self._client.tally.calls - before, "call"),
        )
        return activities

    def _read_on(
        self, link: str, conditions: Collection[JournalCondition], stored: datetime | None = None
    ) -> Mapping[JournalCondition, Found]:
        reader = JournalReader(self._journal, link, self._munchkin_id, events.ACTIVITY, stored=stored)
        hits: dict[JournalCondition, list[dict[str, Any]]] = {condition: [] for condition in conditions}
        for page in reader.pages():
            for activity in map(events.activity, page):
                for condition, shown in hits.items():
                    if condition.fits(activity):
                        lead, date = activity["leadId"], activity["activityDate"]
                        shown.append({"id": activity["marketoGUID"], "lead_id": lead, "date": date})
        until = iso(reader.date) if reader.date is not None else ""
        return {
            condition: {"until": until, "activities": shown, "link": reader.link} for condition, shown in hits.items()
        }

    def _type_ids(self, names: Collection[str]) -> frozenset[int | str]:
        """Look up names once, when a watcher begins; a later poll makes no call."""
        if all(name.isdigit() for name in names):
            return frozenset(map(int, names))
        try:
            known = activity_types(self._client.call("activities.get_types").records)
        except MarketoInvalidRequestError:
            raise
        except MarketoError as error:
            log.warning("The names of activity types are not checked: %s", error)
            return frozenset(int(name) if name.isdigit() else name.strip().lower() for name in names)
        return frozenset(activity_type_id(name, known) for name in names)


def _gap(message: str) -> MarketoError:
    return MarketoInvalidRequestError(
        f"{message}, so activities may be missing, and the watcher cannot continue",
        parameter="on_gap",
        remedy="Use on_gap='fill', which reads what is missing from Marketo's feed, or 'skip', which continues with the"
        " oldest event. Nothing is missing if the instance had no activity since then.",
    )


def read_settings(connection: Any) -> JournalSettings:
    """
    Return the fields of a connection to a journal.

    :param connection: an Airflow connection.
    """
    return JournalSettings.from_connection(connection)


def shared_watcher(settings: ConnectionSettings, journal: JournalSettings) -> JournalWatcher:
    """
    Return the one reader of a journal for an instance. It lives as long as a watcher holds it.

    :param settings: the connection to Marketo.
    :param journal: the connection to the journal.
    """
    return runtime().shared((JournalWatcher, settings, journal), lambda: JournalWatcher(settings, journal))
