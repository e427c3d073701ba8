"""Waits for a state of a Marketo asset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.conditions.condition import Condition


class MarketoAssetSensor(MarketoSensor):
    """
    Wait until a Marketo asset is approved, has a draft, or is deleted. Costs a call a look.

    What is not there at the first look counts as deleted, with a warning: Marketo does not tell it from what never was.

    Adobe's operation: ``<asset_type>.get_by_id``.

    :param asset_type: as of
        :class:`~airflow_provider_marketo.operators.assets.MarketoAssetOperator`: ``emails``, ``email_templates``,
        ``forms``, ``landing_pages``, ``landing_page_templates``, ``snippets``, ``emails_v2``, ``email_templates_v2``,
        ``fragments_v2``; for ``deleted`` also ``programs``, ``folders``, ``smart_campaigns``, ``files``,
        ``static_lists``, ``smart_lists``.
    :param asset_id: its id.
    :param state: ``approved`` (a version of it is live), ``draft`` (it has one, beside a live version or alone) or
        ``deleted``.
    :return: ``{"asset_type", "asset_id", "state"}``.
    """

    template_fields: Sequence[str] = (*MarketoSensor.template_fields, "asset_type", "asset_id", "state")

    def __init__(self, *, asset_type: str, asset_id: int | str, state: str = "approved", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.asset_type = asset_type
        self.asset_id = asset_id
        self.state = state

    def condition(self, context: Context) -> Condition:
        from airflow_provider_marketo.conditions.assets import AssetCondition
        from airflow_provider_marketo.legacy_arguments import needed_id

        in_new_designer = self.asset_type.endswith("_v2")  # where ids are texts
        asset_id = str(self.asset_id) if in_new_designer else needed_id("asset_id", self.asset_id)
        return AssetCondition(self.asset_type, asset_id, self.state)
