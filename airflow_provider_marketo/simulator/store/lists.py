"""Static lists and who is on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_marketo.simulator.settings import Settings
from airflow_provider_marketo.simulator.store.leads import FIRST_ID, Leads
from airflow_provider_marketo.simulator.store.pools import stamp
from airflow_provider_marketo.simulator.store.table import day

FIRST_LIST = 1001
NAMES = ("Newsletter", "Webinar Attendees", "Trade Show 2026", "Customers", "Trial, expired")


@dataclass(frozen=True)
class StaticList:
    """A list as the lead database shows it."""

    id: int
    name: str
    created_at: str
    updated_at: str
    description: str = ""
    program: str | None = None
    workspace: str = "Default"


class Lists:
    """
    Static lists by id. Every made-up lead is on one of the lists that were there from the start.

    :param settings: when the lists were made.
    :param leads: who may be on them.
    """

    def __init__(self, settings: Settings, leads: Leads) -> None:
        self._leads = leads
        self._made = stamp(day(settings.leads_since))
        self.all: dict[int, StaticList] = {
            FIRST_LIST + n: StaticList(FIRST_LIST + n, name, self._made, self._made) for n, name in enumerate(NAMES)
        }
        self._added: dict[tuple[int, int], str] = {}
        self._removed: set[tuple[int, int]] = set()

    def of(self, lead_id: int) -> Iterator[tuple[StaticList, str]]:
        """The lists that a lead is on, each with the time since when."""
        for each in self.all.values():
            if self.has(each.id, lead_id):
                yield each, self.since(each.id, lead_id)

    def has(self, list_id: int, lead_id: int) -> bool:
        """Whether a lead is on a list."""
        pair = (list_id, lead_id)
        on_it = pair in self._added or (_from_the_start(list_id, lead_id) and lead_id < FIRST_ID + self._leads.count)
        return on_it and pair not in self._removed and lead_id in self._leads

    def since(self, list_id: int, lead_id: int) -> str:
        """When a lead came onto a list."""
        return self._added.get((list_id, lead_id)) or stamp(self._leads.created(lead_id - FIRST_ID))

    def members(self, list_id: int) -> list[int]:
        """Ids of the leads on a list, in order."""
        first = FIRST_ID + (list_id - FIRST_LIST) if list_id < FIRST_LIST + len(NAMES) else FIRST_ID + self._leads.count
        from_the_start = range(first, FIRST_ID + self._leads.count, len(NAMES))
        added = (lead_id for of, lead_id in self._added if of == list_id)
        return sorted(lead_id for lead_id in {*from_the_start, *added} if self.has(list_id, lead_id))

    def add(self, list_id: int, lead_id: int, now: int) -> bool:
        """
        Put a lead onto a list.

        :return: whether it was not there already.
        """
        if self.has(list_id, lead_id):
            return False
        self._removed.discard((list_id, lead_id))
        self._added[list_id, lead_id] = stamp(now)
        return True

    def remove(self, list_id: int, lead_id: int) -> bool:
        """
        Take a lead off a list.

        :return: whether it was there.
        """
        if not self.has(list_id, lead_id):
            return False
        self._added.pop((list_id, lead_id), None)
        self._removed.add((list_id, lead_id))
        return True


def made_up_list(lead_id: int) -> int:
    """The list that a made-up lead is on from the start."""
    return FIRST_LIST + (lead_id - FIRST_ID) % len(NAMES)


def _from_the_start(list_id: int, lead_id: int) -> bool:
    return lead_id >= FIRST_ID and made_up_list(lead_id) == list_id
