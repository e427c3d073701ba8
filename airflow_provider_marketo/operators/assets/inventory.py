"""All Marketo assets as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_marketo.choices import FileFormat
from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class MarketoAssetInventoryOperator(MarketoOperator):
    """
    List all Marketo assets, one table per type, and what has changed since the run before.

    Tables have the columns id, name, type, folder_path, workspace, status, has_draft, created, updated and url; the
    table ``changes`` has a row for each asset that was added, changed or removed, and for each that is approved and has
    a draft that nobody approved. All appear together, when everything was read. Running the same run again compares
    with the run before it. As many types are read at once as the task has ``pool_slots``.

    Adobe's operations: ``folders.get``, ``<type>.get``, ``segments.get_segmentations``.

    :param output: folder of the tables, ``<type>.<file_format>``. It belongs to one inventory.
    :param asset_types: which types; default all: folders, programs, smart_campaigns, emails, email_templates,
        landing_pages, landing_page_templates, forms, snippets, files, static_lists, smart_lists, segments,
        landing_page_redirect_rules.
    :param file_format: ``jsonl``, ``csv`` or ``parquet`` (which needs the ``arrow`` extra).
    :param incremental: of types that can be asked by date, read only what changed since the run before. What was
        removed is then noticed by the next full run only.
    :param marketo_conn_id: id of the connection.
    :return: ``{"output", "assets", "changes", "files"}``: how many of each type, how many changes of each kind.
    """

    template_fields: Sequence[str] = ("output_path", "asset_types", "file_format", "marketo_conn_id")
    ui_color = "#e9e3f5"

    def __init__(
        self,
        *,
        output: str,
        asset_types: Sequence[str] | None = None,
        file_format: str = "jsonl",
        incremental: bool = False,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_path = output  # BaseOperator.output is the task's XComArg
        self.asset_types = asset_types
        self.file_format = file_format
        self.incremental = incremental
        self.marketo_conn_id = marketo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        from datetime import datetime, timezone

        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.hooks.marketo import MarketoHook
        from airflow_provider_marketo.marketo_assets import inventory, kinds
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors
        from airflow_provider_marketo.output.folder import OutputFolder

        with no_retry_on_permanent_errors():
            types = inventory.checked_types(self.asset_types or kinds.TYPES)
            if self.file_format not in get_args(FileFormat):
                raise MarketoInvalidRequestError(
                    f"is {self.file_format!r} and must be one of {', '.join(get_args(FileFormat))}",
                    parameter="file_format",
                )
            folder = OutputFolder(self.output_path, parameter="output")
            folder.check_writable()
            shelf = inventory.InventoryStore(folder, context["ti"].run_id)
            client = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots).get_conn()
            began = datetime.now(timezone.utc)
            since = shelf.since if self.incremental else None
            taken = inventory.take(client, types, shelf.before(types), since, began, at_once=self.pool_slots)
            files = shelf.publish(taken, self.file_format, began)
        self.log.info("%d assets; %s", sum(taken.counts().values()), taken.change_counts())
        return {"output": folder.url, "assets": taken.counts(), "changes": taken.change_counts(), "files": files}
