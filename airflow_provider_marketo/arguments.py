"""
The checks and conversions of the arguments that DAG authors write.

An operator or sensor names the kind of each argument in ``argument_checks``. A value without a template is checked when
the DAG file is parsed, so that a mistake is an import error and not a failed task. Everything is checked again when the
task runs, before a call is spent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from types import NoneType
from typing import Any, ClassVar, get_args

from airflow_provider_marketo.argument_names import NamesArguments
from airflow_provider_marketo.client.counts import named_type
from airflow_provider_marketo.client.dates import without_zone
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.conversions import (
    as_duration,
    as_id,
    as_list,
    as_name_or_id,
    as_period,
    as_text,
    as_text_or_none,
    as_utc,
    checked_values,
    converted_items,
    decimal,
    given_value,
    one_of,
    parsed,
    refuse_empty,
    shown,
    whole,
)

log = printable_logger(__name__)

Check = Callable[[str, Any], Any]
"""Takes the name and the value of an argument; returns the value in the form that the calls need, or refuses it."""

_STORED_AS = {"dry_run": "_preview"}
"""An argument and its attribute have the same name, except this one: ``BaseOperator.dry_run`` is a method."""

_TEMPLATE_MARK = re.compile(r"\{[{%#]")
_PLAIN = (int, float, bytes, date, NoneType)


class ChecksArguments(NamesArguments):
    """
    Mixin of operators and sensors: arguments are checked at parse time and converted at run time.

    A subclass extends ``argument_checks`` as it extends ``template_fields``, and calls :meth:`check_arguments` at the
    end of its ``__init__``.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {}
    permissions: ClassVar[Sequence[str]]
    """
    Permissions that the API user's role must have, by Adobe's names.

    An entry with an argument in braces, such as ``{object_type}.sync``, is an operation and stands for its permission.
    """

    def check_arguments(self) -> None:
        """
        Check the arguments that are known when the DAG file is parsed.

        :raises MarketoInvalidRequestError: an argument is wrong; the message names it and shows how to write it.
        """
        given = vars(self)
        for name, check in self.argument_checks.items():
            stored = _STORED_AS.get(name, name)
            if stored in given and not is_filled_in_later(given[stored]):
                check(name, given[stored])

    def argument(self, name: str) -> Any:
        """
        Return an argument in the form that the calls need, after templates were rendered.

        :param name: name of the argument.
        :raises MarketoInvalidRequestError: the argument is wrong.
        """
        return self.argument_checks[name](name, getattr(self, _STORED_AS.get(name, name)))

    def checked_arguments(self) -> dict[str, Any]:
        """
        Return all arguments in the form that the calls need.

        :raises MarketoInvalidRequestError: an argument is wrong.
        """
        given = vars(self)
        found = {name: self.argument(name) for name in self.argument_checks if _STORED_AS.get(name, name) in given}
        for name, value in found.items():
            if isinstance(value, datetime) and as_utc(name, given[name])[1]:
                log.info("%s=%s has no time zone and is taken as UTC", name, given[name])
        return found


def is_filled_in_later(value: Any) -> bool:
    """Whether a value, or a part of it, is known only when the task runs: a template or another task's result."""
    if isinstance(value, str):
        return _TEMPLATE_MARK.search(value) is not None
    if isinstance(value, _PLAIN):  # most values of records are plain
        return False
    if hasattr(value, "iter_references"):  # an XComArg, or an argument of a mapped task
        return True
    if isinstance(value, Mapping):
        return any(map(is_filled_in_later, value.values()))
    if isinstance(value, (list, tuple, Set)):
        return any(map(is_filled_in_later, value))
    return False


def choice(kind: Any, *, required: bool = True) -> Check:
    """
    One of a closed set of values.

    :param kind: a ``Literal``.
    :param required: whether ``None`` is refused.
    """
    return lambda parameter, value: one_of(parameter, value, get_args(kind), required=required)


def texts(*, required: bool = False, none_allowed: bool = False) -> Check:
    """
    A list of names or other short texts; numbers become texts. Returns a tuple, or None if nothing is given.

    :param required: whether a missing list is refused.
    :param none_allowed: whether an item may be None.
    """
    convert = as_text_or_none if none_allowed else as_text
    return lambda parameter, value: converted_items(parameter, value, convert, required)


def values(*, required: bool = False) -> Check:
    """Values by which leads are looked up. Returns a list of texts, each once, or None if nothing is given."""

    def check(parameter: str, value: Any) -> list[str] | None:
        found = as_list(parameter, value, required=required)
        return None if found is None else checked_values(found, parameter)

    return check


def choices(kind: Any, *, required: bool = False) -> Check:
    """
    A list of values from a closed set. Returns a tuple, or None if nothing is given.

    :param kind: a ``Literal``.
    :param required: whether ``None`` is refused.
    """
    return lambda parameter, value: converted_items(
        parameter, value, lambda name, item: one_of(name, item, get_args(kind)), required
    )


