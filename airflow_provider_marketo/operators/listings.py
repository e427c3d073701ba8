"""Reference data of an instance as typed tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, choices, moment, narrowing, text, texts_by_table
from airflow_provider_marketo.choices import FileFormat, ListingObject, OnQuotaExhausted, OnTypeError
from airflow_provider_marketo.lineage.outlets import PublishesLineage
from airflow_provider_marketo.operators.base import MarketoDeferrableOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work


class MarketoListingOperator(PublishesLineage, MarketoDeferrableOperator):
    """
    List reference data as typed tables: fields, activity types, programs, campaigns, e-mails, lists and more.

    *Experimental.* Each table is a dataset of one manifest, in a folder of its own. The page *Listings* has all tables,
    their keys and what they cost.

    Without ``start``, every table is read whole, and rows that it no longer has were deleted (``kind="full"``). With
    ``start``, tables that Marketo can select by date have the changes of the span (``kind="changes"``); the others are
    read whole. Most tables take a call per page of 200 rows. Tables that take a call per row of another table, such as
    ``program_tokens``, are listed only if ``object_types`` names them. With ``start``, the task makes these calls
    only for changed rows of the other table; ``list_members`` is always read whole.

    A retry continues with the tables that are missing. The task reads as many tables in parallel as it has
    ``pool_slots``.

    :param output_path: folder: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``. It
        belongs to one task, and has a folder for each table.
    :param object_types: names of the tables. Default: all tables that take a call per page, and ``segments``. Default
        tables that the API user or the subscription may not read (603, 1035) are skipped, and the manifest says so. If
        ``object_types`` names such a table, the task fails.
    :param keys: lists of keys by table, such as ``{"companies": ["C-1"]}``, for tables that Marketo does not list. The
        keys are ``externalCompanyId``, ``externalOpportunityId`` of opportunities and their roles,
        ``externalSalesPersonId``, and ``name`` of named accounts. The instance defines the columns of these tables.
    :param start: list what has changed since then; a datetime or ISO 8601, in UTC if it names no zone. Default:
        everything.
    :param end: first second after the span. Default: now.
    :param fields: columns to write: a list for all tables that have them, or lists by table. Columns of the key are
        always written. Default: all.
    :param exclude_fields: columns to leave out, in the form of ``fields``.
    :param hash_fields: columns replaced by digests (HMAC-SHA-256) with the key ``hash_secret`` of the connection, in
        the form of ``fields``.
    :param file_format: ``parquet``, ``jsonl`` or ``csv``.
    :param on_type_error: what to do with a value that does not fit its column: ``null``, ``string`` (null, and its text
        in the column ``_misfits``) or ``fail``. The manifest always counts such values.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param max_calls: largest number of calls per try. A table that would take more calls than are left is not begun.
    :param marketo_conn_id: id of the connection.
    :return: the manifest: tables, paths, rows, bytes, checksums; never rows.
    """

    permissions: ClassVar[Sequence[str]] = ()
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoDeferrableOperator.argument_checks,
        "output_path": text(required=True),
        "object_types": narrowing(choices(ListingObject)),
        "keys": narrowing(texts_by_table()),
        "start": moment(),
        "end": moment(),
        "fields": narrowing(texts_by_table()),
        "exclude_fields": texts_by_table(),
        "hash_fields": texts_by_table(),
        "file_format": choice(FileFormat),
        "on_type_error": choice(OnTypeError),
    }
    template_fields: Sequence[str] = (
        *MarketoDeferrableOperator.template_fields,
        "output_path",
        "object_types",
        "keys",
        "start",
        "end",
        "fields",
        "exclude_fields",
        "hash_fields",
        "file_format",
    )

    def __init__(
        self,
        *,
        output_path: str,
        object_types: Collection[ListingObject] | str | None = None,
        keys: Mapping[str, Sequence[str]] | str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        fields: Mapping[str, Sequence[str]] | Sequence[str] | str | None = None,
        exclude_fields: Mapping[str, Sequence[str]] | Sequence[str] | str | None = None,
        hash_fields: Mapping[str, Sequence[str]] | Sequence[str] | str | None = None,
        file_format: FileFormat = "parquet",
        on_type_error: OnTypeError = "null",
        on_quota_exhausted: OnQuotaExhausted = "defer",
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            on_quota_exhausted=on_quota_exhausted,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.output_path = output_path
        self.object_types = object_types
        self.keys = keys
        self.start = start
        self.end = end
        self.fields = fields
        self.exclude_fields = exclude_fields
        self.hash_fields = hash_fields
        self.file_format = file_format
        self.on_type_error = on_type_error
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.listings.task import ListingWork

        return ListingWork(context, self.hook, self.checked_arguments())

    def _finished(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        self._emit(context, result)
        return result
