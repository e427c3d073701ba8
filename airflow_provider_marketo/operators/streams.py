"""Changes in Marketo as they happen: activities, changed fields, deleted and merged leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, flag, ids, names_or_ids, narrowing, one_id, text, texts
from airflow_provider_marketo.choices import OnJournalGap
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.stream_base import MarketoStreamOperator, ReadsJournal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow_provider_marketo.choices import AttributesForm, FileFormat, OnGap, OnQuotaExhausted, OnTypeError


class MarketoActivitiesOperator(ReadsJournal):
    """
    Follow activities in small, frequent batches, without export jobs: one call per page of 300.

    The rows are those of :class:`~.bulk_extract.MarketoBulkExtractOperator` with ``object_type="activities"``. This
    uses no export quota.

    With ``adobe_conn_id`` (*experimental*) the rows come from the journal of Adobe I/O Events, and cost no API calls. A
    run reads everything that has arrived since the run before, with any date. Rows also have a column ``_source``,
    which says ``journal`` or ``extract``. The journal does not have all activity types.

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.
    With ``adobe_conn_id`` only the first is called, and only if the task needs names of activity types.

    :param activity_types: names or ids; default all but Delete Lead. Marketo takes ten per call. More are read by
        several cursors, as many at a time as the task has ``pool_slots``.
    :param lead_ids: only activities of these leads, at most 30.
    :param list_id: only activities of the members of a static list, which must have fewer than 10,000 members.
    :param asset_ids: only activities with these primary attributes, such as ids of forms; with one activity type.
    :param adobe_conn_id: id of a connection of type ``adobe_events``: read its journal in place of the feed.
        ``lookback`` is then how far back repeated events are recognized (default seven days); ``end`` and ``list_id``
        are refused.
    :param include_raw: write the JSON of each event into the column ``_raw``; with ``adobe_conn_id`` only.
    :param on_gap: as in the base class; with ``adobe_conn_id`` also ``fill``, which reads by bulk extract the events
        that the journal has forgotten.

    The other parameters are those of :class:`~.stream_base.MarketoStreamOperator`.
    """

    object_type = "activities"
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoStreamOperator.argument_checks,
        "activity_types": narrowing(names_or_ids()),
        "lead_ids": narrowing(ids()),
        "list_id": one_id(),
        "asset_ids": narrowing(ids()),
        "adobe_conn_id": text(),
        "include_raw": flag(),
        "on_gap": choice(OnJournalGap),
    }
    template_fields: Sequence[str] = (
        *MarketoStreamOperator.template_fields,
        "activity_types",
        "lead_ids",
        "list_id",
        "asset_ids",
        "adobe_conn_id",
    )

    def __init__(
        self,
        *,
        output_path: str,
        activity_types: Sequence[str | int] | str | int | None = None,
        lead_ids: Sequence[int] | str | int | None = None,
        list_id: int | str | None = None,
        asset_ids: Sequence[int] | str | int | None = None,
        adobe_conn_id: str | None = None,
        include_raw: bool = False,
        stream: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        lookback: timedelta | str | None = None,
        file_format: FileFormat = "parquet",
        attributes: AttributesForm | None = None,
        partition_by: Sequence[str] | str | None = None,
        exclude_fields: Sequence[str] | str | None = None,
        hash_fields: Sequence[str] | str | None = None,
        on_type_error: OnTypeError = "null",
        on_gap: OnJournalGap = "fail",
        on_quota_exhausted: OnQuotaExhausted = "defer",
        max_empty_pages: int = 1000,
        partition_events: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            output_path=output_path,
            stream=stream,
            start=start,
            end=end,
            lookback=lookback,
            file_format=file_format,
            attributes=attributes,
            partition_by=partition_by,
            exclude_fields=exclude_fields,
            hash_fields=hash_fields,
            on_type_error=on_type_error,
            on_gap="fail",
            on_quota_exhausted=on_quota_exhausted,
            max_empty_pages=max_empty_pages,
            partition_events=partition_events,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.activity_types = activity_types
        self.lead_ids = lead_ids
        self.list_id = list_id
        self.asset_ids = asset_ids
        self.adobe_conn_id = adobe_conn_id
        self.include_raw = include_raw
        self.on_gap = on_gap
        self.deferrable = adobe_conn_id is not None  # a bulk extract that fills a gap needs no worker
        self._check_source()
        self.check_arguments()

    def _check_source(self) -> None:
        """Refuse arguments that the feed, or the journal, does not support."""
        if self.adobe_conn_id is None:
            refused = {"include_raw": self.include_raw, "on_gap": self.on_gap == "fill"}
            why, remedy = "needs adobe_conn_id: it applies only to a journal", "Name a connection of type adobe_events."
        else:
            refused = {"list_id": self.list_id is not None, "end": self.end is not None}
            why = "cannot be used with adobe_conn_id: a journal is read to its end, and does not know members of lists"
            remedy = "Leave it out, or leave out adobe_conn_id to follow Marketo's feed."
        for name in (name for name, is_given in refused.items() if is_given):
            raise MarketoInvalidRequestError(f"{name} {why}", parameter=name, remedy=remedy)


class MarketoLeadChangesOperator(MarketoStreamOperator):
    """
    Follow changes of leads' fields, and new leads: one row per changed field, with its old and new value.

    Adobe's operations: ``leads.describe``, ``activities.get_paging_token``, ``activities.get_lead_changes``.

    :param fields: REST API names of the fields to follow. Adobe's feed does not list changes of scores: follow the
        activity Change Score.
    :param lead_ids: only changes of these leads, at most 30.
    :param list_id: only changes of the members of a static list, which must have fewer than 10,000 members.

    The other parameters are those of :class:`~.stream_base.MarketoStreamOperator`.
    """

    object_type = "lead_changes"
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoStreamOperator.argument_checks,
        "fields": narrowing(texts(required=True)),
        "lead_ids": narrowing(ids()),
        "list_id": one_id(),
    }
    template_fields: Sequence[str] = (*MarketoStreamOperator.template_fields, "fields", "lead_ids", "list_id")

    def __init__(
        self,
        *,
        fields: Sequence[str] | str,
        output_path: str,
        lead_ids: Sequence[int] | str | int | None = None,
        list_id: int | str | None = None,
        stream: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        lookback: timedelta | str | None = None,
        file_format: FileFormat = "parquet",
        attributes: AttributesForm | None = None,
        partition_by: Sequence[str] | str | None = None,
        exclude_fields: Sequence[str] | str | None = None,
        hash_fields: Sequence[str] | str | None = None,
        on_type_error: OnTypeError = "null",
        on_gap: OnGap = "fail",
        on_quota_exhausted: OnQuotaExhausted = "defer",
        max_empty_pages: int = 1000,
        partition_events: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            output_path=output_path,
            stream=stream,
            start=start,
            end=end,
            lookback=lookback,
            file_format=file_format,
            attributes=attributes,
            partition_by=partition_by,
            exclude_fields=exclude_fields,
            hash_fields=hash_fields,
            on_type_error=on_type_error,
            on_gap=on_gap,
            on_quota_exhausted=on_quota_exhausted,
            max_empty_pages=max_empty_pages,
            partition_events=partition_events,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.fields = fields
        self.lead_ids = lead_ids
        self.list_id = list_id
        self.check_arguments()


class MarketoDeletedLeadsOperator(MarketoStreamOperator):
    """
    Follow deletions of leads. Marketo keeps them for 14 days, and a bulk extract does not have them.

    Adobe's operations: ``activities.get_paging_token``, ``activities.get_deleted_leads``.

    The parameters are those of :class:`~.stream_base.MarketoStreamOperator`.
    """

    object_type = "deleted_leads"


class MarketoMergedLeadsOperator(MarketoStreamOperator):
    """
    Follow merges of leads: one row per lead that is gone (``loserId``), with the lead that stays (``winnerId``).

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.

    The parameters are those of :class:`~.stream_base.MarketoStreamOperator`.
    """

    object_type = "merged_leads"


class MarketoUserAuditsOperator(ReadsJournal):
    """
    Follow the audit trail (*experimental*): who created, changed, approved, activated or deleted which Marketo asset.

    The rows come from the journal of Adobe I/O Events and cost no API calls. Each has ``eventId``, ``activityDate``,
    ``eventType``, ``componentType``, ``componentId``, ``eventAction``, ``userId`` and ``imsOrgId``.

    :param adobe_conn_id: id of a connection of type ``adobe_events``, whose registration has user audits.
    :param include_raw: write the JSON of each event into the column ``_raw``.

    The other parameters are those of :class:`~.stream_base.MarketoStreamOperator`. ``lookback`` is how far back
    repeated events are recognized (default seven days), and ``end`` is refused.
    """

    object_type = "user_audits"
    permissions: ClassVar[Sequence[str]] = ()
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoStreamOperator.argument_checks,
        "adobe_conn_id": text(required=True),
        "include_raw": flag(),
    }
    template_fields: Sequence[str] = (*MarketoStreamOperator.template_fields, "adobe_conn_id")

    def __init__(
        self,
        *,
        output_path: str,
        adobe_conn_id: str = "adobe_events_default",
        include_raw: bool = False,
        stream: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        lookback: timedelta | str | None = None,
        file_format: FileFormat = "parquet",
        attributes: AttributesForm | None = None,
        partition_by: Sequence[str] | str | None = None,
        exclude_fields: Sequence[str] | str | None = None,
        hash_fields: Sequence[str] | str | None = None,
        on_type_error: OnTypeError = "null",
        on_gap: OnGap = "fail",
        on_quota_exhausted: OnQuotaExhausted = "defer",
        max_empty_pages: int = 1000,
        partition_events: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            output_path=output_path,
            stream=stream,
            start=start,
            end=end,
            lookback=lookback,
            file_format=file_format,
            attributes=attributes,
            partition_by=partition_by,
            exclude_fields=exclude_fields,
            hash_fields=hash_fields,
            on_type_error=on_type_error,
            on_gap=on_gap,
            on_quota_exhausted=on_quota_exhausted,
            max_empty_pages=max_empty_pages,
            partition_events=partition_events,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.adobe_conn_id = adobe_conn_id
        self.include_raw = include_raw
        if end is not None:
            raise MarketoInvalidRequestError(
                "end cannot be used: a journal is read to its end", parameter="end", remedy="Leave it out."
            )
        self.check_arguments()
