"""The link from a task's page in Airflow to the task's Marketo asset, lead or list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_marketo.hooks.link import XCOM_KEY, link_of

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class MarketoLink(BaseOperatorLink):
    """
    A link to the Marketo asset, lead or list that a task is about.

    Marketo's replies have the URL of a program, campaign, e-mail or other Marketo asset. Every other link needs
    ``ui_url`` in the connection. It leads to a lead, campaign, program or list that the arguments name, or to Marketo's
    start page.
    """

    name = "Marketo"

    @property
    def xcom_key(self) -> str:
        """The key of the XCom that holds the URL."""
        return XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL, which Airflow stores when the task ends. It is empty if the task has no link."""
        return link_of(operator)
