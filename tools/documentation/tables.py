"""Tables that are made from the code: operations, errors, connection, configuration, commands, recipes."""

from __future__ import annotations

import ast
import json
import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from airflow.cli.cli_config import GroupCommand
from urllib3 import HTTPResponse

from airflow_provider_marketo.cli.definition import get_marketo_cli_commands
from airflow_provider_marketo.client import answer, codes, meanings
from airflow_provider_marketo.client import errors as client_errors
from airflow_provider_marketo.client.operations import all_operations
from airflow_provider_marketo.listings.table import LISTINGS
from airflow_provider_marketo.provider_info import get_provider_info

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow.cli.cli_config import Arg, CLICommand

RECIPES = Path(__file__).parents[2] / "example_dags"

_RETRY = {
    "read": "always",
    "repeatable": "yes",
    "upsert": "after Marketo's own timeout",
    "reconcile": "after the task has looked whether it ran",
    "once": "only if Marketo certainly refused it",
}
"""The retry classes of the catalogue, as an answer to: may the call be sent again?"""

_NOT_IN_ENVELOPES = frozenset({codes.INGESTION_TOKEN_INVALID, codes.INGESTION_DAILY_QUOTA})

_ACRONYM = re.compile(r"\b(?:crm|http|json|ur[il])\b", re.IGNORECASE)

_LISTED = {
    (True, True): "changes",
    (False, True): "everything",
    (True, False): "changes",
    (False, False): "everything; a missing row does not mean a deletion",
}
"""Rows of a listing with a start, by whether it can select changes, and whether a missing row means a deletion."""


def operations() -> str:
    """Return the table of all operations."""
    rows = [
        (
            f"`{each.name}`",
            (f"`{each.operation_id}`<br>" if each.operation_id else "") + f"{each.method} `{each.path}`",
            ", ".join(f"`{parameter.name}`" for parameter in each.parameters.values() if parameter.required),
            ", ".join(f"`{parameter.name}`" for parameter in each.parameters.values() if not parameter.required),
            " or ".join(each.permissions),
            _RETRY[each.retry],
        )
        for each in all_operations()
    ]
    head = ("operation", "Adobe's operationId and call", "required", "optional", "permission", "may be sent again")
    return _searchable(_table(head, rows))


def listings() -> str:
    """Return the table of all listings."""
    rows = [
        (
            f"`{each.name}`",
            f"`{each.operation}`",
            ", ".join(f"`{name}`" for name in each.key),
            f"the rows of `keys`, by `{each.looked_up_by}`"
            if each.looked_up_by
            else _LISTED[each.changes, each.complete],
            f"row of `{each.parent}`" if each.parent else "300 keys" if each.looked_up_by else "page",
            "yes" if each.default else "",
        )
        for each in LISTINGS.values()
    ]
    return _table(("table", "operation", "key", "with `start`", "one call for each", "by default"), rows)


def errors() -> str:
    """Return the table of Marketo's codes that the provider knows by name."""
    names = {value: name for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
    rows = []
    for code in sorted(names, key=lambda code: (not code.isdigit(), len(code), code)):
        error = _error_of(code)
        name = _ACRONYM.sub(lambda found: found[0].upper(), names[code].replace("_", " ").capitalize())
        executed = "maybe" if error.executed else "no"
        rows.append((f"`{code}`", name, f"`{type(error).__name__}`", executed, error.remedy))
    return _searchable(_table(("code", "name", "error", "may have run", "what to do"), rows))


def _error_of(code: str) -> client_errors.MarketoError:
    """Return the error that a code becomes. Data ingestion's codes and HTTP statuses are not in envelopes."""
    if code not in _NOT_IN_ENVELOPES and not codes.is_http(code):
        return meanings.from_reply("leads.sync", [{"code": code, "message": ""}], None)
    response = requests.Response()
    response.status_code = int(code.removeprefix("HTTP ")[:3])
    response.request = requests.Request("POST", "https://123-abc-456.mktorest.com").prepare()
    response.raw = HTTPResponse(BytesIO(json.dumps({"error_code": code}).encode()), preload_content=False)
    try:
        answer.raise_for_status("leads.sync", response)
    except client_errors.MarketoError as error:
        return error
    raise ValueError(f"{code} is no error")


def exceptions() -> str:
    """Return the table of the error classes: what each means and what to do."""
    rows = [
        (f"`{kind.__name__}`", (kind.__doc__ or "").strip().partition("\n")[0], kind.default_remedy)
        for kind in _with_subclasses(client_errors.MarketoError)
    ]
    return _table(("error", "what it means", "what to do"), rows)


def connection() -> str:
    """Return the table of the fields of a Marketo connection."""
    return _fields_of("marketo")


def journal_connection() -> str:
    """Return the table of the fields of a connection to a journal."""
    return _fields_of("adobe_events")


def _fields_of(conn_type: str) -> str:
    kinds = {each["connection-type"]: each for each in get_provider_info()["connection-types"]}
    kind = kinds[conn_type]
    standard = kind["ui-field-behaviour"]
    rows = [
        (f"`{name}`", label, standard["placeholders"].get(name, ""), "")
        for name, label in standard["relabeling"].items()
    ]
    rows += [
        (f"`{name}`", field["label"], field["description"], _code(field["schema"].get("default")))
        for name, field in kind["conn-fields"].items()
    ]
    return _table(("field", "label", "meaning", "default"), rows)


def configuration() -> str:
    """Return the table of the options of Airflow's configuration."""
    rows = [
        (
            f"`{name}`",
            option["description"],
            option["type"],
            _code(option["default"]),
            f"`AIRFLOW__MARKETO__{name.upper()}`",
        )
        for name, option in get_provider_info()["config"]["marketo"]["options"].items()
    ]
    return _table(("option of `[marketo]`", "meaning", "type", "default", "environment variable"), rows)


def commands() -> str:
    """Return a section for each command."""
    return "\n".join(line for command in get_marketo_cli_commands() for line in _command(command, "airflow"))


def recipes() -> str:
    """Return a section for each example DAG, with its source."""
    return "\n".join(line for file in sorted(RECIPES.glob("*.py")) for line in _recipe(file))


def _command(command: CLICommand, above: str) -> Iterator[str]:
    name = f"{above} {command.name}"
    if isinstance(command, GroupCommand):
        for each in command.subcommands:
            yield from _command(each, name)
        return
    yield from ("", f"## {name}", "", f"{command.description or command.help}".rstrip(".") + ".", "")
    if command.args:
        yield _table(("argument", "meaning"), [_argument(each) for each in command.args])


def _argument(argument: Arg) -> tuple[str, str]:
    choices = argument.kwargs.get("choices")
    text = argument.kwargs.get("help", "") + (f" One of {', '.join(choices)}." if choices else "")
    return ", ".join(f"`{flag}`" for flag in argument.flags), text


def _recipe(file: Path) -> Iterator[str]:
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    yield from ("", f"## {file.stem}", "", "```{eval-rst}", text, "```", "")
    yield from (f"```{{literalinclude}} ../example_dags/{file.name}", ":language: python", "```")


def _with_subclasses(kind: type[client_errors.MarketoError]) -> Iterator[type[client_errors.MarketoError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _with_subclasses(each)


def _code(value: Any) -> str:
    return "" if value is None else f"`{value}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _searchable(table: str) -> str:
    """Mark a table for ``filter.js``, which adds a search field above it."""
    return f"::::{{container}} searchable\n\n{table}\n::::\n"
