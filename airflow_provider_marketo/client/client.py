"""The client: calls any operation by name, checks and throttles it, and sends it again only when that is safe."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_marketo.client import codes, meanings, operations, paging
from airflow_provider_marketo.client.auth import Token, TokenKeeper
from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
    MarketoStoppedError,
)
from airflow_provider_marketo.client.governor import LEASE_MARGIN, Governor, Lease
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.client.known_names import suggest_names
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.retry import send_with_retries
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.client.tally import Tally
from airflow_provider_marketo.client.transport import Download, Reply, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from airflow_provider_marketo.client.operations import PreparedRequest

log = printable_logger(__name__)

_SENT_TWICE = (
    "The request was sent again because an answer was lost, so the first request may have run: check in Marketo."
)

Answer = TypeVar("Answer")


def list_name(operation: str, parameters: Mapping[str, Any]) -> str:
    """Return the key of a query in a client's ``known_replies``; its reply has the records of all pages."""
    return " ".join([operation, "all pages", *(f"{name}={value}" for name, value in sorted(parameters.items()))])


class MarketoClient:
    """
    Talks to one Marketo instance as one API user. May be shared between threads.

    :param host: URL of the instance, with or without ``/rest``, or a bare Munchkin ID such as ``123-ABC-456``.
    :param client_id: client id of the custom service in Admin > LaunchPoint.
    :param client_secret: client secret of the same service.
    :param identity_url: the identity service, when it is not ``<host>/identity``.
    :param partner_id: LaunchPoint partner key, sent with each request for a token.
    :param governor: decides when a call may be sent. Default: one for this process, with Marketo's limits.
    :param tally: counts calls, rows and bytes, and enforces the budget.
    :param on_secret: called with every access token, so that logs can mask it.
    :param clock: the clock.
    :param transport: keyword arguments for :class:`~.transport.Transport`: timeouts in seconds, proxy, CA bundle.
    :raises MarketoInvalidRequestError: the host is neither an https URL nor a Munchkin ID.
    """

    def __init__(
        self,
        host: str,
        client_id: str,
        client_secret: str | Secret,
        *,
        identity_url: str | None = None,
        partner_id: str | None = None,
        governor: Governor | None = None,
        tally: Tally | None = None,
        on_secret: Callable[[str], None] | None = None,
        clock: Clock | None = None,
        **transport: Any,
    ) -> None:
        client_secret = Secret(client_secret)
        self._detached = partial(
            MarketoClient,
            host,
            client_id,
            client_secret,
            identity_url=identity_url,
            partner_id=partner_id,
            on_secret=on_secret,
            **transport,
        )
        self.endpoint = Endpoint.parse(host, identity_url)
        self._clock = clock or SystemClock()
        self.governor = governor or LocalGovernor(clock=self._clock)
        self.tally = tally or Tally()
        self._transport = Transport(
            self.endpoint.base, identity=self.endpoint.identity, ingestion=self.endpoint.ingestion, **transport
        )
        self._credentials = (client_id, client_secret, partner_id)
        self._on_secret = on_secret
        self._tokens = TokenKeeper(self._fetch_token, self._clock)
        self.known_replies: Mapping[str, Reply] = {}
        """
        Replies that another task of the run received. The client uses them in place of the same calls. The key of a
        call without parameters is the operation, the key of a whole list is :func:`list_name`.
        """
        self._stopped = False
        self._marketo_ahead: timedelta | None = None

    @property
    def instance(self) -> str:
        """The Munchkin ID, or host and port of an instance without one. Marketo's limits belong to it."""
        return self.endpoint.instance

    @property
    def user(self) -> str | None:
        """The API user of this client, an e-mail address; None before the first token, or if identity does not say."""
        return self._tokens.user

    def detached(self) -> MarketoClient:
        """
        Return a client of the same user that shares no lease, lock, connection or token with this one.

        A signal handler needs such a client, because the interrupted call may hold all of these.
        """
        return self._detached()

    def stop(self) -> None:
        """
        Send nothing more, from any loop and any thread: each further call raises ``MarketoStoppedError``.

        A signal handler may call this. A call that is under way runs to its end, and is not sent again.
        """
        self._stopped = True

    def marketo_time(self) -> datetime:
        """
        Return the time on Marketo's clock. It may be a little early, and is never late.

        The client reads the clock from Marketo's answers. Before the first answer it requests a token, which costs no
        call.
        """
        if self._marketo_ahead is None:
            self._tokens.get()
        return self._clock.now() + (self._marketo_ahead or timedelta(0))

    def call(self, operation: str, /, **parameters: Any) -> Reply:
        """
        Call one operation of Marketo's API.

        A request that failed transiently is sent again if its retry class allows it; no wait exceeds a minute.
        A caller whose process is killed cannot know whether its last request ran.

        :param operation: name in the catalogue, such as ``leads.get_by_filter_type``, or Adobe's operationId.
        :param parameters: parameters in Adobe's spelling.
        :return: the answer. It has no records if the answer to a delete was lost and Marketo no longer finds what the
            delete names.
        :raises MarketoInvalidRequestError: a parameter is missing, unknown or out of range; nothing was sent.
        :raises MarketoError: Marketo refused or failed the call; :mod:`.errors` lists the types by consequence.
        """
        if not parameters and operation in self.known_replies:
            return self.known_replies[operation]
        prepared, retry_class = self._prepare(operation, parameters)

        def exchange(token: Secret) -> Reply:
            with self._leased(prepared):
                answer = self._transport.send(prepared, token)
            self._note_time()
            return answer

        try:
            reply, resent = self._send(prepared, retry_class, exchange)
        except (MarketoInvalidRequestError, MarketoPermissionError) as error:
            if not (prepared.operation.deletes and error.executed and meanings.is_not_found(error.code)):
                suggest_names(self.paginate, error, prepared.operation.name, parameters)
                raise
            # An earlier sending, whose answer was lost, may have deleted the record.
            log.info(
                "%s: %s. The request was sent twice, so the first one has probably deleted the record",
                prepared.operation.name,
                error.message,
            )
            body: dict[str, Any] = {"success": True, "requestId": error.request_id, "result": []}
            reply, resent = Reply(prepared.operation.name, body), True
        if isinstance(records := parameters.get("input"), (list, tuple)):
            self.tally.add_rows(len(records))
        return replace(reply, resent=resent)

    def pages(self, operation: str, /, **parameters: Any) -> Iterator[Reply]:
        """
        Call a query page by page.

        :param operation: name in the catalogue, or Adobe's operationId.
        :param parameters: parameters of the first page, in Adobe's spelling.
        """
        if (known := self.known_replies.get(list_name(operation, parameters))) is not None:
            return map(self._counted, [known])
        style = operations.get(operation).paging
        return map(self._counted, paging.pages(lambda asked: self.call(operation, **asked), style, parameters))

    def paginate(self, operation: str, /, **parameters: Any) -> Iterator[Any]:
        """Yield the records of all pages of a query. The parameters are those of :meth:`pages`."""
        for page in self.pages(operation, **parameters):
            yield from page.records

    @contextmanager
    def download(self, operation: str, /, *, offset: int = 0, **parameters: Any) -> Iterator[Download]:
        """
        Open a file. The call keeps its lease until the file is closed.

        A break while reading raises :class:`~.errors.MarketoTransientError`; the caller opens the file again at the
        offset that it has reached.

        :param operation: an operation whose reply is a file.
        :param offset: first byte wanted.
        :param parameters: parameters in Adobe's spelling.
        """
        prepared, retry_class = self._prepare(operation, parameters)

        def exchange(token: Secret) -> tuple[ExitStack, Download]:
            with ExitStack() as stack:
                lease = stack.enter_context(self._leased(prepared))
                opened = stack.enter_context(self._transport.open(prepared, token, offset))
                blocks = self._metered(lease, opened.blocks)
                return stack.pop_all(), Download(blocks, opened.offset)

        (resources, opened), _ = self._send(prepared, retry_class, exchange)
        with resources:
            yield opened

    def _prepare(self, name: str, parameters: Mapping[str, Any]) -> tuple[PreparedRequest, str]:
        operation = operations.get(name)
        if operation.family == "identity" and not parameters:
            raise MarketoInvalidRequestError(
                "the client requests and renews its own tokens, and this call is only for other credentials",
                parameter="client_id",
                operation=operation.name,
                remedy="Give client_id and client_secret, or call any other operation to check the connection.",
            )
        return operations.prepare(operation, parameters), operation.retry_class(parameters)

    def _send(
        self, prepared: PreparedRequest, retry_class: str, exchange: Callable[[Secret], Answer]
    ) -> tuple[Answer, bool]:
        """Send a request, perhaps several times. Return the answer, and whether an earlier try may have run."""
        may_have_run = False

        def once() -> Answer:
            nonlocal may_have_run
            self._check_stopped(prepared)  # the call may be the next try, after a pause
            token = self._tokens.get()
            try:
                try:
                    return exchange(token)
                except MarketoAuthError as error:
                    if error.code not in codes.TOKEN_REFUSED:
                        raise
                    return exchange(self._tokens.replace(token))
            except MarketoError as error:
                may_have_run |= error.executed
                raise

        operation = prepared.operation
        try:
            answer = send_with_retries(
                once,
                operation=operation.name,
                retry_class=retry_class,
                clock=self._clock,
                longest_run=operation.longest_run,
            )
            return answer, may_have_run
        except MarketoPermissionError as error:
            if error.code == codes.ACCESS_DENIED and operation.permissions:
                wanted = " or ".join(repr(permission) for permission in operation.permissions)
                error.remedy = (
                    f"Give the API user's role the permission {wanted} (Admin > Users & Roles), and check that the"
                    " worker's address is on the instance's IP allowlist if it has one."
                )
            error.executed |= may_have_run
            raise
        except MarketoError as error:
            if may_have_run and isinstance(error, MarketoInvalidRequestError):
                # The refusal may be due to an earlier sending: an approved draft is no longer a draft.
                error.remedy = f"{error.remedy} {_SENT_TWICE}".strip()
            error.executed |= may_have_run  # the last sending did not run, and an earlier one may have
            raise

    def _check_stopped(self, prepared: PreparedRequest) -> None:
        if self._stopped:
            raise MarketoStoppedError("the task was killed before this call", operation=prepared.operation.name)

    @contextmanager
    def _leased(self, prepared: PreparedRequest) -> Iterator[Lease]:
        operation = prepared.operation
        self.tally.begin(operation.name)
        try:
            lease = self.governor.acquire(operation.name, hold=operation.timeout + LEASE_MARGIN)
        except MarketoError:
            self.tally.withdraw()
            raise
        outcome: MarketoError | None = MarketoError("the call was interrupted")
        sent_at = self._clock.monotonic()
        try:
            self._check_stopped(prepared)  # the call may have waited a minute for its turn
            yield lease
            outcome = None
        except MarketoError as error:
            error.elapsed = self._clock.monotonic() - sent_at
            outcome = error
            raise
        finally:
            self.governor.release(lease, outcome)
            self.tally.end(operation.name, lease.waited, outcome)

    def _note_time(self) -> None:
        if self._transport.date is not None:
            self._marketo_ahead = self._transport.date - self._clock.now()

    def _counted(self, page: Reply) -> Reply:
        if not page.operation.startswith("bulk_"):  # jobs are not rows
            self.tally.add_rows(len(page.records))
        return page

    def _metered(self, lease: Lease, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.governor.renew(lease)
            self.tally.moved(len(block))
            yield block

    def _fetch_token(self) -> Token:
        token = send_with_retries(
            lambda: self._transport.fetch_token(*self._credentials),
            operation="identity.post_token",
            retry_class="read",
            clock=self._clock,
        )
        self._note_time()
        if self._on_secret:
            self._on_secret(token.value.reveal())
        return token
