"""The condition that leads have activities of some types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.dates import iso, parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.retention import kept
from airflow_provider_marketo.client.tabular.schema import ActivityType, activity_types
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller, Found, distinct_batches
from airflow_provider_marketo.conditions.existing import existing
from airflow_provider_marketo.extract.plan import activity_type_id
from airflow_provider_marketo.streams.feeds import LEADS_PER_PASS, SKEW, TYPES_PER_PASS
from airflow_provider_marketo.streams.follow import OVERLAP, FeedFollower
from airflow_provider_marketo.streams.request import Pass

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Sequence

    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)

Record = Mapping[str, Any]

MOST_NAMED = 100
"""Longest list of activity ids in an answer; the answer counts all activities."""

SHOWN = 3
"""Ids that a description lists."""


@dataclass(frozen=True)
class ActivityCondition(Condition):
    """
    Leads have activities of some types since a time.

    :param activity_types: names or ids of the types, as text.
    :param start: first second that counts, ISO 8601.
    :param asset_ids: primary attributes, such as ids of forms, programs or lists; empty for any.
    :param lead_ids: only activities of these leads; empty for any lead.
    :param list_id: only activities of members of this static list; None for any lead.
    :param campaign_id: only activities that this smart campaign caused; None for any cause.
    :param count: number of activities to wait for.
    :param read_from: time up to which another poller has read, ISO 8601; empty to read from ``start`` on.
    """

    kind: ClassVar[str] = "activity"
    activity_types: tuple[str, ...]
    start: str
    asset_ids: tuple[int, ...] = ()
    lead_ids: tuple[int, ...] = ()
    list_id: int | None = None
    campaign_id: int | None = None
    count: int = 1
    read_from: str = ""

    def __post_init__(self) -> None:
        if not self.activity_types:
            raise MarketoInvalidRequestError(
                "activity_types is empty", parameter="activity_types", remedy="Give at least one activity type."
            )
        if self.lead_ids and self.list_id is not None:
            raise MarketoInvalidRequestError("lead_ids and list_id cannot be used together", parameter="list_id")
        if self.count < 1:
            raise MarketoInvalidRequestError(f"count={self.count} is less than 1", parameter="count")

    @property
    def group(self) -> Hashable:
        """Whether the condition names leads, and its static list. Both must be equal in one pass."""
        return bool(self.lead_ids), self.list_id

    def describe(self) -> str:
        """Return what the sensor waits for, without a person's data."""
        what = "an activity" if self.count == 1 else f"{self.count} activities"
        about = [
            f"about {_some(self.asset_ids)}" if self.asset_ids else "",
            f"of lead {_some(self.lead_ids)}" if self.lead_ids else "",
            f"of a member of list {self.list_id}" if self.list_id is not None else "",
            f"by smart campaign {self.campaign_id}" if self.campaign_id is not None else "",
        ]
        return " ".join(
            filter(None, (what, f"of type {' or '.join(self.activity_types)}", *about, f"since {self.start}"))
        )

    def fits(self, record: Record, type_ids: Collection[int]) -> bool:
        """
        Whether an activity meets the condition.

        :param record: the activity, as Marketo returns it.
        :param type_ids: ids of the activity types.
        """
        return (
            record.get("activityTypeId") in type_ids
            and str(record.get("activityDate") or "")[:19] >= self.start[:19]
            and (not self.asset_ids or record.get("primaryAttributeValueId") in self.asset_ids)
            and (not self.lead_ids or record.get("leadId") in self.lead_ids)
            and (self.campaign_id is None or record.get("campaignId") == self.campaign_id)
        )


