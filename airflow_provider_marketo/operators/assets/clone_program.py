"""The operator that clones a program from a template and fills it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, choices, flag_or_texts, mapping, place, text
from airflow_provider_marketo.choices import ApprovedInProgram, IfExists
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.choices import OnAmbiguous, OnUnknown
    from airflow_provider_marketo.marketo_assets.clone import CloneResult


class MarketoCloneProgramOperator(MarketoOnceOperator):
    """
    Make a program from a template: clone it, set tokens and tags, approve its assets, activate its campaigns.

    A retry continues with the program that an earlier try created, finds existing assets by name, and takes only the
    missing steps. No try makes a second program.

    Adobe's operations: ``programs.{get_by_name, get_by_id, clone, update_metadata}``, ``tokens.{get_by_folder_id,
    create, delete_by_name}``, ``folders.{get, get_by_name}``, ``<type>.{get, approve_draft}``,
    ``smart_campaigns.{get, activate}``, ``tags.{get_types, get_by_name}``.

    :param template: name or id of the program to clone.
    :param name: name of the new program, which no other program may have.
    :param folder: where the program goes, in the template's workspace: ``{"id": 12, "type": "Folder"}``, or the
        folder's name or path, such as ``/Marketing Activities/Default/Webinars``.
    :param description: description of the new program.
    :param tokens: My Tokens of the new program, as for
        :class:`~airflow_provider_marketo.operators.assets.MarketoProgramTokensOperator`.
    :param tags: tag values by tag type: ``{"Region": "EMEA"}``.
    :param approve: which of its assets to approve: ``emails``, ``landing_pages``, ``forms``, ``snippets``.
    :param activate: names of its trigger campaigns to activate; True for all.
    :param if_exists: what to do if another run, or a person, has made a program of that name: ``fail``; ``reuse`` it as
        it is; or ``update`` it as if it had just been cloned.
    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a request of an earlier try that may or may not have run: ``stop``;
        ``resend``, once after each clear of the task; or ``assume_sent``. The task first looks for the program by its
        name.
    :param on_unknown: *experimental*: if ``on_ambiguous`` stops the task, ``ask`` a person in Airflow's Required
        Actions and continue with the answer, or ``fail`` at once. In ``dags test`` the task fails.
    :param force: send again what the ledger marks as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. The task only reads.
    :param max_calls: largest number of calls that a try may make.
    :param marketo_conn_id: id of the connection.
    :return: ``{"program_id", "name", "url", "created", "tokens_changed", "approved", "activated", "contents"}``;
        ``contents`` has ``id``, ``name`` and ``url`` of the program's assets of the types in ``approve``, and of its
        ``smart_campaigns`` if ``activate`` is given.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Write Assets",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOnceOperator.argument_checks,
        "template": text(required=True),
        "name": text(required=True),
        "folder": place(required=True),
        "description": text(),
        "tokens": mapping(),
        "tags": mapping(),
        "approve": choices(ApprovedInProgram),
        "activate": flag_or_texts(),
        "if_exists": choice(IfExists),
    }
    template_fields: Sequence[str] = (
        *MarketoOnceOperator.template_fields,
        "template",
        "name",
        "folder",
        "description",
        "tokens",
        "tags",
        "activate",
        "if_exists",
    )

    def __init__(
        self,
        *,
        template: int | str,
        name: str,
        folder: Mapping[str, Any] | str,
        description: str | None = None,
        tokens: Mapping[str, Any] | str | None = None,
        tags: Mapping[str, str] | str | None = None,
        approve: Collection[ApprovedInProgram] | None = None,
        activate: Collection[str] | bool | str | None = None,
        if_exists: IfExists = "fail",
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
        self.template = template
        self.name = name
        self.folder = folder
        self.description = description
        self.tokens = tokens
        self.tags = tags
        self.approve = approve
        self.activate = activate
        self.if_exists = if_exists
        self.check_arguments()

    def _execute(self, context: Context) -> CloneResult:
        from airflow_provider_marketo.marketo_assets.clone import run

        return run(context, self.hook, self.checked_arguments())
