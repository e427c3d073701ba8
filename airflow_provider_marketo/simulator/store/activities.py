"""
The activity log: generated activities, and those that API calls caused.

Generated activities agree with the rest of the instance. The lead of an activity exists at the activity's date. A
changed value is the lead's present value, a list is one of the lead's lists, and a status is the lead's own status.
Every lead that was created after the log begins has a New Lead activity.
"""

from __future__ import annotations

import copy
import json
import random
from bisect import bisect_left, bisect_right, insort
from functools import lru_cache, partial
from heapq import merge
from itertools import count as counting
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from airflow_provider_marketo.simulator.dates import start_of_day, timestamp
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.simulator.store.activity_types import ACTIVITY_TYPES, ActivityType
from airflow_provider_marketo.simulator.store.asset_kinds import FIRST_FORM, FORM
from airflow_provider_marketo.simulator.store.columns import TEXTS, WORDS
from airflow_provider_marketo.simulator.store.leads import FIRST_ID, Leads
from airflow_provider_marketo.simulator.store.lists import Lists, initial_list
from airflow_provider_marketo.simulator.store.programs import CHANNELS, Programs, initial_program, initial_status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from airflow_provider_marketo.simulator.settings import Settings

FIRST_ACTIVITY = 10_000_000_001
_FIRST_NEW_LEAD = 20_000_000_001
_FIRST_FROM_CALLS = 30_000_000_001
_PATTERNS = 1_009
_SPREAD = 2_654_435_761
"""A large odd factor: successive activities belong to leads that are far apart."""

_TYPE_MIX = (
    *[types.VISIT_PAGE] * 30,
    *[types.SEND_EMAIL] * 18,
    *[7] * 14,
    *[10] * 9,
    *[3, 11] * 4,
    *[types.FILL_OUT_FORM] * 3,
    *[types.CHANGE_DATA] * 8,
    *[types.CHANGE_SCORE] * 6,
    *[types.ADD_TO_LIST, types.CHANGE_STATUS] * 2,
    *[8, 9, 41, types.FIRST_CUSTOM],
)
_CHANGED_FIELDS = ("leadStatus", "title", "city", "phone", "productInterest", "industry")
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", 'Mozilla/5.0 (Macintosh; "Intel" Mac OS X 10_15)', "curl/8.5")
_SHARE_TRUE = 0.5


class Activity(NamedTuple):
    """
    An activity.

    :param at: the activity's date, in seconds since 1970.
    :param number: the id; activities of the same second are sorted by it.
    :param attributes: values of the activity type's attributes, by name.
    """

    at: int
    number: int
    lead_id: int
    type_id: int
    campaign_id: int | None
    primary_id: int | None
    primary: str | None
    attributes: Mapping[str, Any]
    result: str = "succeeded"

    @property
    def order(self) -> tuple[int, int]:
        """The sort key of the log."""
        return self.at, self.number


_Values: TypeAlias = "tuple[int | None, str | None, Mapping[str, Any]]"
"""The id and the text of an activity's primary attribute, and its other attributes."""


class _Pattern(NamedTuple):
    """
    A generated activity without its lead.

    ``for_lead`` takes the log and a lead's row number, and returns the values that depend on the lead.
    """

    type_id: int
    campaign_id: int | None
    primary_id: int | None
    primary: str | None
    attributes: Mapping[str, Any]
    for_lead: Callable[[Activities, int], _Values] | None = None


