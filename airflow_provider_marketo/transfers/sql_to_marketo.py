"""The operator that imports the rows of a query into Marketo."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, duration, one_id, text
from airflow_provider_marketo.choices import (
    DedupeBy,
    EmptyFields,
    OnDuplicates,
    OnLostUpload,
    OnQuotaExhausted,
    OnUnknown,
    QueryObject,
    RejectsFormat,
    SyncAction,
    Transport,
)
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.operators.hidden import Hidden, hide, of_hidden
from airflow_provider_marketo.operators.import_base import MarketoImportOperator, placeholders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work


class SqlToMarketoOperator(MarketoImportOperator):
    """
    Import the rows of a query on any Airflow connection whose hook has a DB-API.

    The query runs once, through a cursor on the server where the driver has one, so that ten million rows need no more
    memory than ten thousand. The task stages the rows that it reads; a retry sends the rest of them and never queries
    again.

    Adobe's operations: those of :class:`~airflow_provider_marketo.operators.sync.MarketoSyncOperator` or of
    :class:`~airflow_provider_marketo.operators.bulk_import.MarketoBulkImportOperator`, or
    ``data_ingestion.sync_persons`` and ``data_ingestion.sync_custom_objects``.

    :param sql: one statement that returns rows, or a ``.sql`` file; columns are named by REST API names or mapped with
        ``columns``.
    :param sql_conn_id: connection of a database.
    :param parameters: values for placeholders in the statement, in the driver's style: a list, a mapping by name, or
        the text that a template makes of either. Other text is the value of one placeholder. Airflow and OpenLineage
        show ``***`` instead of the values.
    :param object_type: ``leads``; ``program_members`` (bulk), ``custom_objects``, or any other that
        ``MarketoSyncOperator`` takes.
    :param transport: ``sync``, ``bulk``, ``ingestion``, or ``auto``: sync for up to 30,000 rows or if ``latency``
        leaves no time for bulk, else bulk. The choice and its cost in calls are logged. ``auto`` never chooses data
        ingestion, which needs a Performance Tier. It reports outcomes elsewhere, so its rows count as submitted.
    :param latency: how soon the rows have to be in Marketo, for ``auto``: seconds, a timedelta or an ISO 8601 duration.
    :param action: ``createOrUpdate`` (Marketo's default); ``createOnly``, ``updateOnly`` and ``createDuplicate`` are
        sent by sync.
    :param lookup_field: for leads, the field by which they are found. Default: ``email``.
    :param dedupe_by: for objects other than leads, ``dedupeFields`` (Marketo's default) or ``idField``, which needs
        ``updateOnly``.
    :param list_id: static list that leads join; they are sent in bulk.
    :param partition_name: lead partition.
    :param program_id: program that imported members join.
    :param program_member_status: status of these members; a status of the program's channel.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param empty_fields: what an empty value does by sync: ``keep`` the field as it is, or ``clear`` it.
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
        ``resend``, and ``stop`` with ``list_id``, for program members by bulk, for ``createDuplicate`` and for data
        ingestion.
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
        and warnings; never rows. With data ingestion also ``correlation_id``: the ``X-Correlation-Id`` of a call is
        this id, ``/`` and the chunk's name.
    """

    permissions: ClassVar[Sequence[str]] = ("{object_type}.sync",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoImportOperator.argument_checks,
        "sql": text(required=True),
        "sql_conn_id": text(required=True),
        "parameters": of_hidden(placeholders),
        "object_type": choice(QueryObject),
        "transport": choice(Transport),
        "latency": duration(required=False),
        "action": choice(SyncAction, required=False),
        "lookup_field": text(),
        "dedupe_by": choice(DedupeBy, required=False),
        "list_id": one_id(),
        "partition_name": text(),
        "program_id": one_id(),
        "program_member_status": text(),
        "custom_object": text(),
        "empty_fields": choice(EmptyFields),
    }
    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "sql",
        "sql_conn_id",
        "parameters",
        "lookup_field",
        "list_id",
        "partition_name",
        "program_id",
        "program_member_status",
        "custom_object",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        parameters: Mapping[str, Any] | Sequence[Any] | str | None = None,
        object_type: QueryObject = "leads",
        transport: Transport = "auto",
        latency: timedelta | float | str | None = None,
        action: SyncAction | None = None,
        lookup_field: str | None = None,
        dedupe_by: DedupeBy | None = None,
        list_id: int | str | None = None,
        partition_name: str | None = None,
        program_id: int | str | None = None,
        program_member_status: str | None = None,
        custom_object: str | None = None,
        empty_fields: EmptyFields = "keep",
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
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.object_type = object_type
        self.transport = transport
        self.latency = latency
        self.action = action
        self.lookup_field = lookup_field
        self.dedupe_by = dedupe_by
        self.list_id = list_id
        self.partition_name = partition_name
        self.program_id = program_id
        self.program_member_status = program_member_status
        self.custom_object = custom_object
        self.empty_fields = empty_fields
        self.check_arguments()
        self.parameters = hide(parameters)

    def render_template(
        self, content: Any, context: Context, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render a template field. Rendered ``parameters`` are hidden: they may hold an address."""
        if content is None or content is not vars(self).get("parameters"):
            return super().render_template(content, context, jinja_env, seen_oids)
        given = content.given if isinstance(content, Hidden) else content
        return Hidden(super().render_template(given, context, jinja_env, seen_oids))

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.imports.query import QueryWork

        return QueryWork(context, self.hook, self.checked_arguments(), parallel=self.pool_slots, resumed=resumed)
