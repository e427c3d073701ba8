"""Campaigns and samples, which send e-mail to people: at most once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import as_utc, has_zone, iso, parse_date, without_zone
from airflow_provider_marketo.hooks.link import push_link
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.at_most_once.ledger import Sending
    from airflow_provider_marketo.client.client import MarketoClient

LEADS_PER_CALL = 100
TOKENS_PER_CALL = 100
SOONEST = timedelta(minutes=5)
LATEST = timedelta(days=730)
_TOKEN_NAME = re.compile(r"\{\{my\.[^{}]+\}\}")


class _CampaignOperator(MarketoOnceOperator):
    """
    What trigger and schedule have in common.

    :param campaign_id: id of the smart campaign.
    :param tokens: values for My Tokens in this run: ``{"{{my.Subject}}": "Hello"}``, 100 at most. Airflow renders the
        values, not the names.
    """

    template_fields: Sequence[str] = ("campaign_id", "tokens", *MarketoOnceOperator.template_fields)
    operator_extra_links = (MarketoLink(),)

    def __init__(self, *, campaign_id: int | str, tokens: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.tokens = tokens

    def _checked_tokens(self) -> list[dict[str, str]]:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        tokens = dict(self.tokens or {})
        if len(tokens) > TOKENS_PER_CALL:
            raise MarketoInvalidRequestError(
                f"{len(tokens)} tokens, and Marketo takes {TOKENS_PER_CALL} in a call", parameter="tokens"
            )
        for name in tokens:
            if not _TOKEN_NAME.fullmatch(name):
                bare = name.strip("{} ").removeprefix("my.")
                raise MarketoInvalidRequestError(
                    f"{name!r} is not the name of a My Token", parameter="tokens", remedy=f"Write {{{{my.{bare}}}}}."
                )
        return [{"name": name, "value": str(value)} for name, value in tokens.items()]

    def _campaign(self, context: Context, client: MarketoClient) -> Mapping[str, Any]:
        """The campaign as the asset API shows it, which also gives the task's page its link."""
        from airflow_provider_marketo.client.errors import MarketoNotFoundError

        campaign_id = _integer("campaign_id", self.campaign_id)
        found = client.call("smart_campaigns.get_by_id", id=campaign_id).records
        if not found:
            raise MarketoNotFoundError(
                f"there is no smart campaign {campaign_id}, or the API user does not see it", parameter="campaign_id"
            )
        push_link(context, found)
        campaign: Mapping[str, Any] = found[0]
        return campaign

    def _refuse(self, campaign: Mapping[str, Any], what: str, remedy: str) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        raise MarketoInvalidRequestError(
            f"smart campaign {self.campaign_id} ({campaign.get('name')}) {what}", parameter="campaign_id", remedy=remedy
        )

    def _send(
        self, context: Context, client: MarketoClient, calls: Sequence[_Call], check: Callable[[], object]
    ) -> tuple[int, int]:
        """Make calls that were not made yet, after one check if there are any; returns how many now and earlier."""
        ledger = self._open_ledger()
        waiting = [call for call in calls if ledger.earlier(call.sending) is None]
        if waiting:
            check()
        for number, call in enumerate(waiting, 1):
            if self.rehearse:
                self.log.info("Would call %s: %s", call.sending.operation, call.sending.what)
                continue
            call.send(ledger, client)
            self.log.info("Sent %s (%d of %d)", call.sending.what, number, len(waiting))
        return len(waiting), len(calls) - len(waiting)


class _Call:
    """One call, and its entry in the ledger."""

    def __init__(self, sending: Sending, parameters: Mapping[str, Any]) -> None:
        self.sending = sending
        self._parameters = parameters

    def send(self, ledger: Any, client: MarketoClient) -> None:
        ledger.once(self.sending, lambda: client.call(self.sending.operation, **self._parameters).result)


