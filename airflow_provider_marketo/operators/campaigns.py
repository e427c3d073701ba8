"""Campaigns and samples, which send e-mail to people: at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import (
    Check,
    choice,
    count,
    duration,
    flag,
    ids,
    is_filled_in_later,
    mapping,
    moment,
    narrowing,
    one_id,
    text,
    texts,
)
from airflow_provider_marketo.choices import UNSET, RejectsFormat, SourceFormat
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.import_base import INPUT_CHECKS, INPUT_TEMPLATE_FIELDS, Records, Source, ratio
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_provider_marketo.at_most_once.campaigns import ScheduleResult, TriggerResult
    from airflow_provider_marketo.at_most_once.samples import SampleResult
    from airflow_provider_marketo.choices import OnAmbiguous, OnUnknown
    from airflow_provider_marketo.imports.result import ImportResult


def audience_size(parameter: str, value: Any) -> int | str | None:
    """Check how large an audience may be: a number of leads, None for any number, or not given."""
    if value is None or value == UNSET:
        return None if value is None else UNSET
    size: int = count(minimum=1)(parameter, value)
    return size


class MarketoTriggerCampaignOperator(MarketoOnceOperator):
    """
    Send leads through an active trigger campaign, each lead at most once per run of the task.

    The leads are given by their ids, or as rows of files, a query or a list. The task sends them in groups of 100. It
    writes each group into the ledger before sending it, and a retry or a clear continues with the groups that were not
    sent. If a group may or may not have run, the task fails until a person has decided.

    ``lead_ids`` must be the same at every try of a run. Rows are read once and staged, so that every try has the same
    ones. A row is rejected if Marketo has no such lead, or several. Rows are experimental until they have been in a
    release.

    Adobe's operations: ``smart_campaigns.get_by_id``, ``campaigns.request``, and for rows
    ``leads.get_by_filter_type``.

    :param campaign_id: id of a smart campaign with the trigger "Campaign is Requested", source "Web Service API".
    :param lead_ids: ids of the leads: a list, or a template or XCom that gives a list. Give one of ``lead_ids``,
        ``source``, ``sql`` and ``records``. Duplicates count once. An empty list sends nothing and is not an error.
    :param source: file, URL, glob or ``ObjectStoragePath``, or a list of them: csv, tsv, jsonl or parquet, plain or
        gzipped, with a column ``leadId`` or the one that ``lookup_field`` names.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param sql: a query, or a ``.sql`` file, on ``sql_conn_id``.
    :param sql_conn_id: connection of a database.
    :param records: list of mappings of names to values, or a function that returns one. It is not a template:
        leads must appear neither in XCom nor in rendered fields.
    :param lookup_field: field of leads by which rows name them, such as ``email``, in a column of that name. Default:
        rows have ids, in a column ``leadId``. In both cases the task looks the leads up in Marketo, 300 a call.
    :param columns: for rows: map of input columns to the names that ``lookup_field``, ``tokens`` and ``once_by`` use.
        Other columns keep their names.
    :param constants: for rows: map of names that ``tokens`` use to the values that every row gets.
    :param tokens: values for My Tokens in this run, 100 at most. With ``lead_ids``:
        ``{"{{my.Subject}}": "Hello"}``. With rows the values name columns: ``{"{{my.Name}}": "first_name"}``, and
        people with equal values share calls. Airflow renders the values, not the names.
    :param once_by: for rows: columns whose values are sent once and never again by a later run, such as
        ``["email", "order_id"]``, in any order. A row without a value in one of them is rejected. Only digests are
        kept, beside the staged rows, so the connection needs a ``hash_secret``.
    :param once_for: how long ``once_by`` counts: a timedelta, seconds or an ISO 8601 duration. Default: for ever.
    :param max_audience: refuse an audience that is larger: it is usually a mistake upstream. None for any number.
        Default: 1,000 for ``lead_ids``; rows need a number or None.
    :param rejects_path: for rows: folder for the table of rejects, and by default for the staged rows.
    :param rejects_format: ``jsonl`` or ``parquet``.
    :param staging: for rows: folder, reachable by every worker, for the rows while the task runs and for the digests of
        ``once_by``. Default: ``rejects_path``.
    :param max_reject_ratio: share of the rows, from 0 to 1, that may be rejected. If more are, the task fails after it
        has sent all other rows.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a group of an earlier try that may or may not have run: ``stop``; ``resend``,
        once after each clear of the task; or ``assume_sent``.
    :param on_unknown: *experimental*: if ``on_ambiguous`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param force: send again what the ledger marks as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. The task only reads.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"campaign_id", "campaign", "leads", "groups_sent", "groups_sent_earlier"}``; ``campaign`` is its name.
        For rows also their account (``ImportResult``) and ``sent_before``.
    """

    permissions: ClassVar[Sequence[str]] = ("Execute Campaign", "Read-Only Assets")
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "campaign_id": one_id(required=True),
        "lead_ids": ids(),
        **INPUT_CHECKS,
        "columns": mapping(),
        "constants": mapping(),
        "tokens": mapping(),
        "once_by": narrowing(texts()),
        "once_for": duration(required=False),
        "max_audience": audience_size,
        "rejects_path": text(),
        "rejects_format": choice(RejectsFormat),
        "staging": text(),
        "max_reject_ratio": ratio,
    }
    template_fields: Sequence[str] = (
        *MarketoOnceOperator.template_fields,
        "campaign_id",
        "lead_ids",
        *INPUT_TEMPLATE_FIELDS,
        "columns",
        "constants",
        "tokens",
        "once_by",
        "max_audience",
        "rejects_path",
        "staging",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        campaign_id: int | str,
        lead_ids: Collection[int | str] | str | None = None,
        source: Source | None = None,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        records: Records | None = None,
        lookup_field: str | None = None,
        columns: Mapping[str, str] | str | None = None,
        constants: Mapping[str, Any] | str | None = None,
        tokens: Mapping[str, Any] | str | None = None,
        once_by: Sequence[str] | str | None = None,
        once_for: timedelta | float | str | None = None,
        max_audience: int | str | None = UNSET,
        rejects_path: str | None = None,
        rejects_format: RejectsFormat = "jsonl",
        staging: str | None = None,
        max_reject_ratio: float = 0.0,
        ledger: str | None = None,
        on_ambiguous: OnAmbiguous = "stop",
        on_unknown: OnUnknown = "ask",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ledger=ledger,
            on_ambiguous=on_ambiguous,
            on_unknown=on_unknown,
            force=force,
            dry_run=dry_run,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.campaign_id = campaign_id
        self.lead_ids = lead_ids
        self.source = source
        self.source_format = source_format
        self.delimiter = delimiter
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.records = records
        self.lookup_field = lookup_field
        self.columns = columns
        self.constants = constants
        self.tokens = tokens
        self.once_by = once_by
        self.once_for = once_for
        self.max_audience = max_audience
        self.rejects_path = rejects_path
        self.rejects_format = rejects_format
        self.staging = staging
        self.max_reject_ratio = max_reject_ratio
        self.check_arguments()
        self._check_input()

    def _check_input(self) -> None:
        """Refuse a missing input, and arguments that it does not take: at parsing, and again after rendering."""
        rows = [name for name in ("source", "sql", "records") if getattr(self, name) is not None]
        if not rows and not is_filled_in_later(self.lead_ids) and self.argument("lead_ids") is None:
            raise MarketoInvalidRequestError(
                "lead_ids is required, and nothing was given",
                parameter="lead_ids",
                remedy="Give lead_ids, or rows: source, sql or records.",
            )
        for name in ("lookup_field", "columns", "constants", "once_by"):  # default_args may have folders for all tasks
            if not rows and getattr(self, name) is not None:
                raise MarketoInvalidRequestError(f"{name} cannot be used with lead_ids, only with rows", parameter=name)
        if self.once_for is not None and self.once_by is None:
            raise MarketoInvalidRequestError(
                "once_for says how long once_by remembers, and once_by was not given",
                parameter="once_for",
                remedy="Name the columns that identify what was sent before: once_by=['email'].",
            )
        if rows and self.rejects_path is None:
            raise MarketoInvalidRequestError(
                "rows need rejects_path, a folder for those that cannot be sent", parameter="rejects_path"
            )
        if rows and self.max_audience == UNSET:
            raise MarketoInvalidRequestError(
                "rows need max_audience: how many people the campaign may be sent to",
                parameter="max_audience",
                remedy="Set the size of the largest audience that you expect, or None for no limit.",
            )

    def _execute(self, context: Context) -> TriggerResult | ImportResult | dict[str, Any]:
        from airflow_provider_marketo.at_most_once.audience import trigger_for_leads_or_rows

        self._check_input()
        return trigger_for_leads_or_rows(context, self.hook, self.checked_arguments(), parallel=self.pool_slots)


class MarketoScheduleCampaignOperator(MarketoOnceOperator):
    """
    Schedule a run of a batch campaign, at most once per run of the task.

    Marketo's API cannot cancel a scheduled run. The task writes the run into the ledger before the call. If Marketo may
    or may not have scheduled it, the task fails until a person has decided.

    Adobe's operations: ``smart_campaigns.get_by_id``, ``campaigns.schedule``.

    :param campaign_id: id of a batch smart campaign.
    :param run_at: when to run: a datetime or ISO 8601 text with a time zone, at least five minutes and at most two
        years ahead. It must render to the same value at every try. Default: as soon as Marketo allows, in five minutes.
    :param tokens: values for My Tokens in this run: ``{"{{my.Subject}}": "Hello"}``, 100 at most. Airflow renders the
        values, not the names.
    :param clone_to_program_name: clone the campaign's program under this name and schedule the clone's campaign.
        Marketo allows 20 a day;
        :class:`~airflow_provider_marketo.operators.assets.MarketoCloneProgramOperator` has no such limit.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do if an earlier try may or may not have scheduled the run: ``stop``; ``resend``, once
        after each clear of the task; or ``assume_sent``.
    :param on_unknown: *experimental*: if ``on_ambiguous`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param force: send again what the ledger marks as sent, once after each clear of the task.
    :param dry_run: make the checks and log the call that the task would make. The task only reads.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"campaign_id", "campaign", "run_at", "scheduled", "scheduled_earlier"}``; ``campaign`` is its name.
    """

    permissions: ClassVar[Sequence[str]] = ("Execute Campaign", "Read-Only Assets")
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
        on_unknown: OnUnknown = "ask",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ledger=ledger,
            on_ambiguous=on_ambiguous,
            on_unknown=on_unknown,
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
    :param lead_id: id of the lead whose data fill the e-mail. Without it Marketo uses the tokens' default values.
    :param text_only: send the text version only.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a sample of an earlier try that may or may not have been sent: ``stop``;
        ``resend``, once after each clear of the task; or ``assume_sent``.
    :param on_unknown: *experimental*: if ``on_ambiguous`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param force: send again what the ledger marks as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. The task only reads.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"email_id", "email", "samples_sent", "samples_sent_earlier"}``; ``email`` is its name.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Assets",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "email_id": one_id(required=True),
        "email_addresses": narrowing(texts(required=True)),
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
        on_unknown: OnUnknown = "ask",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ledger=ledger,
            on_ambiguous=on_ambiguous,
            on_unknown=on_unknown,
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
