"""Tasks that only the task group uses."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, manifests, moment, period, text, texts
from airflow_provider_marketo.choices import ListingObject, LookedUpObject, RemovalFeed
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.failures import fails_plainly
from airflow_provider_marketo.operators.incremental_leads import MarketoIncrementalLeadsOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.stream_base import MarketoStreamOperator
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.hooks.work import Work


class RangesOfRunOperator(MarketoOperator):
    """
    Settle once for a run which range each table reads.

    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :param start: where the first run begins.
    :param lookback: how far before the end of the loaded data a run reads again.
    :param output_path: folder in which the ranges of a run are stored.
    :param marketo_conn_id: id of the connection.
    :return: the API names of the custom object types, over which a task is mapped: Airflow maps only over a task's
        result. The ranges are XComs, each under a key of its own.
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
        self.check_arguments()

    def _execute(self, context: Context) -> list[str]:
        from airflow_provider_marketo.warehouse.ranges import OBJECTS, ranges_of_run

        found = ranges_of_run(context, self.hook, self.checked_arguments())
        for key, value in found.items():
            context["ti"].xcom_push(key, "" if value is None else value)  # Airflow cannot pull a null
        types: list[str] = found[OBJECTS]
        return types


class UsesDescriptions(MarketoOperator):
    """
    Base of tasks that take descriptions of fields and types from the run's first task, not from Marketo.

    :param descriptions: folder in which the first task has stored them.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {"descriptions": text(required=True)}

    def __init__(self, *, descriptions: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.descriptions = descriptions

    @cached_property
    def hook(self) -> MarketoHook:
        """The connection's hook, whose client does not ask Marketo for descriptions again."""
        from airflow_provider_marketo.warehouse.descriptions import use_shared

        hook = super().hook
        use_shared(hook.get_conn(), self.descriptions)
        return hook


class LeadsInRangeOperator(UsesDescriptions, MarketoIncrementalLeadsOperator):
    """Extract the leads that have changed in a range."""

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoIncrementalLeadsOperator.argument_checks,
        **UsesDescriptions.argument_checks,
    }
    template_fields: Sequence[str] = (*MarketoIncrementalLeadsOperator.template_fields, "descriptions")


class ExtractInRangeOperator(UsesDescriptions, MarketoBulkExtractOperator):
    """Extract the objects of a range by export jobs."""

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoBulkExtractOperator.argument_checks,
        **UsesDescriptions.argument_checks,
    }
    template_fields: Sequence[str] = (*MarketoBulkExtractOperator.template_fields, "descriptions")


class RemovalsInRangeOperator(UsesDescriptions, MarketoStreamOperator):
    """
    Extract the deletions or the merges of a range; the load's watermark takes the place of a stream's position.

    :param object_type: ``deleted_leads`` or ``merged_leads``: the task is mapped over both.
    :param output_path: folder, as for the streams; each feed has a subfolder.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoStreamOperator.argument_checks,
        **UsesDescriptions.argument_checks,
        "object_type": choice(RemovalFeed),
    }
    template_fields: Sequence[str] = (*MarketoStreamOperator.template_fields, "descriptions")
    keeps_position = False
    object_type = "deleted_leads"

    def __init__(self, *, object_type: RemovalFeed, output_path: str, **kwargs: Any) -> None:
        super().__init__(output_path=f"{output_path}/{object_type}", **kwargs)
        self.object_type = object_type  # type: ignore[misc]
        self.check_arguments()


class CustomObjectInRangeOperator(ExtractInRangeOperator):
    """
    Extract the custom objects of one type that have changed in a range.

    :param custom_object: API name of the type: the task is mapped over the types that the instance has.
    :param output_path: folder, as for the bulk extract; each type has a subfolder.
    """

    def __init__(self, *, custom_object: str, output_path: str, **kwargs: Any) -> None:
        super().__init__(
            object_type="custom_objects",
            custom_object=custom_object,
            output_path=f"{output_path}/{custom_object}",
            fields="all",
            **kwargs,
        )


class ReferenceInRangeOperator(UsesDescriptions, MarketoListingOperator):
    """
    List the default tables of reference data, and some that are listed only if they are named.

    :param also: names of the tables to list in addition to the default tables.
    :param found_keys: those of ``also`` that are looked up by keys in loaded tables.
    :param sql_conn_id: connection of the database with the tables.
    :param schema: schema of these tables.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoListingOperator.argument_checks,
        **UsesDescriptions.argument_checks,
        "also": texts(),
        "found_keys": texts(),
        "sql_conn_id": text(required=True),
        "schema": text(),
    }
    template_fields: Sequence[str] = (
        *MarketoListingOperator.template_fields,
        "descriptions",
        "also",
        "found_keys",
        "sql_conn_id",
        "schema",
    )

    def __init__(
        self,
        *,
        sql_conn_id: str,
        schema: str | None,
        also: Sequence[ListingObject] = (),
        found_keys: Sequence[LookedUpObject] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.also = also
        self.found_keys = found_keys
        self.sql_conn_id = sql_conn_id
        self.schema = schema
        self.check_arguments()

    def _begin(self, context: Context, *, resumed: bool) -> Work:
        from airflow_provider_marketo.listings.task import ListingWork
        from airflow_provider_marketo.warehouse.found_keys import with_found_keys

        return ListingWork(context, self.hook, with_found_keys(self.checked_arguments()))


class LoadSourceOperator(MarketoToSqlOperator):
    """
    Load what the extracts of some sources have published, and then move the watermarks of these sources.

    :param manifest: what the extracts returned, by source; a mapped extract returns several manifests.
    :param until: the time to which the watermarks move; None if they stay.
    :param keep_files: age after which files that are loaded are removed; None keeps them.
    :param history_of: names of the sources whose row versions are also kept.
    :param max_deletes_of: ``max_deletes`` by dataset, for datasets with a limit of their own.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoToSqlOperator.argument_checks,
        "manifest": manifests(),
        "until": moment(),
        "history_of": texts(),
        "keep_files": period(required=False),
    }
    template_fields: Sequence[str] = (*MarketoToSqlOperator.template_fields, "until", "keep_files")

    def __init__(
        self,
        *,
        manifest: Mapping[str, Any],
        until: Any,
        keep_files: timedelta | str | None,
        history_of: Sequence[str] = (),
        max_deletes_of: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(manifest=manifest, **kwargs)
        self.until = until
        self.keep_files = keep_files
        self.history_of = history_of
        self.max_deletes_of = max_deletes_of or {}
        self.check_arguments()

    @fails_plainly()
    def execute(self, context: Context) -> Any:
        """
        Load the tables, move the watermarks, and remove files that are no longer needed.

        :param context: the running task's context.
        """
        from airflow_provider_marketo.warehouse.source import load_sources

        given = {**self.checked_arguments(), "max_deletes_of": self.max_deletes_of}
        return load_sources(given, context["ti"], self._teller(context))
