"""Names of files in an output folder. Readers of the data skip names that start with an underscore."""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.client.names import key_part

SCHEMA = "_marketo/schema.json"
MANIFESTS = "_marketo/manifests"
RUNS = "_marketo/runs"
STAGING = "_marketo/staging"
TEMPORARY_PREFIX = "marketo-"
"""Prefix of temporary folders, in an output folder or in the temporary folder of a host."""


def manifest(name: str) -> str:
    """Return the name of an extract's manifest; the same for every run over the same span."""
    return f"{MANIFESTS}/{name}.json"


def run_folder(dag_id: str, task_id: str, run_id: str, map_index: int | None) -> str:
    """Return the folder for the state of a task instance between two tries."""
    parts = [*map(key_part, (dag_id, task_id, run_id)), str(-1 if map_index is None else map_index)]
    return "/".join([RUNS, *parts])


def task_folder(task: Any) -> str:
    """Return the folder of a running task instance, ``context["ti"]``."""
    return run_folder(task.dag_id, task.task_id, task.run_id, task.map_index)


def request(run: str) -> str:
    """Return the file of the request with which the extract began: templates may render differently later."""
    return f"{run}/request.json"


def progress(run: str) -> str:
    """Return the file of the progress: jobs that were created, slices that were published (before Airflow 3.3)."""
    return f"{run}/progress.json"


def mark(run: str) -> str:
    """Return the file of a mark that is also in the progress. If the marks differ, the folder is another host's."""
    return f"{run}/mark.json"


def plan(run: str) -> str:
    """Return the file of the plan: fields, schema and activity types, settled once per extract."""
    return f"{run}/plan.json"


def leftovers(run: str) -> str:
    """Return the file that lists files to delete once the manifest is published, unless they are written again."""
    return f"{run}/leftovers.json"


def slice_record(run: str, slice_name: str) -> str:
    """Return the file of the manifest's part about a published slice."""
    return f"{run}/slices/{slice_name}.json"


def is_slice_record(name: str) -> bool:
    """Whether a file below the folder of all runs is the record of a slice."""
    return name.endswith(".json") and name.split("/")[-2:-1] == ["slices"]


def slice_keys(run: str, slice_name: str) -> str:
    """Return the file of the keys of a published slice, which later slices must not repeat."""
    return f"{run}/slices/{slice_name}.keys"
