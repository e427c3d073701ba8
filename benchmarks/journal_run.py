"""The run that :mod:`benchmarks.journal` measures, in a process of its own."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.journal.address import JournalAddress
from airflow_provider_marketo.client.journal.client import JournalClient
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.client.tabular import typed  # noqa: F401 - imported before memory is measured
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.streams.journal import JournalRun
from airflow_provider_marketo.streams.request import StreamRequest
from benchmarks.memory import megabytes

if TYPE_CHECKING:
    from collections.abc import Mapping


def run(facts: Mapping[str, Any]) -> dict[str, float]:
    """
    Read a journal to its end, and return rows, seconds, seconds of CPU and megabytes.

    :param facts: where the journal is, and where to write to.
    """
    journal = JournalClient(
        JournalAddress.parse(facts["journal"]),
        facts["client_id"],
        Secret(facts["client_secret"]),
        ims_org=facts["ims_org"],
        scopes=("openid", "adobeio_api"),
    )
    task = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, task=SimpleNamespace(outlets=[]))
    one = JournalRun(
        StreamRequest(object_type="activities", file_format="parquet", attributes="typed", journal=True),
        None,
        OutputFolder(facts["folder"]),
        MarketoClient(facts["url"], facts["marketo_id"], facts["marketo_secret"]),
        {"ti": task},
        journal=journal,
        instance=facts["instance"],
        is_certain=True,
        horizon=None,
    )
    before = megabytes("VmRSS")
    begun, cpu = time.monotonic(), time.process_time()
    one.settle(parse_date(facts["since"]))
    manifest = one.publish()
    return {
        "rows": manifest["rows"],
        "seconds": time.monotonic() - begun,
        "cpu": time.process_time() - cpu,
        "megabytes": megabytes("VmHWM") - before,
    }
