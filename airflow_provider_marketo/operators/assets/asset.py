"""The operator that gets, creates, changes, approves or deletes one Marketo asset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, mapping, place, text
from airflow_provider_marketo.at_most_once.named_files import named_files
from airflow_provider_marketo.choices import AssetAction, AssetType, IfExists, IfMissing
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.choices import OnAmbiguous, OnUnknown
    from airflow_provider_marketo.marketo_assets.asset import AssetResult


class MarketoAssetOperator(MarketoOnceOperator):
    """
    Get, create, change, clone, approve or delete a Marketo asset, so that a second run changes nothing.

    The operator understands Marketo's business rule errors (709): approving an approved asset is a success. For a name
    that is taken, ``if_exists`` applies. After a kill or a lost reply, the task uses the name to find the asset that it
    has made.

    Adobe's operations: those of ``<asset_type>.{get_by_id, get_by_name, create, update_metadata, clone, approve_draft,
    unapprove, discard_draft, delete, activate, deactivate}`` that the type has.

    :param asset_type: family of the catalogue: ``programs``, ``folders``, ``smart_campaigns``, ``emails``,
        ``email_templates``, ``landing_pages``, ``landing_page_templates``, ``forms``, ``snippets``, ``files``,
        ``static_lists``, ``smart_lists``; in the new designer, by id only: ``emails_v2``, ``email_templates_v2``,
        ``fragments_v2``.
    :param action: ``get``, ``create``, ``update``, ``clone``, ``approve``, ``unapprove``, ``discard_draft`` or
        ``delete``; for smart campaigns also ``activate`` and ``deactivate``.
    :param asset_id: id of the asset; for ``clone``, of the asset to clone.
    :param name: name of the asset, instead of ``asset_id``; for ``create`` and ``clone``, the name of the new asset.
    :param folder: folder or program of the asset: ``{"id": 12, "type": "Folder"}`` or ``"type": "Program"``, with
        ``"name"`` in place of ``"id"``, or the name or path of a folder as a text.
    :param arguments: further arguments of the operation, in Adobe's spelling. Files as for
        :class:`~airflow_provider_marketo.operators.api.MarketoApiOperator`: ``{"path": "s3://..."}``.
    :param if_exists: what to do if the name is taken: ``fail``; ``reuse`` the asset as it is; or ``update`` it with
        ``arguments``.
    :param if_missing: what to do if the asset does not exist: ``fail`` or ``skip``. Default: ``skip`` for ``delete``,
        otherwise ``fail``.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a request of an earlier try that may or may not have run: ``stop``;
        ``resend``, once after each clear of the task; or ``assume_sent``. The task first looks for an asset that has a
        name.
    :param on_unknown: *experimental*: if ``on_ambiguous`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param force: send again what the ledger marks as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. The task only reads.
    :param max_calls: largest number of calls per try.
    :param marketo_conn_id: id of the connection.
    :return: ``{"asset_type", "action", "id", "name", "status", "url", "changed", "record"}``; for a missing asset that
        is skipped, the values after ``action`` are None and ``changed`` is False.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Assets",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "asset_type": choice(AssetType),
        "action": choice(AssetAction),
        "asset_id": text(),
        "name": text(),
        "folder": place(),
        "arguments": mapping(),
        "if_exists": choice(IfExists),
        "if_missing": choice(IfMissing, required=False),
    }
    template_fields: Sequence[str] = (
        *MarketoOnceOperator.template_fields,
        "asset_type",
        "asset_id",
        "name",
        "folder",
        "arguments",
        "if_exists",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"arguments": "json"}

    def __init__(
        self,
        *,
        asset_type: AssetType,
        action: AssetAction,
        asset_id: int | str | None = None,
        name: str | None = None,
        folder: Mapping[str, Any] | str | None = None,
        arguments: Mapping[str, Any] | str | None = None,
        if_exists: IfExists = "fail",
        if_missing: IfMissing | None = None,
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
        self.asset_type = asset_type
        self.action = action
        self.asset_id = asset_id
        self.name = name
        self.folder = folder
        self.arguments = arguments
        self.if_exists = if_exists
        self.if_missing = if_missing
        self.check_arguments()
        self._named_files = named_files(arguments)

    def _execute(self, context: Context) -> AssetResult:
        from airflow_provider_marketo.marketo_assets.asset import run

        return run(context, self.hook, self.checked_arguments() | {"named_files": self._named_files})
