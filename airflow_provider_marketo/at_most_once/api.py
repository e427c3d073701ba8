"""Any operation of Marketo's API by name, through the ledger if it must not run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_marketo.at_most_once.how_to_check import described
from airflow_provider_marketo.at_most_once.task import OnceTask
from airflow_provider_marketo.at_most_once.xcom_result import XComResult
from airflow_provider_marketo.client import meanings, operations
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.link import push_place
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.formats import json_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.operations import Operation
    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)

_AT_MOST_ONCE = ("once", "reconcile")

_RESENT = (
    "sent again, because an answer was lost. If the result skips a record as existing or as not found, the first"
    " request may have created or removed this record"
)

Page = tuple[list[Any], list[str]]
"""Records, and warnings: those of Marketo, and one if the call was sent twice."""


class ApiResult(TypedDict):
    """
    What a task that calls an operation returns.

    ``count`` is the number of records, ``ids`` are their ids. ``result`` has the records themselves; it is None if
    rows may be people or went to ``output_path``. ``files`` has path and bytes of each file, and the number of rows of
    a file of records. ``sent_earlier`` is true if an earlier try made the call, so that this try did not.
    """

    operation: str
    count: int
    ids: list[Any]
    result: list[Any] | None
    warnings: list[str]
    output_path: str | None
    files: list[dict[str, Any]]
    sent_earlier: bool


def call_operation(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> ApiResult:
    """
    Call an operation.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    """
    operation = operations.get(arguments["operation"])
    given: dict[str, Any] = arguments["arguments"] or {}
    output_path = arguments["output_path"]
    _check(operation, arguments)
    task = OnceTask(context, hook, arguments)
    parameters = task.files.opened(operation, given)
    prepared = operations.prepare(operation, parameters)
    if arguments["dry_run"]:
        log.info("Would call %s %s: %s", prepared.method, prepared.path, described(operation.name, given))
        return _summary(operation, XComResult(operation), output_path)
    folder = _folder(output_path, context)
    push_place(context, hook, lead_id=given.get("leadId"), list_id=given.get("listId"))
    kept, files, sent_earlier = XComResult(operation), [], False
    pages: Iterable[Page]
    if operation.reply == "file" and folder is not None:
        files = [_download(task.client, operation, parameters, folder)]
    else:
        if operation.retry_class(parameters) in _AT_MOST_ONCE:
            pages, sent_earlier = _send_once(task, operation, given, parameters)
        else:
            pages = _pages(task.client, operation, parameters, all_pages=arguments["all_pages"])
            if operation.deletes and context["ti"].try_number > 1:
                pages = _deleted(pages, operation)
        files = _collect(kept, pages, operation, folder)
        task.link(kept.first)
        log.info(
            "%s: %s%s",
            operation.name,
            counted(kept.count, "record"),
            ", from the call that an earlier try made" if sent_earlier else "",
        )
    for warning in kept.warnings:
        log.info("%s: %s", operation.name, warning)
    return _summary(operation, kept, output_path, files, sent_earlier=sent_earlier)


def _check(operation: Operation, arguments: Mapping[str, Any]) -> None:
    if operation.family == "identity":
        raise MarketoInvalidRequestError(
            f"{operation.name} cannot be a task: its result, a token, must not end up in XCom",
            parameter="operation",
            remedy="Leave the task out: every task requests and renews its token by itself.",
        )
    if arguments["all_pages"] and operation.paging == "none":
        raise MarketoInvalidRequestError(
            f"{operation.name} has no pages", parameter="all_pages", remedy="Leave all_pages out."
        )
    if operation.reply == "file" and arguments["output_path"] is None:
        raise MarketoInvalidRequestError(
            f"{operation.name} answers with a file",
            parameter="output_path",
            remedy="Name a folder for the file in output_path.",
        )


def _folder(output_path: str | None, context: Mapping[str, Any]) -> OutputFolder | None:
    if output_path is None:
        return None
    folder = OutputFolder.for_task(output_path, context["ti"])
    folder.check_writable()
    return folder


def _send_once(
    task: OnceTask, operation: Operation, given: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[list[Page], bool]:
    """Make a call that must not run twice; return its records, and whether an earlier try made it."""

    def send() -> dict[str, Any]:
        reply = task.client.call(operation.name, **parameters)
        return {"records": reply.records, "warnings": reply.warnings}

    # An open file has no lasting name, so its content distinguishes requests.
    content = {name: parameters[name] if hasattr(value, "read") else value for name, value in given.items()}
    sending = task.sending(operation.name, content, described(operation.name, given))
    sent = task.ledger.once(sending, send)
    remembered = sent.result or {}
    return [(remembered.get("records", []), remembered.get("warnings", []))], sent.earlier


def _pages(
    client: MarketoClient, operation: Operation, parameters: Mapping[str, Any], *, all_pages: bool
) -> Iterator[Page]:
    if all_pages:
        for page in client.pages(operation.name, **parameters):
            yield page.records, page.warnings
    else:
        reply = client.call(operation.name, **parameters)
        yield (
            reply.records,
            [*reply.warnings, _RESENT] if reply.resent and operation.retry != "read" else reply.warnings,
        )


def _deleted(pages: Iterable[Page], operation: Operation) -> Iterator[Page]:
    """Repeat a delete in a later try. If Marketo finds no record, an earlier try may have deleted it."""
    try:
        yield from pages
    except MarketoNotFoundError as error:
        if not meanings.is_not_found(error.code):
            raise
        log.warning(
            "%s: %s. An earlier try may have deleted the record, so the task succeeds; if no try did, check the"
            " arguments",
            operation.name,
            error.message,
        )


def _collect(
    kept: XComResult, pages: Iterable[Page], operation: Operation, folder: OutputFolder | None
) -> list[dict[str, Any]]:
    """Collect the pages, and write their records to the folder if one is given; return the facts of the file."""
    if folder is None:
        for records, warnings in pages:
            kept.add(records, warnings)
        return []
    name = f"{operation.name}.jsonl"
    with folder.staging() as staging:
        with staging.open(name) as file:
            for records, warnings in pages:
                kept.add(records, warnings, stored=True)
                for record in records:
                    file.write(json_line(record))
            size = file.tell()
        staging.publish([name])
    return [{"path": str(folder.path(name)), "rows": kept.count, "bytes": size}]


def _download(
    client: MarketoClient, operation: Operation, parameters: Mapping[str, Any], folder: OutputFolder
) -> dict[str, Any]:
    """Write Marketo's file to the folder. It is CSV, although the operation's address ends in ``.json``."""
    name = f"{operation.name}.csv"
    with folder.staging() as staging:
        with staging.open(name) as file, client.download(operation.name, **parameters) as download:
            for block in download.blocks:
                file.write(block)
            size = file.tell()
        staging.publish([name])
    return {"path": str(folder.path(name)), "bytes": size}


def _summary(
    operation: Operation,
    kept: XComResult,
    output_path: str | None,
    files: list[dict[str, Any]] | None = None,
    *,
    sent_earlier: bool = False,
) -> ApiResult:
    return {
        "operation": operation.name,
        "count": kept.count,
        "ids": kept.ids,
        "result": kept.result,
        "warnings": kept.warnings,
        "output_path": output_path,
        "files": files or [],
        "sent_earlier": sent_earlier,
    }
