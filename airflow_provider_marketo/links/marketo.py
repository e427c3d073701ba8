"""From the task's page in Airflow to what it is about in Marketo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_marketo.hooks.link import XCOM_KEY

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class MarketoLink(BaseOperatorLink):
    """
    Opens what a task is about: a program, campaign, e-mail or other Marketo asset, whose address Marketo itself names;
    or a lead or list, if the connection says where Marketo's UI is (``ui_url``).
    """

    name = "Marketo"

    @property
    def xcom_key(self) -> str:
        """Where the address is kept."""
        return XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address; empty when the task has not got that far."""
        return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")
