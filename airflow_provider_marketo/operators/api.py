"""Any operation of Marketo's API, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.hooks.link import push_link, push_place
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.operations import Operation
    from airflow_provider_marketo.output.folder import OutputFolder

XCOM_BYTES = 48_000
"""Of a result that may travel through XCom; what is larger belongs into ``output``."""

_ROWS_OF_PEOPLE = (
    "activities.get_deleted_leads",
    "activities.get_lead_*",
    "companies.get",
    "custom_objects.get",
    "emails.get_full_content",
    "landing_pages.get_full_content",
    "leads.get_by_*",
    "named_account_lists.get_members",
    "named_accounts.get",
    "opportunities.get",
    "opportunity_roles.get",
    "program_members.get",
    "sales_persons.get",
    "static_list_membership.get_leads_*",
    "user_management.get_invited_user_by_id",
    "user_management.get_user*",
)
"""What these return stays out of XCom but for ids."""

_ID_MEMBERS = ("id", "leadId", "marketoGUID", "externalOpportunityId", "batchId", "exportId", "userid")


class MarketoApiOperator(MarketoOnceOperator):
    """
    Call any operation of Marketo's API by name.

    The catalogue has all 367 of Adobe's: ``airflow marketo operations`` lists them, ``airflow marketo describe`` shows
    what one takes. Parameters are checked before a call is spent. Operations that must not run twice go through the
    ledger: no retry, kill or lost reply sends them a second time, and parameters have to render to the same at every
    try. Rows that may be people go to ``output``; XCom gets ids and counts of them.

    Adobe's operation: whichever ``operation`` names.

    :param operation: name in the catalogue, such as ``smart_campaigns.clone``, or Adobe's operationId.
    :param parameters: in Adobe's spelling. A file is given as an ``ObjectStoragePath`` or its URL.
    :param all_pages: follow the pages of a query to their end.
    :param output: folder for the result: ``<operation>.jsonl`` with a record a line, or the file that Marketo sends.
    :param ledger: folder for the ledger's entries, where every worker reaches it. Default: Airflow's Variables.
    :param on_ambiguous: about a request of an earlier try of which nobody knows whether it ran: ``stop``, ``resend``
        (once after each clear of the task) or ``assume_sent``.
    :param force: send again, once after each clear of the task, what the ledger knows as sent.
    :param dry_run: check the call and say what it would be; nothing is sent.
    :param marketo_conn_id: id of the connection.
    :return: ``{"operation", "count", "ids", "result", "warnings", "output", "files", "sent_earlier"}``; ``result`` is
        None where rows may be people or went to ``output``.
    """

    template_fields: Sequence[str] = ("operation", "parameters", "output_path", *MarketoOnceOperator.template_fields)
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012 - Airflow's own idiom
    operator_extra_links = (MarketoLink(),)

    def __init__(
        self,
        *,
        operation: str,
        parameters: Mapping[str, Any] | None = None,
        all_pages: bool = False,
        output: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.parameters = parameters
        self.all_pages = all_pages
        self.output_path = output  # BaseOperator.output is the task's XComArg

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.at_most_once.files import opened
        from airflow_provider_marketo.at_most_once.how_to_check import described
        from airflow_provider_marketo.client import operations
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            operation = operations.get(self.operation)
            given = dict(self.parameters or {})
            self._check(operation)
            parameters = opened(operation, given)
            prepared = operations.prepare(operation, parameters)
            retry_class = operation.retry_class(parameters)
            if self.rehearse:
                self.log.info("Would call %s %s: %s", prepared.method, prepared.path, described(operation.name, given))
                return self._summary(operation)
            folder = self._folder()
            hook = self._hook()
            client = hook.get_conn()
            push_place(context, hook, lead_id=given.get("leadId"), list_id=given.get("listId"))
            if operation.reply == "file" and folder is not None:
                return self._summary(operation, files=[_download(client, operation, parameters, folder)])
            if retry_class in ("once", "reconcile"):
                return self._once(context, client, operation, given, parameters, folder)
            return self._finish(context, operation, self._records(client, operation, parameters), folder)

    def _check(self, operation: Operation) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        if operation.family == "identity":
            raise MarketoInvalidRequestError(
                "tokens are asked for and renewed without your help, and must not end up in XCom", parameter="operation"
            )
        if self.all_pages and operation.paging == "none":
            raise MarketoInvalidRequestError(f"{operation.name} has no pages", parameter="all_pages")
        if operation.reply == "file" and self.output_path is None:
            raise MarketoInvalidRequestError(
                f"{operation.name} answers with a file", parameter="output", remedy="Name a folder for it: output=."
            )

    def _folder(self) -> OutputFolder | None:
        from airflow_provider_marketo.output.folder import OutputFolder

        if self.output_path is None:
            return None
        folder = OutputFolder(self.output_path, parameter="output")
        folder.check_writable()
        return folder

    def _once(
        self,
        context: Context,
        client: MarketoClient,
        operation: Operation,
        given: Mapping[str, Any],
        parameters: Mapping[str, Any],
        folder: OutputFolder | None,
    ) -> dict[str, Any]:
        from airflow_provider_marketo.at_most_once.how_to_check import described

        def send() -> dict[str, Any]:
            reply = client.call(operation.name, **parameters)
            return {"records": reply.records, "warnings": reply.warnings}

        sending = self._sending(context, client, operation.name, given, described(operation.name, given))
        sent = self._open_ledger().once(sending, send)
        remembered = sent.result or {}
        answers = iter([(remembered.get("records", []), remembered.get("warnings", []))])
        return self._finish(context, operation, answers, folder, sent_earlier=sent.earlier)

    def _records(
        self, client: MarketoClient, operation: Operation, parameters: Mapping[str, Any]
    ) -> Iterator[tuple[list[Any], list[str]]]:
        """Records and warnings, page by page."""
        if self.all_pages:
            for page in client.pages(operation.name, **parameters):
                yield page.records, page.warnings
        else:
            reply = client.call(operation.name, **parameters)
            yield reply.records, reply.warnings

    def _finish(
        self,
        context: Context,
        operation: Operation,
        answers: Iterator[tuple[list[Any], list[str]]],
        folder: OutputFolder | None,
        sent_earlier: bool = False,
    ) -> dict[str, Any]:

        kept = _Kept(operation)
        if folder is None:
            for records, warnings in answers:
                kept.add(records, warnings)
            files = []
        else:
            name = f"{operation.name}.jsonl"
            with folder.staging() as staging:
                with staging.open(name) as file:
                    for records, warnings in answers:
                        kept.add(records, warnings, keep=False)
                        for record in records:
                            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
                    size = file.tell()
                staging.publish([name])
            files = [{"path": str(folder.path(name)), "rows": kept.count, "bytes": size}]
        push_link(context, kept.first)
        for warning in kept.warnings:
            self.log.info("Marketo says: %s", warning)
        self.log.info("%s: %d records%s", operation.name, kept.count, ", sent earlier" if sent_earlier else "")
        return self._summary(operation, kept, files, sent_earlier)

    def _summary(
        self,
        operation: Operation,
        kept: _Kept | None = None,
        files: list[dict[str, Any]] | None = None,
        sent_earlier: bool = False,
    ) -> dict[str, Any]:
        return {
            "operation": operation.name,
            "count": kept.count if kept else 0,
            "ids": kept.ids if kept else [],
            "result": kept.result if kept else None,
            "warnings": kept.warnings if kept else [],
            "output": self.output_path,
            "files": files or [],
            "sent_earlier": sent_earlier,
        }


class _Kept:
    """What of a result may travel through XCom."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._is_read = operation.retry == "read"
        self._people = any(fnmatchcase(operation.name, pattern) for pattern in _ROWS_OF_PEOPLE)
        self._bytes = 0
        self.count = 0
        self.ids: list[Any] = []
        self.result: list[Any] | None = None
        self.warnings: list[str] = []
        self.first: list[Any] = []

    def add(self, records: Sequence[Any], warnings: Sequence[str], *, keep: bool = True) -> None:
        """
        :raises MarketoInvalidRequestError: a query has more than fits.
        """
        self.count += len(records)
        self.warnings += [warning for warning in warnings if warning not in self.warnings]
        self.first = self.first or list(records[:1])
        if not keep:
            return
        ids = [found for found in map(_id_of, records) if found is not None]
        kept = ids if self._people else [*ids, *records]
        self._bytes += len(json.dumps(kept))
        if self._bytes > XCOM_BYTES:
            self._too_large()
            return
        self.ids += ids
        if not self._people:
            self.result = [*(self.result or []), *records]

    def _too_large(self) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        if self._is_read:
            raise MarketoInvalidRequestError(
                f"the result of {self._operation.name} is larger than the {XCOM_BYTES} bytes that XCom is given",
                parameter="output",
                remedy="Name a folder for it: output=.",
            )
        # It has been written already: failing now would only make somebody write it again.
        self.ids, self.result = [], None
        self.warnings.append("the result is too large for XCom and was dropped: name a folder with output=")


def _id_of(record: Any) -> Any:
    if not isinstance(record, Mapping):
        return None
    return next((record[member] for member in _ID_MEMBERS if member in record), None)


def _download(
    client: MarketoClient, operation: Operation, parameters: Mapping[str, Any], folder: OutputFolder
) -> dict[str, Any]:
    """Marketo's files are CSV, whatever their address says."""
    name = f"{operation.name}.csv"
    with folder.staging() as staging:
        with staging.open(name) as file, client.download(operation.name, **parameters) as download:
            for block in download.blocks:
                file.write(block)
            size = file.tell()
        staging.publish([name])
    return {"path": str(folder.path(name)), "bytes": size}
