"""Waits for the end of an export or import job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.conditions.condition import Condition


class MarketoBulkJobSensor(MarketoSensor):
    """
    Wait until an export or import job has ended. Fails if the job did.

    Exports of an object type share one call of the job list, however many sensors wait; imports have no list, and cost
    a call each. Jobs are visible to the API user who created them.

    Adobe's operations: ``bulk_export_<object_type>.get_jobs`` or ``bulk_import_<object_type>.get_status``.

    :param object_type: ``leads``, ``activities``, ``program_members`` or ``custom_objects``.
    :param export_id: id of an export job.
    :param batch_id: id of an import job, in its place.
    :param custom_object: API name of the type, for ``custom_objects``.
    :return: ``{"export_id", "status", "records", "bytes"}`` or ``{"batch_id", "status", "processed", "failed",
        "warned"}``.
    """

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
        object_type: str,
        export_id: str | None = None,
        batch_id: int | str | None = None,
        custom_object: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.object_type = object_type
        self.export_id = export_id
        self.batch_id = batch_id
        self.custom_object = custom_object

    def condition(self, context: Context) -> Condition:
        from airflow_provider_marketo.conditions.jobs import JobCondition
        from airflow_provider_marketo.legacy_arguments import as_id

        return JobCondition(
            object_type=self.object_type,
            export_id=self.export_id or None,
            batch_id=as_id("batch_id", self.batch_id),
            custom_object=self.custom_object or None,
        )
