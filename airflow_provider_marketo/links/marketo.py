"""From the task's page in Airflow to what it is about in Marketo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

XCOM_KEY = "marketo_link"
_URL_MEMBERS = ("url", "computedUrl")


class MarketoLink(BaseOperatorLink):
    """Opens the program, campaign, e-mail, list or other Marketo asset of a task. Marketo itself names the address."""

    name = "Marketo"

    @property
    def xcom_key(self) -> str:
        """Where the address is kept."""
        return XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address; empty when the task has not got that far."""
        return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")


def push_link(context: Mapping[str, Any], records: Iterable[Any]) -> str | None:
    """
    Give the task's page its link.

    :param context: Airflow's.
    :param records: Marketo assets as Marketo describes them; the first that has an address in the UI decides.
    :return: the address.
    """
    for record in records:
        if not isinstance(record, Mapping):
            continue
        for member in _URL_MEMBERS:
            url = record.get(member)
            if isinstance(url, str) and url.startswith("https://"):
                context["ti"].xcom_push(key=XCOM_KEY, value=url)
                return url
    return None
