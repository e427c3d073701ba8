"""Read the parameters of a call as strictly as Marketo does, according to the operation's row in the catalogue."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.simulator.bodies import parse_json
from airflow_provider_marketo.simulator.dates import parse_day, parse_moment
from airflow_provider_marketo.simulator.problems import ApiError, BadRecord
from airflow_provider_marketo.simulator.request import Upload, as_integer, missing
from airflow_provider_marketo.simulator.spellings import json_as_in_catalogue, pairs_as_in_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.client.operation import Operation, Parameter, Schema
    from airflow_provider_marketo.simulator.bodies import Body, Pairs

    Note = Callable[[str], None]

_OVERFLOW = {("leads.merge", "leadIds"): "1080"}
"""Codes for lists that are too long, where the code is not 1003."""

_OPTIONAL = {("bulk_export_activities.create_job", "fields")}
"""Parameters that the catalogue requires and Marketo does not: they may be missing or empty."""

_PATH_IN_BODY = {("activities.update_custom_type", "apiName")}
"""Parameters of the path that the specification also requires in the body."""

_CASE_SENSITIVE = {("data_ingestion.sync_companies", "action")}
"""Closed sets of values whose case matters."""

_FOLDER_TYPES = {"Folder", "Program"}
"""Marketo refuses other types of folders with 1001, as recordings show. Other closed sets of values have 1003."""

_ROW_OF = {
    "static_list_membership.member_of_list": "static_list_membership.add_to_list",
    "static_list_membership.remove_from_list": "static_list_membership.add_to_list",
}
"""Operations that also take a body, each with the operation whose body it shares. The catalogue lists only queries."""

_ASSETS = "/rest/asset/"
_LEAD_DATABASE, _SCHEMA = "/rest/v1/", "/schema/"
_RECORDS = "input"
"""The parameter with the records of a batch, in the lead database."""

_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:?\d\d)")
_DATETIME_WITH_FRACTION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)")


def row_of(operation: Operation) -> Operation:
    """Return the operation whose row of the catalogue says what parameters Marketo takes."""
    return operations.get(_ROW_OF.get(operation.name, operation.name))


def read_parameters(
    operation: Operation, path: Mapping[str, str], query: Pairs, body: Body, note: Note
) -> dict[str, Any]:
    """
    Return all parameters of a call, converted to their types.

    :param note: receives what Marketo accepts and a careful client does not send.
    :raises ApiError: Marketo would refuse the parameters.
    """
    reader = _Reader(operation, note)
    given = {name: reader.from_text(operation.parameters[name].schema, name, [text]) for name, text in path.items()}
    given |= reader.texts(pairs_as_in_catalogue(operation.name, (*query, *body.pairs)))
    given |= reader.files(body.files)
    given |= reader.members(json_as_in_catalogue(operation.name, body))
    reader.check(given)
    return given


class _Reader:
    """
    Converts the parameters of one operation.

    Marketo asset operations have codes of their own, and accept fractions of a second.

    :param operation: row of the catalogue.
    :param note: receives what Marketo accepts and a careful client does not send.
    """

    def __init__(self, operation: Operation, note: Note) -> None:
        self._operation = operation
        self._note = note
        self._assets = operation.path.startswith(_ASSETS)
        self._is_batch = operation.path.startswith(_LEAD_DATABASE) and _SCHEMA not in operation.path

    # Where parameters come from

    def texts(self, pairs: Pairs) -> dict[str, Any]:
        """Return the parameters of a query, a form, or parts that are not files."""
        by_name: dict[str, list[str]] = {}
        for name, text in pairs:
            by_name.setdefault(name, []).append(text)
        found = {}
        for name, values in by_name.items():
            parameter = self._known(name)
            if parameter is not None and values != [""] and parameter.type != "file":
                found[name] = self.from_text(parameter.schema, name, values, _is_json_text(parameter))
        return found

    def files(self, uploads: Mapping[str, Upload]) -> dict[str, Any]:
        """Return the parameters that were sent as files."""
        found: dict[str, Any] = {}
        for name, upload in uploads.items():
            parameter = self._known(name)
            if parameter is None:
                continue
            if parameter.type == "file":
                found[name] = upload
            else:
                text = upload.content.decode("utf-8", "replace")
                found |= self.texts([(name, text)])
        return found

    def members(self, body: Any) -> dict[str, Any]:
        """Return the parameters of a JSON body."""
        if body is None:
            return {}
        whole = next((each for each in self._operation.parameters.values() if each.place == "body"), None)
        if whole is not None:
            # The documentation sends the list alone. The specification sends an object that holds the list.
            value = body[whole.name] if isinstance(body, dict) and set(body) == {whole.name} else body
            return {whole.name: self._from_json(whole.schema, whole.name, value)}
        if not isinstance(body, dict):
            raise ApiError("609")
        found = {}
        for name, value in body.items():
            parameter = self._operation.parameters.get(name)
            if (self._operation.name, name) in _PATH_IN_BODY:
                continue
            if parameter is None or parameter.place == "path":
                self._note(f"unknown member {name} in the body of {self._operation.name}")
                raise ApiError("1003", f"Unrecognized field '{name}'")
            if value is not None and not (value == [] and (self._operation.name, name) in _OPTIONAL):
                records = (
                    self._is_batch
                    and name == _RECORDS
                    and parameter.type == "array"
                    and isinstance(value, list)
                    and value != []
                )
                found[name] = (
                    [self._record(parameter.schema.items, each) for each in value]
                    if records
                    else self._from_json(parameter.schema, name, value)
                )
        return found

    def _record(self, schema: Schema | None, value: Any) -> Any:
        """Return a record of a batch. A member that is missing or wrong concerns this record only."""
        if schema is None or not isinstance(value, dict):
            return self._from_json(schema, _RECORDS, value) if schema is not None else value
        if not schema.open and (unknown := value.keys() - schema.properties.keys()):
            raise ApiError("1003", f"Unrecognized field '{sorted(unknown)[0]}' in '{_RECORDS}'")
        try:
            return self._from_json(schema, _RECORDS, value)
        except ApiError as error:
            return BadRecord(value, error)

    def _known(self, name: str) -> Parameter | None:
        parameter = self._operation.parameters.get(name)
        if parameter is None or parameter.place == "path":
            if name != "_method":
                self._note(f"unknown parameter {name} of {self._operation.name}")
            return None
        return parameter

    # Values

    def from_text(self, schema: Schema, name: str, values: list[str], json_text: bool = False) -> Any:
        """
        Convert a parameter that was sent as text.

        :param values: the values, one for each time that the parameter was sent.
        :param json_text: whether lists are JSON, as objects always are, and not separated by commas.
        """
        if schema.type == "object" or (schema.type == "array" and json_text):
            return self._from_json(schema, name, parse_json(_strict(values[-1]).encode()))
        if schema.type == "array":
            items = [part.strip() for value in values for part in value.split(",") if part.strip()]
            return [self._scalar(schema.items, name, item) if schema.items else item for item in items]
        return self._scalar(schema, name, values[-1])

    def _scalar(self, schema: Schema, name: str, text: str) -> Any:
        if schema.type == "boolean":
            if text.lower() not in ("true", "false"):
                raise _wrong(schema, text)
            return text.lower() == "true"
        if schema.type == "number":
            try:
                number = float(text)
            except ValueError:
                raise _wrong(schema, text) from None
            if not math.isfinite(number):
                raise _wrong(schema, text)
            return number
        return self._typed(schema, name, text)

    def _from_json(self, schema: Schema, name: str, value: Any) -> Any:
        if schema.type == "array":
            if not isinstance(value, list):
                raise _wrong(schema, value)
            if len(value) < schema.min_items:
                raise missing(name)
            return [self._from_json(schema.items, name, item) for item in value] if schema.items else value
        if schema.type == "object":
            return self._object(schema, name, value)
        if schema.type == "boolean" and not isinstance(value, bool):
            raise _wrong(schema, value)
        if schema.type == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise _wrong(schema, value)
        if schema.type == "string" and not isinstance(value, str):
            raise _wrong(schema, value)
        return self._typed(schema, name, value)

    def _object(self, schema: Schema, where: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(schema, value)
        found = {}
        for name, member in value.items():
            if name in schema.properties:
                # A member that the catalogue knows may be null, which is the same as missing.
                if member is not None:
                    found[name] = self._from_json(schema.properties[name], name, member)
            elif schema.open:
                found[name] = member
            else:
                raise ApiError("1003", f"Unrecognized field '{name}' in '{where}'")
        for name in schema.required:
            if name not in found:
                raise missing(name)
        return found

    def _typed(self, schema: Schema, name: str, value: Any) -> Any:
        """Convert a scalar from text or JSON."""
        if schema.type == "integer":
            number = as_integer(value)
            if schema.maximum is not None and number > schema.maximum:
                raise ApiError("1003", f"{name} must not be larger than {schema.maximum}")
            return number
        if schema.type == "datetime":
            return self._moment(name, value)
        if schema.type == "date":
            return self._day(schema, name, value)
        if schema.enum:
            exact = (self._operation.name, name) in _CASE_SENSITIVE
            for known in schema.enum:
                if known == value or (not exact and str(known).lower() == str(value).lower()):
                    return known
            if set(schema.enum) == _FOLDER_TYPES:
                raise _wrong(schema, value)
            raise ApiError("1003", f"Invalid value '{value}' for '{name}'")
        if schema.max_length is not None and len(str(value)) > schema.max_length:
            raise ApiError("1003", f"{name} must not be longer than {schema.max_length} characters")
        if schema.pattern is not None and not re.fullmatch(schema.pattern, str(value)):
            raise ApiError("1003", f"{name} may have letters, digits and underscores only")
        return value

    def _moment(self, name: str, value: Any) -> datetime:
        """Return a point in time: ISO 8601 with an offset, and without fractions of a second except for assets."""
        pattern = _DATETIME_WITH_FRACTION if self._assets else _DATETIME
        if isinstance(value, str) and pattern.fullmatch(value):
            try:
                return parse_moment(value)
            except ValueError:
                pass
        raise ApiError("704" if self._assets else "1003", f"Invalid date format for '{name}': {value}")

    def _day(self, schema: Schema, name: str, value: Any) -> str:
        try:
            return parse_day(str(value)).isoformat()
        except ValueError:
            if self._assets:
                raise ApiError("704", f"Invalid date format for '{name}': {value}") from None
            raise _wrong(schema, value) from None

    # All parameters together

    def check(self, given: Mapping[str, Any]) -> None:
        """
        Check what is required, how long lists are, and which parameters go together.

        :raises ApiError: Marketo would refuse the call.
        """
        operation = self._operation
        for name, parameter in operation.parameters.items():
            if name not in given:
                if parameter.required and (operation.name, name) not in _OPTIONAL and parameter.default is None:
                    raise ApiError("701", f"{name} cannot be blank") if self._assets else missing(name)
                continue
            most = parameter.schema.max_items
            if most is not None and isinstance(given[name], list) and len(given[name]) > most:
                raise ApiError(
                    _OVERFLOW.get((operation.name, name), "1003"),
                    f"Too many values for '{name}': {len(given[name])}, and at most {most} are allowed",
                )
        _check_groups(operation.schema, "", given)


def _check_groups(schema: Schema, where: str, given: Mapping[str, Any]) -> None:
    """Check alternatives and date ranges, here and in the objects inside."""
    inside = f" in {where}" if where else ""
    for group in schema.one_of:
        if sum(name in given for name in group) != 1:
            raise ApiError("1003", f"Exactly one of {', '.join(group)} must be given{inside}")
    for group in schema.exclusive:
        if sum(name in given for name in group) > 1:
            raise ApiError("1003", f"At most one of {', '.join(group)} may be given{inside}")
    if schema.max_days and "startAt" in given and "endAt" in given:
        if given["startAt"] > given["endAt"]:
            raise ApiError("1003", "startAt must not be after endAt")
        if given["endAt"] - given["startAt"] > timedelta(days=schema.max_days):
            raise ApiError("1003", f"The date range must not be longer than {schema.max_days} days")
    for name, member in schema.properties.items():
        if isinstance(given.get(name), dict) and member.properties:
            _check_groups(member, name, given[name])


def _is_json_text(parameter: Parameter) -> bool:
    """Tell whether objects and lists are sent as JSON inside one field, as forms of Marketo assets do."""
    return parameter.list_style == "json" or parameter.place in ("form", "part")


def _wrong(schema: Schema, value: Any) -> ApiError:
    return ApiError("1001", f"Invalid value '{value}'. Required of type '{schema.type}'")


def _strict(text: str) -> str:
    """Return JSON for what Marketo accepts as JSON in a field of a form: ``{'id': 12, 'type': Folder}``."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return _LENIENT.sub(lambda found: json.dumps(found.group(1) or found.group(2)), text)
    return text


_LENIENT = re.compile(r"'([^']*)'|\b(?!true\b|false\b|null\b)([A-Za-z_]\w*)\b")
