"""All Marketo assets as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, choices, flag, text
from airflow_provider_marketo.choices import FileFormat, InventoryType
from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.marketo_assets.inventory import InventoryResult


class MarketoAssetInventoryOperator(MarketoOperator):
    """
    List all Marketo assets, one table per type, and what has changed since the run before.

    Tables have the columns id, name, type, folder_path, workspace, status, has_draft, created, updated and url. The
    table ``changes`` has a row for each asset that was added, changed or removed, and for each approved asset with a
    draft that is not approved. All tables appear together, after everything was read. A repeated run compares with the
    run before it. The task reads as many types in parallel as it has ``pool_slots``.

    Adobe's operations: ``folders.get``, ``<type>.get``, ``segments.get_segmentations``.

    :param output_path: folder of the tables, ``<type>.<file_format>``. It belongs to one inventory.
    :param asset_types: which types to list. Default: all of them: ``folders``, ``programs``, ``smart_campaigns``,
        ``emails``, ``email_templates``, ``landing_pages``, ``landing_page_templates``, ``forms``, ``snippets``,
        ``files``, ``static_lists``, ``smart_lists``, ``segments``, ``landing_page_redirect_rules``.
    :param file_format: ``parquet`` (typed), ``jsonl`` or ``csv``.
    :param incremental: read only what changed since the run before, of the types that Marketo can select by date. The
        next full run then notices what was removed.
    :param max_calls: most calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: ``{"output_path", "assets", "changes", "files"}``: ``assets`` counts the assets of each type, ``changes``
        the changes of each kind.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOperator.argument_checks,
        "output_path": text(required=True),
        "asset_types": choices(InventoryType),
        "file_format": choice(FileFormat),
        "incremental": flag(),
    }
    template_fields: Sequence[str] = (*MarketoOperator.template_fields, "output_path", "asset_types", "file_format")

    def __init__(
        self,
        *,
        output_path: str,
        asset_types: Collection[InventoryType] | str | None = None,
        file_format: FileFormat = "parquet",
        incremental: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(max_calls=max_calls, marketo_conn_id=marketo_conn_id, **kwargs)
        self.output_path = output_path
        self.asset_types = asset_types
        self.file_format = file_format
        self.incremental = incremental
        self.check_arguments()

    def _execute(self, context: Context) -> InventoryResult:
        from airflow_provider_marketo.marketo_assets.inventory import run

        return run(context, self.hook, self.checked_arguments(), at_once=self.pool_slots)
