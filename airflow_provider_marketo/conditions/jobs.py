"""Has a bulk job ended?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_marketo.client.bulk.imports import import_object
from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJobs
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.errors import (
    MarketoExportFailedError,
    MarketoImportFailedError,
    MarketoInvalidRequestError,
    MarketoNotFoundError,
)
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller


@dataclass(frozen=True)
class JobCondition(Condition):
    """
    Has an export or an import ended?

    :param object_type: of the export or import.
    :param export_id: of an export job.
    :param batch_id: of an import job.
    :param custom_object: API name of the custom object type, for ``custom_objects``.
    """

    kind: ClassVar[str] = "job"
    object_type: str
    export_id: str | None = None
    batch_id: int | None = None
    custom_object: str | None = None

    def __post_init__(self) -> None:
        if (self.export_id is None) == (self.batch_id is None):
            raise MarketoInvalidRequestError(
                "a job is named by its export_id or its batch_id", parameter="export_id", remedy="Give one of them."
            )
        of_exports = self.export_id is not None
        custom = export_object(self.object_type).custom if of_exports else import_object(self.object_type).custom
        if custom != (self.custom_object is not None):
            raise MarketoInvalidRequestError(
                "custom_object is needed for custom_objects, and for nothing else", parameter="custom_object"
            )

    @property
    def group(self) -> Hashable:
        return (self.object_type, self.custom_object, self.batch_id)

    def describe(self) -> str:
        if self.batch_id is not None:
            return f"import {self.batch_id} of {self.custom_object or self.object_type}"
        return f"export {self.export_id} of {self.custom_object or self.object_type}"


class JobPoller(ConditionPoller[JobCondition]):
    """Looks at the job list, one call for all exports of an object type; imports have no list and cost a call each."""

    def _ask(self, conditions: Sequence[JobCondition]) -> Mapping[JobCondition, Answer]:
        first = conditions[0]
        if first.batch_id is not None:
            return self._ask_import(first)
        jobs = ExportJobs(self._client, export_object(first.object_type), first.custom_object)
        found = jobs.find({str(condition.export_id) for condition in conditions})
        answers: dict[JobCondition, Answer] = {}
        for condition in conditions:
            job = found.get(str(condition.export_id))
            if job is None:
                answers[condition] = _unknown(condition)
            elif job.status == COMPLETED:
                answers[condition] = {
                    "export_id": job.export_id,
                    "status": job.status,
                    "records": job.records,
                    "bytes": job.size,
                }
            elif not job.waiting:
                answers[condition] = MarketoExportFailedError(
                    f"export {job.export_id} is {job.status}: {job.error or 'Marketo gave no reason'}",
                    operation=jobs.export.operation("get_jobs"),
                    remedy="It will not go on: run the task that made it again.",
                )
        return answers

    def _ask_import(self, condition: JobCondition) -> Mapping[JobCondition, Answer]:
        kind = import_object(condition.object_type)
        operation = kind.operation("get_status")
        path = {"apiName": condition.custom_object} if condition.custom_object else {}
        records = self._client.call(operation, batchId=condition.batch_id, **path).records
        if not records:
            return {condition: _unknown(condition)}
        job: Mapping[str, Any] = records[0]
        status = str(job.get("status", "")).lower()
        if status.startswith("complete"):
            return {
                condition: {
                    "batch_id": condition.batch_id,
                    "status": "complete",
                    "processed": job.get(kind.processed),
                    "failed": job.get("numOfRowsFailed"),
                    "warned": job.get("numOfRowsWithWarning"),
                }
            }
        if status == "failed":
            return {
                condition: MarketoImportFailedError(
                    f"import {condition.batch_id} failed: {job.get('message') or 'Marketo gave no reason'}",
                    operation=operation,
                )
            }
        return {}


def _unknown(condition: JobCondition) -> MarketoNotFoundError:
    return MarketoNotFoundError(
        f"Marketo knows no {condition.describe()}",
        parameter="export_id" if condition.export_id else "batch_id",
        remedy="Jobs are shown to the API user who created them, for a week: check the id and the connection.",
    )
