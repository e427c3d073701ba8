"""Odd parameters of every operation end in Marketo's errors, never in a traceback."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.operation import Operation, Schema
from airflow_provider_marketo.simulator.problems import ApiError, ConnectionDropError, HttpError
from airflow_provider_marketo.simulator.reply import Bare, Envelope
from tests.simulator.examples import example
from tests.simulator.world import File, World

SEED = 20_261_128
NAMES = [operation.name for operation in operations.all_operations() if operation.family != "identity"]
MISSING = object()
HUGE = 10**30
MOST_WORLDS = 4
ODD_VALUES: tuple[Any, ...] = (
    None,
    MISSING,
    "",
    " ",
    "null",
    "None",
    "abc",
    "-1",
    "0",
    "1.5",
    "1e400",
    "²",
    "\x00",
    "x" * 3_000,
    "[",
    "{}",
    "[{}]",
    "[null]",
    "{'a': b}",
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+14:00",
    0,
    -1,
    1.5,
    HUGE,
    -HUGE,
    True,
    [],
    [None],
    [[]],
    ["", " "],
    [{}],
    [{"id": None}],
    [1, "a", None, {}],
    {},
    {"a": 1},
    {"id": None, "type": None},
    {"id": "x", "type": ["y"]},
    {"startAt": None, "endAt": None},
    {"type": None, "value": None},
)
ODD_FILES = (
    File(b""),
    File(b"\xff\xfe\x00", None, ""),
    File(b"\xff\xfe\x00", "a.bin", "application/octet-stream"),
    File(b"a,b\n" * 3, "", "text/html; charset=nonsense"),
    File(b'\xef\xbb\xbfemail\n\n,,,\n\x00\n"', "a.csv"),
)


def odd_calls(operation: Operation, good: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield calls that differ from a good one in one place: a parameter, or something inside of it."""
    for name, parameter in operation.parameters.items():
        chance = random.Random(f"{SEED} {operation.name} {name}")
        for odd in (*chance.sample(ODD_VALUES, 20), *(ODD_FILES if parameter.place == "part" else ())):
            yield changed(good, [name], odd)
        whole = good.get(name, example_of(parameter.schema))
        for where in places(whole, [name]):
            for odd in chance.sample(ODD_VALUES, 5):
                yield changed({**good, name: whole}, where, odd)


def example_of(schema: Schema) -> Any:
    """Return a value with every member that the catalogue knows."""
    if schema.type == "object":
        return {name: example_of(member) for name, member in schema.properties.items()}
    if schema.type == "array":
        return [example_of(schema.items)] if schema.items is not None else ["a"]
    return (
        schema.enum[0]
        if schema.enum
        else {"integer": 1, "boolean": True, "datetime": "2026-01-31T00:00:00Z"}.get(schema.type, "a")
    )


def places(value: Any, where: list[Any]) -> Iterator[list[Any]]:
    """Yield the path of everything inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, member in inside:
        yield [*where, key]
        yield from places(member, [*where, key])


def changed(good: Mapping[str, Any], where: list[Any], odd: Any) -> dict[str, Any]:
    """Return a copy of a call with another value in one place."""
    call = copy.deepcopy(dict(good))
    inside: Any = call
    for key in where[:-1]:
        inside = inside[key]
    if odd is MISSING:
        if isinstance(inside, dict):
            inside.pop(where[-1], None)
        else:
            del inside[where[-1]]
    else:
        inside[where[-1]] = odd
    return call


def outcome(world: World, operation: Operation, call: Mapping[str, Any]) -> str:
    """Return how a call ends. An exception that is not a reply of Marketo's passes through."""
    try:
        reply = world.send(operation.name, call)
    except ApiError as error:
        return error.code
    except (HttpError, ConnectionDropError) as error:
        return str(error)
    if isinstance(reply, (Envelope, Bare)):
        json.dumps(reply.body if isinstance(reply, Bare) else [reply.result, reply.more], allow_nan=False)
    return "done"


@pytest.mark.slow(reason="it sends hundreds of odd values to every operation")
@pytest.mark.parametrize("name", NAMES)
def test_odd_parameters_leave_no_traceback(name: str, tmp_path: Path):
    operation, world, worlds = operations.get(name), World(tmp_path), 1
    for call in odd_calls(operation, example(world, name)):
        if outcome(world, operation, call) == "done" and operation.retry != "read" and worlds < MOST_WORLDS:
            # The records that the example needs may be gone.
            world, worlds = World(tmp_path), worlds + 1
            example(world, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_every_operation_succeeds(name: str, tmp_path: Path):
    world = World(tmp_path)

    assert outcome(world, operations.get(name), example(world, name)) == "done"