class MarketoTriggerCampaignOperator(_CampaignOperator):
    """
    Send leads through an active trigger campaign, each lead at most once per run of the task.

    Leads go in groups of 100. Each group is written into the ledger before it is sent; a retry or a clear goes on with
    the groups that were not sent. A group of which nobody knows whether it ran fails the task until a person has
    decided. The audience has to be the same at every try of a run.

    Adobe's operations: ``smart_campaigns.get_by_id``, ``campaigns.request``.

    :param campaign_id: id of a smart campaign with the trigger "Campaign is Requested", source "Web Service API".
    :param lead_ids: ids of leads; one that comes twice counts once.
    :param tokens: values for My Tokens in this run: ``{"{{my.Subject}}": "Hello"}``, 100 at most.
    :param max_leads: refuse an audience that is larger, which is usually a mistake upstream.
    :return: ``{"campaign_id", "campaign", "leads", "groups_sent", "groups_sent_earlier"}``
    """

    template_fields: Sequence[str] = ("lead_ids", "max_leads", *_CampaignOperator.template_fields)

    def __init__(self, *, lead_ids: Sequence[int] | str, max_leads: int | str = 1_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lead_ids = lead_ids
        self.max_leads = max_leads

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            tokens, leads = self._checked_tokens(), self._checked_leads()
            client = self._client()
            campaign: dict[str, Any] = {}
            calls = self._calls(context, client, leads, tokens)
            now, earlier = self._send(
                context, client, calls, lambda: campaign.update(self._requestable(context, client))
            )
        self.log.info("%d leads in %d groups, %d of them sent earlier", len(leads), len(calls), earlier)
        return {
            "campaign_id": int(self.campaign_id),
            "campaign": campaign.get("name"),
            "leads": len(leads),
            "groups_sent": 0 if self.rehearse else now,
            "groups_sent_earlier": earlier,
        }

    def _checked_leads(self) -> list[int]:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.legacy_arguments import as_list

        leads = sorted({_integer("lead_ids", each) for each in as_list(self.lead_ids) or ()})
        most = _integer("max_leads", self.max_leads)
        if len(leads) > most:
            raise MarketoInvalidRequestError(
                f"the audience has {len(leads)} leads, and max_leads is {most}",
                parameter="lead_ids",
                remedy="Raise max_leads if that is meant.",
            )
        if not leads:
            self.log.info("lead_ids is empty: nobody is sent through the campaign")
        return leads

    def _requestable(self, context: Context, client: MarketoClient) -> Mapping[str, Any]:
        campaign = self._campaign(context, client)
        if campaign.get("type") != "trigger":
            self._refuse(
                campaign,
                f"is a {campaign.get('type')} campaign",
                "Batch campaigns are run with MarketoScheduleCampaignOperator.",
            )
        if not campaign.get("isActive"):
            self._refuse(campaign, "is not active", "Activate it in Marketo, or with smart_campaigns.activate.")
        if not campaign.get("isRequestable"):
            self._refuse(
                campaign,
                "cannot be requested",
                'Give it the trigger "Campaign is Requested" with the source "Web Service API".',
            )
        return campaign

    def _calls(
        self, context: Context, client: MarketoClient, leads: Sequence[int], tokens: Sequence[Mapping[str, str]]
    ) -> list[_Call]:
        campaign_id = _integer("campaign_id", self.campaign_id)
        calls = []
        for first in range(0, len(leads), LEADS_PER_CALL):
            group = leads[first : first + LEADS_PER_CALL]
            calls.append(
                _Call(
                    self._sending(
                        context,
                        client,
                        "campaigns.request",
                        {"campaign": campaign_id, "leads": group, "tokens": tokens},
                        f"trigger campaign {campaign_id} for {len(group)} leads (ids {group[0]} to {group[-1]})",
                    ),
                    {
                        "campaignId": campaign_id,
                        "input": {"leads": [{"id": lead} for lead in group], **({"tokens": tokens} if tokens else {})},
                    },
                )
            )
        return calls


class MarketoScheduleCampaignOperator(_CampaignOperator):
    """
    Schedule a run of a batch campaign, at most once per run of the task.

    There is no way to take a scheduled run back through Marketo's API. The run is written into the ledger before the
    call; if nobody knows whether the call went through, the task fails until a person has decided.

    Adobe's operations: ``smart_campaigns.get_by_id``, ``campaigns.schedule``.

    :param campaign_id: id of a batch smart campaign.
    :param run_at: when, a datetime or ISO 8601 with a time zone: at least five minutes ahead, at most two years.
        Default: as soon as Marketo allows, five minutes from now. It has to render to the same at every try.
    :param tokens: values for My Tokens in this run: ``{"{{my.Subject}}": "Hello"}``, 100 at most.
    :param clone_to_program_name: clone the campaign's program under this name and schedule the clone's campaign
        (20 a day; :class:`~airflow_provider_marketo.operators.assets.MarketoCloneProgramOperator` has no such limit).
    :return: ``{"campaign_id", "campaign", "run_at", "scheduled", "scheduled_earlier"}``
    """

    template_fields: Sequence[str] = ("run_at", "clone_to_program_name", *_CampaignOperator.template_fields)

    def __init__(
        self, *, run_at: datetime | str | None = None, clone_to_program_name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.run_at = run_at
        self.clone_to_program_name = clone_to_program_name

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            tokens, run_at = self._checked_tokens(), _moment(self.run_at)
            client = self._client()
            campaign: dict[str, Any] = {}

            def check() -> None:
                _refuse_time(run_at)
                campaign.update(self._batch(context, client))

            call = self._call(context, client, run_at, tokens)
            now, earlier = self._send(context, client, [call], check)
        return {
            "campaign_id": int(self.campaign_id),
            "campaign": campaign.get("name"),
            "run_at": run_at.isoformat() if run_at else None,
            "scheduled": bool(now) and not self.rehearse,
            "scheduled_earlier": bool(earlier),
        }

    def _batch(self, context: Context, client: MarketoClient) -> Mapping[str, Any]:
        campaign = self._campaign(context, client)
        if campaign.get("type") != "batch":
            self._refuse(
                campaign,
                f"is a {campaign.get('type')} campaign",
                "Only batch campaigns are scheduled; trigger campaigns are requested with "
                "MarketoTriggerCampaignOperator.",
            )
        return campaign

    def _call(
        self,
        context: Context,
        client: MarketoClient,
        run_at: datetime | None,
        tokens: Sequence[Mapping[str, str]],
    ) -> _Call:

        campaign_id = _integer("campaign_id", self.campaign_id)
        body: dict[str, Any] = {}
        if run_at is not None:
            body["runAt"] = iso(run_at)
        if tokens:
            body["tokens"] = tokens
        if self.clone_to_program_name:
            body["cloneToProgramName"] = self.clone_to_program_name
        when = f"at {body['runAt']}" if run_at else "as soon as possible"
        return _Call(
            self._sending(
                context,
                client,
                "campaigns.schedule",
                {"campaign": campaign_id, **body},
                f"run of batch campaign {campaign_id} {when}",
            ),
            {"campaignId": campaign_id, "input": body},
        )


class MarketoSendSampleOperator(MarketoOnceOperator):
    """
    Send a sample of an e-mail, to each address at most once per run of the task.

    Adobe's operations: ``emails.get_by_id``, ``emails.send_sample``.

    :param email_id: id of an e-mail of the classic editor.
    :param email_addresses: of the recipients.
    :param lead_id: render the e-mail for this lead.
    :param text_only: send the text version only.
    :return: ``{"email_id", "email", "samples_sent", "samples_sent_earlier"}``
    """

    template_fields: Sequence[str] = ("email_id", "email_addresses", "lead_id", *MarketoOnceOperator.template_fields)
    operator_extra_links = (MarketoLink(),)

    def __init__(
        self,
        *,
        email_id: int | str,
        email_addresses: Sequence[str] | str,
        lead_id: int | str | None = None,
        text_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.email_id = email_id
        self.email_addresses = email_addresses
        self.lead_id = lead_id
        self.text_only = text_only

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.client.errors import MarketoNotFoundError
        from airflow_provider_marketo.legacy_arguments import as_list
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            email_id = _integer("email_id", self.email_id)
            addresses = list(dict.fromkeys(as_list(self.email_addresses) or ()))
            _refuse_addresses(addresses)
            client, ledger = self._client(), self._open_ledger()
            found = client.call("emails.get_by_id", id=email_id).records
            if not found:
                raise MarketoNotFoundError(f"there is no e-mail {email_id}", parameter="email_id")
            push_link(context, found)
            earlier = 0
            for number, address in enumerate(addresses, 1):
                parameters = {"id": email_id, "emailAddress": address, "textOnly": self.text_only}
                if self.lead_id is not None:
                    parameters["leadId"] = _integer("lead_id", self.lead_id)
                what = f"sample of e-mail {email_id} to recipient {number} of {len(addresses)}"
                call = _Call(self._sending(context, client, "emails.send_sample", parameters, what), parameters)
                if ledger.earlier(call.sending) is not None:
                    earlier += 1
                elif self.rehearse:
                    self.log.info("Would call %s: %s", call.sending.operation, what)
                else:
                    call.send(ledger, client)
                    self.log.info("Sent %s", what)
        return {
            "email_id": email_id,
            "email": found[0].get("name"),
            "samples_sent": 0 if self.rehearse else len(addresses) - earlier,
            "samples_sent_earlier": earlier,
        }


def _refuse_addresses(addresses: Sequence[Any]) -> None:
    from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

    wrong = sum(not (isinstance(each, str) and re.fullmatch(r"[^@\s]+@[^@\s]+", each)) for each in addresses)
    if wrong or not addresses:
        raise MarketoInvalidRequestError(
            f"{wrong} of {len(addresses)} are not e-mail addresses" if addresses else "there is no recipient",
            parameter="email_addresses",
        )


def _integer(parameter: str, value: Any) -> int:
    from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise MarketoInvalidRequestError("has to be a whole number", parameter=parameter) from None


def _moment(run_at: datetime | str | None) -> datetime | None:
    from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

    if run_at is None or run_at == "":
        return None
    try:
        moment = run_at if isinstance(run_at, datetime) else parse_date(run_at)
    except (ValueError, AttributeError):
        raise MarketoInvalidRequestError(
            f"{run_at!r} is not a time", parameter="run_at", remedy="Write ISO 8601, such as 2026-05-04T08:00:00+02:00."
        ) from None
    if moment.tzinfo is None if isinstance(run_at, datetime) else not has_zone(run_at):
        written = without_zone(moment)
        raise MarketoInvalidRequestError(
            f"{written} has no time zone",
            parameter="run_at",
            remedy=f"Write {written}Z for UTC, or the offset: nobody wants a mailing an hour off.",
        )
    return as_utc(moment)


def _refuse_time(run_at: datetime | None) -> None:
    """Marketo's own rule, which it applies when the call arrives: a second of slack for the way there."""
    from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

    if run_at is None:
        return
    ahead = run_at - datetime.now(timezone.utc)
    if ahead < SOONEST:
        where = "is in the past" if ahead < timedelta(0) else "is less than five minutes ahead"
        raise MarketoInvalidRequestError(
            f"{run_at.isoformat()} {where}", parameter="run_at", remedy="Leave it out to run as soon as Marketo allows."
        )
    if ahead > LATEST:
        raise MarketoInvalidRequestError(f"{run_at.isoformat()} is more than two years ahead", parameter="run_at")
