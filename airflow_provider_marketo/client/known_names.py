"""Add the names that an instance has to an error about an unknown name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Protocol

from airflow_provider_marketo.client import codes, operations
from airflow_provider_marketo.client.errors import MarketoError, MarketoFeatureUnavailableError
from airflow_provider_marketo.client.suggest import did_you_mean, nearest

_PAGE = 200
_MOST_NAMES = 2_000
"""Largest number of names that are read to find the intended one: ten calls at most."""

_SHOWN = 10


class Paginate(Protocol):
    """Yields the records of all pages of a query, as ``MarketoClient.paginate`` does."""

    def __call__(self, operation: str, /, **parameters: Any) -> Iterator[Any]:
        """Yield the records of an operation."""
        ...


@dataclass(frozen=True)
class NameList:
    """
    Where the names of one kind of thing are listed.

    :param what: the things, in words.
    :param operation: the operation that lists them.
    :param member: the member of a record that has the name; ``fields.name`` for names inside a list.
    """

    what: str
    operation: str
    member: str = "name"

    def read(self, paginate: Paginate, **parameters: Any) -> list[str]:
        """
        Read the names.

        :param paginate: ``paginate`` of the instance's client.
        :param parameters: parameters of the operation that lists them.
        """
        page = {"maxReturn": _PAGE} if "maxReturn" in operations.get(self.operation).parameters else {}
        found: list[Any] = list(islice(paginate(self.operation, **page, **parameters), _MOST_NAMES))
        for step in self.member.split("."):
            inside = [record.get(step) for record in found if isinstance(record, Mapping)]
            found = [each for one in inside for each in (one if isinstance(one, list) else [one])]
        return [str(each) for each in found if each is not None]

    def nearest(self, name: str, known: list[str]) -> str:
        """
        Ask whether one of the nearest known names was meant; list the known names if none is near.

        :param name: the name as it was given.
        :param known: the existing names.
        """
        if near := _near(name, known):
            return near
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        return f"The {self.what} are {', '.join(known[:_SHOWN])}{more}." if known else ""


PARTITIONS = NameList("lead partitions", "leads.get_partitions")
TAG_TYPES = NameList("tag types", "tags.get_types", "tagType")
TAG_VALUES = NameList("values", "tags.get_by_name", "allowableValues")
CUSTOM_OBJECTS = NameList("custom object types", "custom_objects.list")
_PROGRAMS = NameList("programs", "programs.get")
_WORKSPACES = NameList("workspaces", "user_management.get_workspaces")

_NAMES: tuple[tuple[str, str, NameList], ...] = (
    ("*", "partitionName", PARTITIONS),
    ("leads.push", "programName", _PROGRAMS),
    ("*", "staticListName", NameList("static lists", "static_lists.get")),
    ("*", "smartListName", NameList("smart lists", "smart_lists.get")),
    ("*", "channel", NameList("channels", "channels.get")),
    ("*", "tagType", TAG_TYPES),
    ("*", "customObjectName", CUSTOM_OBJECTS),
    ("*", "customObjectAPIName", CUSTOM_OBJECTS),
    ("*bulk_*_custom_objects.*", "apiName", CUSTOM_OBJECTS),
    # A new type has a new name.
    ("custom_object_schema.[!s]*", "apiName", NameList("types", "custom_object_schema.list_types", "apiName")),
    ("activities.[!c]*", "apiName", NameList("custom activity types", "activities.get_custom_types", "apiName")),
    ("leads.*", "fieldApiName", NameList("fields", "leads.get_fields")),
    ("*", "workspace", _WORKSPACES),
    ("*", "workSpace", _WORKSPACES),
)
"""Operation (shell pattern), member of its parameters at any depth, and where the names are listed."""


_STATUSES = NameList("program statuses", "channels.get", "progressionStatuses.name")
_NEAR: Mapping[str, tuple[str, ...]] = {
    codes.UNKNOWN_FIELD: ("fields", "filterType", "lookupField"),
    codes.FIELD_NOT_SEARCHABLE: ("filterType", "lookupField"),
    codes.UNKNOWN_STATUS: ("programMemberStatus", "status", "statusName"),
}
"""By code: members of the parameters that name a field, or a status of a program."""


def suggest_names(paginate: Paginate, error: MarketoError, operation: str, parameters: Mapping[str, Any]) -> None:
    """
    Put the names that were probably meant into the error of a refused call.

    It costs the calls that list the names. The error stays as it is if Marketo cannot list them, or lists the given
    names.

    :param paginate: ``paginate`` of the instance's client.
    :param error: Marketo's answer.
    :param operation: the operation's name in the catalogue.
    :param parameters: parameters of the call.
    """
    if error.code in (None, codes.ACCESS_DENIED) or error.executed:  # an earlier sending may be the cause
        return
    if isinstance(error, MarketoFeatureUnavailableError):  # no other name would help
        return
    found = _near_names(paginate, error, operation, parameters)
    if found:
        error.remedy = " ".join([*found, error.remedy or ""]).strip()
        return
    for pattern, member, names in _NAMES:
        given = dict.fromkeys(_values(parameters, member)) if fnmatchcase(operation, pattern) else {}
        if not given:
            continue
        try:
            known = names.read(paginate)
        except MarketoError:
            continue  # the error to report is the one about the name
        found += [names.nearest(name, known) for name in given if name not in known]
    if not found:
        found = list(_near_tag_values(paginate, parameters))
    if text := " ".join(filter(None, found)):
        error.remedy = text


def _near(name: str, known: list[str]) -> str:
    """Ask whether one of the nearest known names was meant; return an empty text if none is near."""
    near = nearest(name, known, most=3)
    return did_you_mean([repr(each) for each in near]) if near else ""


def _near_names(paginate: Paginate, error: MarketoError, operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """Suggest fields and statuses for a code that says that one is unknown. All names would be too many to list."""
    names = _STATUSES if error.code == codes.UNKNOWN_STATUS else _fields_of(operation)
    members = _NEAR.get(error.code or "", ())
    given = dict.fromkeys(each for member in members for each in _values(parameters, member))
    needed = {name: parameters.get(name) for name in _required(names.operation)} if names is not None else {}
    if names is None or not given or None in needed.values():
        return []
    try:
        known = names.read(paginate, **needed)
    except MarketoError:
        return []
    return [near for name in given if name not in known and (near := _near(name, known))]


def _near_tag_values(paginate: Paginate, parameters: Any) -> Iterator[str]:
    """Suggest values of a tag."""
    for tag in _mappings(parameters):
        kind, value = tag.get("tagType"), tag.get("tagValue")
        if not isinstance(kind, str) or not isinstance(value, str):
            continue
        try:
            known = tag_values(paginate, kind)
        except MarketoError:
            continue
        if not is_tag_value(value, known) and (near := _near(value, known)):
            yield near


def tag_values(paginate: Paginate, kind: str) -> list[str]:
    """
    Return the values that a tag may have (``tags.get_by_name``); empty if Marketo lists no values.

    :param paginate: ``paginate`` of the instance's client.
    :param kind: the tag's type.
    """
    return [
        value.strip()
        for text in TAG_VALUES.read(paginate, name=kind)
        for value in text.strip("[]").split(",")
        if value.strip()
    ]


def is_tag_value(value: str, known: list[str]) -> bool:
    """
    Whether a tag may have a value. Marketo lists values between commas, and a value itself may have commas.

    :param value: the value.
    :param known: what :func:`tag_values` returned.
    """
    return f",{','.join(part.strip() for part in value.split(','))}," in f",{','.join(known)},"


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    for each in inside:
        yield from _mappings(each)


def _fields_of(operation: str) -> NameList | None:
    """Return where the fields are listed that an operation reads or writes."""
    family = {"static_list_membership": "leads"}.get(operation.partition(".")[0], operation.partition(".")[0])
    describe = "leads.describe2" if family == "leads" else f"{family}.describe"
    known = {each.name for each in operations.all_operations()}
    return NameList("fields", describe, "fields.name") if describe in known else None


def _required(operation: str) -> list[str]:
    return [name for name, parameter in operations.get(operation).parameters.items() if parameter.required]


def _values(value: Any, member: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        named = value.get(member)
        yield from (each for each in (named if isinstance(named, (list, tuple)) else [named]) if isinstance(each, str))
        for inside in value.values():
            yield from _values(inside, member)
    elif isinstance(value, (list, tuple)):
        for inside in value:
            yield from _values(inside, member)