class Activities:
    """
    The activity log of an instance.

    :param settings: number of activities, time span and seed.
    :param leads: the leads that activities belong to.
    :param lists: the static lists that Add to List activities name.
    :param programs: the programs that Change Status in Progression activities name.
    """

    def __init__(self, settings: Settings, leads: Leads, lists: Lists, programs: Programs) -> None:
        self.types: dict[int, ActivityType] = dict(ACTIVITY_TYPES)
        self._leads = leads
        # The history keeps the names of what is renamed or deleted later.
        self._lists, self._programs = dict(lists.all), dict(programs.all)
        self._labels = {name: leads.fields[name].label for name in (*_CHANGED_FIELDS, "leadScore")}
        self.count = settings.activities if settings.leads else 0
        self._since = start_of_day(settings.dates.start)
        self._span = start_of_day(settings.dates.end) - self._since
        self._from_calls: list[Activity] = []
        self._numbers = counting(_FIRST_FROM_CALLS)
        self.field_ids = {name: 100 + n for n, name in enumerate(leads.fields)}
        self._seed = settings.seed
        self.observers: list[Callable[[Activity], None]] = []
        """Called with each activity that a call causes."""

    def add(
        self,
        at: int,
        lead_id: int,
        type_id: int,
        *,
        primary_id: int | None = None,
        primary: str | None = None,
        campaign_id: int | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Activity:
        """Add an activity that a call caused."""
        activity = Activity(
            at, next(self._numbers), lead_id, type_id, campaign_id, primary_id, primary, attributes or {}
        )
        insort(self._from_calls, activity, key=lambda each: each.order)
        for observer in self.observers:
            observer(activity)
        return activity

    def between(self, start: int, end: int, wanted: Collection[int] | None = None) -> Iterator[Activity]:
        """
        Iterate over the activities between two times, both included, in the order of the log.

        :param start: first second, in seconds since 1970.
        :param end: last second.
        :param wanted: ids of activity types; None for all types.
        """
        generated = map(self.generated, range(*self.rows_between(start, end)))
        log = merge(generated, self.other_activities(start, end), key=lambda each: each.order)
        return log if wanted is None else (each for each in log if each.type_id in wanted)

    def by_themselves(self, start: int, end: int) -> Iterator[tuple[int, Activity | int]]:
        """
        Iterate over the activities between two times, both included, that no call caused.

        :param start: first second, in seconds since 1970.
        :param end: last second.
        :return: each activity's date, and the activity; for a generated activity, its row number.
        """
        generated: Iterator[tuple[int, Activity | int]]
        generated = ((self.at(row), row) for row in range(*self.rows_between(start, end)))
        new = ((activity.at, activity) for activity in self._new_leads(start, end))
        return merge(generated, new, key=lambda each: each[0])

    def at(self, row: int) -> int:
        """Return the date of a generated activity, in seconds since 1970."""
        return self._since + row * self._span // max(1, self.count)

    def rows_between(self, start: int, end: int) -> tuple[int, int]:
        """Return the row numbers of the first generated activity of a time span and of the first one after it."""
        rows = range(self.count)
        return bisect_left(rows, start, key=self.at), bisect_right(rows, end, key=self.at)

    def other_activities(self, start: int, end: int) -> Iterator[Activity]:
        """Iterate, in order, over the activities without a row number: New Lead, and those that calls caused."""
        first = bisect_left(self._from_calls, start, key=lambda each: each.at)
        last = bisect_right(self._from_calls, end, key=lambda each: each.at)
        return merge(self._new_leads(start, end), self._from_calls[first:last], key=lambda each: each.order)

    def lead_row(self, row: int) -> int:
        """Return the row number of a generated activity's lead: one that existed at the activity's date."""
        return row * _SPREAD % max(1, self._leads.created_until(self.at(row)))

    @property
    def patterns(self) -> int:
        """The number of patterns; generated activities use them in turn."""
        return _PATTERNS

    def snapshot(self) -> Activities:
        """Return a copy of the log that later activities do not change."""
        other = copy.copy(self)
        other._from_calls = list(self._from_calls)
        return other

    def pattern(self, row: int) -> _Pattern:
        """Return the pattern of a generated activity."""
        return _patterns(self._seed)[row % _PATTERNS]

    def generated(self, row: int) -> Activity:
        """Return a generated activity."""
        lead_row = self.lead_row(row)
        pattern = self.pattern(row)
        primary_id, primary, attributes = pattern[2:5]
        if pattern.for_lead is not None:
            primary_id, primary, attributes = pattern.for_lead(self, lead_row)
        return Activity(
            self.at(row),
            FIRST_ACTIVITY + row,
            FIRST_ID + lead_row,
            pattern.type_id,
            pattern.campaign_id,
            primary_id,
            primary,
            attributes,
        )

    def _new_leads(self, start: int, end: int) -> Iterator[Activity]:
        start = max(start, self._since)
        for row in range(self._leads.created_until(start - 1), self._leads.created_until(end)):
            at = self._leads.created(row)
            source = self._leads.columns["leadSource"].value(row)
            attributes = {"Created Date": timestamp(at)[:10], "Source Type": source or "Web form fillout"}
            yield Activity(at, _FIRST_NEW_LEAD + row, FIRST_ID + row, types.NEW_LEAD, None, None, None, attributes)

    def _change(self, row: int, field: str, reason: str) -> _Values:
        column = self._leads.columns[field]
        new, old = column.value(row), column.value(row + 1)
        values = {"New Value": new, "Old Value": old, "Reason": reason, "Source": "Marketo Flow Action"}
        return self.field_ids[field], self._labels[field], values

    def _score(self, row: int, by: int) -> _Values:
        new = int(self._leads.columns["leadScore"].value(row))
        values = {"Change Value": f"{by:+d}", "New Value": new, "Old Value": new - by}
        return self.field_ids["leadScore"], self._labels["leadScore"], values

    def _joined_list(self, row: int) -> _Values:
        each = self._lists[initial_list(FIRST_ID + row)]
        return each.id, each.name, {"Source": "Smart Campaign"}

    def _status(self, row: int) -> _Values:
        program = self._programs[initial_program(row)]
        channel = CHANNELS[program.channel]
        status = initial_status(channel, row)
        first = channel.statuses[0]
        return (
            program.id,
            program.name,
            {
                "Acquired By": row % 5 == 0,
                "New Status": status.name,
                "New Status ID": status.step,
                "Old Status": None if status == first else first.name,
                "Success": status.success,
            },
        )


@lru_cache(maxsize=16)
def _patterns(seed: int) -> tuple[_Pattern, ...]:
    """Return the patterns of all instances with a seed."""
    chance = random.Random(f"{seed} activities")
    return tuple(_pattern(chance) for _ in range(_PATTERNS))


def _pattern(chance: random.Random) -> _Pattern:
    type_id = chance.choice(_TYPE_MIX)
    kind = ACTIVITY_TYPES[type_id]
    campaign = chance.choice((None, 2001, 2002, 2003)) if type_id != types.VISIT_PAGE else None
    field, reason = (
        chance.choice(_CHANGED_FIELDS),
        chance.choice(("Form fill", "Changed by smart campaign", "Imported list")),
    )
    by = chance.choice((1, 5, 10, -5))
    by_type: dict[int, Callable[[Activities, int], _Values]] = {
        types.CHANGE_DATA: partial(Activities._change, field=field, reason=reason),
        types.CHANGE_SCORE: partial(Activities._score, by=by),
        types.ADD_TO_LIST: Activities._joined_list,
        types.CHANGE_STATUS: Activities._status,
    }
    if type_id in by_type:
        return _Pattern(type_id, campaign, None, None, {}, by_type[type_id])
    number = chance.randrange(1, 400)
    name = f"{chance.choice(WORDS)}-{number}"
    primary = {types.VISIT_PAGE: f"www.example.com/{name}.html"}.get(type_id, f"{name}.{chance.choice(WORDS)}")
    typed = kind.primary is not None and kind.primary[1] == "integer"
    if type_id == types.FILL_OUT_FORM:
        number, primary = FIRST_FORM, FORM
    values = {each: _value(each, data_type, chance) for each, data_type in kind.attributes}
    return _Pattern(type_id, campaign, number if typed else None, primary, values)


def _value(name: str, data_type: str, chance: random.Random) -> Any:
    if name == "User Agent":
        return chance.choice(_AGENTS)
    if name in ("Referrer URL", "Webpage URL", "Link"):
        return f"https://www.example.com/{chance.choice(WORDS)}?utm_source={chance.choice(WORDS)}&q=a,b"
    if name == "Client IP Address":
        return f"198.51.100.{chance.randrange(256)}"
    make = _BY_TYPE.get(data_type)
    return make(chance) if make else f"{chance.choice(WORDS)} {chance.choice(WORDS)}"


_BY_TYPE: Mapping[str, Callable[[random.Random], Any]] = {
    "integer": lambda chance: chance.randrange(10_000),
    "float": lambda chance: round(chance.random() * 5, 2),
    "boolean": lambda chance: chance.random() < _SHARE_TRUE,
    "text": lambda chance: chance.choice(TEXTS),
    "datetime": lambda chance: timestamp(1_760_000_000 + chance.randrange(10_000_000)),
}


def as_json(attributes: Mapping[str, Any], style: str) -> str:
    """
    Return the ``attributes`` cell of an activity export.

    :param attributes: values by attribute name.
    :param style: ``object`` or ``list``; both were observed in Marketo's files.
    """
    shown: Any = dict(attributes)
    if style == "list":
        shown = [{"name": name, "value": value} for name, value in attributes.items()]
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
