"""The assets in a program: approve drafts, activate campaigns, set tags."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_marketo.choices import ApprovedInProgram
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.known_names import TAG_TYPES, TAG_VALUES, is_tag_value, tag_values
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.marketo_assets import change, find, kinds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.marketo_assets.find import Record

log = printable_logger(__name__)

_APPROVED_IN_ORDER: Sequence[str] = get_args(ApprovedInProgram)
"""An asset comes before those that use it."""

_PAGE = 200
_DEPTH = 20


class ProgramContents:
    """
    The assets in a program and in its folders. Each type is read once.

    :param client: the instance.
    :param program_id: id of the program.
    """

    def __init__(self, client: MarketoClient, program_id: int) -> None:
        self._client = client
        self.home = {"id": program_id, "type": "Program"}
        self._read: dict[str, list[Record]] = {}

    def of(self, asset_type: str) -> list[Record]:
        """
        Return the records of one type.

        Marketo cannot list snippets by folder, so all snippets are read, and those of the program are kept.

        :param asset_type: type of the assets, such as ``emails``.
        """
        if asset_type not in self._read:
            self._read[asset_type] = self._read_all(asset_type)
        return self._read[asset_type]

    def shown(self, types: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """
        Return ids, names and addresses in the UI, by type.

        :param types: types of the assets, such as ``emails``.
        """
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
    Approve the drafts in a program.

    :param client: the instance.
    :param contents: the program's assets.
    :param types: types of the assets to approve, such as ``emails``.
    :param dry_run: whether to log the calls instead of making them.
    :return: how many of each type were approved.
    """
    approved: dict[str, int] = {}
    for asset_type in (each for each in _APPROVED_IN_ORDER if each in types):
        drafts = [record for record in contents.of(asset_type) if _has_draft(client, asset_type, record)]
        for record in drafts:
            operation = kinds.operation_of(asset_type, "approve")
            log.info("%s %s for %s", "Would call" if dry_run else "Calling", operation, record["name"])
            if not dry_run:
                change.transition(client, asset_type, "approve", record["id"])
        approved[asset_type] = len(drafts)
    return approved


def _has_draft(client: MarketoClient, asset_type: str, record: Record) -> bool:
    """Whether an asset has a draft. A list shows one version of it, and an approved version may also have a draft."""
    if str(record.get("status")).lower() == "draft":
        return True
    return find.by_id(client, asset_type, record["id"], status="draft") is not None


def activate(
    client: MarketoClient, contents: ProgramContents, names: Sequence[str] | bool, *, dry_run: bool
) -> list[str]:
    """
    Activate trigger campaigns of a program.

    :param client: the instance.
    :param contents: the program's assets.
    :param names: names of campaigns in the program; True for all its trigger campaigns.
    :param dry_run: whether to log the calls instead of making them.
    :return: names of the campaigns that were not active before.
    :raises MarketoInvalidRequestError: the program has no campaign of this name.
    """
    if not names:
        return []
    campaigns = {record["name"]: record for record in contents.of("smart_campaigns")}
    wanted = (
        [name for name, record in campaigns.items() if record.get("type") == "trigger"]
        if isinstance(names, bool)
        else names
    )
    check_campaigns(wanted, list(campaigns), "the program")
    waiting = [name for name in wanted if not campaigns[name].get("isActive")]
    for name in waiting:
        log.info("%s smart_campaigns.activate for %s", "Would call" if dry_run else "Calling", name)
        if not dry_run:
            change.transition(client, "smart_campaigns", "activate", campaigns[name]["id"])
    return waiting


def check_campaigns(names: Sequence[str], known: Sequence[str], where: str) -> None:
    """
    Check the names of smart campaigns.

    :param names: the names, as the author gave them.
    :param known: names of the existing campaigns.
    :param where: the program in words, for the error.
    :raises MarketoInvalidRequestError: a campaign does not exist.
    """
    missing = [name for name in names if name not in known]
    if missing:
        raise MarketoInvalidRequestError(
            f"{where} has no smart campaign {missing[0]!r}",
            parameter="activate",
            remedy=find.which_of(missing[0], known) or f"It has {', '.join(known) or 'no campaigns'}.",
        )


def check_tags(client: MarketoClient, tags: Mapping[str, str]) -> None:
    """
    Check the types of tags (``tags.get_types``) and their values (``tags.get_by_name``).

    :param client: the instance.
    :param tags: tag values by tag type, as they were given.
    :raises MarketoInvalidRequestError: the instance has no such type, or the type has no such value.
    """
    known = TAG_TYPES.read(client.paginate)
    for kind, value in tags.items():
        if kind not in known:
            raise MarketoInvalidRequestError(
                f"the instance has no tag type {kind!r}", parameter="tags", remedy=TAG_TYPES.nearest(kind, known)
            )
        allowed = tag_values(client.paginate, kind)
        if allowed and not is_tag_value(str(value), allowed):
            raise MarketoInvalidRequestError(
                f"the tag type {kind!r} has no value {value!r}",
                parameter="tags",
                remedy=TAG_VALUES.nearest(str(value), allowed),
            )


def set_tags(client: MarketoClient, program: Record, tags: Mapping[str, str], *, dry_run: bool) -> bool:
    """
    Give a program its tags (``programs.update_metadata``).

    :param client: the instance.
    :param program: the record of ``programs.get_by_id``, which includes tags.
    :param tags: tag values by tag type.
    :param dry_run: whether to log the call instead of making it.
    :return: whether the tags differed.
    """
    present = {tag["tagType"]: tag["tagValue"] for tag in program.get("tags") or ()}
    if all(present.get(kind) == value for kind, value in tags.items()):
        return False
    log.info("%s programs.update_metadata for the tags", "Would call" if dry_run else "Calling")
    if not dry_run:
        given = [{"tagType": kind, "tagValue": value} for kind, value in tags.items()]
        client.call("programs.update_metadata", id=program["id"], tags=given)
    return True
