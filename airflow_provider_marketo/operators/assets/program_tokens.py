"""My Tokens of a program or folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class MarketoProgramTokensOperator(MarketoOnceOperator):
    """
    Give a program or folder its My Tokens. Only those that differ are written.

    Adobe's operations: ``tokens.get_by_folder_id``, ``tokens.create``, ``tokens.delete_by_name``.

    :param program_id: id of the program.
    :param folder: a folder or program as ``{"id": 12, "type": "Folder"}``, in the place of ``program_id``.
    :param tokens: ``{"{{my.Headline}}": "Hello"}`` or ``{"Headline": "Hello"}``. Values are text, numbers, dates, None
        to delete, or ``{"type": "rich text", "value": "<b>Hi</b>"}``; the types are text, rich text, number, score,
        date and sfdc campaign. A token that exists keeps its type unless another is given.
    :return: ``{"folder", "tokens", "changed"}``: how many were wanted, and the names of those that were written.
    """

    template_fields: Sequence[str] = ("program_id", "folder", "tokens", *MarketoOnceOperator.template_fields)

    def __init__(
        self,
        *,
        tokens: Mapping[str, Any],
        program_id: int | str | None = None,
        folder: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tokens = tokens
        self.program_id = program_id
        self.folder = folder

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.marketo_assets import kinds, tokens
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            if (self.program_id is None) == (self.folder is None):
                raise MarketoInvalidRequestError("give it or folder, and not both", parameter="program_id")
            folder = kinds.folder_of(self.folder) or {"id": int(str(self.program_id)), "type": "Program"}
            wanted = tokens.wanted(self.tokens)
            changed = tokens.apply(self._client(), folder, wanted, dry_run=self.rehearse)
        self.log.info("%s %d of %d tokens", "Would write" if self.rehearse else "Wrote", len(changed), len(wanted))
        return {"folder": folder, "tokens": len(wanted), "changed": changed}
