"""Operations that Adobe's pages describe and its OpenAPI files lack. The pages give them no operationId."""

from __future__ import annotations

from typing import Any

from tools.catalogue.specifications import Specified

_TAG: dict[str, Any] = {"id": {"in": "path", "type": "integer"}, "tagType": {"in": "path", "type": "string"}}

OPERATIONS = (
    Specified(
        name="programs.update_tag",
        operation_id="",
        method="POST",
        path="/rest/asset/v1/program/{id}/tag/{tagType}.json",
        encoding="form",
        permissions=("Read-Write Assets",),
        parameters={**_TAG, "tagValue": {"in": "query", "type": "string"}},
        required=[*_TAG, "tagValue"],
    ),
    Specified(
        name="programs.delete_tag",
        operation_id="",
        method="POST",
        path="/rest/asset/v1/program/{id}/tag/{tagType}/delete.json",
        encoding="form",
        permissions=("Read-Write Assets",),
        parameters=dict(_TAG),
        required=list(_TAG),
    ),
)
