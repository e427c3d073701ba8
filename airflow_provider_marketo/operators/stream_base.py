"""What the operators that follow a stream have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, count, flag, moment, name, period, text, texts
from airflow_provider_marketo.choices import (
    AttributesForm,
    FileFormat,
    OnGap,
    OnJournalGap,
    OnQuotaExhausted,
    OnTypeError,
)
from airflow_provider_marketo.client.dates import as_utc, parse_date, without_zone
from airflow_provider_marketo.lineage.outlets import PublishesLineage
from airflow_provider_marketo.operators.base import MarketoDeferrableOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.work import Work

MOST_PARTITIONS = 1000
"""Largest number of partitions that one asset event names; it names the latest. A first run may read years of hours."""


class MarketoStreamOperator(PublishesLineage, MarketoDeferrableOperator):
    """
    Base of the operators that follow a stream.

    Each run reads from the stream's position to its own end and publishes. Only then does it move the position. A run
    that is retried, cleared or run again reads its own range once more. A subclass names its stream in ``object_type``.

    :param output_path: folder: a local path, ``file://``, ``s3://conn_id@bucket/prefix``, ``gs://`` or ``abfs://``. One
        folder holds one stream.
    :param stream: name of the stream, under which its position is kept. Default: ``<dag_id>.<task_id>``. Under another
        name the stream starts again. Allow one run of a stream at a time: give the DAG ``max_active_runs=1``.
    :param start: where a new stream starts; a datetime or ISO 8601, in UTC if it names no zone. Default: the data
        interval's start. Ignored once the stream has a position.
    :param end: where this run ends. Default: the data interval's end, else now; never later than now by Marketo's
        clock.
    :param lookback: how far before its start a run reads again, for rows that became visible late: a timedelta or an
        ISO 8601 duration (``PT2H``). The run leaves out rows that were published before, by ``marketoGUID``.
    :param file_format: ``parquet``, ``jsonl`` or ``csv``.
    :param attributes: attributes of activities: ``map`` (default for parquet), ``json`` (default for jsonl) or
        ``typed``.
    :param partition_by: columns, or ``activity_type``, ``year``, ``month``, ``date``, ``hour``: Hive-style folders.
    :param exclude_fields: columns to leave out. They are never written. The key cannot be left out.
    :param hash_fields: columns replaced by digests (HMAC-SHA-256) with the key ``hash_secret`` of the connection.
    :param on_type_error: what to do with a value that does not fit its column: ``null``, ``string`` or ``fail``.
    :param on_gap: what to do when Marketo no longer has the next records: ``fail``, or ``skip`` to the oldest that it
        has.
    :param on_quota_exhausted: ``defer`` until the quota's reset and read the range again, or ``fail`` at once.
    :param max_empty_pages: largest number of pages in a row without a record; with more, the task fails.
    :param partition_events: give the asset events of the outlets partition keys (Airflow 3.3): the start of the run's
        data interval, or the start of its range if the run has no interval; and the starts of earlier intervals that
        the run has caught up with. DAGs that are scheduled by the plain asset do not start for such events.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: the manifest: paths, rows, bytes, checksums and the range; never rows.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Activity",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoDeferrableOperator.argument_checks,
        "output_path": text(required=True),
        "stream": name(),
        "start": moment(),
        "end": moment(),
        "lookback": period(required=False),
        "file_format": choice(FileFormat),
        "attributes": choice(AttributesForm, required=False),
        "partition_by": texts(),
        "exclude_fields": texts(),
        "hash_fields": texts(),
        "on_type_error": choice(OnTypeError),
        "on_gap": choice(OnGap),
        "max_empty_pages": count(minimum=1),
        "partition_events": flag(),
    }
    template_fields: Sequence[str] = (
        *MarketoDeferrableOperator.template_fields,
        "output_path",
        "stream",
        "start",
        "end",
        "lookback",
        "file_format",
        "attributes",
        "partition_by",
        "exclude_fields",
        "hash_fields",
        "on_gap",
    )
    object_type: ClassVar[str]
    keeps_position: ClassVar[bool] = True
    """Whether a run continues where the run before it ended. If not, each run reads the range that it is given."""

    def __init__(
        self,
        *,
        output_path: str,
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
            on_quota_exhausted=on_quota_exhausted,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.output_path = output_path
        self.stream = stream
        self.start = start
        self.end = end
        self.lookback = lookback
        self.file_format = file_format
        self.attributes = attributes
        self.partition_by = partition_by
        self.exclude_fields = exclude_fields
        self.hash_fields = hash_fields
        self.on_type_error = on_type_error
        self.on_gap: OnJournalGap = on_gap
        self.max_empty_pages = max_empty_pages
        self.partition_events = partition_events
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.streams.task import StreamWork

        return StreamWork(context, self.hook, self._facts())

    def _facts(self) -> dict[str, Any]:
        """Return what a run needs to know of the stream: the arguments, and the settings of the class."""
        facts = {"object_type": self.object_type, "keeps_position": self.keeps_position}
        return facts | self.checked_arguments()

    def _finished(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        self._emit(context, result)
        return result

    def _partitions(self, context: Context, manifest: Mapping[str, Any]) -> list[str]:
        """Return the run's partition, and the partitions of earlier intervals that it has caught up with."""
        start, end = context.get("data_interval_start"), context.get("data_interval_end")
        keys = super()._partitions(context, manifest)
        if not keys or start is None or end is None or start == end:
            return keys
        first, length = as_utc(start), as_utc(end) - as_utc(start)
        read_from = parse_date(manifest["start"])
        for _ in range(MOST_PARTITIONS - 1):
            first -= length
            if first < read_from:
                break
            keys.append(without_zone(first))
        return keys


class ReadsJournal(MarketoStreamOperator):
    """Base of operators that read the journal of Adobe I/O Events if ``adobe_conn_id`` names one (experimental)."""

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        if self.argument("adobe_conn_id") is None:
            return super()._begin(context, resumed=resumed)
        from airflow_provider_marketo.streams.journal_task import JournalWork

        return JournalWork(context, self.hook, self._facts(), resumed=resumed)
