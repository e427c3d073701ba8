"""Steps of ``airflow marketo verify`` that compare replies: tokens, envelopes, describes, lists and errors."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.tabular.schema import KINDS
from airflow_provider_marketo.diagnosis.comparison import Comparison, Shape, compare, name, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_marketo.diagnosis.raw import RawInstance, RawReply

_HOUR = 3600
_JSON = "application/json"
_TOKEN = Shape({"access_token": "string", "token_type": "string", "expires_in": "integer", "scope": "string"})
_DATES = {"createdAt": "string", "updatedAt": "string"}
_FIELD = Shape(
    {"name": "string", "displayName": "string", "dataType": "string", "updateable": "boolean", "crmManaged": "boolean"},
    frozenset({"length", "isPrimary"}),
)
_DESCRIBED = Shape(
    {"name": "string", "searchableFields": "array", "fields": "array", **_DATES},
    frozenset({"description", "displayName", "dedupeFields", "idField", "relationships", "apiName", "pluralName"}),
)

_PROGRAM = frozenset(
    {
        *("description", "status", "startDate", "endDate", "sfdcId", "sfdcName", "headStart"),
        *("workspace", "url", "tags", "costs"),
    }
)
_EMAIL = frozenset(
    {
        *("description", "url", "fromName", "fromEmail", "replyEmail", "operational", "textOnly", "publishToMSI"),
        *("webView", "template", "workspace", "isOpenTrackingDisabled", "version", "autoCopyToText", "ccFields"),
        "preHeader",
    }
)
_KNOWN_TYPES = {
    *KINDS,
    *("string", "text", "textarea", "email", "phone", "url", "link", "reference", "lead_function", "formula"),
}

_LISTS: tuple[tuple[str, str, Shape], ...] = (
    (
        "campaigns.get",
        "/rest/v1/campaigns.json?batchSize=20",
        Shape(
            {"id": "integer", "name": "string", "type": "string", "active": "boolean", **_DATES},
            frozenset({"description", "programName", "programId", "workspaceName"}),
        ),
    ),
    (
        "lists.get",
        "/rest/v1/lists.json?batchSize=20",
        Shape(
            {"id": "integer", "name": "string", **_DATES}, frozenset({"description", "workspaceName", "programName"})
        ),
    ),
    (
        "custom_objects.list",
        "/rest/v1/customobjects.json",
        Shape(
            {"name": "string", "displayName": "string", "searchableFields": "array", **_DATES},
            frozenset({"pluralName", "description", "idField", "dedupeFields", "relationships", "state", "version"}),
        ),
    ),
    (
        "programs.get",
        "/rest/asset/v1/programs.json?maxReturn=20",
        Shape(
            {"id": "integer", "name": "string", "type": "string", "channel": "string", "folder": "object", **_DATES},
            frozenset(
                [
                    "description",
                    "status",
                    "startDate",
                    "endDate",
                    "sfdcId",
                    "sfdcName",
                    "headStart",
                    "workspace",
                    "url",
                    "tags",
                    "costs",
                ],
            ),
        ),
    ),
    (
        "emails.get",
        "/rest/asset/v1/emails.json?maxReturn=20",
        Shape(
            {"id": "integer", "name": "string", "subject": "object", "status": "string", "folder": "object", **_DATES},
            frozenset(
                [
                    "description",
                    "url",
                    "fromName",
                    "fromEmail",
                    "replyEmail",
                    "operational",
                    "textOnly",
                    "publishToMSI",
                    "webView",
                    "template",
                    "workspace",
                    "isOpenTrackingDisabled",
                    "version",
                    "autoCopyToText",
                    "ccFields",
                    "preHeader",
                ],
            ),
        ),
    ),
)
"""Operation, path with query, and the members of its records."""


def tokens(instance: RawInstance) -> Iterator[Comparison]:
    """Ask for a token twice."""
    first, second = instance.fetch_token(), instance.fetch_token()
    yield from _TOKEN.compare("identity.post_token", [first.body])
    yield compare("token_type", "bearer", name(first.body.get("token_type")))
    life = first.body.get("expires_in")
    yield Comparison(
        "lifetime of a token",
        f"up to {_HOUR} seconds",
        f"{name(life)} seconds",
        "as expected" if isinstance(life, int) and 0 < life <= _HOUR else "differs",
    )
    same = first.body.get("access_token") == second.body.get("access_token")
    yield compare(
        "a second request for a token",
        "the same token",
        "the same token" if same else "another token",
    )


def describe_leads(instance: RawInstance) -> Iterator[Comparison]:
    """Describe leads in both ways. The first call also shows the envelope and the HTTP headers."""
    reply = instance.get("/rest/v1/leads/describe.json")
    yield compare("HTTP header authorization: bearer, in lower case", 200, reply.status)
    yield from _envelope("leads.describe", reply, {"requestId", "success", "result"})
    yield compare("type of JSON replies", _JSON, _content_type(reply))
    yield compare("HTTP header Date", "a date", "a date" if _is_date(reply.headers.get("Date")) else "none")
    shape = Shape(
        {"id": "integer", "displayName": "string", "dataType": "string"}, frozenset({"length", "rest", "soap"})
    )
    yield from shape.compare("leads.describe", reply.records)
    yield from _data_types("leads.describe", reply.records)
    described = instance.get("/rest/v1/leads/describe2.json")
    yield from _described("leads.describe2", described)


def describe_members(instance: RawInstance) -> Iterator[Comparison]:
    """Describe program members."""
    yield from _described("program_members.describe", instance.get("/rest/v1/programs/members/describe.json"))


def activity_types(instance: RawInstance) -> Iterator[Comparison]:
    """List the types of activities."""
    reply = instance.get("/rest/v1/activities/types.json")
    shape = Shape(
        {"id": "integer", "name": "string"}, frozenset({"description", "primaryAttribute", "attributes", "apiName"})
    )
    yield from shape.compare("activities.get_types", reply.records)
    attributes = reply.members("attributes")
    yield from Shape({"name": "string", "dataType": "string"}, frozenset({"apiName"})).compare(
        "attributes of activities", attributes
    )
    yield from _data_types("attributes of activities", attributes)


def lists(instance: RawInstance) -> Iterator[Comparison]:
    """List campaigns, static lists, custom object types, programs and e-mails."""
    for operation, path, shape in _LISTS:
        reply = instance.get(path)
        is_asset = path.startswith("/rest/asset")
        members = {"requestId", "success", "result", *({"errors", "warnings"} if is_asset else ())}
        if is_asset and not reply.records:
            members.discard("result")
        yield from _envelope(operation, reply, members, optional={"nextPageToken", "moreResult"})
        yield from shape.compare(operation, reply.records)


ERRORS: tuple[tuple[str, str, str, str | None], ...] = (
    ("a token that does not exist", "/rest/v1/leads/describe.json", codes.TOKEN_INVALID, "verify-wrong-token"),
    ("an address that does not exist", "/rest/v1/verify/nowhere.json", codes.NO_SUCH_ADDRESS, None),
    ("a required parameter that is missing", "/rest/v1/leads.json", codes.PARAMETER_MISSING, None),
    (
        "a field that does not exist",
        "/rest/v1/leads.json?filterType=id&filterValues=1&fields=noField",
        codes.UNKNOWN_FIELD,
        None,
    ),
    (
        "a filter type that does not exist",
        "/rest/v1/leads.json?filterType=noField&filterValues=1",
        codes.FIELD_NOT_SEARCHABLE,
        None,
    ),
    (
        "a wrong paging token",
        "/rest/v1/activities.json?nextPageToken=verify&activityTypeIds=1",
        codes.INVALID_DATA,
        None,
    ),
)
"""The mistake, path with query, the expected code, and the token if it is not the valid one."""


def errors(instance: RawInstance) -> Iterator[Comparison]:
    """Make calls that Marketo refuses."""
    for subject, path, code, token in ERRORS:
        reply = instance.get(path, token=token)
        yield compare(f"HTTP status of {subject}", 200, reply.status)
        yield compare(f"code of {subject}", code, names(reply.codes) or "none")
        yield from _envelope(subject, reply, {"requestId", "success", "errors"})
        yield from Shape({"code": "string", "message": "string"}).compare(f"errors of {subject}", reply.errors)


def _described(subject: str, reply: RawReply) -> Iterator[Comparison]:
    yield from _DESCRIBED.compare(subject, reply.records)
    fields = reply.members("fields")
    yield from _FIELD.compare(f"fields of {subject}", fields)
    yield from _data_types(f"fields of {subject}", fields)


def _data_types(subject: str, described: Sequence[Any]) -> Iterator[Comparison]:
    seen = {str(each.get("dataType")).lower() for each in described if isinstance(each, dict)}
    unknown = names(seen - _KNOWN_TYPES)
    yield compare(f"{subject}: data types", "only known ones", f"also {unknown}" if unknown else "only known ones")


def _envelope(
    subject: str, reply: RawReply, members: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> Iterator[Comparison]:
    seen = set(reply.body) - optional
    yield compare(f"{subject}: members of the envelope", names(members), names(seen))


def _content_type(reply: RawReply) -> str:
    return name(reply.headers.get("Content-Type", "").partition(";")[0].strip().lower())


def _is_date(text: str | None) -> bool:
    try:
        return parsedate_to_datetime(text or "") is not None
    except (ValueError, TypeError):
        return False
