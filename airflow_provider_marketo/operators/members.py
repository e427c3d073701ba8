"""Operators for the members of static lists and programs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, ids, one_id, text
from airflow_provider_marketo.choices import (
    ListMode,
    OnDuplicates,
    OnLostUpload,
    OnQuotaExhausted,
    OnUnknown,
    RejectsFormat,
    SourceFormat,
)
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.import_base import (
    INPUT_CHECKS,
    INPUT_TEMPLATE_FIELDS,
    MarketoImportOperator,
    Records,
    Source,
    removals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work


class MarketoListMembersOperator(MarketoImportOperator):
    """
    Add leads to a static list, remove them from it, or make the list equal to them.

    Removing a lead that is not in the list counts as accepted. A lead that is in a mirrored list already
    costs no call.

    Adobe's operations: ``static_list_membership.add_to_list``, ``remove_from_list``, ``get_list_by_id``, for
    ``mirror`` ``get_leads_by_list_id``, and for ``lookup_field`` ``leads.get_by_filter_type``.

    :param list_id: id of the static list.
    :param mode: ``add`` leads, ``remove`` them, or ``mirror``: make the list equal to the input.
    :param lead_ids: Marketo ids of the leads. Give one of ``lead_ids``, ``source``, ``sql`` and ``records``.
    :param source: files with a column ``leadId`` (or another, with ``columns``): csv, tsv, jsonl or parquet, plain or
        gzipped; a path, URL, glob or a list of them.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param sql: a query with such a column, or a ``.sql`` file, on ``sql_conn_id``.
    :param sql_conn_id: connection of a database.
    :param records: list of mappings of names to values, or a function that returns one. It is not a template:
        leads must appear neither in XCom nor in rendered fields.
    :param lookup_field: field of leads by which the input names them, such as ``email``, in a column of that name. The
        task asks Marketo for their ids, 300 a call. A row is rejected if Marketo has no such lead, or several. Default:
        the input has ids, in a column ``leadId``.
    :param max_removals: for ``mirror``: how many members may be removed; a fraction below one is a share of the list.
        If there are more, the task fails before it changes anything.
    :param rejects_path: folder for the tables of rows that were rejected, or imported with a warning: a local path,
        ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``.
    :param rejects_format: ``jsonl`` or ``parquet``.
    :param staging: folder, reachable by every worker, for the rows while the task runs. Default: ``rejects_path``.
    :param columns: map of input columns to REST API names; only these columns are sent. Default: every column, under
        its name.
    :param constants: map of REST API names to the values that every row gets.
    :param on_duplicates: the ``last`` of the rows with one key wins and the others count as superseded, or ``fail``.
    :param max_reject_ratio: share of the rows, from 0 to 1, that may be rejected. If more are, the task fails after it
        has sent all other rows.
    :param on_lost_upload: whether to ``resend`` rows or to ``stop`` when the answer to a request was lost. Default:
        ``resend``: a repetition changes nothing.
    :param on_unknown: *experimental*: if ``on_lost_upload`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param dry_run: check, stage and count, and send nothing.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: time between two polls of bulk imports: seconds, a timedelta or an ISO 8601 duration. Default:
        the connection's ``poll_interval``, at most 30 seconds.
    :param timeout: how long a try waits for bulk imports, in the form of ``poll_interval``. The wait for a quota's
        reset does not count.
    :param max_calls: largest number of calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: the account of rows (``ImportResult``): counts, ids of imports, and the addresses of the tables of rejects
        and warnings; for ``mirror`` also ``members_before`` and ``removed``; never rows.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Lead",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoImportOperator.argument_checks,
        "list_id": one_id(required=True),
        "mode": choice(ListMode),
        "lead_ids": ids(),
        **INPUT_CHECKS,
        "max_removals": removals,
    }
    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "list_id",
        "lead_ids",
        *INPUT_TEMPLATE_FIELDS,
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        list_id: int | str,
        mode: ListMode = "add",
        lead_ids: Sequence[int] | str | int | None = None,
        source: Source | None = None,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        records: Records | None = None,
        lookup_field: str | None = None,
        max_removals: float = 0.1,
        rejects_path: str,
        rejects_format: RejectsFormat = "jsonl",
        staging: str | None = None,
        columns: Mapping[str, str] | str | None = None,
        constants: Mapping[str, Any] | str | None = None,
        on_duplicates: OnDuplicates = "last",
        max_reject_ratio: float = 0.0,
        on_lost_upload: OnLostUpload | None = None,
        on_unknown: OnUnknown = "ask",
        dry_run: bool = False,
        on_quota_exhausted: OnQuotaExhausted = "defer",
        deferrable: bool = DEFERRABLE,
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = timedelta(hours=24),
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rejects_path=rejects_path,
            rejects_format=rejects_format,
            staging=staging,
            columns=columns,
            constants=constants,
            on_duplicates=on_duplicates,
            max_reject_ratio=max_reject_ratio,
            on_lost_upload=on_lost_upload,
            on_unknown=on_unknown,
            dry_run=dry_run,
            on_quota_exhausted=on_quota_exhausted,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.list_id = list_id
        self.mode = mode
        self.lead_ids = lead_ids
        self.source = source
        self.source_format = source_format
        self.delimiter = delimiter
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.records = records
        self.lookup_field = lookup_field
        self.max_removals = max_removals
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.imports.members import ListMembersWork

        return ListMembersWork(context, self.hook, self.checked_arguments(), parallel=self.pool_slots, resumed=resumed)


class MarketoProgramMembersOperator(MarketoImportOperator):
    """
    Make leads members of a program, set their status, and write program member fields.

    A member never moves backwards: "already in or past this status" (1037) counts as accepted. Attendees who may not be
    leads yet go through :class:`~airflow_provider_marketo.operators.bulk_import.MarketoBulkImportOperator` with
    ``program_members``, which creates them.

    Adobe's operations: ``program_members.sync_status``, ``program_members.sync_data``, ``program_members.describe``,
    and for the check of the status ``programs.get_by_id`` and ``channels.get_by_name``.

    :param program_id: id of the program.
    :param program_member_status: status of the program's channel for every row. Without it, a column ``statusName``
        holds the status, and members whose row has none keep theirs.
    :param lead_ids: Marketo ids of the leads. Give one of ``lead_ids``, ``source``, ``sql`` and ``records``.
    :param source: files with a column ``leadId``, and perhaps ``statusName`` and program member fields: csv, tsv, jsonl
        or parquet, plain or gzipped; a path, URL, glob or a list of them.
    :param source_format: format of the files, if their names do not show it.
    :param delimiter: the character between the cells of a csv file. Default: a comma, and a tab in a tsv file.
    :param sql: a query with such columns, or a ``.sql`` file, on ``sql_conn_id``.
    :param sql_conn_id: connection of a database.
    :param records: list of mappings of names to values, or a function that returns one. It is not a template:
        leads must appear neither in XCom nor in rendered fields.
    :param lookup_field: field of leads by which the input names them, such as ``email``, in a column of that name. The
        task asks Marketo for their ids, 300 a call. A row is rejected if Marketo has no such lead, or several. Default:
        the input has ids, in a column ``leadId``.
    :param rejects_path: folder for the tables of rows that were rejected, or imported with a warning: a local path,
        ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``.
    :param rejects_format: ``jsonl`` or ``parquet``.
    :param staging: folder, reachable by every worker, for the rows while the task runs. Default: ``rejects_path``.
    :param columns: map of input columns to REST API names; only these columns are sent. Default: every column, under
        its name.
    :param constants: map of REST API names to the values that every row gets.
    :param on_duplicates: the ``last`` of the rows with one key wins and the others count as superseded, or ``fail``.
    :param max_reject_ratio: share of the rows, from 0 to 1, that may be rejected. If more are, the task fails after it
        has sent all other rows.
    :param on_lost_upload: whether to ``resend`` rows or to ``stop`` when the answer to a request was lost. Default:
        ``resend``: a repetition changes nothing.
    :param on_unknown: *experimental*: if ``on_lost_upload`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param dry_run: check, stage and count, and send nothing.
    :param on_quota_exhausted: ``defer`` until the quota's reset and continue, without a worker, or ``fail`` at once.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param poll_interval: time between two polls of bulk imports: seconds, a timedelta or an ISO 8601 duration. Default:
        the connection's ``poll_interval``, at most 30 seconds.
    :param timeout: how long a try waits for bulk imports, in the form of ``poll_interval``. The wait for a quota's
        reset does not count.
    :param max_calls: largest number of calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: the account of rows (``ImportResult``): counts, ids of imports, and the addresses of the tables of rejects
        and warnings; never rows.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Lead",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoImportOperator.argument_checks,
        "program_id": one_id(required=True),
        "program_member_status": text(),
        "lead_ids": ids(),
        **INPUT_CHECKS,
    }
    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "program_id",
        "program_member_status",
        "lead_ids",
        *INPUT_TEMPLATE_FIELDS,
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        program_id: int | str,
        program_member_status: str | None = None,
        lead_ids: Sequence[int] | str | int | None = None,
        source: Source | None = None,
        source_format: SourceFormat | None = None,
        delimiter: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        records: Records | None = None,
        lookup_field: str | None = None,
        rejects_path: str,
        rejects_format: RejectsFormat = "jsonl",
        staging: str | None = None,
        columns: Mapping[str, str] | str | None = None,
        constants: Mapping[str, Any] | str | None = None,
        on_duplicates: OnDuplicates = "last",
        max_reject_ratio: float = 0.0,
        on_lost_upload: OnLostUpload | None = None,
        on_unknown: OnUnknown = "ask",
        dry_run: bool = False,
        on_quota_exhausted: OnQuotaExhausted = "defer",
        deferrable: bool = DEFERRABLE,
        poll_interval: timedelta | float | str | None = None,
        timeout: timedelta | float | str = timedelta(hours=24),
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rejects_path=rejects_path,
            rejects_format=rejects_format,
            staging=staging,
            columns=columns,
            constants=constants,
            on_duplicates=on_duplicates,
            max_reject_ratio=max_reject_ratio,
            on_lost_upload=on_lost_upload,
            on_unknown=on_unknown,
            dry_run=dry_run,
            on_quota_exhausted=on_quota_exhausted,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.program_id = program_id
        self.program_member_status = program_member_status
        self.lead_ids = lead_ids
        self.source = source
        self.source_format = source_format
        self.delimiter = delimiter
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.records = records
        self.lookup_field = lookup_field
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.imports.members import ProgramMembersWork

        return ProgramMembersWork(
            context, self.hook, self.checked_arguments(), parallel=self.pool_slots, resumed=resumed
        )
