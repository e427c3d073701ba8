"""A program from a template: cloned, filled in, approved and switched on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.marketo_assets import change, find, kinds
from airflow_provider_marketo.marketo_assets.find import Record

log = logging.getLogger(__name__)

APPROVED_IN_ORDER = ("snippets", "forms", "landing_pages", "emails")
"""What is used comes before what uses it."""

_PAGE = 200
_DEPTH = 20


class ProgramContents:
    """
    What lies in a program, its folders included. Each type is read once.

    :param client: the instance.
    :param program_id: of the program.
    """

    def __init__(self, client: MarketoClient, program_id: int) -> None:
        self._client = client
        self.home = {"id": program_id, "type": "Program"}
        self._read: dict[str, list[Record]] = {}

    def of(self, asset_type: str) -> list[Record]:
        """
        Records of one type. Snippets have no query by folder: all are read, and those of the program kept.
        """
        if asset_type not in self._read:
            self._read[asset_type] = self._read_all(asset_type)
        return self._read[asset_type]

    def shown(self, types: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Ids, names and addresses in the UI."""
        return {
            asset_type: [
                {"id": record["id"], "name": record.get("name"), "url": find.url_of(record)}
                for record in self.of(asset_type)
            ]
            for asset_type in types
        }

    def _read_all(self, asset_type: str) -> list[Record]:
        homes = [self.home, *self._folders]
        if asset_type == "snippets":
            everything = self._client.paginate("snippets.get", maxReturn=_PAGE)
            return [record for record in everything if find.home_of(record) in homes]
        found = {
            record["id"]: record
            for home in homes
            for record in self._client.paginate(f"{asset_type}.get", folder=home, maxReturn=_PAGE)
        }
        return list(found.values())

    @cached_property
    def _folders(self) -> list[dict[str, Any]]:
        records = self._client.paginate("folders.get", root=self.home, maxDepth=_DEPTH, maxReturn=_PAGE)
        found = [record.get("folderId") or {} for record in records]
        return [{"id": each["id"], "type": "Folder"} for each in found if str(each.get("type")).lower() == "folder"]


def approve(client: MarketoClient, contents: ProgramContents, types: Sequence[str], *, dry_run: bool) -> dict[str, int]:
    """
    Approve what waits for approval.

    :param types: families, such as ``emails``.
    :return: how many of each type were approved.
    """
    approved: dict[str, int] = {}
    for asset_type in (each for each in APPROVED_IN_ORDER if each in types):
        drafts = [record for record in contents.of(asset_type) if _waits(client, asset_type, record)]
        for record in drafts:
            operation = kinds.operation_of(asset_type, "approve")
            log.info("%s %s for %s", "Would call" if dry_run else "Calling", operation, record["name"])
            if not dry_run:
                change.transition(client, asset_type, "approve", record["id"])
        approved[asset_type] = len(drafts)
    return approved


def _waits(client: MarketoClient, asset_type: str, record: Record) -> bool:
    """Lists show one version of each: an approved one may have a draft besides."""
    if str(record.get("status")).lower() == "draft":
        return True
    return find.by_id(client, asset_type, record["id"], status="draft") is not None


def activate(
    client: MarketoClient, contents: ProgramContents, names: Sequence[str] | bool, *, dry_run: bool
) -> list[str]:
    """
    Activate trigger campaigns.

    :param names: of campaigns in the program; True for all its trigger campaigns.
    :return: names of those that were not active.
    :raises MarketoInvalidRequestError: there is no campaign of a name.
    """
    if not names:
        return []
    campaigns = {record["name"]: record for record in contents.of("smart_campaigns")}
    wanted = (
        names
        if isinstance(names, (list, tuple))
        else [name for name, record in campaigns.items() if record.get("type") == "trigger"]
    )
    missing = [name for name in wanted if name not in campaigns]
    if missing:
        raise MarketoInvalidRequestError(
            f"the program has no smart campaign {missing[0]!r}",
            parameter="activate",
            remedy=f"It has {', '.join(campaigns) or 'none'}.",
        )
    waiting = [name for name in wanted if not campaigns[name].get("isActive")]
    for name in waiting:
        log.info("%s smart_campaigns.activate for %s", "Would call" if dry_run else "Calling", name)
        if not dry_run:
            change.transition(client, "smart_campaigns", "activate", campaigns[name]["id"])
    return waiting


def set_tags(client: MarketoClient, program: Record, tags: Mapping[str, str], *, dry_run: bool) -> bool:
    """
    Give a program its tags (``programs.update_metadata``).

    :param program: as ``programs.get_by_id`` shows it, tags included.
    :return: whether they differed.
    """
    present = {tag["tagType"]: tag["tagValue"] for tag in program.get("tags") or ()}
    if all(present.get(kind) == value for kind, value in tags.items()):
        return False
    log.info("%s programs.update_metadata for the tags", "Would call" if dry_run else "Calling")
    if not dry_run:
        given = [{"tagType": kind, "tagValue": value} for kind, value in tags.items()]
        client.call("programs.update_metadata", id=program["id"], tags=given)
    return True
