"""The condition that a bulk job has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client.bulk.imports import COMPLETE, FAILED, ImportJobs, import_object
from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJobs
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.custom_objects import naming_type
from airflow_provider_marketo.client.errors import (
    MarketoExportFailedError,
    MarketoImportFailedError,
    MarketoInvalidRequestError,
    MarketoNotFoundError,
)
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence


@dataclass(frozen=True)
class JobCondition(Condition):
    """
    An export or an import has ended.

    :param object_type: what the job exports or imports, such as ``leads``.
    :param export_id: id of an export job.
    :param batch_id: id of an import job.
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
                "a job has either an export_id or a batch_id", parameter="export_id", remedy="Give one of them."
            )
        row = (import_object if self.export_id is None else export_object)(self.object_type)
        if row.custom and self.custom_object is None:
            raise MarketoInvalidRequestError(
                f"object_type={self.object_type!r} does not name the custom object type",
                parameter="custom_object",
                remedy="Give the API name of the custom object type.",
            )
        if self.custom_object is not None and not row.custom:
            raise MarketoInvalidRequestError(
                f"object_type={self.object_type!r} takes no custom_object", parameter="custom_object"
            )

    @property
    def group(self) -> Hashable:
        """The kind of job. Exports are looked up in one list, each import by itself."""
        return (self.object_type, self.custom_object, self.batch_id)

    def describe(self) -> str:
        """Return what the sensor waits for, without a person's data."""
        if self.batch_id is not None:
            return f"import {self.batch_id} of {self.custom_object or self.object_type}"
        return f"export {self.export_id} of {self.custom_object or self.object_type}"


class JobPoller(ConditionPoller[JobCondition]):
    """
    Read the state of jobs.

    All exports of an object type cost one call of the job list. Imports have no list, so each import costs a call.
    """

    def _ask(self, conditions: Sequence[JobCondition]) -> Mapping[JobCondition, Answer]:
        first = conditions[0]
        if first.batch_id is not None:
            return self._ask_import(first)
        jobs = ExportJobs(self._client, export_object(first.object_type), first.custom_object)
        with naming_type(first.custom_object):
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
                    remedy="Marketo will not continue it. Clear the task that created it.",
                )
        return answers

    def _ask_import(self, condition: JobCondition) -> Mapping[JobCondition, Answer]:
        jobs = ImportJobs(self._client, import_object(condition.object_type), condition.custom_object)
        job = jobs.status(int(condition.batch_id or 0))
        if not job.status:
            return {condition: _unknown(condition)}
        if job.status == COMPLETE:
            return {
                condition: {
                    "batch_id": job.batch_id,
                    "status": job.status,
                    "processed": job.processed,
                    "failed": job.failed,
                    "warned": job.warned,
                }
            }
        if job.status == FAILED:
            return {
                condition: MarketoImportFailedError(
                    f"import {job.batch_id} failed: {job.message or 'Marketo gave no reason'}",
                    operation=jobs.kind.operation("get_status"),
                )
            }
        return {}


def _unknown(condition: JobCondition) -> MarketoNotFoundError:
    return MarketoNotFoundError(
        f"Marketo knows no {condition.describe()}",
        parameter="export_id" if condition.export_id else "batch_id",
        remedy="Marketo shows a job for a week, to the API user who created it. Check the id and the connection.",
    )
