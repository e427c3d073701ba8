"""From a finished export job to files under their final names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_marketo.client.bulk.fetch import Consumer
from airflow_provider_marketo.client.bulk.jobs import ExportJob
from airflow_provider_marketo.client.bulk.plan import Slice
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.client.tabular.transform import Outcome
from airflow_provider_marketo.extract.plan import ExtractPlan
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.storage import OutputFolder

Fetch = Callable[[Callable[[], Consumer[Outcome]]], Outcome]


class SlicePublisher:
    """
    Writes slices into the output.

    What it must remember between tries lies in the run's folder: the settled plan, the record of each published slice,
    and the keys of its rows where later slices must not repeat them.

    :param request: what is wanted.
    :param plan: what is going to be done.
    :param folder: the output.
    :param run_folder: this task instance's place in it.
    :param hash_salt: key for hashed fields.
    """

    def __init__(
        self, request: ExtractRequest, plan: ExtractPlan, folder: OutputFolder, run_folder: str, hash_salt: str | None
    ) -> None:
        self._request = request
        self._plan = plan
        self._folder = folder
        self._run_folder = run_folder
        self._hash_salt = hash_salt.encode() if hash_salt else None
        self._repeats = len(request.slices(plan.filters)) > 1 and request.export.row_date is None
        self._seen: SeenKeys | None = None

    def use(self, plan: ExtractPlan) -> None:
        """Go on with another plan, and keep it for the tries to come."""
        self._plan = plan
        save_plan(self._folder, self._run_folder, plan)

    def publish(self, one: Slice, job: ExportJob, fetch: Fetch) -> Mapping[str, Any]:
        """
        Fetch, write, verify and publish one slice.

        :param one: the slice.
        :param job: its completed job.
        :param fetch: downloads the job's file into a consumer.
        :return: the slice's record for the manifest.
        :raises MarketoDataError: the file is not what Marketo announced, or not a table; nothing was published.
        """
        with self._folder.staging() as staging:
            seen = self._seen_keys()
            new_keys = seen.branch() if seen is not None else None
            outcome = Outcome.empty() if job.records == 0 else fetch(lambda: self._transform(one, staging, seen))
            if job.records is not None and outcome.rows_read != job.records:
                raise MarketoDataError(
                    f"the file of export {job.export_id} has {outcome.rows_read} rows, and Marketo counted {job.records}",
                    operation=self._request.export.operation("get_file"),
                )
            files = [file for file in outcome.files if file.rows]
            staging.publish([file.name for file in files])
        record = self._record(one, job, outcome)
        self._folder.write_json(slice_record(self._run_folder, one.name), record)
        return record
