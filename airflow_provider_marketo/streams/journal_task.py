"""The task of a stream that is read from a journal: from an operator's arguments to one run (experimental)."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.sources import EXTRACT, SOURCE
from airflow_provider_marketo.extract.task import ExtractWork
from airflow_provider_marketo.hooks.adobe_events import AdobeEventsHook
from airflow_provider_marketo.hooks.work import Wait, Work
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.manifest import read_manifest
from airflow_provider_marketo.streams.feeds import ACTIVITIES
from airflow_provider_marketo.streams.journal import JournalRun, fits
from airflow_provider_marketo.streams.task import dates_of, stream_of, stream_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.output.manifest import Manifest
    from airflow_provider_marketo.streams.request import StreamRequest

log = printable_logger(__name__)

GAPS = "_marketo/gaps"
"""Folder of the bulk extracts that fill gaps, while they do."""

LONGEST_FILL = timedelta(days=1)
"""How long a run waits for the bulk extract that fills a gap."""

_PAGE = 1000


class JournalWork(Work):
    """
    One try of a run. It waits only while a bulk extract fills a gap.

    :param context: the running task's context.
    :param hook: the connection to Marketo. The task calls Marketo only for names of activity types, and to fill a gap.
    :param arguments: the operator's arguments, rendered and converted, with the stream's ``object_type``.
    :param resumed: whether this is the same try after a deferral.
    :raises MarketoInvalidRequestError: the arguments do not go together.
    """

    def __init__(
        self, context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any], *, resumed: bool
    ) -> None:
        self._context, self._hook, self._arguments = context, hook, arguments
        self._resumed = resumed
        self._fill: ExtractWork | None = None
        self._manifest: dict[str, Any] = {}
        task = context["ti"]
        journal = AdobeEventsHook(arguments["adobe_conn_id"])
        self._request = stream_request(arguments)
        self._folder = OutputFolder.for_task(arguments["output_path"], task)
        self._gap = f"{GAPS}/{layout.task_folder(task)}"
        self._since, _ = dates_of(context, arguments)
        self._run = JournalRun(
            self._request,
            stream_of(arguments, task),
            self._folder,
            hook.get_conn(),
            context,
            hash_key=hook.settings.hash_key(self._request.hash_fields),
            on_gap=arguments["on_gap"],
            instance=journal.settings.instance_of(hook.get_conn().instance),
            journal=journal.client,
            is_certain=bool(journal.settings.munchkin_ids),
            horizon=arguments["lookback"],
        )
        self.poll_interval = timedelta(seconds=hook.settings.poll_interval)

    @property
    def deadline(self) -> datetime | None:
        """When waiting for the bulk extract ends; None without one."""
        return self._fill.deadline if self._fill is not None else None

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """
        Settle the range, fill a gap if there is one, read and publish.

        :param found: what the trigger has found out about the export jobs.
        :return: the export jobs to wait for; None when everything is published.
        """
        if self._fill is None:
            gap = self._run.settle(self._since)
            if gap is None:
                self._manifest = self._run.publish()
                return None
            self._fill = ExtractWork(self._context, self._hook, self._filling(*gap), resumed=self._resumed)
        wait = self._fill.advance(found)
        if wait is not None:
            return wait
        filled = read_manifest(self._fill.finish())
        log.info(
            "The gap is filled: %s by bulk extract, %s and %.1f MB of the export quota",
            counted(filled.rows, "row"),
            counted(len(filled.windows), "job"),
            filled.bytes / 2**20,
        )
        place = OutputFolder(filled.output)
        self._manifest = self._run.publish(_records(place, filled, self._request))
        self._folder.tidy_up(self._gap)
        return None

    def finish(self) -> dict[str, Any]:
        """Return the manifest."""
        return self._manifest

    def pause(self, until: datetime) -> Wait:
        """Return a wait in which export jobs are still cancelled if a person ends the task."""
        return self._fill.pause(until) if self._fill is not None else super().pause(until)

    def extend_deadline(self, idle_until: datetime) -> None:
        """Move the deadline of the bulk extract."""
        if self._fill is not None:
            self._fill.extend_deadline(idle_until)

    def kill(self) -> None:
        """Cancel only the export jobs of this task instance."""
        if self._fill is not None:
            self._fill.kill()

    def give_up(self) -> None:
        """Cancel only the export jobs of this task instance."""
        if self._fill is not None:
            self._fill.give_up()

    def _filling(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Return the arguments of the bulk extract: the same activities, in a folder of its own."""
        return {
            "object_type": ACTIVITIES,
            "start": start,
            "end": end,
            "activity_types": self._request.activity_types,
            "output_path": f"{self._folder.url}/{self._gap}",
            "file_format": "jsonl",
            "attributes": "json",
            "timeout": LONGEST_FILL,
            "window": timedelta(days=31),
            "order": "oldest_first",
            "on_schema_change": "evolve",
            "on_type_error": "string",
            **dict.fromkeys(("date_field", "custom_object", "fields", "filters", "lookback", "daily_export_mb"), None),
            **dict.fromkeys(("partition_by", "exclude_fields", "hash_fields"), ()),
        }


def _records(folder: OutputFolder, manifest: Manifest, request: StreamRequest) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield the rows of the bulk extract as the journal's reader yields records."""
    for file in manifest.files:
        with folder.reading(file.name) as lines:
            while page := list(islice(lines, _PAGE)):
                yield [record for text in page if fits(record := _record(text.decode()), request)]


def _record(text: str) -> dict[str, Any]:
    row = json.loads(text)
    attributes = row.get("attributes") or {}
    if isinstance(attributes, str):
        attributes = json.loads(attributes)
    pairs = [{"name": name, "value": value} for name, value in attributes.items()]
    return {**row, "attributes": pairs, SOURCE: EXTRACT}