def ids(*, required: bool = False) -> Check:
    """A list of Marketo's ids. Returns a tuple of numbers, or None if nothing is given."""
    return lambda parameter, value: converted_items(parameter, value, as_id, required)


def names_or_ids(*, required: bool = False) -> Check:
    """A list of names or ids, such as activity types. Returns a tuple, or None if nothing is given."""
    return lambda parameter, value: converted_items(parameter, value, as_name_or_id, required)


def texts_or_word(word: str, *, required: bool = False) -> Check:
    """A list of texts, or one word that stands for all of them, such as ``all``."""
    check = texts(required=required)
    return lambda parameter, value: word if value == word else check(parameter, value)


def texts_by_table() -> Check:
    """A list of texts for all tables, or a mapping of tables to lists. Returns a tuple, a dict, or None."""
    check_texts, check_mapping = texts(), mapping()

    def check(parameter: str, value: Any) -> tuple[str, ...] | dict[str, tuple[str, ...]] | None:
        by_table = parsed(value, Mapping) if isinstance(value, str) else value
        if not isinstance(by_table, Mapping):
            found: tuple[str, ...] | None = check_texts(parameter, value)
            return found
        return {
            table: check_texts(f"{parameter}[{table!r}]", names) or ()
            for table, names in check_mapping(parameter, by_table).items()
        }

    return check


def flag_or_texts() -> Check:
    """True or False, or a list of names. Returns a bool or a tuple, or None if nothing is given."""
    check_flag, check_texts = flag(), texts()
    written = ("true", "false")

    def check(parameter: str, value: Any) -> bool | tuple[str, ...] | None:
        is_flag = isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in written)
        found: bool | tuple[str, ...] | None = (check_flag if is_flag else check_texts)(parameter, value)
        return found

    return check


def narrowing(check: Check) -> Check:
    """
    A list that narrows what is read, waited for or sent. An empty one is refused.

    Without the argument, a task takes everything. A template that renders to an empty list must not have the same
    effect, so it is refused. Lists that name what a task works on, such as ids of leads to send, need no such check:
    with an empty one there is nothing to do.

    :param check: the check of the list, or of the lists by table.
    """

    def checked(parameter: str, value: Any) -> Any:
        found = check(parameter, value)
        for name, each in found.items() if isinstance(found, Mapping) else [("", found)]:
            refuse_empty(parameter, each, member=name)
        return found

    return checked


def one_id(*, required: bool = False) -> Check:
    """A single id. Returns a number, or None if it is not given."""

    def check(parameter: str, value: Any) -> int | None:
        value = given_value(parameter, value, required)
        return None if value is None else as_id(parameter, value)

    return check


def count(*, minimum: int = 0, required: bool = True) -> Check:
    """A whole number."""

    def check(parameter: str, value: Any) -> int | None:
        value = given_value(parameter, value, required)
        if value is None:
            return None
        number = whole(value)
        if number is None or number < minimum:
            raise MarketoInvalidRequestError(
                f"{parameter}={shown(value)} is not a whole number of {minimum} or more", parameter=parameter
            )
        return number

    return check


def number(*, required: bool = True) -> Check:
    """A number greater than zero, with or without decimals."""

    def check(parameter: str, value: Any) -> float | None:
        value = given_value(parameter, value, required)
        if value is None:
            return None
        found = decimal(value)
        if found is None or found <= 0:
            raise MarketoInvalidRequestError(
                f"{parameter}={shown(value)} is not a number greater than zero", parameter=parameter
            )
        return found

    return check


