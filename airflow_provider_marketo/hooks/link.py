"""Stores the URL in Marketo's UI that a task's page in Airflow links to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_marketo.hooks.marketo import MarketoHook

XCOM_KEY = "marketo_link"
_URL_MEMBERS = ("url", "computedUrl")
_LEAD, _LIST = "/leadDatabase/loadLeadDetail?leadId={}", "/#ST{}A1"


def push_link(context: Mapping[str, Any], records: Iterable[Any]) -> str | None:
    """
    Store the URL of a Marketo asset.

    :param context: the running task's context.
    :param records: Marketo assets as Marketo describes them. The first that has a URL in Marketo's UI is linked.
    :return: the URL; None if no record has one.
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
    Store the URL of a lead or a static list, whose records have no URL.

    :param context: the running task's context.
    :param hook: the hook of a connection that may have ``ui_url``.
    :param lead_id: id of the lead.
    :param list_id: id of the list; used if no lead is given.
    :return: the URL; None if the connection has no ``ui_url``.
    """
    ui = (hook.settings.ui_url or "").rstrip("/")
    number = str(list_id if lead_id is None else lead_id)
    if not ui.startswith("https://") or not number.isdigit():
        return None
    return push_link(context, [{"url": ui + (_LIST if lead_id is None else _LEAD).format(number)}])
