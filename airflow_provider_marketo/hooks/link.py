"""Finds the URL in Marketo's UI that a task's page in Airflow links to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_marketo.hooks.marketo import MarketoHook

XCOM_KEY = "marketo_link"
_URL_MEMBERS = ("url", "computedUrl")
_PLACES = (
    ("campaign_id", "/#SC{}A1"),
    ("program_id", "/#PG{}A1"),
    ("list_id", "/#ST{}A1"),
    ("lead_id", "/leadDatabase/loadLeadDetail?leadId={}"),
)
"""Arguments that name what a task is about, and its path in Marketo's UI. The first one that is given is linked."""

_OTHER_NAMES = {
    "lead_ids": "lead_id",
    "program_ids": "program_id",
    "programIds": "program_id",
    "staticListId": "list_id",
}
"""Arguments and filters that may hold one such id."""


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
                task = getattr(context["ti"], "task", None)
                if task is not None:
                    task.marketo_url = url
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
    :return: the URL; None if the connection has no ``ui_url``, or if there is no lead and no list.
    """
    ui, path = _ui(hook), _path({"list_id": list_id} if lead_id is None else {"lead_id": lead_id})
    return push_link(context, [{"url": ui + path}]) if ui and path else None


def recall_link(ti: Any) -> str | None:
    """
    Return the URL that a task had stored before a deferral.

    :param ti: the running task instance.
    """
    url = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, key=XCOM_KEY)
    return str(url) if url else None


def link_of(operator: Any) -> str:
    """
    Return the URL of the record or asset that a task is about.

    :param operator: operator of the task. The URL is the one that its work stored, else that of the lead, campaign,
        program or list that its arguments name, else Marketo's start page.
    :return: the URL; empty without ``ui_url`` in the connection, and if the task has not read its connection.
    """
    if operator.marketo_url:
        return str(operator.marketo_url)
    hook = vars(operator).get("hook")
    # Only settings that the task has read: a missing or wrong connection has failed the task already.
    ui = _ui(hook) if hook is not None and "settings" in vars(hook) else ""
    filters = getattr(operator, "filters", None)
    return ui and ui + _path(vars(operator) | dict(filters if isinstance(filters, Mapping) else {}))


def _ui(hook: MarketoHook) -> str:
    ui = (hook.settings.ui_url or "").rstrip("/")
    return ui if ui.startswith("https://") else ""


def _path(about: Mapping[str, Any]) -> str:
    named = {_OTHER_NAMES.get(name, name): _one_id(value) for name, value in about.items()}
    return next((path.format(named[name]) for name, path in _PLACES if named.get(name)), "")


def _one_id(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if len(value) == 1 else None
    return str(value) if str(value).isdigit() else ""
