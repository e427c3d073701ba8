"""Hive-style folders: ``activity_type=send_email/date=2026-01-31``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from airflow_provider_marketo.client.dates import parse_date_or_none, written
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.client.tabular.cells import read, shown
from airflow_provider_marketo.client.tabular.schema import STRING, ActivityType, TableSchema, is_plain_name, snake_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.client.tabular.cells import Value

ACTIVITY_TYPE, ACTIVITY_TYPE_ID = "activity_type", "activityTypeId"
DATE_PARTS: Mapping[str, str] = {"year": "%Y", "month": "%m", "date": "%Y-%m-%d", "hour": "%H"}
"""The parts of a row's date that can be partitions, and how they are written."""

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_NO_VALUE_AS_TEXT = f"%5F{NO_VALUE[1:]}"
_NO_VALUE_IN_LOWER_CASE: Mapping[str, str] = {NO_VALUE.lower(): f"{NO_VALUE.lower()[:-1]}%5F"}

LONGEST_PART, DIGEST = 150, 16
"""Characters of a value in a folder's name. File systems take 255 bytes, including the column's name."""

_HALF_ESCAPE = re.compile("%.?$")
_ESCAPE_OR_CAPITAL = re.compile("%..|[A-Z]")


@dataclass(frozen=True)
class Partitioning:
    """
    The way in which rows are spread over folders.

    :param by: names of columns, or of parts of the date, or ``activity_type``; empty for one folder.
    :param date: the column from which parts of the date are taken.
    :param types: activity type ids to folder names.
    :param folds_case: whether the disk ignores case in names: capitals are then escaped.
    """

    by: tuple[str, ...] = ()
    date: str | None = None
    types: Mapping[int, str] = field(default_factory=dict)
    folds_case: bool = False

    @classmethod
    def of(
        cls,
        by: Sequence[str],
        schema: TableSchema,
        *,
        date: str | None,
        types: Mapping[int, ActivityType],
        folds_case: bool = False,
    ) -> Partitioning:
        """
        Check the author's partitions.

        :param by: as the author names them.
        :param schema: the schema of the rows.
        :param date: the column that dates the rows.
        :param types: activity types by id.
        :param folds_case: whether the disk ignores case in names.
        :raises MarketoInvalidRequestError: a name is neither an exported column nor a part of the date, or it is both.
            Readers take a column from the names of folders, and would not see the one in the files.
        """
        partitions = cls(tuple(dict.fromkeys(by)), date, type_folders(types), folds_case)
        columns = [column.name for column in schema.columns]
        for name in by:
            source = partitions.source(name)
            if source != name and name in columns:
                raise MarketoInvalidRequestError(
                    f"{name!r} is a column of these rows, and folders by {source or 'their date'} would have the same"
                    " name",
                    parameter="partition_by",
                    remedy=f"Leave the column out with exclude_fields=[{name!r}], or choose other partitions.",
                )
            if source not in columns:
                known = [*columns, *DATE_PARTS, ACTIVITY_TYPE]
                needs = (
                    f"{name!r} needs the field {source}, which"
                    if source not in ("", name)
                    else with_nearest(name, known)
                )
                raise MarketoInvalidRequestError(
                    f"{needs} is not exported",
                    parameter="partition_by",
                    remedy=f"Use exported fields, {', '.join(DATE_PARTS)} or, for activities, {ACTIVITY_TYPE}.",
                )
        return partitions

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that become partitions as they are."""
        return tuple(name for name in self.by if self.source(name) == name)

    def source(self, name: str) -> str:
        """Return the column from which a partition takes its value."""
        if name in DATE_PARTS:
            return self.date or ""
        return ACTIVITY_TYPE_ID if name == ACTIVITY_TYPE else name

    def part(self, name: str, text: str | None, kind: str = STRING) -> str | None:
        """
        Return a cell's form in the name of its folder; None for no value.

        :param name: one of ``by``.
        :param text: the text of the cell; None for null.
        :param kind: the column's kind.
        """
        return None if text is None else self.part_of(name, read(text, kind))

    def part_of(self, name: str, value: Value | None) -> str | None:
        """Return what :meth:`part` returns, for a value that was read already."""
        if name not in DATE_PARTS:
            return None if value is None else shown(value)
        moment = parse_date_or_none(value) if isinstance(value, str) else value
        return written(moment, DATE_PARTS[name]) if isinstance(moment, date) else None

    def folder(self, values: Sequence[str | None]) -> str:
        """
        Return the folder of a partition.

        :param values: one for each of ``by``; for an activity type its id.
        :return: the folder with a slash at its end; an empty text without partitions.
        """
        return "".join(map(self.level, self.by, values))

    def level(self, name: str, value: str | None) -> str:
        """
        Return one level of the folder, with a slash at its end.

        A value that is too long for file systems is cut, and ends in a digest of the whole value.

        :param name: one of ``by``.
        :param value: what :meth:`part` returned.
        """
        if name == ACTIVITY_TYPE and value:
            value = self.type_folder(value)
        # Hive, Spark and DuckDB read this as the text that it is. PyArrow, which undoes escapes first, reads no value.
        part = _NO_VALUE_AS_TEXT if value == NO_VALUE else quote(value or NO_VALUE, safe=" ")
        if self.folds_case and value not in ("", None, NO_VALUE):
            part = _ESCAPE_OR_CAPITAL.sub(_escaped, part)
            part = _NO_VALUE_IN_LOWER_CASE.get(part, part)
        if len(part) > LONGEST_PART:
            digest = hashlib.sha256((value or "").encode()).hexdigest()[:DIGEST]
            # The result is longer than any value that is not cut.
            part = _without_half(part[: LONGEST_PART - DIGEST]).ljust(LONGEST_PART - DIGEST + 1, "~") + digest
        return f"{name}={part}/"

    def told_by(self, folder: str) -> tuple[str, ...]:
        """
        Return the columns whose whole values every reader can take from a folder's name.

        Three kinds of value are also in the rows: a value that was cut, the text that some readers take for no
        value, and an empty text, which shares its folder with no value.

        :param folder: what :meth:`folder` returned.
        """
        parts = (level.partition("=")[2] for level in folder.split("/"))
        told = {
            name
            for name, part in zip(self.by, parts, strict=False)
            if len(part) <= LONGEST_PART and part not in (_NO_VALUE_AS_TEXT, NO_VALUE)
        }
        return tuple(name for name in self.columns if name in told)

    def type_folder(self, type_id: str) -> str:
        """Return the folder of an activity type. A type that Marketo does not list is named by its id."""
        known = self.types.get(int(type_id)) if type_id.isdecimal() else None
        return known or f"{ACTIVITY_TYPE}_{snake_case(type_id) or 'unknown'}"


def _without_half(part: str) -> str:
    """Drop half an escape and half a character at the end: PyArrow refuses a whole table because of either."""
    part = _HALF_ESCAPE.sub("", part)
    while True:
        try:
            unquote(part, errors="strict")
        except UnicodeDecodeError:
            part = part[: -len("%E3")]
        else:
            return part


def _escaped(found: re.Match[str]) -> str:
    text = found.group()
    return text if text.startswith("%") else f"%{ord(text):02X}"


def type_folders(types: Mapping[int, ActivityType]) -> dict[int, str]:
    """
    Return the folder of each activity type by its id. A type that appears later does not move the others.

    The id is added to a name that snake case does not keep whole, or that an older type has.
    """
    folders: dict[int, str] = {}
    for number, kind in sorted(types.items()):  # a newer type has a higher id
        name = snake_case(kind.name)
        is_own = is_plain_name(kind.name) and not name.startswith(ACTIVITY_TYPE) and name not in folders.values()
        folder = name if is_own else f"{name or ACTIVITY_TYPE}_{number}"
        while folder in folders.values():  # an older type has this name: "Visit 2" beside "Visit-" with the id 2
            folder = f"{folder}_{number}"
        folders[number] = folder
    return folders
