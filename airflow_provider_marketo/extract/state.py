"""What an extract must not forget when its task dies: which jobs it created, and what it has published."""

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

    :param jobs: slice name to export id, for jobs that Marketo holds for us.
    :param published: names of slices whose files are in place.
    :param output: URL of the output.
    :param host: of the process that began.
    :param mark: what lies in the output, so that a folder of the same name on another host is not taken for it.
    :param recreated: slice name to how often its job was recreated in this try.
    """

    jobs: dict[str, str] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    output: str = ""
    host: str = ""
    mark: str = ""
    recreated: dict[str, int] = field(default_factory=dict)


ProgressKeeper = kept.ProgressKeeper[Progress]


def progress_store(context: Mapping[str, Any], folder: OutputFolder, run: str) -> kept.ProgressStore[Progress]:
    """Where the progress of this task instance is kept."""
    note = HostNote(host_variable(run), folder, "output_path")
    return kept.progress_store(context, _KEY, Progress, folder, layout.progress(run), note=note)