def flag() -> Check:
    """True or False; a template renders to the text of either."""

    def check(parameter: str, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else value
        if word not in ("true", "false"):
            raise MarketoInvalidRequestError(
                f"{parameter}={shown(value)} is neither True nor False", parameter=parameter
            )
        return bool(word == "true")

    return check


def mapping(*, required: bool = False) -> Check:
    """A mapping, or the text to which a template renders it (Python or JSON). Returns a dict, or None if not given."""

    def check(parameter: str, value: Any) -> dict[str, Any] | None:
        value = given_value(parameter, value, required)
        if isinstance(value, str):
            value = parsed(value, Mapping)
        if value is not None and not isinstance(value, Mapping):
            raise MarketoInvalidRequestError(
                f"{parameter} is {named_type(value)}, not a mapping",
                parameter=parameter,
                remedy='Write it like {"name": "value"}.',
            )
        return None if value is None else dict(value)

    return check


def manifest() -> Check:
    """The output of a task: its result, or the path or URL of a manifest. Returns a dict or a text."""

    def check(parameter: str, value: Any) -> dict[str, Any] | str:
        value = given_value(parameter, value, required=True)
        if isinstance(value, str) and value.strip().startswith("{"):
            value = parsed(value, Mapping)
        if isinstance(value, Mapping):
            return dict(value)
        if not isinstance(value, str):
            raise MarketoInvalidRequestError(
                f"{parameter} is {named_type(value)}, not the result of a task or a path",
                parameter=parameter,
                remedy=f"Write {parameter}=extract.output.",
            )
        return as_text(parameter, value)

    return check


def manifests() -> Check:
    """Outputs of tasks, by source. Returns lists: a mapped task has several outputs, a skipped task an empty list."""
    one = manifest()

    def check(parameter: str, value: Any) -> dict[str, list[dict[str, Any] | str]]:
        found = mapping()(parameter, value) or {}
        return {
            name: [
                one(f"{parameter}[{name!r}]", each)
                for each in ([given] if given is None or isinstance(given, (str, Mapping)) else list(given))
                if each is not None
            ]
            for name, given in found.items()
        }

    return check


def duration(*, positive: bool = True, required: bool = True) -> Check:
    """A length of time: a timedelta, seconds, or an ISO 8601 duration. Returns a timedelta."""

    def check(parameter: str, value: Any) -> timedelta | None:
        value = given_value(parameter, value, required)
        return None if value is None else as_duration(parameter, value, positive=positive)

    return check


def period(*, minimum: timedelta = timedelta(0), required: bool = True) -> Check:
    """A length of calendar time: a timedelta or an ISO 8601 duration, never a bare number. Returns a timedelta."""

    def check(parameter: str, value: Any) -> timedelta | None:
        value = given_value(parameter, value, required)
        return None if value is None else as_period(parameter, value, minimum=minimum)

    return check


def moment(*, required: bool = False, needs_zone: bool = False) -> Check:
    """
    A date or time. Returns an aware datetime in UTC, or None if it is not given.

    :param required: whether ``None`` is refused.
    :param needs_zone: whether a time without a zone is refused; otherwise it is UTC.
    """

    def check(parameter: str, value: Any) -> datetime | None:
        value = given_value(parameter, value, required)
        found, naive = as_utc(parameter, value)
        if naive and needs_zone and found is not None:
            written = without_zone(found)
            raise MarketoInvalidRequestError(
                f"{parameter}={written} has no time zone",
                parameter=parameter,
                remedy=f"Write {written}Z for UTC, or add the offset, such as {written}+02:00.",
            )
        return found

    return check


def text(*, required: bool = False) -> Check:
    """One text, such as a name or a path. Returns it, or None if it is not given."""

    def check(parameter: str, value: Any) -> str | None:
        value = given_value(parameter, value, required)
        if isinstance(value, str) and "\0" in value:
            raise MarketoInvalidRequestError(
                f"{parameter} holds the character NUL", parameter=parameter, remedy="Give the text without it."
            )
        return None if value is None else as_text(parameter, value)

    return check


def name(*, required: bool = False) -> Check:
    """
    One text that names what is stored. It must not begin or end with a space.

    Returns the text, or None if it is not given.
    """
    check_text = text(required=required)

    def check(parameter: str, value: Any) -> str | None:
        found: str | None = check_text(parameter, value)
        if found is not None and isinstance(value, str) and found != value:
            raise MarketoInvalidRequestError(
                f"{parameter}={value!r} starts or ends with a space, so it looks the same as {found!r}",
                parameter=parameter,
                remedy=f"Write {parameter}={found!r}.",
            )
        return found

    return check


def place(*, required: bool = False) -> Check:
    """
    A folder or program of Marketo, by id, name or path.

    Returns ``{"id": 12, "type": "Folder"}`` or ``"Program"``, ``"name"`` in place of ``"id"``, or None.
    """

    def check(parameter: str, value: Any) -> dict[str, Any] | None:
        value = given_value(parameter, value, required)
        if value is None:
            return None
        found = parsed(value, Mapping) if isinstance(value, str) else value
        if isinstance(found, str) and not found.strip().isdecimal() and not found.lstrip().startswith(("{", "[")):
            return {"name": found.strip(), "type": "Folder"}
        if not isinstance(found, Mapping):
            found = {}
        kind = str(found.get("type")).capitalize()
        name = found.get("name")
        if "id" not in found and isinstance(name, str) and name.strip() and kind in ("Folder", "Program"):
            return {"name": name.strip(), "type": kind}
        if "id" not in found or kind not in ("Folder", "Program"):
            raise MarketoInvalidRequestError(
                f"{parameter} does not say whether it is a folder or a program, and the same number may be both",
                parameter=parameter,
                remedy=f'Write {parameter}={{"id": 12, "type": "Folder"}}, or "type": "Program",'
                " or the name or path of a folder.",
            )
        return {"id": as_id(f"{parameter}['id']", found["id"]), "type": kind}

    return check
