"""Publishes the rows of a finished export job in files with final names."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.bulk.fetch import Consumer
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular.background import InBackground
from airflow_provider_marketo.client.tabular.changed_values import HiddenChanges
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.client.tabular.partitions import Partitioning
from airflow_provider_marketo.client.tabular.transform import Outcome, Rules, Transform
from airflow_provider_marketo.extract.slice_record import record_of
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.formats import FORMATS

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.jobs import ExportJob
    from airflow_provider_marketo.client.bulk.plan import Slice
    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.extract.plan import ExtractPlan
    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.extract.slice_record import SliceRecord
    from airflow_provider_marketo.output.folder import OutputFolder, Staging

Fetch = Callable[[Callable[[], Consumer[Outcome]]], Outcome]


class SlicePublisher:
    """
    Writes slices into the output.

    The run's folder keeps what later tries need: the settled plan, the record of each published slice, and the keys of
    its rows if later slices must not repeat them.

    :param request: the request.
    :param plan: the plan.
    :param folder: the output.
    :param run_folder: this task instance's place in it.
    :param hash_key: key for hashed fields.
    :param published: names of the published slices. Files of any other slice do not count: the try that wrote them
        was killed before the slice was complete.
    :raises MarketoInvalidRequestError: rows cannot be partitioned as wanted.
    """

    def __init__(
        self,
        request: ExtractRequest,
        plan: ExtractPlan,
        folder: OutputFolder,
        run_folder: str,
        *,
        hash_key: Secret | None = None,
        published: Sequence[str] = (),
    ) -> None:
        self._request = request
        self._plan = plan
        self._folder = folder
        self._run_folder = run_folder
        self._hash_key = hash_key
        self._slices = [one.name for one in request.slices(plan.filters, plan.until)]
        self._published = tuple(published)
        self._seen: SeenKeys | None = None
        self._partitions()

    def use(self, plan: ExtractPlan) -> None:
        """Continue with another plan, and keep it for later tries."""
        self._plan = plan
        self._folder.write_state(layout.plan(self._run_folder), plan)

    def publish(self, one: Slice, job: ExportJob, fetch: Fetch) -> SliceRecord:
        """
        Fetch, write, verify and publish one slice.

        :param one: the slice.
        :param job: its completed job.
        :param fetch: downloads the job's file into a consumer.
        :return: the slice's record for the manifest.
        :raises MarketoDataError: the file differs from Marketo's description, or is not a table; nothing was published.
        """
        rules = self._rules(one)
        with self._folder.staging() as staging:
            outcome = Outcome() if job.records == 0 else fetch(lambda: InBackground(self._transform(rules, staging)))
            if job.records is not None and outcome.rows_read != job.records:
                raise MarketoDataError(
                    f"the file of export {job.export_id} has {outcome.rows_read} rows, and Marketo counted"
                    f" {job.records}",
                    operation=self._request.export.operation("get_file"),
                )
            staging.publish([file.name for file in outcome.files])
        self._remember(one, outcome.keys)
        record = record_of(one, job, outcome)
        self._folder.write_state(layout.slice_record(self._run_folder, one.name), record)
        return record

    def _transform(self, rules: Rules, staging: Staging) -> Transform:
        # Each download starts with the keys of earlier slices, without those of a download that was broken off.
        seen = self._keys_of_other_slices()
        branch = seen.branch() if seen is not None else None
        return FORMATS[self._request.file_format].transform(rules, branch, staging.open)

    def _rules(self, one: Slice) -> Rules:
        request, plan = self._request, self._plan
        return Rules(
            schema=plan.schema,
            name=one.name,
            span=(one.window.start, one.window.end) if one.window and plan.schema.date else None,
            partitions=self._partitions(),
            hashed=frozenset(request.hash_fields),
            hidden=HiddenChanges.of(plan.changed_fields, hashed=request.hash_fields, dropped=request.exclude_fields),
            hash_key=self._hash_key,
            attributes=request.attributes_form,
            on_type_error=request.on_type_error,
            activity_types=plan.activity_types,
        )

    def _partitions(self) -> Partitioning:
        date = self._plan.schema.date or self._request.date_filter
        by = self._request.partition_by
        return Partitioning.of(
            by,
            self._plan.schema,
            date=date,
            types=self._plan.activity_types,
            folds_case=bool(by) and self._folder.folds_case,
        )

    def _keys_of_other_slices(self) -> SeenKeys | None:
        """Return the keys; None if no row can come twice: there is one slice, or rows are cut by their date."""
        if len(self._slices) <= 1 or self._plan.schema.date is not None or not self._plan.schema.key:
            return None
        if self._seen is None:
            self._seen = SeenKeys()
            for name in self._published:
                saved = self._folder.read(layout.slice_keys(self._run_folder, name))
                if saved is not None:
                    self._seen.load(io.BytesIO(saved))
        return self._seen

    def _remember(self, one: Slice, keys: SeenKeys | None) -> None:
        if keys is None or self._seen is None:
            return
        saved = io.BytesIO()
        keys.save(saved)
        self._folder.write(layout.slice_keys(self._run_folder, one.name), saved.getvalue())
        self._seen.merge(keys)
        keys.close()
