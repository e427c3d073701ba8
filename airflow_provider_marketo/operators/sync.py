"""Records into Marketo through the sync endpoints: small or urgent loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_marketo.operators.import_base import MarketoImportOperator

if TYPE_CHECKING:
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.source import Rows

Records: TypeAlias = Iterable[Mapping[str, Any]]


class MarketoSyncOperator(MarketoImportOperator):
    """
    Create or update records, 300 a call, as many calls at once as the task has ``pool_slots``.

    The input is read once and staged; a retried task sends the rest of the same rows. Records of one key are never in
    two calls at once. Every row is accounted for: accepted, rejected (with Marketo's reason, in a table under
    ``rejects``), superseded by a later row of the same key, or unknown.

    Adobe's operations: ``<object_type>.sync`` and ``<object_type>.describe``.

    :param object_type: ``leads``, ``companies``, ``opportunities``, ``opportunity_roles``, ``sales_persons``,
        ``named_accounts`` or ``custom_objects``.
    :param records: list of mappings of field names to values, or a function that returns one. It is no template:
        leads have no place in XCom or among rendered fields; or
    :param source: file, URL, glob or a list of them: csv, tsv, jsonl or parquet, perhaps gzipped.
    :param source_format: of the files, where their names do not tell.
    :param action: ``createOrUpdate`` (Marketo's default), ``createOnly``, ``updateOnly``, and for leads
        ``createDuplicate``, which is never sent twice.
    :param lookup_field: for leads, the field by which they are found. Default ``email``.
    :param dedupe_by: for the others, ``dedupeFields`` (default) or ``idField``, which goes with ``updateOnly``.
    :param partition_name: lead partition.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param empty_fields: what an empty value does: ``keep`` the field as it is, or ``clear`` it.

    All other parameters: see :class:`~airflow_provider_marketo.operators.import_base.MarketoImportOperator`.

    :return: counts of rows, calls and the address of the table of rejects; never rows.
    """

    template_fields: Sequence[str] = (
        *MarketoImportOperator.template_fields,
        "source",
        "lookup_field",
        "partition_name",
        "custom_object",
    )

    def __init__(
        self,
        *,
        object_type: str,
        records: Records | Callable[[], Records] | None = None,
        source: Any = None,
        source_format: str | None = None,
        action: str | None = None,
        lookup_field: str | None = None,
        dedupe_by: str | None = None,
        partition_name: str | None = None,
        custom_object: str | None = None,
        empty_fields: str = "keep",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_type = object_type
        self.records = records
        self.source = source
        self.source_format = source_format
        self.action = action
        self.lookup_field = lookup_field
        self.dedupe_by = dedupe_by
        self.partition_name = partition_name
        self.custom_object = custom_object
        self.empty_fields = empty_fields

    def _request(self) -> ImportRequest:
        from airflow_provider_marketo.imports.request import ImportRequest
        from airflow_provider_marketo.imports.targets import SYNC, SYNC_TARGETS
        from airflow_provider_marketo.legacy_arguments import one_of

        one_of("object_type", self.object_type, tuple(SYNC_TARGETS))
        return ImportRequest(
            object_type=self.object_type,
            transport=SYNC,
            custom_object=self.custom_object,
            action=self.action,
            lookup_field=self.lookup_field,
            dedupe_by=self.dedupe_by,
            partition_name=self.partition_name,
            empty_fields=self.empty_fields,
            **self._common(self.source, self.source_format),
        )

    def _rows(self) -> Rows:
        from airflow_provider_marketo.imports.inputs import open_rows

        records = self.records() if callable(self.records) else self.records
        return open_rows(records=records, source=self.source, source_format=self.source_format)


class MarketoSyncLeadsOperator(MarketoSyncOperator):
    """The short form of :class:`MarketoSyncOperator` for leads."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"object_type": "leads", **kwargs})
