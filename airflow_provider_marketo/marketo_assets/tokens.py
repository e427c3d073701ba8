"""My Tokens: which tokens an author wants, and which of them a task must write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import is_day
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.hooks.link import push_link
from airflow_provider_marketo.marketo_assets import find

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.marketo_assets.find import Record

log = printable_logger(__name__)

TOKEN_TYPES = ("text", "rich text", "number", "score", "date", "sfdc campaign")
_LONGEST_NAME = 50
_NAME = re.compile(r"\{\{my\.([^{}]+)\}\}")
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Token:
    """
    A My Token.

    :param name: its name, without ``{{my.`` and ``}}``.
    :param type: one of :data:`TOKEN_TYPES`; None to keep its present type.
    :param value: its value, as text; None to delete the token.
    :param default: its type if it is new and ``type`` is None.
    """

    name: str
    type: str | None
    value: str | None
    default: str = "text"


class TokensResult(TypedDict):
    """
    The result of a task that writes My Tokens.

    ``tokens`` is the number of wanted tokens, ``changed`` has the names of tokens that were written or deleted.
    """

    folder: dict[str, Any]
    tokens: int
    changed: list[str]


def run(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> TokensResult:
    """
    Give a program or folder its My Tokens.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    """
    program_id, folder = arguments["program_id"], arguments["folder"]
    if (program_id is None) == (folder is None):
        raise MarketoInvalidRequestError(
            "both program_id and folder are given" if folder else "neither program_id nor folder is given",
            parameter="program_id",
            remedy="Give one of them.",
        )
    asked = wanted(arguments["tokens"])
    dry_run = arguments["dry_run"]
    client = hook.get_conn()
    home = find.place(client, folder or {"id": program_id, "type": "Program"})
    place = _place(client, home)
    push_link(context, [place])
    changed = apply(client, home, asked, dry_run=dry_run)
    log.info(
        "%s %d of %s of %s %s: %s",
        "Would write" if dry_run else "Wrote",
        len(changed),
        counted(len(asked), "token"),
        home["type"].lower(),
        find.shown(place),
        ", ".join(map(repr, changed)) or "all have these values already",
    )
    return {"folder": home, "tokens": len(asked), "changed": changed}


def _place(client: MarketoClient, home: Mapping[str, Any]) -> Record:
    found = find.by_id(client, "programs" if home["type"] == "Program" else "folders", home["id"])
    if found is None:
        raise MarketoNotFoundError(
            f"{home['type'].lower()} {home['id']} does not exist, or the API user cannot see it",
            parameter="program_id" if home["type"] == "Program" else "folder",
        )
    return found


def wanted(tokens: Mapping[str, Any]) -> list[Token]:
    """
    Return the tokens that a dictionary describes.

    :param tokens: names, as ``{{my.Name}}`` or ``Name``, to values: text, numbers, dates, None to delete, or
        ``{"type": "rich text", "value": "<b>Hi</b>"}``.
    :raises MarketoInvalidRequestError: Marketo would refuse a name or value.
    """
    return [_checked(name, value) for name, value in tokens.items()]


def apply(client: MarketoClient, folder: Mapping[str, Any], tokens: list[Token], *, dry_run: bool = False) -> list[str]:
    """
    Write the tokens that differ (``tokens.get_by_folder_id``, ``tokens.create``, ``tokens.delete_by_name``).

    :param client: the instance.
    :param folder: ``{"id", "type"}`` of the program or folder.
    :param tokens: the tokens, from :func:`wanted`.
    :param dry_run: whether to log the calls instead of making them.
    :return: names of the tokens that were written or deleted.
    """
    if not tokens:
        return []
    place = {"id": folder["id"], "folderType": folder["type"]}
    present = _present(client, place)
    changed = []
    for token in tokens:
        for operation, parameters in _calls(token, present):
            log.info("%s %s for %s", "Would call" if dry_run else "Calling", operation, token.name)
            if not dry_run:
                client.call(operation, **place, **parameters)
            changed.append(token.name)
    return list(dict.fromkeys(changed))


def _present(client: MarketoClient, place: Mapping[str, Any]) -> dict[str, Token]:
    try:
        records = client.call("tokens.get_by_folder_id", **place).records
    except MarketoNotFoundError:
        return {}
    with reading("tokens.get_by_folder_id"):
        found = [each for record in records for each in record.get("tokens", ())]
        return {each["name"]: Token(each["name"], each["type"], str(each["value"])) for each in found}


def _calls(token: Token, present: Mapping[str, Token]) -> Iterator[tuple[str, dict[str, str]]]:
    there = present.get(token.name)
    kind = token.type or (there.type if there else None) or token.default
    if there is not None and (token.value is None or there.type != kind):
        # Name and type together identify a token: a new type would make a second token of that name.
        yield "tokens.delete_by_name", {"name": token.name, "type": str(there.type)}
    if token.value is not None and (there is None or (there.type, there.value) != (kind, token.value)):
        yield "tokens.create", {"name": token.name, "type": kind, "value": token.value}


def _checked(written: str, value: Any) -> Token:
    found = _NAME.fullmatch(written)
    name = found.group(1) if found else written
    if not name or "{" in name or "}" in name or name.startswith("my."):
        bare = name.strip("{}").removeprefix("my.")
        raise _refused(written, "is not the name of a My Token", f"Write {{{{my.{bare}}}}} or {bare}.")
    if len(name) > _LONGEST_NAME:
        raise _refused(written, f"is longer than {_LONGEST_NAME} characters")
    kind, content = (value.get("type"), value.get("value")) if isinstance(value, Mapping) else (None, value)
    default = _default(content)
    if kind is not None and kind not in TOKEN_TYPES:
        raise _refused(written, f"has the type {kind!r}", f"The types are {', '.join(TOKEN_TYPES)}.")
    if content is None:
        return Token(name, kind, None)
    text = content.date().isoformat() if isinstance(content, datetime) else str(content)
    _check_value(written, kind or default, text)
    return Token(name, kind, text, default)


def _default(content: Any) -> str:
    if isinstance(content, date):
        return "date"
    return "number" if isinstance(content, (int, float, Decimal)) and not isinstance(content, bool) else "text"


def _check_value(written: str, kind: str | None, text: str) -> None:
    if kind == "score" and not (_WHOLE.fullmatch(text) and -(2**31) <= int(text) < 2**31):
        raise _refused(written, f"has the type score and the value {text}, and scores are whole numbers of 32 bits")
    if kind == "date" and not is_day(text):
        raise _refused(written, f"has the type date and the value {text!r}", "Write it as 2026-05-04.")
    if kind == "number":
        try:
            float(text)
        except ValueError:
            raise _refused(written, f"has the type number and the value {text!r}, which is not a number") from None


def _refused(written: str, what: str, remedy: str | None = None) -> MarketoInvalidRequestError:
    return MarketoInvalidRequestError(f"the token {written!r} {what}", parameter="tokens", remedy=remedy)
