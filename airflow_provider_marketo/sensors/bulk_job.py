"""A sensor for the end of an export or import job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import choice, one_id, text
from airflow_provider_marketo.choices import BulkObject
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.arguments import Check
    from airflow_provider_marketo.conditions.condition import Condition


class MarketoBulkJobSensor(MarketoSensor):
    """
    Wait until an export or import job has ended, and fail if the job failed.

    Exports of an object type share one call of the job list, however many sensors wait. Imports have no list and cost a
    call each. Jobs are visible to the API user who created them.

    Adobe's operations: ``bulk_export_<object_type>.get_jobs`` or ``bulk_import_<object_type>.get_status``.

    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param export_id: id of an export job.
    :param batch_id: id of an import job, in place of ``export_id``.
    :param custom_object: API name of the type, for ``custom_objects``.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"export_id", "status", "records", "bytes"}`` or ``{"batch_id", "status", "processed", "failed",
        "warned"}``.
    """

    permissions: ClassVar[Sequence[str]] = ()
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoSensor.argument_checks,
        "object_type": choice(BulkObject),
        "export_id": text(),
        "batch_id": one_id(),
        "custom_object": text(),
    }
    template_fields: Sequence[str] = (
        *MarketoSensor.template_fields,
        "object_type",
        "export_id",
        "batch_id",
        "custom_object",
    )

    def __init__(
        self,
        *,
        object_type: BulkObject,
        export_id: str | None = None,
        batch_id: int | str | None = None,
        custom_object: str | None = None,
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.object_type = object_type
        self.export_id = export_id
        self.batch_id = batch_id
        self.custom_object = custom_object
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """Return the job to wait for."""
        from airflow_provider_marketo.conditions.jobs import JobCondition

        return JobCondition(
            object_type=self.argument("object_type"),
            export_id=self.argument("export_id"),
            batch_id=self.argument("batch_id"),
            custom_object=self.argument("custom_object"),
        )
