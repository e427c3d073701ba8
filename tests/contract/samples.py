"""Parameters made up from the catalogue: the required ones, and all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_marketo.client.operations import Operation, Schema

_VALUES: Mapping[str, Any] = {
    "string": "someone@example.org",
    "integer": 7,
    "number": 7.5,
    "boolean": True,
    "datetime": "2024-01-31T00:00:00Z",
    "date": "2024-01-31",
    "file": b"some content",
    "any": "anything",
}


def samples(operation: Operation) -> Iterator[dict[str, Any]]:
    """
    Yield calls that the catalogue allows: first one with the required parameters only.

    The others have all parameters; together they use each value of an enumeration and each alternative.
    """
    least = _object(operation.schema, choice=0, everything=False)
    if operation.body_required and not least.keys() & operation.body_parameters:
        name = operation.body_parameters[0]
        least[name] = _value(operation.schema.properties[name], choice=0, everything=False)
    yield least
    for choice in range(_alternatives(operation.schema)):
        yield _object(operation.schema, choice, everything=True)


def _alternatives(schema: Schema) -> int:
    here = [len(schema.enum), *(len(group) for group in (*schema.one_of, *schema.exclusive))]
    inside = [_alternatives(member) for member in (*schema.properties.values(), *filter(None, [schema.items]))]
    return max([1, *here, *inside])


def _object(schema: Schema, choice: int, everything: bool) -> dict[str, Any]:
    groups = [group for group in (*schema.one_of, *schema.exclusive) if everything or group in schema.one_of]
    chosen = {group[choice % len(group)] for group in groups}
    excluded = {name for group in (*schema.one_of, *schema.exclusive) for name in group} - chosen
    needed = {*schema.required, *chosen, *(name for names in schema.required_unless.values() for name in names)}
    wanted = [name for name in schema.properties if (everything and name not in excluded) or name in needed]
    return {name: _value(schema.properties[name], choice, everything) for name in wanted}


def _value(schema: Schema, choice: int, everything: bool) -> Any:
    if schema.enum:
        return schema.enum[choice % len(schema.enum)]
    if schema.type == "object":
        return _object(schema, choice, everything)
    if schema.type == "array":
        return [_value(schema.items or Schema("any"), choice, everything)] * min(2, schema.max_items or 2)
    return "a_word" if schema.pattern else _VALUES[schema.type]
