"""The states of Marketo assets of every kind."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.conditions.assets import STATES, AssetCondition, AssetPoller
from airflow_provider_marketo.simulator import Settings, Simulator

WITH_DRAFTS = (
    *("emails", "email_templates", "forms", "landing_pages", "landing_page_templates", "snippets"),
    *("emails_v2", "email_templates_v2", "fragments_v2"),
)
WITHOUT = ("smart_campaigns", "static_lists", "smart_lists", "files", "folders", "programs")


class Office:
    """A person who works in Marketo."""

    def __init__(self, sim: Simulator) -> None:
        governor = LocalGovernor(rate_limit=10_000, parallel=1)
        self.client = MarketoClient(sim.url, sim.client_id, sim.client_secret, governor=governor)
        self._sim = sim

    def draft(self, family: str) -> int | str:
        """An asset that has only a draft."""
        return next(asset.id for asset in self._sim.instance.store.assets.records(family) if asset.live is None)

    def approve(self, family: str, asset_id: int | str) -> None:
        if family == "emails_v2":
            self.client.call("emails_v2.update", id=asset_id, headers={"subject": "Hello"})
        if family.endswith("_v2"):
            self.client.call(f"{family}.update_status", contentId=asset_id, action="approve")
        else:
            self.client.call(f"{family}.approve_draft", id=asset_id)

    def edit(self, family: str, asset_id: int | str) -> None:
        """Change an approved asset: the change waits in a draft."""
        assets = self._sim.instance.store.assets
        assets.change(assets.find(family, asset_id), self._sim.instance.now, description="changed")

    def states(self, family: str, asset_id: int | str) -> list[str]:
        """The states that the asset has."""
        asked = [AssetCondition(family, asset_id, state) for state in STATES]
        return [condition.state for condition in AssetPoller(self.client).ask(asked)]


@pytest.fixture(scope="module")
def office():
    with Simulator(Settings(leads=10, activities=0, assets=6, limits=False)) as sim:
        yield Office(sim)


@pytest.mark.parametrize("family", WITH_DRAFTS)
def test_an_asset_goes_from_a_draft_to_an_approved_version_with_a_draft_beside_it(office, family):
    asset_id = office.draft(family)
    assert office.states(family, asset_id) == ["draft"]
    office.approve(family, asset_id)
    assert office.states(family, asset_id) == ["approved"]
    office.edit(family, asset_id)
    assert office.states(family, asset_id) == ["approved", "draft"]


@pytest.mark.parametrize("family", WITH_DRAFTS)
def test_an_asset_is_deleted(office, family):
    asset_id = office.draft(family)
    office.client.call(f"{family}.delete", id=asset_id)
    assert office.states(family, asset_id) == ["deleted"]


@pytest.mark.parametrize("family", WITHOUT)
def test_types_without_drafts_are_deleted_or_not(office, family):
    with pytest.raises(MarketoInvalidRequestError, match=f"{family} have no drafts"):
        AssetCondition(family, 1)
    poller = AssetPoller(office.client)
    there, gone = (AssetCondition(family, number, "deleted") for number in (_first(office, family), 987_654))
    assert set(poller.ask([there, gone])) == {gone}


def _first(office, family):
    of_folders = {"maxDepth": 1} if family == "folders" else {}
    return office.client.call(f"{family}.get", **of_folders).records[0]["id"]
