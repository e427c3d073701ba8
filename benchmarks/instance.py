"""A simulated Marketo in a process of its own, with export jobs that are ready to be fetched."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_marketo.client.bulk.fetch import fetch
from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJob, ExportJobs
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.extract.plan import NEVER_EXPORTED, make_plan
from airflow_provider_marketo.extract.publish import SlicePublisher
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

START, END = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 31, tzinfo=timezone.utc)
LEAD_COLUMNS = 60
GIGABYTE = 1 << 30


@dataclass(frozen=True)
class Export:
    """
    A completed export job, whose file the instance serves.

    :param request: the request of the extract; its output format may be changed.
    :param job: the completed job.
    :param path: the same file on this disk.
    :param url: the URL that serves the file.
    :param token: an access token for that URL.
    """

    request: ExtractRequest
    job: ExportJob
    path: Path
    url: str
    token: str

    @property
    def rows(self) -> int:
        """The number of rows, without the header."""
        return self.job.records or 0

    @property
    def megabytes(self) -> float:
        """The size of the file in MB."""
        return (self.job.size or 0) / 1e6


class Instance:
    """
    The simulator in a process of its own.

    :param folder: folder for its export files.
    :param settings: options of the simulator, such as ``leads=1000``.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self._folder = folder
        self._settings = {
            "spool": folder,
            "start": "2026-01-01",
            "end": "2026-01-31",
            "time_scale": 1000,
            "export_daily_bytes": 100 * GIGABYTE,
            **settings,
        }
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.client_id = ""
        self.client_secret = ""

    def __enter__(self) -> Instance:
        options = [part for name, value in self._settings.items() for part in _option(name, value)]
        command = [sys.executable, "-m", "airflow_provider_marketo.simulator", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        where = json.loads(self._process.stdout.readline())
        self.url, self.client_id, self.client_secret = where["url"], where["client_id"], where["client_secret"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()

    def client(self) -> MarketoClient:
        """Return a client of the instance."""
        return MarketoClient(self.url, self.client_id, self.client_secret)

    @classmethod
    def running(cls, url: str, client_id: str, client_secret: str) -> Instance:
        """Return an instance that another process started."""
        instance = cls(Path())
        instance.url, instance.client_id, instance.client_secret = url, client_id, client_secret
        return instance

    def lead_fields(self) -> list[str]:
        """Return the names of the lead fields that the benchmark exports."""
        described = self.client().call("leads.describe").records
        names = [
            item["rest"]["name"] for item in described if "rest" in item and item["dataType"] not in NEVER_EXPORTED
        ]
        assert len(names) >= LEAD_COLUMNS, names
        return names[:LEAD_COLUMNS]

    def export(self, object_type: str, fields: Sequence[str] | None = None, days: int = 30) -> Export:
        """Run an export job until its file is complete; this may take minutes."""
        client = self.client()
        request = ExtractRequest(object_type, start=START, end=START + timedelta(days=days), fields=fields)
        plan = make_plan(request, client, None)
        (one,) = request.slices(plan.filters)
        jobs = ExportJobs(client, request.export)
        before = set(self._folder.iterdir())
        job = jobs.create(plan.fields, one.filter)
        jobs.enqueue(job.export_id)
        while job.status != COMPLETED:
            time.sleep(0.2)
            job = jobs.find([job.export_id])[job.export_id]
        (path,) = set(self._folder.iterdir()) - before
        url = f"{self.url}/bulk/v1/{object_type}/export/{job.export_id}/file.json"
        return Export(request, job, path, url, self._token())

    def _token(self) -> str:
        query = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        return str(requests.post(f"{self.url}/identity/oauth/token", params=query, timeout=60).json()["access_token"])

    def report(self) -> dict[str, int]:
        """Return the number of calls so far by operation."""
        command = [sys.executable, "-m", "airflow_provider_marketo.simulator", "report", self.url]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        calls: dict[str, int] = report["calls"]
        return calls

    def publish(self, export: Export, output: Path, **wanted: Any) -> dict[str, Any]:
        """Fetch, verify, write and publish an export, as the operator does."""
        client = self.client()
        request = replace(export.request, **wanted)
        plan = make_plan(request, client, None)
        (one,) = request.slices(plan.filters)
        publisher = SlicePublisher(request, plan, OutputFolder(str(output)), "_marketo/runs/benchmark")
        operation = request.export.operation("get_file")
        record = publisher.publish(one, export.job, lambda consumer: fetch(client, operation, export.job, consumer))
        return record.to_dict()


def _option(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    return [flag, str(value)]
