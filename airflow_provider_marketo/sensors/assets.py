"""Waits for a state of a Marketo asset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.questions.question import Question


class MarketoAssetSensor(MarketoSensor):
    """
    Wait until a Marketo asset is approved, has a draft, or is deleted. Costs a call a look.

    Adobe's operations: ``emails.get_by_id`` and its like.

    :param asset_type: ``email``, ``email_template``, ``form``, ``landing_page``, ``landing_page_template`` or
        ``snippet``.
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

    def question(self, context: Context) -> Question:
        from airflow_provider_marketo.arguments import needed_id
        from airflow_provider_marketo.questions.assets import AssetQuestion

        return AssetQuestion(self.asset_type, needed_id("asset_id", self.asset_id), self.state)
