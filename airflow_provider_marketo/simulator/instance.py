"""One Marketo instance: a call comes in, is checked in Marketo's order, and is answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_marketo.client.operation import Operation
from airflow_provider_marketo.simulator import checking, handlers, import_rows, routes
from airflow_provider_marketo.simulator.clock import Clock
from airflow_provider_marketo.simulator.export_jobs import ExportJobs
from airflow_provider_marketo.simulator.export_sources import ExportSources
from airflow_provider_marketo.simulator.faults import BAD_GATEWAY, Fault, Faults
from airflow_provider_marketo.simulator.import_jobs import ImportJobs
from airflow_provider_marketo.simulator.ingestion import BASE, NO_TOKEN, TOKEN_HEADER, Ingestion, IngestionError, Work
from airflow_provider_marketo.simulator.meter import Meter
from airflow_provider_marketo.simulator.problems import ApiError, ConnectionDropError, HttpError
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.report import Observations, Report
from airflow_provider_marketo.simulator.request import Request
from airflow_provider_marketo.simulator.settings import ApiUser, Settings
from airflow_provider_marketo.simulator.store import Store
from airflow_provider_marketo.simulator.tokens import Tokens, bearer

handlers.load()

IDENTITY = "/identity/oauth/token"
_BULK = "/bulk/"
_ASSETS = "/rest/asset/"


@dataclass(frozen=True)
class Call:
    """
    A request as it comes off the wire.

    :param method: HTTP verb.
    :param target: path and query, percent-encoded.
    :param headers: with names in lower case.
    :param body: all of it.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """Decoded."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @cached_property
    def is_query(self) -> bool:
        """Whether it reads, although it is a POST."""
        return checking.is_query(self.method, self.path, self.query, self.headers, self.body)


class Instance:
    """
    Everything behind the web server. Handlers run one at a time, under ``lock``.

    :param settings: what kind of instance.
    :param clock: the time.
    :param folder: where export files lie.
    """

    def __init__(self, settings: Settings, clock: Clock, folder: Path) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self.store = Store(settings)
        self.meter = Meter(settings, clock)
        self.tokens = Tokens(settings, clock)
        self.faults = Faults()
        self.seen = Observations()
        self.last_polls: dict[tuple[Any, ...], datetime] = {}
        self.imports = ImportJobs(settings, clock, partial(import_rows.run, self))
        self.ingestion = Ingestion(settings, clock, self._ingest)
        self.exports = ExportJobs(settings, clock, self.meter, ExportSources(settings, self.store), folder)

    @property
    def now(self) -> int:
        """Simulated seconds since 1970."""
        return int(self.clock.now().timestamp())

    def report(self) -> Report:
        """What was seen up to now."""
        with self.lock:
            self.ingestion.settle()
            return self.seen.report(self.meter.peak_running, self.meter.peak_window, self.store.assets.sent_twice())

    def spend(self, calls: int, export_bytes: int) -> None:
        """Count what another integration uses of today's quotas."""
        self.meter.spend("somebody.else@example.org", calls)
        self.exports.bytes_of_others[self.meter.today()] += export_bytes

    def refused(self, status: int) -> None:
        """The web server refused a call before it was read."""
        with self.lock:
            self.seen.calls["?"] += 1
            self.seen.rejected[f"HTTP {status}"] += 1

    def downloaded(self, count: int) -> None:
        """Bytes of a file went over the wire."""
        with self.lock:
            self.seen.bytes_downloaded += count

    def largest_body(self, path: str) -> int:
        """Bytes that a request to a path may carry."""
        imports = path.startswith(_BULK) and path.endswith("import.json")
        return self.settings.max_import_body if imports or path == "/bulk/v1/leads.json" else self.settings.max_body

    @contextmanager
    def exchange(self, call: Call) -> Iterator[Reply]:
        """
        Answer a call. It counts as running until the reply is sent, so the reply is sent inside.

        :raises ApiError: the whole call fails.
        :raises HttpError: it fails at the HTTP level.
        :raises ConnectionDropError: there is no answer.
        """
        started = time.monotonic()
        if call.path == IDENTITY:
            yield self._identity(call)
            return
        user = None
        elsewhere = call.path.startswith(BASE)
        try:
            match = self._match(call)
            operation = self._operation(call, match)
            user = self._user(call, elsewhere)
            # Data ingestion is another service, and its calls do not count here.
            with nullcontext() if elsewhere else self._metered(user):
                if not match.operations:
                    raise ApiError("610")
                reply = self._answer(call, operation, match.path, user)
                time.sleep(max(0.0, started + self.settings.latency - time.monotonic()))
                yield reply
        except ApiError as error:
            if elsewhere:
                error = IngestionError.of(error)
            with self.lock:
                self.seen.rejected[error.code] += 1
                if not elsewhere:
                    self.meter.fail(user, error.code)
            raise error from None
        except HttpError as error:
            with self.lock:
                self.seen.rejected[f"HTTP {error.status}"] += 1
            raise

    def fault(self, operation: str) -> Fault | None:
        """The fault that befalls a call of an operation."""
        with self.lock:
            fault = self.faults.take(operation)
            if fault is not None:
                self.seen.faults[operation] += 1
            return fault

    def note(self, violation: str) -> None:
        """Something that a careful client does not do."""
        with self.lock:
            self.seen.note(violation)

    def _match(self, call: Call) -> routes.Match:
        assets = call.path.startswith(_ASSETS)
        if len(call.target) > (self.settings.max_asset_uri if assets else self.settings.max_uri):
            self.note("address too long")
            raise HttpError(414, "Request-URI Too Long")
        if "//" in call.path:
            self.note("double slash in the path")
        return routes.find(call.path)

    def _user(self, call: Call, elsewhere: bool) -> ApiUser:
        token = call.headers.get(TOKEN_HEADER) if elsewhere else bearer(call.headers)
        if elsewhere and not token:
            raise ApiError(NO_TOKEN, "OAuth token is missing")
        in_query = dict(call.query).get("access_token")
        if in_query is not None:
            self.note("token in the query")
            token = token or (in_query if self.settings.accept_query_token else None)
        with self.lock:
            return self.tokens.user(token)

    @contextmanager
    def _metered(self, user: ApiUser) -> Iterator[None]:
        try:
            with self.lock:
                self.meter.enter(user)
            yield
        finally:
            with self.lock:
                self.meter.leave()

    def _identity(self, call: Call) -> Reply:
        operation = "identity.post_token" if call.method == "POST" else "identity.get_token"
        with self.lock:
            self.seen.calls[operation] += 1
        fault = self.fault(operation)
        if fault is not None:
            _strike(fault)
        # In the query, as Adobe specifies. Clients in wide use send a form instead, and Marketo takes it.
        form = parse_qsl(call.body.decode("utf-8", "replace")) if call.method == "POST" else []
        with self.lock:
            return self.tokens.grant(dict([*form, *call.query]))

    def _operation(self, call: Call, match: routes.Match) -> Operation | None:
        operation = match.operations.get("GET" if call.is_query else call.method)
        with self.lock:
            self.seen.calls[operation.name if operation else "?"] += 1
        return operation

    def _answer(self, call: Call, operation: Operation | None, path: Mapping[str, str], user: ApiUser) -> Reply:
        if operation is None:
            raise ApiError("605")
        if operation.permissions and not set(operation.permissions) - user.denied:
            raise ApiError("603")
        handler = routes.HANDLERS[operation.name]
        fault = self.fault(operation.name)
        request = self._request(operation, call, path, user, fault)
        if fault is not None and not fault.executed:
            _strike(fault)
        with self.lock:
            self.ingestion.settle()
            reply = handler(self, request)
            self.seen.executed[operation.name] += 1
            self._count_skipped(reply)
        if fault is not None and fault.executed:
            _strike(fault)
        return reply

    def _ingest(self, work: Work) -> None:
        """Nobody is told how it went, but the report."""
        try:
            self._count_skipped(work())
        except ApiError as error:
            self.seen.skipped[error.code] += 1

    def _count_skipped(self, reply: Reply) -> None:
        if isinstance(reply, Envelope) and isinstance(reply.result, list):
            for record in reply.result:
                if isinstance(record, dict) and record.get("status") == "skipped":
                    self.seen.skipped.update(reason["code"] for reason in record.get("reasons", ()))

    def _request(
        self,
        operation: Operation,
        call: Call,
        path: Mapping[str, str],
        user: ApiUser,
        fault: Fault | None,
    ) -> Request:
        query = [(name, value) for name, value in call.query if name != "access_token"]
        if call.body and "content-type" not in call.headers:
            self.note("body without a content type")
        takes = checking.takes(operation)
        body = checking.read_body(takes, call.headers, call.body, call.is_query)
        parameters = checking.read_parameters(takes, path, query, body, self.note)
        return Request(operation, user, parameters, call.headers, fault)


def _strike(fault: Fault) -> None:
    """Let a fault happen that is not about the content of a file."""
    time.sleep(fault.delay)
    if fault.drop:
        raise ConnectionDropError
    if fault.code is not None:
        raise ApiError(fault.code, fault.message)
    if fault.status is not None:
        page = BAD_GATEWAY if fault.status >= 500 else "Not Found"
        raise HttpError(fault.status, page if fault.body is None else fault.body)
