"""
Errors, grouped by what the caller can do about them.

The tree::

    MarketoError
    ├── MarketoConnectionError          never reached Marketo: safe to send again
    ├── MarketoAuthError                client id, secret or token refused
    ├── MarketoPermissionError          a permission or the IP allowlist
    ├── MarketoThrottledError           606, 615: the governor waits
    ├── MarketoQuotaExhaustedError      607, 1029: wait until ``until``
    ├── MarketoQueueFullError           1016, 1019, 1029: wait for a slot
    ├── MarketoAlreadyQueuedError       1029: the job is queued, which is a success
    ├── MarketoTransientError           may pass; ``executed`` says whether the request may have run
    ├── MarketoAmbiguousOutcomeError    may have run and must not run twice: look first
    ├── MarketoInvalidRequestError      wrong and stays wrong; ``parameter`` names what to change
    │   ├── MarketoNotFoundError
    │   ├── MarketoFeatureUnavailableError
    │   └── MarketoJournalExpiredError  the journal has forgotten the position
    ├── MarketoBudgetError              the task's own limit; nothing was sent
    ├── MarketoDataError                a file is not what it should be
    │   ├── MarketoFileGoneError
    │   └── MarketoMemberMissingError   a record of a reply lacks a documented member
    ├── MarketoStateError               the stored state of an earlier run is damaged
    ├── MarketoExportFailedError
    ├── MarketoImportFailedError
    ├── MarketoDeadlineError            the author's timeout
    └── MarketoStoppedError             this process must not continue

Marketo answers HTTP 200 to nearly everything and puts a code into the body. A caller needs
neither the HTTP status nor whether the code is for a reply or a record. It needs to know what to do: give up, wait,
send again or look first. There is one class per consequence; :mod:`.meanings` has the table from code to class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.printable import printable

if TYPE_CHECKING:
    from datetime import datetime

LONGEST_ID = 100
"""Longest code or request id that is shown, in characters."""

ASK_ADOBE = "Try again; if it happens again, ask Adobe's support."
ASK_ADOBE_WITH_OPERATION = "Try again; if it happens again, ask Adobe's support with the operation's name."
"""Remedies if Marketo's answer is not what Adobe documents."""

_SERVICES = {
    "identity": "identity",
    "data_ingestion": "data ingestion",
    "journal": "the journal",
    "ims": "IMS",
}
"""Services of Marketo and Adobe that have their own host or path, by the family of their operations."""


class MarketoError(Exception):
    """
    Anything that went wrong between this provider and Marketo.

    :param message: what happened, to what and why, in one sentence.
    :param operation: the operation's name in the catalogue, such as ``leads.sync``.
    :param code: Marketo's code, or ``HTTP <status>`` where Marketo gave no code.
    :param request_id: Marketo's request id: what Adobe's support asks for first.
    :param remedy: the way out, as a sentence addressed to the person who reads the log.
    :param executed: False when Marketo certainly did not act on the request, True when it may have.
    :ivar elapsed: seconds between sending the request and the failure.
    """

    default_remedy: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        remedy: str | None = None,
        executed: bool = False,
    ) -> None:
        message = printable(message)  # Marketo's own words may be part of it
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.code = None if code is None else printable(code, LONGEST_ID)
        self.request_id = None if request_id is None else printable(request_id, LONGEST_ID)
        self.remedy = self.default_remedy if remedy is None else printable(remedy)
        self.executed = executed
        self.elapsed = 0.0

    def __str__(self) -> str:
        where = f"{self.operation}: " if self.operation else ""
        facts = ", ".join(filter(None, (self._answer(), f"request id {self.request_id}" if self.request_id else "")))
        text = f"{where}{self.message}"
        if facts:
            text += f" ({facts})"
        if self.remedy:
            text += f". {self.remedy}" if not text.endswith((".", "!", "?")) else f" {self.remedy}"
        return text

    def _answer(self) -> str:
        """Return who answered, and what: ``Marketo code 603``, ``HTTP 401 from identity``."""
        if not codes.is_http(self.code):
            return f"Marketo code {self.code}" if self.code else ""
        family = (self.operation or "").partition(".")[0]
        return f"{self.code} from {_SERVICES.get(family, 'Marketo')}"


class MarketoConnectionError(MarketoError):
    """The instance was never reached: no name, no route, no TLS. Nothing was sent, so nothing was executed."""

    default_remedy = "Check the connection's host, the proxy and the network of the worker."


class MarketoAuthError(MarketoError):
    """Identity refused the client id and secret, or the token stayed refused after one refresh."""

    default_remedy = (
        "Check the connection's login (client id) and password (client secret): Admin > LaunchPoint > View Details."
    )


class MarketoPermissionError(MarketoError):
    """The API user may not do this: a permission is missing, or the address is not on the IP allowlist."""

    default_remedy = (
        "Grant the API user's role the permission the operation needs, and check that the worker's address is on"
        " the instance's IP allowlist if it has one."
    )


