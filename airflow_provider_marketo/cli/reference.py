"""``airflow marketo operations`` and ``airflow marketo describe``: the reference of Marketo's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.cli.tables import print_rows
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import with_nearest

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.client.operations import Operation, Parameter, Schema

_LIMITS: Sequence[tuple[str, str]] = (
    ("maximum", "at most {}"),
    ("max_length", "at most {} characters"),
    ("max_items", "at most {} entries"),
    ("max_bytes", "at most {} bytes"),
    ("max_days", "at most {} days"),
)


def list_operations(args: Namespace) -> None:
    """Print the operations of one family or of all."""
    rows = [_row(operation) for operation in _chosen(args.family)]
    print_rows(rows, args.output)


def describe(args: Namespace) -> None:
    """Print what the catalogue knows about an operation."""
    try:
        operation = operations.get(args.operation)
    except MarketoError as error:
        raise SystemExit(f"airflow marketo describe: {error}") from None
    facts, parameters = _facts(operation), [_parameter(each) for each in operation.parameters.values()]
    if args.output in ("json", "yaml"):
        print_rows([{**facts, "parameters": parameters}], args.output)
        return
    print_rows([{"fact": name, "value": value} for name, value in facts.items()], args.output)
    if parameters:
        print_rows(parameters, args.output)


def _chosen(family: str | None) -> list[Operation]:
    if family is not None and family not in operations.families():
        families = f"A name begins with its family: {', '.join(operations.families())}."
        error = MarketoInvalidRequestError(
            f"Marketo's API has no family {with_nearest(family, operations.families())}", remedy=families
        )
        raise SystemExit(f"airflow marketo operations: {error}")
    return [each for each in operations.all_operations() if family in (None, each.family)]


def _row(operation: Operation) -> dict[str, str]:
    return {
        "operation": operation.name,
        "verb": operation.method,
        "path": operation.path,
        "retry": operation.retry,
        "paging": operation.paging,
    }


def _facts(operation: Operation) -> dict[str, Any]:
    return {
        **_row(operation),
        "retry": operation.retry + "".join(f"; {_override(*each)}" for each in operation.retry_overrides),
        "operationId": operation.operation_id or "only on Adobe's pages",
        "body": operation.encoding,
        "reply": operation.reply,
        "timeout": f"{operation.timeout:g} s",
        "permission": " or ".join(operation.permissions),
    }


def _override(name: str, value: Any, retry: str) -> str:
    return f"{retry} with {name}" if value is None else f"{retry} with {name}={value}"


def _parameter(parameter: Parameter) -> Mapping[str, str]:
    return {
        "parameter": parameter.name,
        "in": parameter.place,
        "type": _type(parameter.schema),
        "required": "yes" if parameter.required else "",
        "limits": ", ".join(_limits(parameter.schema)),
    }


def _type(schema: Schema) -> str:
    if schema.items is not None:
        return f"array of {_type(schema.items)}"
    if not schema.properties:
        return schema.type
    members = (f"{name}{'*' if name in schema.required else ''}" for name in schema.properties)
    return f"object {{{', '.join(members)}}}"


def _limits(schema: Schema) -> list[str]:
    found = ["one of " + ", ".join(map(str, schema.enum))] if schema.enum else []
    found += [text.format(getattr(schema, name)) for name, text in _LIMITS if getattr(schema, name) is not None]
    members = schema.items.properties if schema.items is not None else schema.properties
    return found + [f"{name}: {limit}" for name, member in members.items() for limit in _limits(member)]
