"""Handlers for dynamic content: the variants of a section for the segments of a segmentation."""

from __future__ import annotations

import base64
import copy
from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.dates import asset_timestamp
from airflow_provider_marketo.simulator.handlers.assets import id_reply, requested_asset, version_of
from airflow_provider_marketo.simulator.handlers.segments import segments_of
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.assets import Asset

_HEADERS = ("subject", "fromName", "fromEmail", "replyEmail")
_DEFAULT = "Default"


@answers("emails.get_dynamic_content", "landing_page_content.get_dynamic_content", "snippets.get_dynamic_content")
def get_variants(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request, _family(request))
    version = version_of(asset, request.get("status"))
    if version is None:
        return NOTHING_FOUND
    section = _section(asset, request)
    segmentation = _segmentation(instance)
    numbers = {name: number for number, name in segments_of(segmentation)}
    dates = {"createdAt": asset_timestamp(asset.created), "updatedAt": asset_timestamp(asset.updated)}
    content = [
        {"segmentId": _number(request, numbers[name]), "segmentName": name, **variant}
        for name, variant in version.get("variants", {}).get(section, {}).items()
        if name in numbers
    ]
    return Envelope([{"id": asset.id, "segmentation": segmentation.id, **dates, "content": content}])


def _number(request: Request, number: int) -> int | str:
    """Return the id of a segment: a text in e-mails, as Adobe describes the reply."""
    return str(number) if request.operation.family == "emails" else number


@answers(
    "emails.update_dynamic_content_section",
    "landing_page_content.update_dynamic_content_section",
    "snippets.update_dynamic_content",
)
def update_variant(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request, _family(request))
    section = _section(asset, request)
    segment = _segment(instance, request)
    variants = copy.deepcopy(asset.newest.get("variants", {}))
    variants.setdefault(section, {})[segment] = {"type": request.get("type"), "content": request.get("value")}
    instance.store.assets.change(asset, instance.now, variants=variants)
    return id_reply(asset)


def _segmentation(instance: Instance) -> Asset:
    return next(iter(instance.store.assets.records("segmentations")))


def _segment(instance: Instance, request: Request) -> str:
    """
    Return the name of the segment that a request names: by id for snippets, by name for other assets.

    :raises ApiError: 702, the segmentation has no such segment.
    """
    by_id = dict(segments_of(_segmentation(instance)))
    number = request.get("segmentId")
    if number is not None:
        if number not in by_id:
            raise ApiError("702", f"Segment {number} not found")
        return by_id[number]
    name: str = request.get("segment") or _DEFAULT
    if name not in by_id.values():
        raise ApiError("702", f"Segment '{name}' not found")
    return name


def _section(asset: Asset, request: Request) -> str:
    """
    Return the id of the section that a request names. A snippet has one section.

    :raises ApiError: 702, the asset has no such section.
    """
    content_id = request.get("contentId")
    if content_id is None:
        return ""
    known = {str(section.get("htmlId", section.get("id"))) for section in asset.newest.get("sections", ())}
    by_dynamic_id = {dynamic_content_id(name): name for name in known}
    if asset.kind.family == "emails":
        known |= {*_HEADERS}
    found = by_dynamic_id.get(str(content_id), str(content_id))
    if found not in known:
        raise ApiError("702", f"Section '{content_id}' not found")
    return found


def dynamic_content_id(section: str) -> str:
    """
    Return the id that Marketo gives the variants of a section of an e-mail.

    :param section: the section's id in the HTML.
    """
    return base64.b64encode(f"ES-{section}".encode()).decode()


def _family(request: Request) -> str:
    family = request.operation.family
    return "landing_pages" if family == "landing_page_content" else family
