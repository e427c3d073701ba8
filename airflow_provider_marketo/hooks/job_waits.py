"""Waits for Marketo's jobs. They are not in :mod:`.work`, because DAG files that are only parsed do not need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.hooks.work import Wait

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

EXPORT_IDS = "marketo_export_ids"
"""XCom in which a task names the export jobs that it waits for. Its trigger cancels no others."""


@dataclass(frozen=True)
class ExportJobsWait(Wait):
    """
    Wait until an export job has ended, or with ``until`` only hold the jobs while time passes.

    :param object_type: what is exported.
    :param custom_object: API name of the custom object type.
    :param export_ids: the jobs. They are cancelled if a person ends the task meanwhile.
    :param deadline: when waiting ends, aware.
    """

    object_type: str = ""
    custom_object: str | None = None
    export_ids: tuple[str, ...] = ()
    deadline: datetime | None = None

    @property
    def xcoms(self) -> Mapping[str, Any]:
        """The jobs that the task still wants."""
        return {EXPORT_IDS: list(self.export_ids)}


@dataclass(frozen=True)
class ImportJobsWait(Wait):
    """
    Wait until an import job has ended.

    :param object_type: what is imported.
    :param custom_object: API name of the custom object type.
    :param batch_ids: the jobs.
    :param deadline: when waiting ends, aware.
    """

    object_type: str = ""
    custom_object: str | None = None
    batch_ids: tuple[int, ...] = ()
    deadline: datetime | None = None
