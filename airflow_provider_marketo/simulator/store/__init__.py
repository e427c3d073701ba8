"""The data of a simulated Marketo instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.dates import start_of_day
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.store.account_lists import AccountLists
from airflow_provider_marketo.simulator.store.activities import Activities
from airflow_provider_marketo.simulator.store.asset_seed import seed
from airflow_provider_marketo.simulator.store.assets import Assets
from airflow_provider_marketo.simulator.store.crm import crm_objects
from airflow_provider_marketo.simulator.store.custom_objects import TYPES, CustomObjects
from airflow_provider_marketo.simulator.store.leads import Leads
from airflow_provider_marketo.simulator.store.lists import Lists
from airflow_provider_marketo.simulator.store.programs import Programs
from airflow_provider_marketo.simulator.store.schemas import Schemas
from airflow_provider_marketo.simulator.store.users import Users

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.settings import Settings

FIRST_SMART_LIST = 5001

__all__ = ["Activities", "Assets", "CustomObjects", "Leads", "Lists", "Programs", "Store"]


class Store:
    """
    All data of one instance.

    The store is not thread-safe. The instance reads and writes it under its lock.

    :param settings: how many records of each kind to generate, and the seed.
    """

    def __init__(self, settings: Settings) -> None:
        self.leads = Leads(settings)
        self.lists = Lists(settings, self.leads)
        self.programs = Programs(settings, self.leads)
        self.activities = Activities(settings, self.leads, self.lists, self.programs)
        self.assets = Assets(self.programs, self.lists)
        seed(
            self.assets,
            self.programs.all.values(),
            self.lists.all.values(),
            settings.assets,
            start_of_day(settings.dates.leads_since),
        )
        self.schemas = Schemas()
        self.account_lists = AccountLists()
        self.users = Users(user.user_id for user in settings.users)
        self.smart_lists = {FIRST_SMART_LIST: "All Leads", FIRST_SMART_LIST + 1: "Qualified Leads"}
        self.crm = crm_objects()
        self.custom_objects = {kind.name: CustomObjects(settings, kind, n + 1) for n, kind in enumerate(TYPES)}

    def list_members(self, key: str, value: int | str) -> list[int]:
        """
        Return the ids of the leads on a list.

        :param key: ``staticListId``, ``staticListName``, ``smartListId`` or ``smartListName``.
        :param value: the id or the name of the list.
        :raises ApiError: 1013, the list does not exist.
        """
        static = key.startswith("static")
        names = {each.id: each.name for each in self.lists.all.values()} if static else self.smart_lists
        found = [list_id for list_id, name in names.items() if value in (list_id, name)]
        if not found:
            raise ApiError("1013", f"List '{value}' not found")
        if static:
            return self.lists.members(found[0])
        return (
            list(self.leads.keys())
            if found[0] == FIRST_SMART_LIST
            else sorted(self.leads.find("leadStatus", ["Qualified"]))
        )
