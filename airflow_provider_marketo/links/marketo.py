"""From the task's page in Airflow to what it is about in Marketo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

    from airflow_provider_marketo.hooks.marketo import MarketoHook

XCOM_KEY = "marketo_link"
_URL_MEMBERS = ("url", "computedUrl")
_LEAD, _LIST = "/leadDatabase/loadLeadDetail?leadId={}", "/#ST{}A1"


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


def push_place(
    context: Mapping[str, Any], hook: MarketoHook, *, lead_id: Any = None, list_id: Any = None
) -> str | None:
    """
    As :func:`push_link`, for a lead or a static list: the lead database does not say where they are shown.

    :param hook: of the connection that may know where the UI is.
    :param lead_id: of the lead.
    :param list_id: of the list; of the two, what is given.
    :return: the address; None if the connection does not know.
    """
    ui = (hook.settings.ui_url or "").rstrip("/")
    number = str(list_id if lead_id is None else lead_id)
    if not ui.startswith("https://") or not number.isdigit():
        return None
    return push_link(context, [{"url": ui + (_LIST if lead_id is None else _LEAD).format(number)}])