class ActivityPoller(ConditionPoller[ActivityCondition]):
    """
    Read activities: up to ten types and thirty leads in a call. Each static list needs calls of its own.

    Conditions that need the same activities share one paging token. Adobe's operations: ``activities.get_types`` once,
    ``activities.get_paging_token``, ``activities.get_lead_activities``.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        super().__init__(client)
        self._types: dict[int, ActivityType] = {}
        self._ahead = timedelta()
        self._followers: dict[str, FeedFollower] = {}
        self._in_use: set[str] = set()
        self._until: dict[ActivityCondition, datetime] = {}
        self._hits: dict[ActivityCondition, dict[str, Record]] = {}

    def check(self, condition: ActivityCondition) -> None:
        """
        Check that the activity types exist, and the campaign if one is given (``smart_campaigns.get_by_id``).

        It warns of a start before Marketo's retention, and of a clock that differs from Marketo's.

        :param condition: what the sensor waits for.
        :raises MarketoInvalidRequestError: an activity type or the campaign does not exist.
        """
        type_ids = [self._type_id(each) for each in condition.activity_types]
        name = min((self._types[each].name for each in type_ids), key=kept)
        oldest = datetime.now(timezone.utc) - kept(name)
        if _moment(condition.start) < oldest:
            log.warning(
                "Marketo keeps activities of type %s for %d days, and start is %s: those before %s may be missing",
                name,
                kept(name).days,
                condition.start,
                iso(oldest),
            )
        if abs(self._ahead) > SKEW:
            log.warning(
                "This host's clock is %s %s that of Marketo, which dates the activities: check that start=%s is right",
                abs(self._ahead),
                "ahead of" if self._ahead > timedelta() else "behind",
                condition.start,
            )
        if condition.campaign_id is not None:
            existing(self._client, "smart_campaigns", condition.campaign_id, parameter="campaign_id")

    def ask(self, conditions: Collection[ActivityCondition]) -> Mapping[ActivityCondition, Answer]:
        """Ask Marketo about conditions, and forget activities of conditions that no sensor waits for."""
        self._forget_others(conditions)
        self._in_use = set()
        answers = super().ask(conditions)
        self._followers = {name: each for name, each in self._followers.items() if name in self._in_use}
        return answers

    def _forget_others(self, conditions: Collection[ActivityCondition]) -> None:
        for gone in self._until.keys() - set(conditions):
            del self._until[gone]
            self._hits.pop(gone, None)

    def continued(self, condition: ActivityCondition) -> ActivityCondition:
        """Return the condition with the time up to which the feed has been read."""
        until = self._until.get(condition)
        # The other poller does not know which activities were counted here.
        return condition if until is None or condition.count > 1 else replace(condition, read_from=iso(until - OVERLAP))

    def _ask(self, conditions: Sequence[ActivityCondition]) -> Mapping[ActivityCondition, Answer]:
        answers: dict[ActivityCondition, Answer] = {}
        wanted: dict[ActivityCondition, frozenset[int]] = {}
        for condition in conditions:
            try:
                wanted[condition] = frozenset(self._type_id(each) for each in condition.activity_types)
            except MarketoError as error:
                answers[condition] = error
        for one in _passes(wanted):
            follower = self._follower(one, wanted)
            for records in self._read(follower, one):
                self._match(records, wanted)
            self._until.update(dict.fromkeys(wanted, follower.until))
        for condition in wanted:
            answer = self._answer(condition, self._hits.get(condition, {}))
            if answer is not None:
                answers[condition] = answer
        return answers

    def _read(self, follower: FeedFollower, one: Pass) -> Iterator[Sequence[Record]]:
        try:
            yield from follower.look()
        except MarketoInvalidRequestError as error:
            if "listId" in one.parameters:
                error.parameter = "list_id"
            raise

    def _answer(self, condition: ActivityCondition, hits: Mapping[str, Record]) -> Found | None:
        if len(hits) < condition.count:
            return None
        named = list(hits)[:MOST_NAMED]
        return {
            "count": len(hits),
            "activities": named,
            "lead_ids": sorted({lead_id_of(hits[each], "leadId") for each in named}),
        }

    def _type_id(self, wanted: str) -> int:
        if not self._types:
            reply = self._client.call("activities.get_types")
            self._types = activity_types(reply.records)
            self._ahead = datetime.now(timezone.utc) - reply.date if reply.date else timedelta()
        return activity_type_id(wanted, self._types)

    def _follower(self, one: Pass, conditions: Collection[ActivityCondition]) -> FeedFollower:
        self._in_use.add(one.name)
        if one.name not in self._followers:
            since = min(
                self._until[each] - OVERLAP if each in self._until else _moment(each.read_from or each.start)
                for each in conditions
            )
            self._followers[one.name] = FeedFollower(self._client, one, since)
        return self._followers[one.name]

    def _match(self, records: Sequence[Record], wanted: Mapping[ActivityCondition, frozenset[int]]) -> None:
        for record in records:
            for condition, type_ids in wanted.items():
                if condition.fits(record, type_ids):
                    key = str(record.get("marketoGUID") or record.get("id"))
                    self._hits.setdefault(condition, {})[key] = record


class ActivityWatcher(ActivityPoller):
    """
    Read activities for watchers, which never stop: each poll answers with all activities that it has read.

    Polls overlap in time, so an activity may appear again.
    """

    def _forget_others(self, conditions: Collection[ActivityCondition]) -> None:
        """Start each poll without activities. Keep the positions of watchers that are busy with their last batch."""
        self._hits = {}

    def _answer(self, condition: ActivityCondition, hits: Mapping[str, Record]) -> Found:
        by_date = sorted(hits.items(), key=lambda hit: (str(hit[1].get("activityDate")), hit[0]))
        return {
            "until": iso(self._until[condition]),
            "activities": [
                {"id": key, "lead_id": lead_id_of(record, "leadId"), "date": record.get("activityDate")}
                for key, record in by_date
            ],
        }


def _passes(wanted: Mapping[ActivityCondition, frozenset[int]]) -> Iterator[Pass]:
    """Yield the passes that together read all activities for the conditions of one group."""
    if not wanted:
        return
    list_id = next(iter(wanted)).list_id
    common = {} if list_id is None else {"listId": list_id}
    leads = sorted({lead for condition in wanted for lead in condition.lead_ids})
    for types in distinct_batches(sorted(frozenset().union(*wanted.values())), TYPES_PER_PASS):
        for some in distinct_batches(leads, LEADS_PER_PASS) if leads else [[]]:
            parameters = {**common, "activityTypeIds": types, **({"leadIds": some} if some else {})}
            yield Pass(repr(sorted(parameters.items())), parameters)


def _some(ids: Sequence[int]) -> str:
    return " or ".join(map(str, ids[:SHOWN])) + (f" or {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")


def _moment(text: str) -> datetime:
    moment = parse_date_or_none(text)
    if moment is None:
        raise MarketoInvalidRequestError(
            f"start={text!r} is not a date", parameter="start", remedy="Write it as ISO 8601."
        )
    return moment
