"""Campaigns and samples, which send e-mail to people: at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, count, flag, ids, mapping, moment, one_id, text, texts
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_marketo.at_most_once.campaigns import ScheduleResult, TriggerResult
    from airflow_provider_marketo.at_most_once.samples import SampleResult
    from airflow_provider_marketo.choices import OnAmbiguous


class MarketoTriggerCampaignOperator(MarketoOnceOperator):
    """
    Send leads through an active trigger campaign, each lead at most once per run of the task.

    Leads go in groups of 100. Each group is written into the ledger before it is sent, and a retry or a clear continues
    with the groups that were not sent. If a group may or may not have run, the task fails until a person has decided.
    The audience must be the same at every try of a run.

    Adobe's operations: ``smart_campaigns.get_by_id``, ``campaigns.request``.

    :param campaign_id: id of a smart campaign with the trigger "Campaign is Requested", source "Web Service API".
    :param lead_ids: ids of the leads: a list, or a template or XCom that gives one. Duplicates count once. An empty
        list sends nothing and is no error.
    :param tokens: values for My Tokens in this run: ``{"{{my.Subject}}": "Hello"}``, 100 at most. Airflow renders the
        values, not the names.
    :param max_leads: refuse an audience that is larger: it is usually a mistake upstream.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a group of an earlier try that may or may not have run: ``stop``; ``resend``,
        once after each clear of the task; or ``assume_sent``.
    :param force: send again what the ledger has as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. Only reads are made.
    :param max_calls: most calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: ``{"campaign_id", "campaign", "leads", "groups_sent", "groups_sent_earlier"}``; ``campaign`` is its name.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "campaign_id": one_id(required=True),
        "lead_ids": ids(required=True),
        "tokens": mapping(),
        "max_leads": count(minimum=1),
    }
    template_fields: Sequence[str] = (
        *MarketoOnceOperator.template_fields,
        "campaign_id",
        "lead_ids",
        "tokens",
        "max_leads",
    )

    def __init__(
        self,
        *,
        campaign_id: int | str,
        lead_ids: Collection[int | str] | str,
        tokens: Mapping[str, Any] | str | None = None,
        max_leads: int | str = 1_000,
        ledger: str | None = None,
        on_ambiguous: OnAmbiguous = "stop",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ledger=ledger,
            on_ambiguous=on_ambiguous,
            force=force,
            dry_run=dry_run,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.campaign_id = campaign_id
        self.lead_ids = lead_ids
        self.tokens = tokens
        self.max_leads = max_leads
        self.check_arguments()

    def _execute(self, context: Context) -> TriggerResult:
        from airflow_provider_marketo.at_most_once.campaigns import trigger

        return trigger(context, self.hook, self.checked_arguments())


class MarketoScheduleCampaignOperator(MarketoOnceOperator):
    """
    Schedule a run of a batch campaign, at most once per run of the task.

    Marketo's API cannot cancel a scheduled run. The run is written into the ledger before the call. If it may or may
    not have been scheduled, the task fails until a person has decided.

    Adobe's operations: ``smart_campaigns.get_by_id``, ``campaigns.schedule``.

    :param campaign_id: id of a batch smart campaign.
    :param run_at: when to run: a datetime or ISO 8601 text with a time zone, at least five minutes and at most two
        years ahead. It must render to the same at every try. Default: as soon as Marketo allows, in five minutes.
    :param tokens: values for My Tokens in this run: ``{"{{my.Subject}}": "Hello"}``, 100 at most. Airflow renders the
        values, not the names.
    :param clone_to_program_name: clone the campaign's program under this name and schedule the clone's campaign.
        Marketo allows 20 a day;
        :class:`~airflow_provider_marketo.operators.assets.MarketoCloneProgramOperator` has no such limit.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do if an earlier try may or may not have scheduled the run: ``stop``; ``resend``, once
        after each clear of the task; or ``assume_sent``.
    :param force: send again what the ledger has as sent, once after each clear of the task.
    :param dry_run: make the checks and log the call that the task would make. Only reads are made.
    :param max_calls: most calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: ``{"campaign_id", "campaign", "run_at", "scheduled", "scheduled_earlier"}``; ``campaign`` is its name.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "campaign_id": one_id(required=True),
        "run_at": moment(needs_zone=True),
        "tokens": mapping(),
        "clone_to_program_name": text(),
    }
    template_fields: Sequence[str] = (
        *MarketoOnceOperator.template_fields,
        "campaign_id",
        "run_at",
        "tokens",
        "clone_to_program_name",
    )

    def __init__(
        self,
        *,
        campaign_id: int | str,
        run_at: datetime | str | None = None,
        tokens: Mapping[str, Any] | str | None = None,
        clone_to_program_name: str | None = None,
        ledger: str | None = None,
        on_ambiguous: OnAmbiguous = "stop",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ledger=ledger,
            on_ambiguous=on_ambiguous,
            force=force,
            dry_run=dry_run,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.campaign_id = campaign_id
        self.run_at = run_at
        self.tokens = tokens
        self.clone_to_program_name = clone_to_program_name
        self.check_arguments()

    def _execute(self, context: Context) -> ScheduleResult:
        from airflow_provider_marketo.at_most_once.campaigns import schedule

        return schedule(context, self.hook, self.checked_arguments())


class MarketoSendSampleOperator(MarketoOnceOperator):
    """
    Send a sample of an e-mail, to each address at most once per run of the task.

    Adobe's operations: ``emails.get_by_id``, ``emails.send_sample``.

    :param email_id: id of an e-mail of the classic editor.
    :param email_addresses: addresses of the recipients: a list, or a template or XCom that gives one.
    :param lead_id: id of the lead whose data fill the e-mail. Default: none; Marketo uses the tokens' default values.
    :param text_only: send the text version only.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a sample of an earlier try that may or may not have been sent: ``stop``;
        ``resend``, once after each clear of the task; or ``assume_sent``.
    :param force: send again what the ledger has as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. Only reads are made.
    :param max_calls: most calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: ``{"email_id", "email", "samples_sent", "samples_sent_earlier"}``; ``email`` is its name.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "email_id": one_id(required=True),
        "email_addresses": texts(required=True),
        "lead_id": one_id(),
        "text_only": flag(),
    }
    template_fields: Sequence[str] = (*MarketoOnceOperator.template_fields, "email_id", "email_addresses", "lead_id")

    def __init__(
        self,
        *,
        email_id: int | str,
        email_addresses: Collection[str] | str,
        lead_id: int | str | None = None,
        text_only: bool = False,
        ledger: str | None = None,
        on_ambiguous: OnAmbiguous = "stop",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ledger=ledger,
            on_ambiguous=on_ambiguous,
            force=force,
            dry_run=dry_run,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.email_id = email_id
        self.email_addresses = email_addresses
        self.lead_id = lead_id
        self.text_only = text_only
        self.check_arguments()

    def _execute(self, context: Context) -> SampleResult:
        from airflow_provider_marketo.at_most_once.samples import send_samples

        return send_samples(context, self.hook, self.checked_arguments())
