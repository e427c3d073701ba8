"""The operator that calls any operation of Marketo's API by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, flag, mapping, text
from airflow_provider_marketo.at_most_once.named_files import named_files
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.at_most_once.api import ApiResult
    from airflow_provider_marketo.choices import OnAmbiguous, OnUnknown


class MarketoApiOperator(MarketoOnceOperator):
    """
    Call any operation of Marketo's API by name.

    The catalogue has all of Adobe's operations: ``airflow marketo operations`` lists them, ``airflow marketo describe``
    shows the arguments of one. Arguments are checked before the first call. Operations that must not run twice go
    through the ledger: no retry, kill or lost reply sends them a second time, and their arguments must render to the
    same values at every try. Rows that may describe people go to ``output_path``; XCom gets only their ids and number.

    Adobe's operation: the one that ``operation`` names.

    :param operation: name in the catalogue, such as ``smart_campaigns.clone``, or Adobe's operationId.
    :param arguments: arguments of the operation, in Adobe's spelling. For a file, give an ``ObjectStoragePath`` or
        ``{"path": "s3://..."}``; text is the content itself. A path that comes from a template or an XCom must lie in a
        folder of the option ``[marketo] upload_roots``.
    :param all_pages: follow the pages of a query to their end. Default: the first page only.
    :param output_path: folder for the result: ``<operation>.jsonl`` with one record per line, or the file that Marketo
        sends. Default: the result goes into XCom, 48,000 bytes at most.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a request of an earlier try that may or may not have run: ``stop``;
        ``resend``, once after each clear of the task; or ``assume_sent``.
    :param on_unknown: *experimental*: if ``on_ambiguous`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param force: send again what the ledger marks as sent, once after each clear of the task.
    :param dry_run: check the arguments and log the call that the task would make. No call is made.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"operation", "count", "ids", "result", "warnings", "output_path", "files", "sent_earlier"}``; ``result``
        is None if rows may describe people or went to ``output_path``.
    """

    permissions: ClassVar[Sequence[str]] = ("{operation}",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "operation": text(required=True),
        "arguments": mapping(),
        "all_pages": flag(),
        "output_path": text(),
    }
    template_fields: Sequence[str] = (*MarketoOnceOperator.template_fields, "operation", "arguments", "output_path")
    template_fields_renderers: ClassVar[dict[str, str]] = {"arguments": "json"}

    def __init__(
        self,
        *,
        operation: str,
        arguments: Mapping[str, Any] | str | None = None,
        all_pages: bool = False,
        output_path: str | None = None,
        ledger: str | None = None,
        on_ambiguous: OnAmbiguous = "stop",
        on_unknown: OnUnknown = "ask",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            ledger=ledger,
            on_ambiguous=on_ambiguous,
            on_unknown=on_unknown,
            force=force,
            dry_run=dry_run,
            max_calls=max_calls,
            marketo_conn_id=marketo_conn_id,
            **kwargs,
        )
        self.operation = operation
        self.arguments = arguments
        self.all_pages = all_pages
        self.output_path = output_path
        self.check_arguments()
        self._named_files = named_files(arguments)

    def _execute(self, context: Context) -> ApiResult:
        from airflow_provider_marketo.at_most_once.api import call_operation

        return call_operation(context, self.hook, self.checked_arguments() | {"named_files": self._named_files})
