"""Static lists and their members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.dates import start_of_day, timestamp
from airflow_provider_marketo.simulator.store.leads import FIRST_ID, Leads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.simulator.settings import Settings

FIRST_LIST = 1001
NAMES = ("Newsletter", "Webinar Attendees", "Trade Show 2026", "Customers", "Trial, expired")


@dataclass(frozen=True)
class StaticList:
    """A static list as the lead database shows it."""

    id: int
    name: str
    created_at: str
    updated_at: str
    description: str = ""
    program: str | None = None
    workspace: str = "Default"


class Lists:
    """
    Static lists by id. Every generated lead is on one of the initial lists.

    :param settings: holds the creation time of the initial lists.
    :param leads: the leads that can be members.
    """

    def __init__(self, settings: Settings, leads: Leads) -> None:
        self._leads = leads
        self._made = timestamp(start_of_day(settings.dates.leads_since))
        self.all: dict[int, StaticList] = {
            FIRST_LIST + n: StaticList(FIRST_LIST + n, name, self._made, self._made) for n, name in enumerate(NAMES)
        }
        self._added: dict[tuple[int, int], str] = {}
        self._removed: set[tuple[int, int]] = set()

    def of_lead(self, lead_id: int) -> Iterator[tuple[StaticList, str]]:
        """Iterate over the lists that a lead is on, each with the time at which the lead was added."""
        for each in self.all.values():
            if self.has(each.id, lead_id):
                yield each, self.since(each.id, lead_id)

    def has(self, list_id: int, lead_id: int) -> bool:
        """Return whether a lead is on a list."""
        pair = (list_id, lead_id)
        on_it = pair in self._added or (_is_initial_member(list_id, lead_id) and lead_id < FIRST_ID + self._leads.count)
        return on_it and pair not in self._removed and lead_id in self._leads

    def since(self, list_id: int, lead_id: int) -> str:
        """Return when a lead was added to a list."""
        return self._added.get((list_id, lead_id)) or timestamp(self._leads.created(lead_id - FIRST_ID))

    def members(self, list_id: int) -> list[int]:
        """Return the ids of the leads on a list, in ascending order."""
        first = FIRST_ID + (list_id - FIRST_LIST) if list_id < FIRST_LIST + len(NAMES) else FIRST_ID + self._leads.count
        initial = range(first, FIRST_ID + self._leads.count, len(NAMES))
        added = (lead_id for added_to, lead_id in self._added if added_to == list_id)
        return sorted(lead_id for lead_id in {*initial, *added} if self.has(list_id, lead_id))

    def add(self, list_id: int, lead_id: int, now: int) -> bool:
        """
        Add a lead to a list.

        :return: False if the lead is already on the list.
        """
        if self.has(list_id, lead_id):
            return False
        self._removed.discard((list_id, lead_id))
        self._added[list_id, lead_id] = timestamp(now)
        return True

    def remove(self, list_id: int, lead_id: int) -> bool:
        """
        Remove a lead from a list.

        :return: False if the lead is not on the list.
        """
        if not self.has(list_id, lead_id):
            return False
        self._added.pop((list_id, lead_id), None)
        self._removed.add((list_id, lead_id))
        return True


def initial_list(lead_id: int) -> int:
    """Return the initial list of a generated lead."""
    return FIRST_LIST + (lead_id - FIRST_ID) % len(NAMES)


def _is_initial_member(list_id: int, lead_id: int) -> bool:
    return lead_id >= FIRST_ID and initial_list(lead_id) == list_id
