"""Programs, their channels and their members."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_marketo.simulator.dates import start_of_day, timestamp
from airflow_provider_marketo.simulator.store.columns import cyclic_columns
from airflow_provider_marketo.simulator.store.fields import MEMBER_FIELDS, Field, by_name
from airflow_provider_marketo.simulator.store.leads import FIRST_ID, Leads
from airflow_provider_marketo.simulator.store.table import CHANGED_AT

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.settings import Settings

FIRST_PROGRAM = 1001
Member = Mapping[str, Any]


class Status(NamedTuple):
    """A status of a channel. Members move to higher steps only."""

    name: str
    step: int
    success: bool = False


@dataclass(frozen=True)
class Channel:
    """The channel of a program: its program type and the statuses that members can have."""

    id: int
    name: str
    program_type: str
    statuses: tuple[Status, ...]

    def status(self, name: str) -> Status | None:
        """Return the status of a name, ignoring case; None if the channel does not have it."""
        return next((each for each in self.statuses if each.name.lower() == name.lower()), None)


CHANNELS = {
    channel.name: channel
    for channel in (
        Channel(1, "Webinar", "event", (Status("Invited", 10), Status("Registered", 20), Status("No Show", 30),
                                        Status("Attended", 40, True))),
        Channel(2, "Nurture", "engagement", (Status("Member", 10), Status("Engaged", 20, True))),
        Channel(3, "Email Send", "email", (Status("Member", 10), Status("Responded", 20, True))),
        Channel(4, "Content", "default", (Status("Visited", 10), Status("Downloaded", 20, True))),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A program as the lead database shows it."""

    id: int
    name: str
    channel: str
    created_at: str
    updated_at: str
    description: str = ""
    workspace: str = "Default"


NAMES = (("Spring Webinar", "Webinar"), ("Welcome Nurture", "Nurture"), ("March Newsletter", "Email Send"),
         ("Whitepaper: Data & You", "Content"))  # fmt: skip


class Programs:
    """
    Programs by id, and their members. Every generated lead is a member of one of the initial programs.

    :param settings: the seed and the creation time of the initial programs.
    :param leads: the leads that can be members.
    """

    def __init__(self, settings: Settings, leads: Leads) -> None:
        self._leads = leads
        made = timestamp(start_of_day(settings.dates.leads_since))
        self.all: dict[int, Program] = {
            FIRST_PROGRAM + n: Program(FIRST_PROGRAM + n, name, channel, made, made)
            for n, (name, channel) in enumerate(NAMES)
        }
        self.fields: dict[str, Field] = dict(by_name(MEMBER_FIELDS))
        self._columns = cyclic_columns(settings.seed, "members", [field for field in MEMBER_FIELDS if field.updateable])
        self._written: dict[tuple[int, int], Member] = {}
        self._removed: set[tuple[int, int]] = set()

    def snapshot(self) -> Programs:
        """Return a copy of the memberships that later writes do not change."""
        other = copy.copy(self)
        other._leads = self._leads.snapshot()
        other.all = dict(self.all)
        other._written = dict(self._written)
        other._removed = set(self._removed)
        return other

    def channel(self, program_id: int) -> Channel:
        """Return the channel of a program."""
        return CHANNELS[self.all[program_id].channel]

    def of_lead(self, lead_id: int) -> Iterator[Member]:
        """Iterate over the memberships of a lead."""
        return (member for program_id in self.all if (member := self.member(program_id, lead_id)) is not None)

    def member(self, program_id: int, lead_id: int) -> Member | None:
        """Return a membership with all its fields; None if the lead is not a member."""
        pair = (program_id, lead_id)
        if pair in self._removed or lead_id not in self._leads:
            return None
        if pair in self._written:
            return self._written[pair]
        row = lead_id - FIRST_ID
        return self._generated(program_id, row) if self._is_initial_member(program_id, row) else None

    def members(self, program_id: int) -> Iterator[Member]:
        """Iterate over all members of a program, generated ones first."""
        first = program_id - FIRST_PROGRAM
        rows = range(first, self._leads.count, len(NAMES)) if first < len(NAMES) else ()
        later = (lead_id for member_of, lead_id in sorted(self._written) if member_of == program_id)
        initial = (FIRST_ID + row for row in rows)
        for lead_id in dict.fromkeys((*initial, *later)):
            member = self.member(program_id, lead_id)
            if member is not None:
                yield member

    def set_status(self, program_id: int, lead_id: int, status: Status, now: int) -> Member:
        """Make a lead a member of a program with a status, or change the status of a member."""
        before = self.member(program_id, lead_id)
        member = before or {
            **dict.fromkeys(self.fields),
            "leadId": lead_id,
            "programId": program_id,
            "program": self.all[program_id].name,
            "membershipDate": timestamp(now),
            "acquiredBy": False,
            "reachedSuccess": False,
            "isExhausted": False,
            "createdAt": timestamp(now),
        }
        success = {"reachedSuccess": True, "reachedSuccessDate": member["reachedSuccessDate"] or timestamp(now)}
        return self.write({**member, "statusName": status.name, **(success if status.success else {})}, now)

    def write(self, member: Member, now: int) -> Member:
        """Insert a membership, or replace the whole membership of the lead in the program."""
        pair = (member["programId"], member["leadId"])
        self._removed.discard(pair)
        self._written[pair] = {**member, "updatedAt": timestamp(now), CHANGED_AT: now}
        return self._written[pair]

    def remove(self, program_id: int, lead_id: int) -> None:
        """Delete a membership."""
        self._written.pop((program_id, lead_id), None)
        self._removed.add((program_id, lead_id))

    def _is_initial_member(self, program_id: int, row: int) -> bool:
        return 0 <= row < self._leads.count and initial_program(row) == program_id

    def _generated(self, program_id: int, row: int) -> Member:
        program = self.all[program_id]
        channel = CHANNELS[program.channel]
        status = initial_status(channel, row)
        since = self._leads.created(row)
        changed = self._leads.updated(row)
        engaged = channel.program_type == "engagement"
        return {
            **{name: column.value(row) for name, column in self._columns.items()},
            "leadId": FIRST_ID + row,
            "programId": program_id,
            "program": program.name,
            "statusName": status.name,
            "statusReason": None,
            "membershipDate": timestamp(since),
            "acquiredBy": row % 5 == 0,
            "reachedSuccess": status.success,
            "reachedSuccessDate": timestamp(changed) if status.success else None,
            "isExhausted": engaged and row % 7 == 0,
            "nurtureCadence": ("norm", "paus")[row % 11 == 0] if engaged else None,
            "trackName": f"Track {row % 3 + 1}" if engaged else None,
            "waitlistPriority": None,
            "attendanceLikelihood": None,
            "registrationLikelihood": None,
            "createdAt": timestamp(since),
            "updatedAt": timestamp(changed),
            CHANGED_AT: changed,
        }


def initial_program(row: int) -> int:
    """Return the initial program of a generated lead."""
    return FIRST_PROGRAM + row % len(NAMES)


def initial_status(channel: Channel, row: int) -> Status:
    """Return the initial program status of a generated lead."""
    return channel.statuses[row // len(NAMES) % len(channel.statuses)]
