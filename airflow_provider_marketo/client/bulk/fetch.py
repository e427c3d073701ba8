"""Fetching an export file: resumed after a break, verified, and started anew once if it is not what was announced."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from airflow_provider_marketo.client.bulk.jobs import ExportJob
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoNotFoundError, MarketoTransientError

log = logging.getLogger(__name__)

DOWNLOADS = 2
"""Whole downloads, should the first not be what the job announced."""

BREAKS_WITHOUT_PROGRESS = 5
"""Marketo drops slow downloads. Going on is free as long as bytes arrive."""

MISSING_FILE_TRIES = 6
MISSING_FILE_PAUSE = 10.0
"""A job may be Completed a little before its file can be had."""

Result = TypeVar("Result", covariant=True)


class Consumer(Protocol[Result]):
    """Takes a file block by block."""

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> Result:
        """The file is complete and is what was announced."""
        ...

    def abort(self) -> None:
        """Forget everything."""
        ...


def fetch(
    client: MarketoClient,
    operation: str,
    job: ExportJob,
    consumer: Callable[[], Consumer[Result]],
    *,
    clock: Clock | None = None,
    **path: Any,
) -> Result:
    """
    Download the file of a completed job (``bulk_export_*.get_file``) into a consumer.

    :param client: the instance.
    :param operation: the catalogue's name of the download.
    :param job: what the file must be: size and SHA-256 are checked where Marketo gives them.
    :param consumer: makes a consumer; called again if the file has to be read from the start once more.
    :param clock: the time.
    :param path: further path parameters of the operation.
    :raises MarketoDataError: twice not what was announced; the consumer was told to forget everything.
    """
    clock = clock or SystemClock()
    for attempt in range(1, DOWNLOADS + 1):
        sink = consumer()
        try:
            received, digest = _download(client, operation, job, sink, clock, path)
            problem = _difference(job, received, digest)
            if problem is None:
                return sink.finish()
        except BaseException:
            sink.abort()
            raise
        sink.abort()
        log.warning("Export %s: %s (download %d of %d)", job.export_id, problem, attempt, DOWNLOADS)
    raise MarketoDataError(
        f"the file of export {job.export_id} is not what Marketo announced: {problem}", operation=operation
    )


def _difference(job: ExportJob, received: int, digest: str) -> str | None:
    if job.size is not None and received != job.size:
        return f"{received} bytes arrived and {job.size} were announced"
    if job.checksum is not None and digest != job.checksum:
        return "its SHA-256 differs from the one announced"
    return None


def _download(
    client: MarketoClient, operation: str, job: ExportJob, sink: Consumer[Any], clock: Clock, path: dict[str, Any]
) -> tuple[int, str]:
    digest = hashlib.sha256()
    received = 0
    breaks = missing = 0
    while True:
        before = received
        try:
            with client.download(operation, offset=received, exportId=job.export_id, **path) as download:
                # A server that ignores the range sends the whole file: pass over what is already here.
                surplus = received - download.offset
                for block in download.blocks:
                    if surplus >= len(block):
                        surplus -= len(block)
                        continue
                    fresh = block[surplus:] if surplus else block
                    surplus = 0
                    digest.update(fresh)
                    received += len(fresh)
                    sink.feed(fresh)
            return received, digest.hexdigest()
        except MarketoNotFoundError:
            missing += 1
            if missing == MISSING_FILE_TRIES:
                raise MarketoDataError(
                    f"export {job.export_id} is Completed, but Marketo has no file for it",
                    operation=operation,
                    code="HTTP 404",
                    remedy="Clear the task: a new job is made. Files are kept for seven days.",
                ) from None
            clock.sleep(MISSING_FILE_PAUSE)
        except MarketoTransientError as error:
            breaks = 0 if received > before else breaks + 1
            if breaks == BREAKS_WITHOUT_PROGRESS:
                raise
            log.info("Export %s: %s; going on at byte %d", job.export_id, error.message, received)
            clock.sleep(min(30.0, 2.0**breaks))
