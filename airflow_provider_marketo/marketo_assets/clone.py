"""The task that clones a program from a template, and sets its tokens, tags and assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_marketo.at_most_once.task import OnceTask
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.client.ids import id_of
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.marketo_assets import change, find, kinds, tokens
from airflow_provider_marketo.marketo_assets.program_contents import (
    ProgramContents,
    activate,
    approve,
    check_campaigns,
    check_tags,
    set_tags,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.marketo_assets.change import CreatedAsset
    from airflow_provider_marketo.marketo_assets.find import Record

log = printable_logger(__name__)


class CloneResult(TypedDict):
    """
    The result of a task that clones a program.

    ``created`` is true if this task made the program, now or at an earlier try. ``approved`` counts the approved assets
    by type, ``activated`` names the campaigns. ``contents`` has ``id``, ``name`` and ``url`` of the program's assets,
    by type.
    """

    program_id: int | None
    name: str | None
    url: str | None
    created: bool
    tokens_changed: list[str]
    approved: dict[str, int]
    activated: list[str]
    contents: dict[str, list[dict[str, Any]]]


def run(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> CloneResult:
    """
    Clone a program from a template, and set its tokens, tags and assets.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    """
    if arguments["folder"]["type"] != "Folder":
        raise MarketoInvalidRequestError(
            "folder is a program, and programs can be cloned only into folders", parameter="folder"
        )
    asked = tokens.wanted(arguments["tokens"] or {})
    task, if_exists = OnceTask(context, hook, arguments), arguments["if_exists"]
    made = _clone(task, arguments)
    if made is None:  # a dry run
        _log_preview(arguments, [token.name for token in asked])
        return _summary(arguments, {"name": arguments["name"]}, created=False)
    if not made.ours and if_exists == "fail":
        raise change.refuse_existing("programs", arguments["name"], made.record)
    task.link([made.record])
    contents = ProgramContents(task.client, id_of(made.record, "a program"))
    if not made.ours and if_exists == "reuse":
        log.info("The program exists and is reused: %s", find.shown(made.record))
        return _summary(arguments, made.record, contents, created=False)
    return _fill(task, arguments, made, contents, asked)


def _clone(task: OnceTask, arguments: Mapping[str, Any]) -> CreatedAsset | None:
    template, name = _template(task, arguments["template"]), arguments["name"]
    folder = find.place(task.client, arguments["folder"])
    _check_names(task, arguments, template)
    given: dict[str, Any] = {"id": template["id"], "name": name, "folder": folder}
    if arguments["description"] is not None:
        given["description"] = arguments["description"]
    return change.make(task, "programs.clone", given, lambda: find.by_name(task.client, "programs", name))


def _check_names(task: OnceTask, arguments: Mapping[str, Any], template: Record) -> None:
    """
    Refuse campaigns and tags that the new program would not have, before it is made.

    A clone has the campaigns of its template. A program that exists already may have more.
    """
    if arguments["tags"]:
        check_tags(task.client, arguments["tags"])
    names = arguments["activate"]
    if isinstance(names, bool) or not names or find.by_name(task.client, "programs", arguments["name"]) is not None:
        return
    campaigns = ProgramContents(task.client, id_of(template, "a program")).of("smart_campaigns")
    check_campaigns(names, [record["name"] for record in campaigns], f"the template {template['name']!r}")


def _template(task: OnceTask, named: str) -> Record:
    found = (
        find.by_id(task.client, "programs", int(named))
        if named.isdecimal()
        else find.by_name(task.client, "programs", named)
    )
    if found is not None:
        return found
    if named.isdecimal():
        raise MarketoNotFoundError(
            f"program {named} does not exist, or the API user cannot see it", parameter="template"
        )
    raise find.no_such_name(task.client, "programs", named, "template", f"program {named!r}")


def _fill(
    task: OnceTask,
    arguments: Mapping[str, Any],
    made: CreatedAsset,
    contents: ProgramContents,
    asked: Sequence[tokens.Token],
) -> CloneResult:
    client, dry_run = task.client, task.dry_run
    changed = tokens.apply(client, contents.home, list(asked), dry_run=dry_run)
    if arguments["tags"]:
        program = find.by_id(client, "programs", made.record["id"]) or made.record
        set_tags(client, program, arguments["tags"], dry_run=dry_run)
    approved = approve(client, contents, arguments["approve"] or (), dry_run=dry_run)
    activated = activate(client, contents, arguments["activate"] or (), dry_run=dry_run)
    result = _summary(arguments, made.record, contents, created=made.ours)
    result["tokens_changed"], result["approved"], result["activated"] = changed, approved, activated
    if not dry_run:
        _log_result(result, made.record)
    return result


def _log_result(result: CloneResult, program: Record) -> None:
    log.info("%s program: %s", "Cloned" if result["created"] else "Updated", find.shown(program))
    if result["tokens_changed"]:
        log.info("Wrote tokens: %s", ", ".join(map(repr, result["tokens_changed"])))
    for asset_type, records in result["contents"].items():
        for record in records:
            log.info("The program has %s: %s", asset_type, find.shown(record))


def _log_preview(arguments: Mapping[str, Any], names: Sequence[str]) -> None:
    """Log the calls that would follow the clone, for a program that does not exist yet."""
    activated = arguments["activate"]
    calls = {
        "tokens.create": names,
        "programs.update_metadata": list(arguments["tags"] or ()),
        **{kinds.operation_of(each, "approve"): "the drafts in it" for each in arguments["approve"] or ()},
        "smart_campaigns.activate": "all trigger campaigns" if activated is True else activated,
    }
    for operation, subjects in calls.items():
        if subjects:
            log.info("Would then call %s for %s", operation, subjects)


def _summary(
    arguments: Mapping[str, Any], record: Record, contents: ProgramContents | None = None, *, created: bool
) -> CloneResult:
    types = [*(arguments["approve"] or ()), *(["smart_campaigns"] if arguments["activate"] else [])]
    return {
        "program_id": record.get("id"),
        "name": record.get("name"),
        "url": find.url_of(record),
        "created": created,
        "tokens_changed": [],
        "approved": {},
        "activated": [],
        "contents": contents.shown(types) if contents else {},
    }
