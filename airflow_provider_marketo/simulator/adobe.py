"""Adobe's services beside Marketo: IMS, which gives tokens, and the journal."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from airflow_provider_marketo.simulator.journal import CLIENT_ID, CLIENT_SECRET, IMS_ORG, Journal
from airflow_provider_marketo.simulator.problems import ConnectionDropError
from airflow_provider_marketo.simulator.reply import Bare, Bytes
from airflow_provider_marketo.simulator.tokens import bearer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.simulator.call import Call
    from airflow_provider_marketo.simulator.instance import Instance

IMS = "/ims/token/v3"
ORGANIZATION, INTEGRATION = "40717", "87114"
_PATHS = re.compile(r"/(events|events-fast|events-validate|count)/organizations/(\w+)/integrations/(\w+)/([\w-]+)")
_DURATION = re.compile(r"-PT?(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
_MOST_BYTES = 1_500_000
_SCOPES = frozenset(
    {
        "AdobeID",
        "openid",
        "read_organizations",
        "additional_info.projectedProductContext",
        "additional_info.roles",
        "read_client_secret",
        "manage_client_secrets",
    }
)
_READS = "adobeio_api"

Answer = Bare | Bytes


class _RefusedError(Exception):
    """
    A call that gets no page.

    :param status: HTTP status.
    :param code: Adobe's code.
    :param message: Adobe's message.
    :param reply: the whole reply; it replaces the other arguments.
    """

    def __init__(self, status: int = 0, code: str = "", message: str = "", *, reply: Answer | None = None) -> None:
        super().__init__(message)
        self.reply: Answer = reply or Bare({"error_code": code, "message": message}, status)


class Adobe:
    """
    Answers calls of IMS and of the journal.

    :param instance: the instance whose events the journal has.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._tokens: dict[str, tuple[datetime, frozenset[str]]] = {}

    def path(self) -> str:
        """Return the path of the journal."""
        journal = self._journal
        return f"/events/organizations/{ORGANIZATION}/integrations/{INTEGRATION}/{journal.registration}"

    def serves(self, path: str) -> bool:
        """Return whether a path is one of Adobe's."""
        return path == IMS or _PATHS.fullmatch(path) is not None

    def expire_tokens(self) -> None:
        """Forget every token: the journal answers 401, and IMS gives others."""
        self._tokens.clear()

    def answer(self, call: Call) -> Answer:
        """
        Answer a call.

        :raises ConnectionDropError: a fault breaks the connection.
        """
        operation = "ims.token" if call.path == IMS else "journal.read"
        with self._instance.lock:
            self._instance.seen.calls[operation] += 1
            fault = self._instance.fault(operation)
            if fault is not None and fault.drop:
                raise ConnectionDropError
            if fault is not None and fault.status is not None:
                after = {"Retry-After": "1"} if fault.status == HTTPStatus.TOO_MANY_REQUESTS else {}
                said = {"error_code": f"{fault.status}001", "message": fault.message or "injected"}
                text = json.dumps(said) if fault.body is None else fault.body
                return Bytes(text.encode(), "application/json", fault.status, after)
            reply = self._token(call) if call.path == IMS else self._read(call)
            if fault is not None and fault.truncate is not None and isinstance(reply, Bytes):
                return replace(reply, cut_after=fault.truncate)
            return reply

    @property
    def _journal(self) -> Journal:
        return self._instance.journal

    def _token(self, call: Call) -> Answer:
        given = dict(parse_qsl(call.body.decode("utf-8", "replace")))
        if "client_secret" in dict(call.query):
            self._instance.note("client secret in the query")
        manner, seen = self._journal.manner, self._instance.seen
        if manner.tokens and seen.calls["ims.token"] > manner.tokens:
            return Bare({"error": "too_many_requests"}, 429)
        if call.method != "POST" or given.get("grant_type") != "client_credentials":
            return Bare({"error": "unsupported_grant_type"}, 400)
        if given.get("client_id") != CLIENT_ID or given.get("client_secret") != CLIENT_SECRET:
            return Bare({"error": "invalid_client", "error_description": "invalid client_secret parameter"}, 401)
        scopes = frozenset(filter(None, re.split(r"[,\s]+", given.get("scope", ""))))
        unknown = scopes - _SCOPES - ({_READS} if manner.management_api else set())
        if unknown or not scopes:
            return Bare({"error": "invalid_scope", "error_description": " ".join(sorted(unknown))}, 400)
        text = f"ims-{uuid.uuid4()}"
        self._tokens[text] = self._instance.clock.now() + timedelta(seconds=manner.token_life), scopes
        return Bare({"access_token": text, "token_type": "bearer", "expires_in": int(manner.token_life)})

    def _read(self, call: Call) -> Answer:
        try:
            place = self._place(call)
        except _RefusedError as error:
            return error.reply
        if call.path.startswith("/events-validate/"):
            return Bare({})
        query = dict(call.query)
        limit = query.get("limit")
        entries, last = ([], place) if "latest" in query else self._page(max(place, self._journal.oldest), limit)
        if not entries:
            return self._nothing(place, call)
        page = json.dumps({"last": self._journal.position(last), "count": len(entries)})
        body = f'{{"events":[{",".join(entries)}],"_page":{page}}}'
        return Bytes(body.encode(), "application/json", 200, self._links(last, call))

    def _place(self, call: Call) -> int:
        """
        Return the number of entries before the place that a call asks for.

        :raises _RefusedError: the call is refused, or nothing follows a place that is forgotten.
        """
        self._check_caller(call)
        journal, match, query = self._journal, _PATHS.fullmatch(call.path), dict(call.query)
        assert match is not None
        journal.settle()
        if match.groups()[1:] != (ORGANIZATION, INTEGRATION, journal.registration):
            raise _RefusedError(404, "404040", "Resource not found")
        limit = query.get("limit")
        if limit is not None and not (limit.isdecimal() and int(limit) > 0):
            raise _RefusedError(400, "400001", "limit must be a positive integer")
        if "seek" in query and "since" in query:
            raise _RefusedError(400, "400002", "seek and since cannot be given together")
        place = self._first(query)
        if place is None:
            raise _RefusedError(400, "400003", "invalid position or duration")
        if "since" in query and 0 < place <= journal.oldest:
            if not journal.manner.forgets_silently:
                raise _RefusedError(reply=Bytes(f"{query['since']} is expired".encode(), "text/plain", 410))
            if match[1] == "events-validate":
                raise _RefusedError(400, "400004", "the position is not valid")
            raise _RefusedError(reply=self._nothing(place, call))
        return place

    def _check_caller(self, call: Call) -> None:
        known = self._tokens.get(bearer(call.headers) or "")
        if known is None or known[0] <= self._instance.clock.now():
            raise _RefusedError(401, "401013", "Oauth token is not valid")
        if call.headers.get("x-api-key") != CLIENT_ID:
            raise _RefusedError(403, "403003", "Api Key is invalid")
        if call.headers.get("x-ims-org-id") != IMS_ORG:
            raise _RefusedError(403, "403004", "The organization has no access to this journal")
        if _READS not in known[1]:
            raise _RefusedError(403, "403027", "The token lacks the scope adobeio_api")

    def _first(self, query: Mapping[str, str]) -> int | None:
        journal = self._journal
        if query.get("latest") == "true":
            return journal.end
        if "since" in query:
            return journal.number(query["since"])
        found = _DURATION.fullmatch(query["seek"]) if "seek" in query else None
        if found is not None:
            days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
            return journal.at(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
        return None if "seek" in query else journal.oldest

    def _page(self, first: int, limit: str | None) -> tuple[Sequence[str], int]:
        """Return the entries of a page as JSON, and the number of entries up to its end."""
        manner = self._journal.manner
        most = int(limit) if limit is not None else manner.page
        if not manner.exact:
            most = 1
        found: list[str] = []
        size = 0
        for entry in self._journal.entries(first):
            text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
            size += len(text.encode())
            if len(found) == most or (found and size > _MOST_BYTES):
                break
            found.append(text)
        return found, first + len(found)

    def _nothing(self, number: int, call: Call) -> Bytes:
        now, form = self._instance.clock.now(), self._journal.manner.retry_after
        after = {"seconds": "10", "date": format_datetime(now + timedelta(seconds=10), usegmt=True)}.get(form)
        headers = self._links(number, call) | ({"Retry-After": after} if after else {})
        return Bytes(b"", "application/json", 204, headers)

    def _links(self, number: int, call: Call) -> dict[str, Any]:
        rest, manner, limit = self.path().removeprefix("/events"), self._journal.manner, dict(call.query).get("limit")
        absolute = call.headers.get("x-adobe-io-events-url-links") == "true"
        host = manner.next_host or (f"http://{call.headers['host']}" if absolute else "")
        place = f"since={quote(self._journal.position(number), safe='')}"
        here = place + (f"&limit={limit}" if limit is not None else "")
        links = {
            "events": f"/events{rest}",
            "latest": f"/events{rest}?latest=true",
            "page": f"/events{rest}?since={{position}}&limit={{count}}",
            "seek": f"/events{rest}?seek={{duration}}&limit={{count}}",
            "count": f"/count{rest}?{place}",
            "validate": f"/events-validate{rest}?{place}",
            "next": f"/events-fast{rest}?{here}",
        }
        listed = [f'<{host}{url}>; rel="{name}"' for name, url in links.items()]
        return {"Link": ", ".join(listed) if manner.joined_links else listed}
