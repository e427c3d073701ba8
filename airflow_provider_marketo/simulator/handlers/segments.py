"""Handlers for segmentations and their segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.dates import asset_timestamp
from airflow_provider_marketo.simulator.handlers.assets import requested_asset, show, version_of
from airflow_provider_marketo.simulator.paging import asset_page
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.assets import UI

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.assets import Asset


def segments_of(segmentation: Asset) -> list[tuple[int, str]]:
    """Return the ids and names of the segments of a segmentation."""
    return list(enumerate(segmentation.shown.get("segments", ("Default",)), int(segmentation.id) * 10))


@answers("segments.get_segmentations")
def get_segmentations(instance: Instance, request: Request) -> Reply:
    status = request.get("status")
    found = [
        show(instance, asset, version)
        for asset in instance.store.assets.records("segmentations")
        if (version := version_of(asset, status)) is not None
    ]
    return Envelope(found) if found else NOTHING_FOUND


@answers("segments.get_for_segmentation")
def get_segments(instance: Instance, request: Request) -> Reply:
    segmentation = requested_asset(instance, request, "segmentations")
    return asset_page(
        request,
        segments_of(segmentation),
        lambda segment: {
            "id": segment[0],
            "name": segment[1],
            "description": "",
            "segmentationId": segmentation.id,
            "url": f"{UI}/#SG{segmentation.id}B2",
            "createdAt": asset_timestamp(segmentation.created),
            "updatedAt": asset_timestamp(segmentation.updated),
        },
    )
