"""The task of getting, making or changing one Marketo asset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_marketo.at_most_once.how_to_check import described
from airflow_provider_marketo.at_most_once.task import OnceTask
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.marketo_assets import change, find, kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.marketo_assets.find import Record

log = printable_logger(__name__)

_MAKES = ("create", "clone")
_DONE = {
    "create": "Created",
    "update": "Updated",
    "clone": "Cloned",
    "approve": "Approved",
    "unapprove": "Unapproved",
    "discard_draft": "Discarded the draft of",
    "delete": "Deleted",
    "activate": "Activated",
    "deactivate": "Deactivated",
}
_NEEDS = {"create": ("name",), "clone": ("asset_id", "name")}


class AssetResult(TypedDict):
    """
    The result of a task about one Marketo asset.

    ``url`` is the asset's address in Marketo's UI, ``record`` its record in Marketo. ``changed`` is true if the task
    made or changed it. If the task skips a missing asset, ``changed`` is False, and the values after ``action`` are
    None.
    """

    asset_type: str
    action: str
    id: int | str | None
    name: str | None
    status: str | None
    url: str | None
    changed: bool
    record: Mapping[str, Any] | None


def run(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> AssetResult:
    """
    Get, make or change a Marketo asset.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    """
    _check(arguments)
    asset = _Asset(OnceTask(context, hook, arguments), arguments)
    record, changed = asset.make() if arguments["action"] in _MAKES else asset.change()
    asset.task.link([record] if record else [])
    found = record or {}
    if record and not asset.task.dry_run:
        log.info("%s %s: %s", _DONE[asset.action] if changed else "Found", asset.type, find.shown(record))
    return {
        "asset_type": asset.type,
        "action": asset.action,
        "id": found.get("id"),
        "name": found.get("name"),
        "status": found.get("status"),
        "url": find.url_of(found),
        "changed": changed,
        "record": record,
    }


def _check(arguments: Mapping[str, Any]) -> None:
    action, asset_id = arguments["action"], arguments["asset_id"]
    asset_type = kinds.checked_type(arguments["asset_type"], by_name=action in _MAKES or asset_id is None)
    kinds.operation_of(asset_type, action)
    if asset_id is not None:
        kinds.checked_id(asset_type, asset_id)
    missing = [each for each in _NEEDS.get(action, ()) if arguments[each] is None]
    if missing:
        raise MarketoInvalidRequestError(f"action={action!r} needs {missing[0]}", parameter=missing[0])
    if asset_id is None and arguments["name"] is None:
        raise MarketoInvalidRequestError(f"action={action!r} needs asset_id or name", parameter="asset_id")
    if action == "update" and not arguments["arguments"]:
        raise MarketoInvalidRequestError(
            "action='update' needs arguments",
            parameter="arguments",
            remedy='Name what to change, such as arguments={"description": "new"}.',
        )


class _Asset:
    """The asset that a task is about."""

    def __init__(self, task: OnceTask, arguments: Mapping[str, Any]) -> None:
        self.task = task
        self.type: str = arguments["asset_type"]
        self.action: str = arguments["action"]
        given = arguments["asset_id"]
        self._id = None if given is None else kinds.checked_id(self.type, given)
        self._name: str | None = arguments["name"]
        folder = arguments["folder"]
        self._folder: dict[str, Any] | None = find.place(task.client, folder) if folder else None
        self._arguments: dict[str, Any] = arguments["arguments"] or {}
        self._if_exists: str = arguments["if_exists"]
        self._if_missing: str = arguments["if_missing"] or ("skip" if self.action == "delete" else "fail")

    def make(self) -> tuple[Record, bool]:
        """Create or clone the asset; return its record, and whether anything changed."""
        name = str(self._name)
        made = change.make(
            self.task,
            kinds.operation_of(self.type, self.action),
            self._of_new(name),
            lambda: find.by_name(self.task.client, self.type, name, self._folder),
        )
        if made is None:  # a dry run
            return {"id": None, "name": name}, True
        if made.ours:
            return made.record, True
        if self._if_exists == "fail":
            raise change.refuse_existing(self.type, name, made.record)
        if self._if_exists == "update" and self._arguments:
            self._update(kinds.operation_of(self.type, "update"), made.record["id"])
            return made.record, True
        return made.record, False

    def change(self) -> tuple[Record | None, bool]:
        """Get or change the asset; return its record, and whether anything changed."""
        record = self._find()
        if record is None:
            self._skip_or_fail()
            return None, False
        if self.action == "get":
            return record, False
        operation = kinds.operation_of(self.type, self.action)
        if self.action == "update":
            self._update(operation, record["id"])
            return record, True
        if self.task.dry_run:
            log.info("Would call %s for %s (%s)", operation, record["id"], record["name"])
            return record, True
        if self.action == "delete":
            self.task.client.call(operation, **kinds.naming(self.type, "delete", record["id"]))
            return record, True
        changed = change.transition(self.task.client, self.type, self.action, record["id"])
        return find.by_id(self.task.client, self.type, record["id"]), changed

    def _of_new(self, name: str) -> dict[str, Any]:
        """Return the arguments of the operation that makes the asset."""
        given = dict(self._arguments)
        if self.action == "clone" and self._id is not None:
            given |= kinds.naming(self.type, "clone", self._id)
        given["name"] = name
        if self._folder is not None:
            given["parent" if self.type == "folders" else "folder"] = self._folder
        return given

    def _find(self) -> Record | None:
        if self._id is not None:
            return find.by_id(self.task.client, self.type, self._id)
        return find.by_name(self.task.client, self.type, str(self._name), self._folder)

    def _skip_or_fail(self) -> None:
        named = repr(self._name) if self._id is None else self._id
        if self._if_missing == "fail" and self._id is None:
            raise find.no_such_name(self.task.client, self.type, str(self._name), "name", f"{self.type}: {named}")
        if self._if_missing == "fail":
            raise MarketoNotFoundError(
                f"{self.type}: {named} does not exist, or the API user cannot see it", parameter="asset_id"
            )
        log.info("%s: %s does not exist; the task skips it", self.type, named)

    def _update(self, operation: str, asset_id: int | str) -> None:
        given = {**kinds.naming(self.type, "update", asset_id), **self._arguments}
        if self.task.dry_run:
            log.info("Would call %s", described(operation, given))
        else:
            self.task.client.call(operation, **given)
