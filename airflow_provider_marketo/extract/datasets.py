"""The tables that the rows of an extract form, with the facts that a load needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.tabular import schema as kinds
from airflow_provider_marketo.client.tabular.arrow import arrow_type
from airflow_provider_marketo.client.tabular.attributes import columns_of
from airflow_provider_marketo.client.tabular.columns import MISFITS
from airflow_provider_marketo.client.tabular.partitions import ACTIVITY_TYPE, type_folders
from airflow_provider_marketo.output.manifest import CHANGES, FULL, DatasetColumn, ManifestDataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_marketo.client.tabular.schema import ActivityType
    from airflow_provider_marketo.extract.plan import ExtractPlan
    from airflow_provider_marketo.extract.request import ExtractRequest

_PROGRAM_FILTERS: Mapping[str, str] = {"programId": "programId", "programIds": "programId"}
"""Filters that select all members of programs, and the column that has the program's id."""


def datasets_of(request: ExtractRequest, plan: ExtractPlan, files: Iterable[str]) -> list[ManifestDataset]:
    """
    Return the datasets of an extract: one, or with ``attributes="typed"`` one for each activity type that it reads.

    :param request: the request.
    :param plan: the plan.
    :param files: names of the published files. They also show activity types that Marketo did not list.
    """
    scope = _scope(request)
    about: dict[str, Any] = {
        "key": (*plan.schema.key, *(name for name in scope if name not in plan.columns)),
        "kind": CHANGES if request.kind == FULL and not scope else request.kind,
        "as_of": plan.as_of or None,
        "scope": scope,
        "removal": request.removal,
    }
    if request.attributes_form != "typed":
        return [ManifestDataset(_name(request), tuple(_columns(request, plan)), **about)]
    known = {folder: plan.activity_types[number] for number, folder in type_folders(plan.activity_types).items()}
    wanted = {**request.filters, **plan.filters}.get("activityTypeIds")
    ids = set(map(int, wanted if isinstance(wanted, (list, tuple)) else [wanted])) if wanted else None
    read = {folder for folder, kind in known.items() if ids is None or kind.id in ids}
    folders = sorted({*read, *(name.partition("/")[0] for name in files)})
    return [
        ManifestDataset(
            folder if folder.startswith(ACTIVITY_TYPE) else f"activity_{folder}",
            tuple(_columns(request, plan, known.get(folder), spread=True)),
            folder=folder,
            **about,
        )
        for folder in folders
    ]


def columns_of_kinds(columns: Mapping[str, str]) -> tuple[DatasetColumn, ...]:
    """
    Return the columns of a dataset.

    :param columns: kinds of :mod:`~airflow_provider_marketo.client.tabular.schema`, by name.
    """
    return tuple(DatasetColumn(name, str(arrow_type(kind))) for name, kind in columns.items())


def _name(request: ExtractRequest) -> str:
    """Return the name of the dataset. The API name stays whole: a load must tell ``carType_c`` from ``car_type_c``."""
    return f"custom_{request.custom_object}" if request.custom_object else request.object_type


def _columns(
    request: ExtractRequest, plan: ExtractPlan, kind: ActivityType | None = None, *, spread: bool = False
) -> Iterator[DatasetColumn]:
    """Yield the columns in the order in which they are written."""
    for column in plan.schema.columns:
        found = column.kind
        if column.name in request.hash_fields or (found == kinds.ATTRIBUTES and request.attributes_form == "json"):
            found = kinds.STRING
        elif found == kinds.ATTRIBUTES and spread and kind is not None:
            common = [*plan.columns, *request.partition_by]
            for name, data_type in columns_of(kind, common).values():
                one = kinds.kind_of(data_type)
                yield from columns_of_kinds({name: kinds.STRING if one == kinds.ATTRIBUTES else one})
        yield from columns_of_kinds({column.name: found})
    if request.on_type_error == "string" and request.file_format != "csv":
        yield from columns_of_kinds({MISFITS: kinds.ATTRIBUTES})


def _scope(request: ExtractRequest) -> dict[str, tuple[Any, ...]]:
    """Return the programs all of whose members are read; empty if another filter or a span limits the members."""
    if request.kind != FULL or len(request.filters) != 1:
        return {}
    name, value = next(iter(request.filters.items()))
    if name not in _PROGRAM_FILTERS:
        return {}
    programs = value if isinstance(value, (list, tuple)) else [value]
    return {_PROGRAM_FILTERS[name]: tuple(int(each) for each in programs)}
