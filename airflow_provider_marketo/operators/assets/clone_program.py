"""A program made from a template, and filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.hooks.link import push_link
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.once_base import MarketoOnceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.marketo_assets.change import Made
    from airflow_provider_marketo.marketo_assets.find import Record
    from airflow_provider_marketo.marketo_assets.program_contents import ProgramContents


class MarketoCloneProgramOperator(MarketoOnceOperator):
    """
    Make a program from a template: clone it, set its tokens and tags, approve what is in it, activate its campaigns.

    A try that was killed is gone on with: what exists already is found by its name, and only what is missing is done.
    No try makes a second program.

    Adobe's operations: ``programs.{get_by_name, get_by_id, clone, update_metadata}``, ``tokens.{get_by_folder_id,
    create, delete_by_name}``, ``folders.get``, ``<type>.{get, approve_draft}``, ``smart_campaigns.{get, activate}``.

    :param template: name or id of the program to clone.
    :param name: of the new program, which no other program may have.
    :param folder: where it goes, in the template's workspace: ``{"id": 12, "type": "Folder"}``.
    :param description: of the new program.
    :param tokens: My Tokens of the new program, as for :class:`MarketoProgramTokensOperator`.
    :param tags: tag types and values: ``{"Region": "EMEA"}``.
    :param approve: what to approve in it: ``emails``, ``landing_pages``, ``forms``, ``snippets``.
    :param activate: names of its trigger campaigns to activate; True for all.
    :param if_exists: of a program of that name that this task did not make: ``fail``, ``reuse`` it as it is, or
        ``update`` it as if it had just been cloned.
    :return: ``{"program_id", "name", "url", "created", "tokens_changed", "approved", "activated", "contents"}``;
        ``contents`` has ``id``, ``name`` and ``url`` of everything in the program that is of a type in ``approve``,
        and of its ``smart_campaigns`` if some are to be activated.
    """

    template_fields: Sequence[str] = (
        "template",
        "name",
        "folder",
        "description",
        "tokens",
        "tags",
        "activate",
        "if_exists",
        *MarketoOnceOperator.template_fields,
    )
    operator_extra_links = (MarketoLink(),)

    def __init__(
        self,
        *,
        template: int | str,
        name: str,
        folder: Mapping[str, Any],
        description: str | None = None,
        tokens: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        approve: Sequence[str] = (),
        activate: Sequence[str] | bool = (),
        if_exists: str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.template = template
        self.name = name
        self.folder = folder
        self.description = description
        self.tokens = tokens
        self.tags = tags
        self.approve = approve
        self.activate = activate
        self.if_exists = if_exists

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.marketo_assets import program_contents as clone
        from airflow_provider_marketo.marketo_assets import tokens
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            self._check()
            wanted = tokens.wanted(self.tokens or {})
            client = self._client()
            made = self._made(context, client)
            if made is None:  # a dry run
                self._preview_result([token.name for token in wanted])
                return self._summary({"name": self.name}, created=False)
            push_link(context, [made.record])
            contents = clone.ProgramContents(client, int(made.record["id"]))
            if not made.ours and self.if_exists == "reuse":
                return self._summary(made.record, contents, created=False)
            return self._fill(client, made, contents, wanted)

    def _preview_result(self, names: Sequence[str]) -> None:
        """Say how a clone would be filled that does not exist yet."""
        from airflow_provider_marketo.marketo_assets import kinds

        calls = {
            "tokens.create": names,
            "programs.update_metadata": list(self.tags or ()),
            **{kinds.operation_of(each, "approve"): "what waits for it" for each in self.approve},
            "smart_campaigns.activate": "all trigger campaigns" if self.activate is True else self.activate,
        }
        for operation, subjects in calls.items():
            if subjects:
                self.log.info("Would then call %s for %s", operation, subjects)

    def _check(self) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.marketo_assets import change, kinds
        from airflow_provider_marketo.marketo_assets import program_contents as clone

        folder = kinds.folder_of(self.folder)
        if folder is None or folder["type"] != "Folder":
            raise MarketoInvalidRequestError("programs are cloned into folders only", parameter="folder")
        if self.if_exists not in change.IF_EXISTS:
            raise MarketoInvalidRequestError(f"must be one of {', '.join(change.IF_EXISTS)}", parameter="if_exists")
        unknown = [each for each in self.approve if each not in clone.APPROVED_IN_ORDER]
        if unknown:
            raise MarketoInvalidRequestError(
                f"{unknown[0]!r} cannot be approved",
                parameter="approve",
                remedy=f"{', '.join(clone.APPROVED_IN_ORDER)}.",
            )

    def _made(self, context: Context, client: MarketoClient) -> Made | None:
        from airflow_provider_marketo.at_most_once.how_to_check import described
        from airflow_provider_marketo.client import operations
        from airflow_provider_marketo.marketo_assets import change, find, kinds

        template = self._template(client)
        folder = kinds.folder_of(self.folder)
        parameters: dict[str, Any] = {"id": template["id"], "name": self.name, "folder": folder}
        if self.description is not None:
            parameters["description"] = self.description
        operations.prepare(operations.get("programs.clone"), parameters)
        what = described("programs.clone", parameters)

        def look() -> Record | None:
            return find.by_name(client, "programs", self.name)

        if self.rehearse:
            found = look()
            self.log.info("%s %s", "It exists:" if found else "Would call", what)
            return self._unless_refused(change.Made(found, ours=False)) if found else None
        sending = self._sending(context, client, "programs.clone", parameters, what)
        return self._unless_refused(change.make(client, self._open_ledger(), sending, parameters, look))

    def _unless_refused(self, made: Made) -> Made:
        from airflow_provider_marketo.marketo_assets import change

        if not made.ours and self.if_exists == "fail":
            raise change.refuse_existing("programs", self.name, made.record)
        return made

    def _template(self, client: MarketoClient) -> Record:
        from airflow_provider_marketo.client.errors import MarketoNotFoundError
        from airflow_provider_marketo.marketo_assets import find

        named = str(self.template)
        by_id = named.isdigit()
        found = find.by_id(client, "programs", int(named)) if by_id else find.by_name(client, "programs", named)
        if found is None:
            raise MarketoNotFoundError(f"there is no program {named!r}", parameter="template")
        return found

    def _fill(self, client: MarketoClient, made: Made, contents: ProgramContents, wanted: list[Any]) -> dict[str, Any]:
        from airflow_provider_marketo.marketo_assets import find, tokens
        from airflow_provider_marketo.marketo_assets import program_contents as clone

        changed = tokens.apply(client, contents.home, wanted, dry_run=self.rehearse)
        if self.tags:
            program = find.by_id(client, "programs", made.record["id"]) or made.record
            clone.set_tags(client, program, self.tags, dry_run=self.rehearse)
        return self._summary(
            made.record,
            contents,
            created=made.ours,
            tokens_changed=changed,
            approved=clone.approve(client, contents, self.approve, dry_run=self.rehearse),
            activated=clone.activate(client, contents, self.activate, dry_run=self.rehearse),
        )

    def _summary(
        self, record: Record, contents: ProgramContents | None = None, *, created: bool, **done: Any
    ) -> dict[str, Any]:
        from airflow_provider_marketo.marketo_assets.find import url_of

        types = [*self.approve, *(["smart_campaigns"] if self.activate else [])]
        return {
            "program_id": record.get("id"),
            "name": record.get("name"),
            "url": url_of(record),
            "created": created,
            "tokens_changed": [],
            "approved": {},
            "activated": [],
            "contents": contents.shown(types) if contents else {},
            **done,
        }