class MarketoThrottledError(MarketoError):
    """606 or 615: too many calls in 20 seconds, or too many at once. The governor waits these out."""

    default_remedy = "Lower the connection's rate_limit or max_parallel if other integrations share the instance."
    wait: float = 0.0
    """Seconds after which to ask again, if the answer names them."""


class MarketoQuotaExhaustedError(MarketoError):
    """
    A daily allowance is spent: calls (607) or bytes of bulk export (1029).

    :param until: when to ask again, aware of its time zone.
    :param quota: ``calls`` or ``export``.
    """

    default_remedy = "Wait for the reset at midnight US Central time, or ask Adobe to raise the allowance."

    def __init__(self, message: str, *, until: datetime | None = None, quota: str = "calls", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.until = until
        self.quota = quota


class MarketoQueueFullError(MarketoError):
    """All ten places in the export or import queue are taken, or another import into the target list is running."""

    default_remedy = "Wait until one of the jobs ahead has finished."


class MarketoAlreadyQueuedError(MarketoError):
    """1029 "already queued": the job is in the queue. Callers that enqueue treat it as a success."""


class MarketoTransientError(MarketoError):
    """Marketo or the network failed in a way that may pass. ``executed`` says whether the request may have run."""

    default_remedy = "Try again later; if it happens again, ask Adobe's support, with the request id if there is one."


class MarketoStorageError(MarketoError):
    """A disk, an object store or Airflow's API failed, but did not say that something is missing or forbidden."""

    default_remedy = (
        "It may be a passing failure: the next try continues. If it happens again, check the disk, the bucket or"
        " Airflow's API server."
    )


class MarketoInvalidRequestError(MarketoError):
    """
    The request is wrong and stays wrong.

    :param parameter: the parameter to change, in the spelling of the module that raised the error.
    """

    def __init__(self, message: str, *, parameter: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.parameter = parameter


class MarketoBudgetError(MarketoError):
    """
    The task would use more of Marketo than its author allows it. Nothing was sent.

    :param parameter: the limit: ``max_calls``.
    """

    default_remedy = (
        "What the task has published or sent stays. Raise max_calls or give the task less to do, and run it again."
    )

    def __init__(self, message: str, *, parameter: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.parameter = parameter


class MarketoNotFoundError(MarketoInvalidRequestError):
    """Nothing has the name or id in the request, or this API user cannot see it."""

    default_remedy = "Check the name or id. If it is right, give the API user access to the workspace that has it."


class MarketoFeatureUnavailableError(MarketoInvalidRequestError):
    """The subscription lacks a requested feature (1035, 703, 616 and similar codes)."""


class MarketoJournalExpiredError(MarketoInvalidRequestError):
    """Adobe no longer has the events that follow a position of the journal: it keeps them for seven days."""

    default_remedy = (
        "Use on_gap='skip', which continues with the oldest event that Adobe still keeps. For activities, on_gap='fill'"
        " also reads what is missing."
    )


class MarketoAmbiguousOutcomeError(MarketoError):
    """A request that must not run twice failed in a way that leaves open whether it ran."""

    default_remedy = "Check in Marketo whether the request ran. Send it again only if it did not run."


class MarketoDataError(MarketoError):
    """A file from Marketo is not what Marketo announced: it is cut short, altered, or not a table."""

    default_remedy = (
        "The file was not published. Run the task again; if it happens again, ask Adobe's support with the export id."
    )


class MarketoStateError(MarketoError):
    """A Variable or file of an earlier run cannot be read. It never counts as missing."""

    default_remedy = "Restore it, or delete it and clear the task."


class MarketoFileGoneError(MarketoDataError):
    """An export job is Completed, and Marketo has no file for it: files are kept for a week, job states for longer."""

    default_remedy = "Run the task again: it makes a new job."


class MarketoExportFailedError(MarketoError):
    """Marketo gave up an export job, or another user keeps cancelling it."""

    default_remedy = (
        "Run the task again. If it happens again, give a shorter window if the operator has this argument, or ask"
        " Adobe's support with the export id."
    )


class MarketoImportFailedError(MarketoError):
    """Marketo gave up an import job."""

    default_remedy = "Read the job's message. If it does not help, ask Adobe's support with the batch id."


class MarketoDeadlineError(MarketoError):
    """Marketo took longer than the author was willing to wait."""

    default_remedy = (
        "Run the task again: it exports only what it has not yet published. Raise timeout, or shorten window so that"
        " each job is smaller, if the operator has these arguments. The task cancels its jobs, and warns of one that it"
        " cannot cancel."
    )


class MarketoPackageMissingError(MarketoError):
    """A package is missing on this host. The error is not permanent: the next try may run on a host that has it."""

    default_remedy = "Install it on every worker and triggerer. The next try may run on a host that has it."


class MarketoStoppedError(MarketoError):
    """The process must not continue: its task was killed, or another try has taken over."""
