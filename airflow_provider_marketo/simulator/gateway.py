"""The path of a call: the gateway checks it in Marketo's order, and a handler answers it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_marketo.simulator import bodies, checking, handlers, routes
from airflow_provider_marketo.simulator.adobe import Adobe
from airflow_provider_marketo.simulator.faults import BAD_GATEWAY, Fault
from airflow_provider_marketo.simulator.problems import ApiError, ConnectionDropError, HttpError
from airflow_provider_marketo.simulator.request import Request
from airflow_provider_marketo.simulator.services import Service, Services

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_marketo.client.operation import Operation
    from airflow_provider_marketo.simulator.call import Call
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.reply import Reply
    from airflow_provider_marketo.simulator.settings import ApiUser

handlers.load()

IDENTITY = "/identity/oauth/token"
_BULK = "/bulk/"
_ASSETS = "/rest/asset/"
_SERVER_ERROR = 500


class Gateway:
    """
    Answers calls: finds the operation, checks token, limits and parameters, and asks the handler.

    :param instance: the instance whose operations are called.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.adobe = Adobe(instance)
        self._services = Services(instance)

    def refused(self, status: int) -> None:
        """Count a call that the web server refused unread."""
        with self.instance.lock:
            self.instance.seen.calls["?"] += 1
            self.instance.seen.rejected[f"HTTP {status}"] += 1

    def downloaded(self, count: int) -> None:
        """Count bytes of an export file that were sent."""
        with self.instance.lock:
            self.instance.seen.bytes_downloaded += count

    def largest_body(self, path: str) -> int:
        """Return how many bytes a request to a path may carry."""
        settings = self.instance.settings
        imports = path.startswith(_BULK) and path.endswith("import.json")
        return settings.max_import_body if imports or path == "/bulk/v1/leads.json" else settings.max_body

    @contextmanager
    def exchange(self, call: Call) -> Iterator[Reply]:
        """
        Answer a call. It counts as running until the reply is sent, so send the reply inside.

        :raises ApiError: the whole call fails.
        :raises HttpError: it fails at the HTTP level.
        :raises ConnectionDropError: it gets no answer.
        """
        started = time.monotonic()
        if call.path == IDENTITY:
            yield self._identity(call)
            return
        if self.adobe.serves(call.path):
            yield self.adobe.answer(call)
            return
        user, seen = None, self.instance.seen
        service = self._services.of(call.path)
        try:
            match = self._match(call)
            operation = self._operation(call, match)
            user = self._user(call, service)
            with service.counted(user):
                if not match.operations:
                    raise ApiError("610")
                reply = self._answer(call, operation, match.path, user)
                time.sleep(max(0.0, started + self.instance.settings.latency - time.monotonic()))
                yield reply
        except ApiError as error:
            refusal = service.refusal(error, user)
            with self.instance.lock:
                seen.rejected[refusal.code] += 1
            raise refusal from None
        except HttpError as error:
            with self.instance.lock:
                seen.rejected[f"HTTP {error.status}"] += 1
            raise

    def _match(self, call: Call) -> routes.Match:
        settings = self.instance.settings
        longest = settings.max_asset_uri if call.path.startswith(_ASSETS) else settings.max_uri
        if len(call.target) > longest:
            self.instance.note("address too long")
            raise HttpError(414, "Request-URI Too Long")
        if "//" in call.path:
            self.instance.note("double slash in the path")
        return routes.find(call.path)

    def _user(self, call: Call, service: Service) -> ApiUser:
        token = service.token(call.headers)
        in_query = dict(call.query).get("access_token")
        if in_query is not None:
            self.instance.note("token in the query")
            token = token or (in_query if self.instance.settings.accept_query_token else None)
        with self.instance.lock:
            return self.instance.tokens.user(token)

    def _identity(self, call: Call) -> Reply:
        operation = "identity.post_token" if call.method == "POST" else "identity.get_token"
        with self.instance.lock:
            self.instance.seen.calls[operation] += 1
        fault = self.instance.fault(operation)
        if fault is not None:
            _raise_fault(fault)
        # Adobe specifies the query. Widely used clients send a form instead, and Marketo accepts it.
        form = parse_qsl(call.body.decode("utf-8", "replace")) if call.method == "POST" else []
        with self.instance.lock:
            return self.instance.tokens.grant(dict([*form, *call.query]))

    def _operation(self, call: Call, match: routes.Match) -> Operation | None:
        operation = match.operations.get("GET" if call.is_query else call.verb)
        with self.instance.lock:
            self.instance.seen.calls[operation.name if operation else "?"] += 1
        return operation

    def _answer(self, call: Call, operation: Operation | None, path: Mapping[str, str], user: ApiUser) -> Reply:
        if operation is None:
            raise ApiError("605")
        if operation.permissions and not set(operation.permissions) - user.denied:
            raise ApiError("603")
        instance = self.instance
        handler = routes.HANDLERS[operation.name]
        fault = instance.fault(operation.name)
        request = self._request(operation, call, path, user, fault)
        if fault is not None and fault.expire:
            with instance.lock:
                instance.tokens.expire()
            raise ApiError("602")
        if fault is not None and not fault.executed:
            _raise_fault(fault)
        with instance.lock:
            instance.ingestion.settle()
            reply = handler(instance, request)
            instance.seen.executed[operation.name] += 1
            instance.seen.count_skipped(reply)
            instance.journal.audit(operation.name, _id_of(request, reply), user.user_id)
        if fault is not None and fault.executed:
            _raise_fault(fault)
        return reply

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
            self.instance.note("body without a content type")
        row = checking.row_of(operation)
        body = bodies.read_body(row, call.headers, call.body, call.is_query)
        parameters = checking.read_parameters(row, path, query, body, self.instance.note)
        return Request(operation, user, parameters, call.headers, fault)


def _id_of(request: Request, reply: Reply) -> Any:
    """Return the id of the asset that a request is about: the one that it names, or the one that it made."""
    result = getattr(reply, "result", None)
    first = result[0] if isinstance(result, list) and result else None
    return request.get("id") or (first.get("id") if isinstance(first, dict) else None)


def _raise_fault(fault: Fault) -> None:
    """Raise the error of a fault; faults of a file's content are left to the handler."""
    time.sleep(fault.delay)
    if fault.drop:
        raise ConnectionDropError
    if fault.code is not None:
        raise ApiError(fault.code, fault.message)
    if fault.status is not None:
        page = BAD_GATEWAY if fault.status >= _SERVER_ERROR else "Not Found"
        raise HttpError(fault.status, page if fault.body is None else fault.body)
