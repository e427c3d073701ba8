"""Handlers that run campaigns or send samples. Each sending is recorded, so that tests can find duplicates."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.handlers.assets import check_lead, id_reply, requested_asset
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.simulator.store.assets import Asset, Location, Sending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_SOONEST, _LATEST = timedelta(minutes=5), timedelta(days=731)
_SLACK = timedelta(seconds=1)
_CLONES_A_DAY = 20
_MAX_AUDIENCE = 100
"""A batch campaign runs for at most this many members of its program, because it has no smart list here."""
_TOKEN_NAME = re.compile(r"\{\{my\.([^{}]+)\}\}")


@answers("campaigns.get")
def get(instance: Instance, request: Request) -> Reply:
    campaigns = list(instance.store.assets.records("smart_campaigns"))
    for name in ("id", "name"):
        if name in request.parameters:
            wanted = {str(value) for value in request[name]}
            campaigns = [campaign for campaign in campaigns if str(getattr(campaign, name)) in wanted]
    if "programName" in request.parameters:
        campaigns = [each for each in campaigns if _program_name(instance, each) in request["programName"]]
    if "workspaceName" in request.parameters:
        campaigns = campaigns if "Default" in request["workspaceName"] else []
    if request.get("isTriggerable"):
        campaigns = [each for each in campaigns if each.shown["isActive"] and each.shown["isRequestable"]]
    return page(request, campaigns, lambda campaign: _show(instance, campaign), says_more=False)


@answers("campaigns.get_by_id")
def get_by_id(instance: Instance, request: Request) -> Reply:
    return Envelope([_show(instance, _campaign(instance, request))])


def _campaign(instance: Instance, request: Request) -> Asset:
    campaign = instance.store.assets.by_family["smart_campaigns"].get(request["campaignId"])
    if campaign is None:
        raise ApiError("1013", f"Campaign '{request['campaignId']}' not found")
    return campaign


def _program_name(instance: Instance, campaign: Asset) -> str | None:
    program = instance.store.assets.program_of(campaign.location)
    return instance.store.assets.by_family["programs"][program].name if program is not None else None


def _show(instance: Instance, campaign: Asset) -> dict[str, Any]:
    version = campaign.shown
    kind = "trigger" if version["type"] == "trigger" else "batch"
    return {
        "id": campaign.id,
        "name": campaign.name,
        "description": version["description"],
        "type": kind,
        "programName": _program_name(instance, campaign),
        "programId": instance.store.assets.program_of(campaign.location),
        "workspaceName": "Default",
        "createdAt": timestamp(campaign.created),
        "updatedAt": timestamp(campaign.updated),
        "active": version["isActive"],
    }


@answers("campaigns.request")
def request_campaign(instance: Instance, request: Request) -> Reply:
    campaign, content = _campaign(instance, request), request["input"]
    if campaign.shown["type"] != "trigger":
        raise ApiError("1003", "Batch campaigns cannot be requested")
    if not campaign.shown["isActive"]:
        raise ApiError("1013", f"Campaign '{campaign.id}' is not active")
    if not campaign.shown["isRequestable"]:
        raise ApiError("1003", "The campaign has no trigger 'Campaign is Requested' of the Web Service API")
    leads = tuple(int(lead["id"]) for lead in content["leads"])
    unknown = [lead for lead in leads if lead not in instance.store.leads]
    if unknown:
        raise ApiError("1004", f"Lead '{unknown[0]}' not found")
    tokens = _tokens(instance, campaign, content.get("tokens") or ())
    instance.store.assets.sendings.append(
        Sending(request.operation.name, int(campaign.id), leads, instance.now, tokens=tokens)
    )
    _run(instance, campaign, leads, instance.now)
    return Envelope([{"id": campaign.id}])


def _run(instance: Instance, campaign: Asset, leads: Iterable[int], at: int) -> None:
    """Run a campaign: send each lead an e-mail of the campaign's program. The simulator has no flows."""
    emails = instance.store.assets.by_family["emails"].values()
    email = next((each for each in emails if each.location == campaign.location), None)
    for lead_id in leads:
        instance.store.activities.add(
            at,
            lead_id,
            types.SEND_EMAIL,
            campaign_id=int(campaign.id),
            primary_id=int(email.id) if email else None,
            primary=email.name if email else None,
        )


