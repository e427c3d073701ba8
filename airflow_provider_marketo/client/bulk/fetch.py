"""Fetch an export file: resume after a break, verify it, and download it again once if it differs from the job."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoDataError,
    MarketoFileGoneError,
    MarketoInvalidRequestError,
    MarketoNotFoundError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.client.bulk.jobs import ExportJob
    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)

DOWNLOADS = 2
"""How many times the whole file is downloaded if it differs from what the job announced."""

BREAKS_WITHOUT_PROGRESS = 5
"""Breaks in a row without progress. Marketo drops slow downloads, and resuming is free while bytes arrive."""

STEPS = 1000
"""Number of parts of a file. Each part is progress; a single byte is not, or a file might take millions of calls."""

_LARGEST_STEP = 1 << 18
"""So many bytes count as progress even in a large file. A proxy may cut every download after a megabyte."""

MISSING_FILE_TRIES = 6
MISSING_FILE_PAUSE = 10.0
"""Seconds. A job may be Completed a little before its file is available."""

Result_co = TypeVar("Result_co", covariant=True)


class Consumer(Protocol[Result_co]):
    """Takes a file block by block."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        ...

    def finish(self) -> Result_co:
        """Take note that the file is complete and verified."""
        ...

    def abort(self) -> None:
        """Drop everything."""
        ...


def fetch(
    client: MarketoClient,
    operation: str,
    job: ExportJob,
    consumer: Callable[[], Consumer[Result_co]],
    *,
    path: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Result_co:
    """
    Download the file of a completed job (``bulk_export_*.get_file``) into a consumer.

    :param client: the instance.
    :param operation: the catalogue's name of the download.
    :param job: the job; the file's size and SHA-256 are checked if Marketo gives them.
    :param consumer: makes a consumer; called again if the file is downloaded again.
    :param path: further path parameters of the operation.
    :param clock: the clock.
    :raises MarketoDataError: the file differed twice from the job, or the consumer cannot read it; the consumer has
        dropped everything.
    :raises MarketoFileGoneError: Marketo has no file for the job.
    """
    clock = clock or SystemClock()
    for attempt in range(1, DOWNLOADS + 1):
        sink = _Sink(consumer(), job)
        try:
            _download(client, operation, job, sink, clock=clock, path=path or {})
            problem = sink.difference()
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


class _Sink(Generic[Result_co]):
    """
    A consumer and a digest of what it received.

    If the consumer cannot read the file, the download continues to its end. The error counts only if the file matches
    the job; otherwise the file is downloaded again.
    """

    def __init__(self, consumer: Consumer[Result_co], job: ExportJob) -> None:
        self._consumer = consumer
        self._job = job
        self._digest = hashlib.sha256()
        self._complaint: MarketoDataError | None = None
        self.received = 0

    def feed(self, block: bytes) -> None:
        self._digest.update(block)
        self.received += len(block)
        if self._complaint is None:
            try:
                self._consumer.feed(block)
            except MarketoDataError as error:
                if self._job.checksum is None:
                    raise
                self._complaint = error

    def difference(self) -> str | None:
        """Return how the file differs from what the job announced; None if it does not."""
        job = self._job
        if job.size is not None and self.received != job.size:
            return f"{self.received} bytes arrived and {job.size} were announced"
        if job.checksum is not None and self._digest.hexdigest() != job.checksum:
            return "its SHA-256 differs from the one announced"
        return None

    def finish(self) -> Result_co:
        if self._complaint is not None:
            raise self._complaint
        return self._consumer.finish()

    def abort(self) -> None:
        self._consumer.abort()


class _Breaks:
    """
    Counts the breaks without progress.

    :param size: the size of the file; None if it is unknown.
    """

    def __init__(self, size: int | None) -> None:
        self._step = min(_LARGEST_STEP, max(1, size // STEPS)) if size is not None else _LARGEST_STEP
        self._progress = 0
        self._count = 0

    def count(self, received: int) -> int:
        """
        Count a break, and return how many came in a row without progress.

        :param received: bytes so far.
        """
        if received >= self._progress + self._step:
            self._progress, self._count = received, 0
        else:
            self._count += 1
        return self._count


def _download(
    client: MarketoClient,
    operation: str,
    job: ExportJob,
    sink: _Sink[Any],
    *,
    clock: Clock,
    path: Mapping[str, str],
) -> None:
    all_breaks, missing = _Breaks(job.size), 0
    while True:
        before = sink.received
        try:
            with client.download(operation, offset=before, exportId=job.export_id, **path) as download:
                # A server that ignores the range sends the whole file: skip what was received before.
                surplus = before - download.offset
                for block in download.blocks:
                    if surplus < len(block):
                        sink.feed(block[surplus:] if surplus else block)
                    surplus = max(0, surplus - len(block))
                    if job.size is not None and sink.received > job.size:  # the answer may never end
                        return
            if job.size is None or sink.received >= job.size or sink.received == before:
                return
            raise MarketoTransientError("the download ended early", operation=operation)
        except MarketoNotFoundError:
            missing += 1
            if missing == MISSING_FILE_TRIES:
                raise MarketoFileGoneError(
                    f"export {job.export_id} is Completed, but Marketo has no file for it",
                    operation=operation,
                    code=codes.HTTP_NOT_FOUND,
                ) from None
            clock.sleep(MISSING_FILE_PAUSE)
        except MarketoInvalidRequestError as error:
            if error.code == codes.HTTP_RANGE_UNSATISFIABLE:  # the file ends here
                return
            raise
        except (MarketoTransientError, MarketoConnectionError) as error:
            if sink.received == job.size:  # there is nothing left to ask for
                return
            breaks = all_breaks.count(sink.received)
            if breaks == BREAKS_WITHOUT_PROGRESS:
                raise
            log.info("Export %s: %s; resuming at byte %d", job.export_id, error.message, sink.received)
            clock.sleep(2.0**breaks)
