"""The link from a task's page in Airflow to the task's Marketo asset, lead or list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_marketo.hooks.link import XCOM_KEY

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class MarketoLink(BaseOperatorLink):
    """
    A link to the Marketo asset, lead or list that a task is about.

    Marketo itself names the URL of a program, campaign, e-mail or other Marketo asset. A link to a lead or a list needs
    ``ui_url`` in the connection.
    """

    name = "Marketo"

    @property
    def xcom_key(self) -> str:
        """The key of the XCom that holds the URL."""
        return XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL; empty until the task has found it."""
        return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")