@answers("campaigns.schedule")
def schedule(instance: Instance, request: Request) -> Reply:
    campaign, content = _campaign(instance, request), request.get("input") or {}
    if campaign.shown["type"] != "batch":
        raise ApiError("1003", "Only batch campaigns can be scheduled")
    now = instance.clock.now()
    run_at = content.get("runAt") or now + _SOONEST
    if run_at < now + _SOONEST - _SLACK:
        raise ApiError("1003", "runAt must be at least 5 minutes in the future")
    if run_at > now + _LATEST:
        raise ApiError("1042", "runAt must not be more than 2 years in the future")
    tokens = _tokens(instance, campaign, content.get("tokens") or ())
    if name := content.get("cloneToProgramName"):
        campaign = _cloned(instance, campaign, name)
    moment = int(run_at.timestamp())
    number = instance.store.assets.program_of(campaign.location)
    members = instance.store.programs.members(number) if number is not None else ()
    audience = tuple(member["leadId"] for member in islice(members, _MAX_AUDIENCE))
    instance.store.assets.sendings.append(
        Sending(request.operation.name, int(campaign.id), (), instance.now, moment, tokens, audience)
    )
    _run(instance, campaign, audience, moment)
    instance.store.assets.change(campaign, instance.now, status="Single Run")
    return Envelope([{"id": campaign.id}])


@answers("leads.get_smart_campaigns_by_lead_id")
def get_smart_campaigns_by_lead_id(instance: Instance, request: Request) -> Reply:
    if request["leadId"] not in instance.store.leads:
        raise ApiError("1004", f"Lead '{request['leadId']}' not found")
    runs: dict[int, list[int]] = {}
    for sending in instance.store.assets.sendings:
        at = sending.at if sending.run_at is None else sending.run_at
        if at <= instance.now and request["leadId"] in (*sending.leads, *sending.audience):
            runs.setdefault(sending.asset_id, []).append(at)
    first, last = (request.get(name) for name in ("earliestUpdatedAt", "latestUpdatedAt"))
    found = [
        (campaign, sorted(moments))
        for campaign, moments in runs.items()
        if (first is None or max(moments) >= first.timestamp()) and (last is None or max(moments) <= last.timestamp())
    ]
    return page(
        request,
        found,
        lambda run: {"smartCampaignId": run[0], "createdAt": timestamp(run[1][0]), "updatedAt": timestamp(run[1][-1])},
    )


def _tokens(instance: Instance, campaign: Asset, given: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """
    Return the values that a request gives to My Tokens.

    :raises ApiError: 1003, the campaign's folders and programs do not have one of the tokens.
    """
    store = instance.store.assets
    locations = store.with_ancestors(campaign.location)
    known = {name for location in locations for name, _ in store.tokens.get(location, {})}
    for token in given:
        found = _TOKEN_NAME.fullmatch(token["name"])
        if found is None or found.group(1) not in known:
            raise ApiError("1003", f"Invalid token '{token['name']}'")
    return tuple((token["name"], str(token["value"])) for token in given)


def _cloned(instance: Instance, campaign: Asset, name: str) -> Asset:
    store = instance.store.assets
    number = store.program_of(campaign.location)
    if number is None:
        raise ApiError("1003", "The campaign is not in a program, so there is no program to clone")
    today = instance.meter.today()
    if store.clones[today] >= _CLONES_A_DAY:
        raise ApiError("1020", "Daily limit for cloneToProgram reached")
    store.clones[today] += 1
    program = store.by_family["programs"][number]
    copied = store.clone_program(program, name, program.location, None, instance.now)
    location = Location("Program", int(copied.id))
    return next(asset for asset in store.inside(location) if asset.name == campaign.name)


@answers("smart_campaigns.activate")
def activate(instance: Instance, request: Request) -> Reply:
    campaign = requested_asset(instance, request)
    if campaign.shown["type"] != "trigger":
        raise ApiError("709", "Only trigger campaigns can be activated")
    if campaign.shown["isActive"]:
        raise ApiError("709", f"Smart campaign {campaign.id} is already active")
    instance.store.assets.change(campaign, instance.now, isActive=True, status="Active")
    return Envelope([{"id": campaign.id}])


@answers("smart_campaigns.deactivate")
def deactivate(instance: Instance, request: Request) -> Reply:
    campaign = requested_asset(instance, request)
    if not campaign.shown["isActive"]:
        raise ApiError("709", f"Smart campaign {campaign.id} is not active")
    instance.store.assets.change(campaign, instance.now, isActive=False, status="Inactive")
    return id_reply(campaign)


@answers("emails.send_sample")
def send_sample(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    check_lead(instance, request)
    recipient = (("emailAddress", request["emailAddress"]),)
    instance.store.assets.sendings.append(
        Sending(request.operation.name, int(email.id), (), instance.now, tokens=recipient)
    )
    return Envelope([{"service": "sendTestEmail", "result": True}])
