"""What a dry run says: what would be sent, by which operations, and in how many calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.bulk.imports import import_object
from airflow_provider_marketo.imports.request import ImportRequest
from airflow_provider_marketo.imports.targets import BULK

if TYPE_CHECKING:
    from airflow_provider_marketo.imports.plan import ImportPlan


def preview_of(plan: ImportPlan) -> dict[str, Any]:
    """Return counts and costs of an import that is staged and not sent; never rows."""
    return {
        "dry_run": True,
        "object_type": plan.request["object_type"],
        "transport": plan.transport,
        "fields": list(plan.header),
        "rows": plan.rows,
        "rejected": plan.rejected,
        "superseded": plan.superseded,
        "to_send": sum(chunk.rows for chunk in plan.chunks),
        "bytes": sum(chunk.size for chunk in plan.chunks),
        "chunks": len(plan.chunks),
        "operations": planned_operations(plan),
        "calls": planned_calls(plan),
        "long_values": dict(plan.long),
    }


def planned_operations(plan: ImportPlan) -> list[str]:
    """Return the operations that send the rows."""
    request = ImportRequest.from_dict(plan.request)
    if plan.transport == BULK:
        return [import_object(request.object_type).operation("import")]
    return [stage.operation for stage in request.target.stages]


def planned_calls(plan: ImportPlan) -> int:
    """Count the calls that send the rows: an upload for each import file, or a call for each full batch."""
    if plan.transport == BULK:
        return len(plan.chunks)
    stages = ImportRequest.from_dict(plan.request).target.stages
    return sum(-(-chunk.rows // stages[0].most) for chunk in plan.chunks)
