"""A sensor for a state of a Marketo asset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import choice, text
from airflow_provider_marketo.choices import AssetState, AssetType
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.arguments import Check
    from airflow_provider_marketo.conditions.condition import Condition


class MarketoAssetSensor(MarketoSensor):
    """
    Wait until a Marketo asset is approved, has a draft, or is deleted. Each poll costs a call.

    An asset that is missing at the first poll counts as deleted, with a warning: Marketo does not say whether it ever
    existed.

    Adobe's operation: ``<asset_type>.get_by_id``.

    :param asset_type: type of the asset, as in
        :class:`~airflow_provider_marketo.operators.assets.MarketoAssetOperator`: ``emails``, ``email_templates``,
        ``forms``, ``landing_pages``, ``landing_page_templates``, ``snippets``, ``emails_v2``, ``email_templates_v2``,
        ``fragments_v2``; for ``deleted`` also ``programs``, ``folders``, ``smart_campaigns``, ``files``,
        ``static_lists``, ``smart_lists``.
    :param asset_id: id of the Marketo asset: a number, or a text in the new designer.
    :param state: ``approved`` (a version is live), ``draft`` (it has a draft, with or without a live version) or
        ``deleted``.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"asset_type", "asset_id", "state"}``.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Assets",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoSensor.argument_checks,
        "asset_type": choice(AssetType),
        "asset_id": text(required=True),
        "state": choice(AssetState),
    }
    template_fields: Sequence[str] = (*MarketoSensor.template_fields, "asset_type", "asset_id", "state")

    def __init__(
        self,
        *,
        asset_type: AssetType,
        asset_id: int | str,
        state: AssetState = "approved",
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.asset_type = asset_type
        self.asset_id = asset_id
        self.state = state
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """Return the state to wait for."""
        from airflow_provider_marketo.conditions.assets import asset_condition

        return asset_condition(self.argument("asset_type"), self.argument("asset_id"), self.argument("state"))
