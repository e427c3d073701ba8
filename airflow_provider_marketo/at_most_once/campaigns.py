"""Campaigns: checked before the first request, and requested at most once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

from airflow_provider_marketo.at_most_once.task import OnceCall, OnceTask
from airflow_provider_marketo.choices import UNSET
from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.imports.targets import LEADS_PER_REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)

MAX_AUDIENCE = 1_000
"""Largest audience that an author may give by ids without ``max_audience``."""

TOKENS_PER_CALL = 100
SOONEST = timedelta(minutes=5)
LATEST = timedelta(days=730)
_TOKEN_NAME = re.compile(r"\{\{my\.[^{}]+\}\}")


class TriggerResult(TypedDict):
    """
    What a task that triggers a campaign returns.

    ``leads`` counts the audience. ``campaign`` is the campaign's name, None if nothing was left to send.
    """

    campaign_id: int
    campaign: str | None
    leads: int
    groups_sent: int
    groups_sent_earlier: int


class ScheduleResult(TypedDict):
    """
    What a task that schedules a campaign returns.

    ``run_at`` is ISO 8601 in UTC; None means as soon as possible. ``campaign`` is the campaign's name, None if an
    earlier try has scheduled the run.
    """

    campaign_id: int
    campaign: str | None
    run_at: str | None
    scheduled: bool
    scheduled_earlier: bool


def trigger(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> TriggerResult:
    """
    Send leads through a trigger campaign.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    """
    tokens, leads = as_tokens(arguments["tokens"]), _audience(arguments)
    task, campaign_id = OnceTask(context, hook, arguments), arguments["campaign_id"]
    campaign: dict[str, Any] = {}
    calls = [campaign_request(task, campaign_id, group, tokens) for group in batches(leads, LEADS_PER_REQUEST)]
    sent, earlier = task.send_all(calls, lambda: campaign.update(requestable(task, campaign_id)))
    groups = counted(len(calls), "group")
    audience = counted(len(leads), "lead")
    before = f"; an earlier try sent {earlier} of these groups" if earlier else ""
    log.info("The audience is %s in %s%s", audience, groups, before)
    return {
        "campaign_id": campaign_id,
        "campaign": campaign.get("name"),
        "leads": len(leads),
        "groups_sent": 0 if task.dry_run else sent,
        "groups_sent_earlier": earlier,
    }


def schedule(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> ScheduleResult:
    """
    Schedule a run of a batch campaign.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    """
    tokens, run_at = as_tokens(arguments["tokens"]), arguments["run_at"]
    task, campaign_id = OnceTask(context, hook, arguments), arguments["campaign_id"]
    campaign: dict[str, Any] = {}

    def check() -> None:
        _refuse_time(run_at)
        campaign.update(_batch(task, campaign_id))

    call = _schedule(task, campaign_id, run_at, tokens, arguments["clone_to_program_name"])
    sent, earlier = task.send_all([call], check)
    return {
        "campaign_id": campaign_id,
        "campaign": campaign.get("name"),
        "run_at": run_at.isoformat() if run_at else None,
        "scheduled": bool(sent) and not task.dry_run,
        "scheduled_earlier": bool(earlier),
    }


def as_tokens(tokens: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """
    Return My Tokens in the form that calls take.

    :param tokens: values by name, such as ``{"{{my.Subject}}": "Hello"}``.
    :raises MarketoInvalidRequestError: there are more than 100, or a name is not that of a My Token.
    """
    given = dict(tokens or {})
    if len(given) > TOKENS_PER_CALL:
        raise MarketoInvalidRequestError(
            f"tokens has {len(given)} entries, and Marketo takes at most {TOKENS_PER_CALL} in a call",
            parameter="tokens",
        )
    for name in given:
        if not _TOKEN_NAME.fullmatch(name):
            bare = name.strip("{} ").removeprefix("my.")
            raise MarketoInvalidRequestError(
                f"{name!r} is not the name of a My Token", parameter="tokens", remedy=f"Write {{{{my.{bare}}}}}."
            )
    return [{"name": name, "value": str(value)} for name, value in given.items()]


def _audience(arguments: Mapping[str, Any]) -> list[int]:
    leads, most = sorted(set(arguments["lead_ids"])), arguments["max_audience"]
    most = MAX_AUDIENCE if most == UNSET else most
    if most is not None and len(leads) > most:
        raise MarketoInvalidRequestError(
            f"the audience has {counted(len(leads), 'lead')}, and max_audience is {most}",
            parameter="max_audience",
            remedy="This try sent nothing. Raise max_audience if the audience is right.",
        )
    if not leads:
        log.info("lead_ids is empty: no lead is sent through the campaign")
    return leads


def campaign_request(
    task: OnceTask, campaign_id: int, group: Sequence[int], tokens: Sequence[Mapping[str, str]]
) -> OnceCall:
    """
    Return the call that sends leads through a campaign (``campaigns.request``).

    :param task: the try.
    :param campaign_id: id of the campaign.
    :param group: ids of the leads, 100 at most.
    :param tokens: as :func:`as_tokens` returns them.
    """
    sending = task.sending(
        "campaigns.request",
        {"campaign": campaign_id, "leads": group, "tokens": tokens},
        f"trigger campaign {campaign_id} for {counted(len(group), 'lead')} (ids {group[0]} to {group[-1]})",
    )
    body: dict[str, Any] = {"leads": [{"id": lead} for lead in group]}
    if tokens:
        body["tokens"] = tokens
    return OnceCall(sending, {"campaignId": campaign_id, "input": body})


def _schedule(
    task: OnceTask,
    campaign_id: int,
    run_at: datetime | None,
    tokens: Sequence[Mapping[str, str]],
    clone_to_program_name: str | None,
) -> OnceCall:
    body: dict[str, Any] = {}
    if run_at is not None:
        body["runAt"] = iso(run_at)
    if tokens:
        body["tokens"] = tokens
    if clone_to_program_name:
        body["cloneToProgramName"] = clone_to_program_name
    when = f"at {body['runAt']}" if run_at else "as soon as possible"
    sending = task.sending(
        "campaigns.schedule", {"campaign": campaign_id, **body}, f"run of batch campaign {campaign_id} {when}"
    )
    return OnceCall(sending, {"campaignId": campaign_id, "input": body})


def _campaign(task: OnceTask, campaign_id: int) -> Mapping[str, Any]:
    found = task.client.call("smart_campaigns.get_by_id", id=campaign_id).records
    if not found:
        raise MarketoNotFoundError(
            f"smart campaign {campaign_id} does not exist, or the API user cannot see it",
            parameter="campaign_id",
            remedy="Take the id from the campaign's address in Marketo, such as 2001 from #SC2001A1.",
        )
    task.link(found)
    campaign: Mapping[str, Any] = found[0]
    return campaign


def requestable(task: OnceTask, campaign_id: int) -> Mapping[str, Any]:
    """
    Return the campaign, if it takes requests.

    :param task: the try.
    :param campaign_id: id of the campaign.
    :raises MarketoInvalidRequestError: the campaign takes no requests; the error gives the reason.
    """
    campaign = _campaign(task, campaign_id)
    if campaign.get("type") != "trigger":
        _refuse(
            campaign,
            f"is a {campaign.get('type')} campaign",
            "Run batch campaigns with MarketoScheduleCampaignOperator.",
        )
    if not campaign.get("isActive"):
        _refuse(campaign, "is not active", "Activate it in Marketo, or with smart_campaigns.activate.")
    if not campaign.get("isRequestable"):
        _refuse(
            campaign,
            "cannot be requested",
            'Give it the trigger "Campaign is Requested" with the source "Web Service API".',
        )
    return campaign


def _batch(task: OnceTask, campaign_id: int) -> Mapping[str, Any]:
    campaign = _campaign(task, campaign_id)
    if campaign.get("type") != "batch":
        _refuse(
            campaign,
            f"is a {campaign.get('type')} campaign",
            "Only batch campaigns can be scheduled. Send leads through trigger campaigns with "
            "MarketoTriggerCampaignOperator.",
        )
    return campaign


def _refuse(campaign: Mapping[str, Any], what: str, remedy: str) -> NoReturn:
    raise MarketoInvalidRequestError(
        f"smart campaign {campaign.get('id')} ({campaign.get('name')}) {what}", parameter="campaign_id", remedy=remedy
    )


def _refuse_time(run_at: datetime | None) -> None:
    """Refuse times that Marketo would refuse with a less helpful message."""
    if run_at is None:
        return
    ahead = run_at - datetime.now(timezone.utc)
    if ahead < SOONEST:
        where = "is in the past" if ahead < timedelta(0) else "is less than five minutes ahead"
        raise MarketoInvalidRequestError(
            f"run_at={run_at.isoformat()} {where}",
            parameter="run_at",
            remedy="Leave run_at out to run the campaign as soon as Marketo allows.",
        )
    if ahead > LATEST:
        raise MarketoInvalidRequestError(
            f"run_at={run_at.isoformat()} is more than two years ahead", parameter="run_at"
        )
