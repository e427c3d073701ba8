"""The progress of an extract, kept if its task dies: the jobs that it created and the slices that it published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.hooks.variables import host_variable
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output import progress as kept
from airflow_provider_marketo.output.foreign import HostNote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.output.folder import OutputFolder

_KEY = "marketo_bulk_extract"


@dataclass
class Progress(kept.Progress):
    """
    The progress of an extract.

    :param jobs: slice name to export id, for the jobs at Marketo.
    :param published: names of slices whose files are in place.
    :param output: URL of the output.
    :param host: the host of the process that began.
    :param mark: the mark in the output. A folder of the same name on another host has another mark.
    :param recreated: slice name to the number of times that its job was recreated in this try.
    """

    jobs: dict[str, str] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    output: str = ""
    host: str = ""
    mark: str = ""
    recreated: dict[str, int] = field(default_factory=dict)


ProgressKeeper = kept.ProgressKeeper[Progress]


def progress_store(context: Mapping[str, Any], folder: OutputFolder, run: str) -> kept.ProgressStore[Progress]:
    """Return the store of this task instance's progress."""
    note = HostNote(host_variable(run), folder, "output_path")
    return kept.progress_store(context, _KEY, Progress, folder, layout.progress(run), note=note)
