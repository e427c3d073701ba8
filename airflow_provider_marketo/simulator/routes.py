"""The operation of a verb and a path, and the function that answers it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.simulator.instance import Instance
from airflow_provider_marketo.simulator.reply import Reply
from airflow_provider_marketo.simulator.request import Request

if TYPE_CHECKING:
    from airflow_provider_marketo.client.operation import Operation

Handler = Callable[[Instance, Request], Reply]
HANDLERS: dict[str, Handler] = {}

_ADDITIONAL_PATHS = {"/rest/asset/v1/emailTemplate/{id}/content": "email_templates.get_content_by_id"}
"""Adobe documents two paths for this operation, and widely used clients use either."""


class Match(NamedTuple):
    """
    The operations at a path.

    :param operations: operations by HTTP verb.
    :param path: parameters in the path.
    """

    operations: Mapping[str, Operation]
    path: Mapping[str, str]


def answers(*names: str) -> Callable[[Handler], Handler]:
    """
    Register the function that answers operations.

    :param names: names in the catalogue.
    """
    for name in names:
        operations.get(name)

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


def find(path: str) -> Match:
    """
    Return the operations at a path; empty for an unknown path.

    :param path: percent-encoded.
    """
    segments = path.count("/")
    for pattern, by_method in _table()[segments]:
        found = pattern.fullmatch(path)
        if found:
            return Match(by_method, {name: unquote(value) for name, value in found.groupdict().items()})
    return Match({}, {})


@cache
def _table() -> Mapping[int, list[tuple[re.Pattern[str], dict[str, Operation]]]]:
    """Return the patterns by number of segments; those with fewer placeholders come first."""
    by_path: dict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in operations.all_operations():
        by_path[operation.path][operation.method] = operation
    for path, name in _ADDITIONAL_PATHS.items():
        by_path[path]["GET"] = operations.get(name)
    table: dict[int, list[tuple[re.Pattern[str], dict[str, Operation]]]] = defaultdict(list)
    for template in sorted(by_path, key=lambda path: path.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+?)", re.escape(template))
        table[template.count("/")].append((re.compile(pattern), by_path[template]))
    return table
