"""The request for an import, checked before the first call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from airflow_provider_marketo.client.bulk.imports import import_object
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.imports.fields import PRIMARY_VALUE
from airflow_provider_marketo.imports.rows import OUR_COLUMNS
from airflow_provider_marketo.imports.targets import ACTIVITY_TYPE_ID, BULK, LEAD_ID, SYNC, Target, target

CREATE_DUPLICATE, UPSERT = "createDuplicate", "createOrUpdate"
RESEND = "resend"
POLICIES = ("on_lost_upload", "max_reject_ratio", "rejects_format")
"""Members that an author may change after rows are staged."""

_SOURCES = ("source", "source_format", "delimiter", "sql", "sql_conn_id", "parameters", "lead_ids")
"""Members that name the input. Records are not among them, so no lead's data is stored."""

_DESTINATION = (
    "object_type",
    "custom_object",
    "activity_type",
    "campaign_id",
    "action",
    "lookup_field",
    "dedupe_by",
    "list_id",
    "partition_name",
    "program_id",
    "program_member_status",
)


@dataclass(frozen=True)
class ImportRequest(Serializable):
    """
    The wanted import. Names and meanings are those of the operators' arguments; values are rendered.

    :param transport: ``bulk``, ``sync`` or ``ingestion``.
    :param source: digest of the arguments that name the input; it shows whether the author has changed them.
    :param activity: Marketo's description of ``activity_type``: ``id``, ``apiName`` and ``primary``, the API name of
        its primary attribute; None until Marketo has described it.
    :param carries: names of values that are staged with a record but are not fields of it.
    :param once_by: names among ``carries``; their values tell records with the same key apart.
    :param on_lost_upload: None for the default: resend rows if a repetition is harmless, otherwise stop.
    """

    VERSION: ClassVar[int] = 1

    object_type: str
    transport: str
    source: str = ""
    columns: Mapping[str, str] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    custom_object: str | None = None
    activity_type: str | None = None
    campaign_id: int | None = None
    carries: Sequence[str] = ()
    once_by: Sequence[str] = ()
    activity: Mapping[str, Any] | None = None
    action: str | None = None
    lookup_field: str | None = None
    dedupe_by: str | None = None
    list_id: int | None = None
    partition_name: str | None = None
    program_id: int | None = None
    program_member_status: str | None = None
    on_duplicates: str = "last"
    on_lost_upload: str | None = None
    empty_fields: str = "keep"
    max_reject_ratio: float = 0.0
    rejects_format: str = "jsonl"

    def __post_init__(self) -> None:
        self._check_target(self.target)
        if self.dedupe_by == "idField" and self.action != "updateOnly":
            raise MarketoInvalidRequestError(
                "dedupe_by='idField' needs action='updateOnly', because Marketo assigns the ids of new records",
                parameter="dedupe_by",
            )
        assigns_ids = self.transport == SYNC and not self.target.finds_leads
        if self.lookup_field == "id" and assigns_ids and self.action != "updateOnly":
            raise MarketoInvalidRequestError(
                "lookup_field='id' needs action='updateOnly', because Marketo assigns the ids of new records",
                parameter="action",
            )

    def _check_target(self, where: Target) -> None:
        for parameter in where.needs:
            if getattr(self, parameter) is None:
                raise MarketoInvalidRequestError(
                    f"object_type={self.object_type!r} needs {parameter}", parameter=parameter
                )
        if self.custom_object is not None and "custom_object" not in where.needs:
            raise MarketoInvalidRequestError(
                "custom_object needs object_type='custom_objects'", parameter="custom_object"
            )
        for parameter in where.refuses:
            if getattr(self, parameter) is not None:
                raise MarketoInvalidRequestError(
                    f"{parameter} cannot be used with object_type={self.object_type!r}", parameter=parameter
                )

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any], **decided: Any) -> ImportRequest:
        """
        Return the request that an operator's arguments make.

        :param arguments: the operator's arguments, converted. Those that this class does not name are ignored. None
            stands for the default.
        :param decided: values that the caller has decided; they replace those of the arguments.
        """
        wanted = {each.name: arguments.get(each.name) for each in fields(cls)}
        wanted["source"] = hashlib.sha256(repr([arguments.get(name) for name in _SOURCES]).encode()).hexdigest()[:16]
        wanted |= decided
        return cls(**{name: value for name, value in wanted.items() if value is not None})

    @property
    def target(self) -> Target:
        """The entry of the table of targets that says where the rows go."""
        return target(self.object_type, self.transport)

    @property
    def once(self) -> bool:
        """Whether Marketo would do the work twice if a call ran twice."""
        return self.action == CREATE_DUPLICATE or any(stage.once for stage in self.target.stages)

    @property
    def looked_up(self) -> str | None:
        """The field by which leads are looked up; None if the rows have the leads' ids."""
        by_id = self.lookup_field in (None, LEAD_ID)
        return self.lookup_field if self.target.finds_leads and not by_id else None

    @property
    def carried(self) -> set[str]:
        """Names of the values that are staged with a record and are not sent as its fields."""
        return {*self.carries, *([self.looked_up] if self.looked_up is not None else ())} - {LEAD_ID}

    def mapping(self, columns: Sequence[str]) -> dict[str, str]:
        """
        Return the fields that the columns of the input go into, by column.

        :param columns: columns of the input. Columns that this provider adds to its tables of rejects are left out.
        """
        wanted = self.columns
        if wanted is None:
            wanted = {name: name for name in columns if not name.startswith(OUR_COLUMNS)}
        elif self.looked_up is not None:
            wanted = {**wanted, LEAD_ID: LEAD_ID}
        return {column: self._sent_as(name) for column, name in wanted.items()}

    @property
    def fixed(self) -> dict[str, Any]:
        """The values that every row gets, by the API name of the field."""
        given = {self._sent_as(name): value for name, value in self.constants.items()}
        return given if self.activity is None else {**given, ACTIVITY_TYPE_ID: self.activity["id"]}

    def _sent_as(self, name: str) -> str:
        """Return the API name; Adobe has one name for the primary attribute of every activity type."""
        return PRIMARY_VALUE if self.activity is not None and name == self.activity["primary"] else name

    @property
    def resends(self) -> bool:
        """Whether rows whose outcome is unknown are sent again."""
        if self.on_lost_upload is not None:
            return self.on_lost_upload == RESEND
        if self.transport == SYNC:
            return not self.once
        return (
            self.transport == BULK and self.list_id is None and not import_object(self.object_type).may_fire_campaigns
        )

    @property
    def destination(self) -> str:
        """The name of the destination: the same for every try, unless the author changes it."""
        facts = {name: getattr(self, name) for name in _DESTINATION}
        if self.action == UPSERT:
            facts["action"] = None  # Marketo's default
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def differs(self, staged: Mapping[str, Any]) -> bool:
        """Whether an earlier try staged another request. Policies, destination and transport may differ."""
        passing = {*POLICIES, *_DESTINATION, "transport", "activity"}
        return any(staged.get(name) != value for name, value in self.to_dict().items() if name not in passing)

    def describe(self) -> str:
        """Describe the request for logs."""
        return f"{self.custom_object or self.object_type} by {self.transport}"
