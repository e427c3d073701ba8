"""The tasks of the task group that no other DAG needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, manifest, moment, period, text, texts
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.failures import fails_plainly
from airflow_provider_marketo.operators.streams import MarketoDeletedLeadsOperator, MarketoMergedLeadsOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context


class RangesOfRunOperator(MarketoOperator):
    """
    Settle what each table of a run reads, once for the run.

    :param sql_conn_id: connection of the database.
    :param schema: where the tables are.
    :param start: where the first run begins.
    :param lookback: how far before what is loaded a run reads again.
    :param output_path: folder in which the ranges of a run are stored.
    :param marketo_conn_id: id of the connection.
    :return: the ranges, each value an XCom of its own.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOperator.argument_checks,
        "sql_conn_id": text(required=True),
        "schema": text(),
        "start": moment(required=True),
        "lookback": period(),
        "output_path": text(required=True),
    }
    template_fields: Sequence[str] = (
        *MarketoOperator.template_fields,
        "sql_conn_id",
        "schema",
        "start",
        "lookback",
        "output_path",
    )

    def __init__(
        self,
        *,
        sql_conn_id: str,
        schema: str | None,
        start: datetime | str,
        lookback: timedelta | str,
        output_path: str,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(marketo_conn_id=marketo_conn_id, **kwargs)
        self.sql_conn_id = sql_conn_id
        self.schema = schema
        self.start = start
        self.lookback = lookback
        self.output_path = output_path
        self.multiple_outputs = True
        self.check_arguments()

    def _execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.warehouse.ranges import ranges_of_run

        return ranges_of_run(context, self.hook, self.checked_arguments())


class DeletedLeadsInRangeOperator(MarketoDeletedLeadsOperator):
    """Extract the deletions of a range; the load's watermark takes the place of a stream's position."""

    keeps_position = False


class MergedLeadsInRangeOperator(MarketoMergedLeadsOperator):
    """Extract the merges of a range; the load's watermark takes the place of a stream's position."""

    keeps_position = False


class LoadSourceOperator(MarketoToSqlOperator):
    """
    Load what the extracts of a source have published, and then move the watermarks of these sources.

    :param manifest: what the first extract returned.
    :param more_manifests: what further extracts returned.
    :param sources: whose watermarks move once every table is committed.
    :param until: where the watermarks stand then; None if they stay.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoToSqlOperator.argument_checks,
        "sources": texts(required=True),
        "until": moment(),
    }
    template_fields: Sequence[str] = (*MarketoToSqlOperator.template_fields, "more_manifests", "until")

    def __init__(
        self,
        *,
        sources: Sequence[str],
        until: Any,
        more_manifests: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sources = sources
        self.until = until
        self.more_manifests = more_manifests
        self.check_arguments()

    @fails_plainly()
    def execute(self, context: Context) -> Any:
        """
        Load the tables, and move the watermarks.

        :param context: Airflow's, of the running task.
        """
        from airflow_provider_marketo.warehouse.source import load_source

        check = manifest()
        manifests = [check("manifest", each) for each in (self.manifest, *self.more_manifests)]
        return load_source(manifests, self.checked_arguments(), context["ti"], self._teller(context))
