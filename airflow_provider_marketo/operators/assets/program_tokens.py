"""My Tokens of a program or folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, flag, mapping, one_id, place
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.marketo_assets.tokens import TokensResult


class MarketoProgramTokensOperator(MarketoOperator):
    """
    Give a program or folder its My Tokens. Only tokens that differ are written.

    Adobe's operations: ``programs.{get_by_id, get_by_name}`` or ``folders.{get_by_id, get_by_name}``,
    ``tokens.{get_by_folder_id, create, delete_by_name}``.

    :param tokens: ``{"{{my.Headline}}": "Hello"}`` or ``{"Headline": "Hello"}``. Values are text, numbers, dates, None
        to delete, or ``{"type": "rich text", "value": "<b>Hi</b>"}``; the types are text, rich text, number, score,
        date and sfdc campaign. A token that exists keeps its type unless another is given.
    :param program_id: id of the program.
    :param folder: a folder or program as ``{"id": 12, "type": "Folder"}``, or the name or path of a folder, instead of
        ``program_id``.
    :param dry_run: read the tokens and log the calls that the task would make. The task only reads.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"folder", "tokens", "changed"}``: how many tokens were asked for, and the names of those that were
        written or deleted.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Assets",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOperator.argument_checks,
        "tokens": mapping(required=True),
        "program_id": one_id(),
        "folder": place(),
        "dry_run": flag(),
    }
    template_fields: Sequence[str] = (*MarketoOperator.template_fields, "tokens", "program_id", "folder")
    operator_extra_links = (MarketoLink(),)

    def __init__(
        self,
        *,
        tokens: Mapping[str, Any] | str,
        program_id: int | str | None = None,
        folder: Mapping[str, Any] | str | None = None,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(max_calls=max_calls, marketo_conn_id=marketo_conn_id, **kwargs)
        self.tokens = tokens
        self.program_id = program_id
        self.folder = folder
        self._preview = dry_run
        self.check_arguments()

    def _execute(self, context: Context) -> TokensResult:
        from airflow_provider_marketo.marketo_assets.tokens import run

        return run(context, self.hook, self.checked_arguments())
