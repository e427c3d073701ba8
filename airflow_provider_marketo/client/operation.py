"""One row of the catalogue: an operation of Marketo's API and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_MARGIN = 10
"""Seconds that we wait for an answer beyond Marketo's own limit."""

BODY_PLACES = frozenset({"body", "form", "json", "part"})


@dataclass(frozen=True)
class Schema:
    """
    What a value must be.

    :param type: ``string``, ``integer``, ``number``, ``boolean``, ``datetime``, ``date``, ``array``, ``object``,
        ``file`` or ``any``.
    :param enum: the allowed values; empty if any value is allowed.
    :param maximum: largest number.
    :param max_length: largest number of characters.
    :param min_items: smallest number of entries of an array.
    :param max_items: largest number of entries of an array.
    :param max_bytes: largest size of a file.
    :param media: content type of a file.
    :param items: what the entries of an array must be.
    :param properties: members of an object; an object without declared members takes any.
    :param required: members that must be given.
    :param required_unless: by flag (a member): the member that must be given unless the flag is true.
    :param one_of: groups of members; exactly one of each group must be given.
    :param exclusive: groups of members; at most one of each group may be given.
    :param pattern: regular expression that a whole text must fit.
    :param max_days: longest time between the members ``startAt`` and ``endAt`` of an object.
    :param open: whether an object also takes undeclared members.
    :param nullable: whether None is sent as ``null``; otherwise None means no value.
    """

    type: str
    enum: tuple[Any, ...] = ()
    maximum: int | None = None
    max_length: int | None = None
    min_items: int = 0
    max_items: int | None = None
    max_bytes: int | None = None
    media: str | None = None
    items: Schema | None = None
    properties: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    required_unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    one_of: tuple[tuple[str, ...], ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    pattern: str | None = None
    max_days: int | None = None
    open: bool = False
    nullable: bool = False

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Schema:
        """Read the schema from a row of ``operations.json``."""
        items, properties = row.get("items"), row.get("properties", {})
        return cls(
            type=row["type"],
            enum=tuple(row.get("enum", ())),
            maximum=row.get("maximum"),
            max_length=row.get("maxLength"),
            min_items=row.get("minItems", 0),
            max_items=row.get("maxItems"),
            max_bytes=row.get("maxBytes"),
            media=row.get("media"),
            items=cls.from_row(items) if items else None,
            properties={name: cls.from_row(member) for name, member in properties.items()},
            required=tuple(row.get("required", ())),
            required_unless={flag: tuple(names) for flag, names in row.get("required_unless", {}).items()},
            one_of=_groups(row, "one_of"),
            exclusive=_groups(row, "exclusive"),
            pattern=row.get("pattern"),
            max_days=row.get("maxDays"),
            open=row.get("open", not properties),
            nullable=row.get("nullable", False),
        )


@dataclass(frozen=True)
class Parameter:
    """
    One parameter of an operation.

    :param name: name in Adobe's spelling.
    :param place: ``path``, ``query``, ``header``, ``form`` (a field), ``part`` (of a multipart body), ``json`` (a
        member of the body) or ``body`` (all of it).
    :param schema: what its value must be. A form field of type array or object is sent as a JSON string.
    :param required: whether it must be given.
    :param list_style: how a list is written in the query: ``comma``, ``repeat`` or ``json``.
    :param default: value that is sent if the caller gives no value; None to send no value.
    """

    name: str
    place: str
    schema: Schema
    required: bool = False
    list_style: str | None = None
    default: Any = None

    @property
    def type(self) -> str:
        """Type of the value, as in :class:`Schema`."""
        return self.schema.type


@dataclass(frozen=True)
class Operation:
    """
    An operation of Marketo's API.

    :param name: ``<family>.<Adobe's name>``.
    :param operation_id: Adobe's operationId; empty if only Adobe's pages have the operation.
    :param method: HTTP verb.
    :param path: the path, with ``{name}`` for parameters.
    :param parameters: parameters by name.
    :param area: ``instance``, or ``ingestion`` for the host of data ingestion.
    :param encoding: the encoding of the body: ``none``, ``json``, ``form`` or ``multipart``.
    :param paging: ``none``, ``position``, ``date``, ``offset``, ``page`` or ``page_offset``.
    :param retry: ``read``, ``repeatable``, ``upsert``, ``reconcile`` or ``once``.
    :param retry_overrides: parameter, value (None for any) and the retry class that they give; the last match decides.
    :param timeout: seconds to wait for an answer: Marketo's own limit and :data:`TIMEOUT_MARGIN`.
    :param permissions: permissions of the API user's role; any one entry is enough.
    :param reply: ``envelope``, ``bare`` (JSON without an envelope), ``file`` or ``accepted`` (no body).
    :param body_required: whether at least one parameter must go into the body, although each is optional.
    :param one_of: groups of parameters; exactly one of each group must be given.
    :param exclusive: groups of parameters; at most one of each group may be given.
    :param max_days: longest time between ``startAt`` and ``endAt``.
    """

    name: str
    operation_id: str
    method: str
    path: str
    parameters: Mapping[str, Parameter]
    area: str
    encoding: str
    paging: str
    retry: str
    retry_overrides: tuple[tuple[str, Any, str], ...]
    timeout: float
    permissions: tuple[str, ...]
    reply: str
    body_required: bool = False
    one_of: tuple[tuple[str, ...], ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    max_days: int | None = None

    @classmethod
    def from_row(cls, name: str, row: Mapping[str, Any]) -> Operation:
        """Read the operation from a row of ``operations.json``."""
        return cls(
            name=name,
            operation_id=row.get("id", ""),
            method=row["method"],
            path=row["path"],
            parameters={
                parameter: Parameter(
                    name=parameter,
                    place=facts["in"],
                    schema=Schema.from_row(facts),
                    required=parameter in row.get("required", ()),
                    list_style=facts.get("list"),
                    default=facts.get("default"),
                )
                for parameter, facts in row.get("parameters", {}).items()
            },
            area=row.get("area", "instance"),
            encoding=row.get("encoding", "none"),
            paging=row.get("paging", "none"),
            retry=row["retry"],
            retry_overrides=tuple((given, value, retry) for given, value, retry in row.get("retry_overrides", ())),
            timeout=row["timeout"],
            permissions=tuple(row.get("permissions", ())),
            reply=row.get("reply", "envelope"),
            body_required=row.get("body_required", False),
            one_of=_groups(row, "one_of"),
            exclusive=_groups(row, "exclusive"),
            max_days=row.get("maxDays"),
        )

    @property
    def family(self) -> str:
        """Part of the name before the dot."""
        return self.name.partition(".")[0]

    @property
    def deletes(self) -> bool:
        """Whether it deletes or removes something: a repeated request that finds nothing is then a success."""
        action = self.name.partition(".")[2].removeprefix("bulk_")
        return self.retry != "read" and action.startswith(("delete", "remove"))

    @property
    def longest_run(self) -> float:
        """Seconds for which Marketo may still execute a call after it was sent."""
        return self.timeout - TIMEOUT_MARGIN

    @cached_property
    def body_parameters(self) -> tuple[str, ...]:
        """Names of the parameters that go into the body."""
        return tuple(name for name, parameter in self.parameters.items() if parameter.place in BODY_PLACES)

    @cached_property
    def schema(self) -> Schema:
        """Schema of all parameters together, as members of one object."""
        return Schema(
            "object",
            properties={name: parameter.schema for name, parameter in self.parameters.items()},
            required=tuple(name for name, parameter in self.parameters.items() if parameter.required),
            one_of=self.one_of,
            exclusive=self.exclusive,
            max_days=self.max_days,
        )

    def retry_class(self, parameters: Mapping[str, Any]) -> str:
        """
        Return the retry class of a call, which says whether it may be sent again.

        :param parameters: parameters of the call.
        """
        retry = self.retry
        for name, value, override in self.retry_overrides:
            given = parameters.get(name)
            if given is not None and value in (None, given):
                retry = override
        return retry


def _groups(row: Mapping[str, Any], key: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(group) for group in row.get(key, ()))
