"""Marketo assets from a DAG: found, made, approved, cloned, filled in and listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.once import OnceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.marketo_assets.change import Made
    from airflow_provider_marketo.marketo_assets.find import Record

_NEEDS_PARAMETERS = ("update",)
_MAKES = ("create", "clone")


class MarketoAssetOperator(OnceOperator):
    """
    Get, create, change, clone, approve or delete a Marketo asset, so that running it twice ends in the same state.

    Marketo's business errors (709, 710) are read: approving what is approved is no failure, and of a name that is taken
    ``if_exists`` decides. What is made is found again by its name after a kill or a lost reply.

    Adobe's operations: ``<asset_type>.{get_by_id, get_by_name, create, update_metadata, clone, approve_draft,
    unapprove, discard_draft, delete, activate, deactivate}``, where there is such a one.

    :param asset_type: family of the catalogue: ``programs``, ``folders``, ``smart_campaigns``, ``emails``,
        ``email_templates``, ``landing_pages``, ``landing_page_templates``, ``forms``, ``snippets``, ``files``,
        ``static_lists``, ``smart_lists``; of the new designer, by id only, ``emails_v2``, ``email_templates_v2``,
        ``fragments_v2``.
    :param action: ``get``, ``create``, ``update``, ``clone``, ``approve``, ``unapprove``, ``discard_draft``,
        ``delete``; of smart campaigns also ``activate`` and ``deactivate``.
    :param asset_id: what it is about; for ``clone``, what is cloned.
    :param name: what it is about if there is no ``asset_id``; for ``create`` and ``clone``, the name of the new one.
    :param folder: where it lies or is to lie: ``{"id": 12, "type": "Folder"}`` or ``"Program"``.
    :param parameters: further parameters of the call, in Adobe's spelling.
    :param if_exists: of a name that is taken: ``fail``, ``reuse`` or ``update`` (with ``parameters``).
    :param if_missing: of something that is not there: ``fail`` or ``skip``. Default: ``skip`` to delete, else ``fail``.
    :return: ``{"asset_type", "action", "id", "name", "status", "url", "changed", "record"}``; of what is missing, None.
    """

    template_fields: Sequence[str] = (
        "asset_type",
        "asset_id",
        "name",
        "folder",
        "parameters",
        "if_exists",
        *OnceOperator.template_fields,
    )
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012 - Airflow's own idiom
    operator_extra_links = (MarketoLink(),)

    def __init__(
        self,
        *,
        asset_type: str,
        action: str,
        asset_id: int | str | None = None,
        name: str | None = None,
        folder: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        if_exists: str = "fail",
        if_missing: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.asset_type = asset_type
        self.action = action
        self.asset_id = asset_id
        self.name = name
        self.folder = folder
        self.parameters = parameters
        self.if_exists = if_exists
        self.if_missing = if_missing

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.links.marketo import push_link
        from airflow_provider_marketo.operators.failures import fail_for_good

        with fail_for_good():
            self._check()
            do = self._make if self.action in _MAKES else self._change
            record, changed = do(context, self._client())
            push_link(context, [record] if record else [])
        return self._summary(record, changed)

    def _check(self) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.marketo_assets import change, kinds

        kinds.checked_type(self.asset_type, by_name=self.action in _MAKES or self.asset_id is None)
        kinds.operation_of(self.asset_type, self.action)
        kinds.folder_of(self.folder)
        choices: dict[str, Sequence[str | None]] = {
            "if_exists": change.IF_EXISTS,
            "if_missing": (None, "fail", "skip"),
        }
        for parameter, known in choices.items():
            value = getattr(self, parameter)
            if value not in known:
                raise MarketoInvalidRequestError(
                    f"is {value!r} and must be one of {', '.join(filter(None, known))}", parameter=parameter
                )
        needed = {"create": ("name",), "clone": ("asset_id", "name")}.get(self.action, ())
        missing = [each for each in needed if getattr(self, each) is None]
        if missing or (self.asset_id is None and self.name is None):
            raise MarketoInvalidRequestError(
                f"is missing: {self.action} has to know what it is about", parameter=(missing or ["asset_id"])[0]
            )
        if self.action in _NEEDS_PARAMETERS and not self.parameters:
            raise MarketoInvalidRequestError("say what is to be changed", parameter="parameters")

    def _make(self, context: Context, client: MarketoClient) -> tuple[Record | None, bool]:
        from airflow_provider_marketo.marketo_assets import change, kinds

        name, made = str(self.name), self._made(context, client)
        if made is None:  # a dry run
            return {"id": None, "name": name}, True
        if made.ours:
            return made.record, True
        if self.if_exists == "fail":
            raise change.refuse_existing(self.asset_type, name, made.record)
        if self.if_exists == "update" and self.parameters:
            operation = kinds.operation_of(self.asset_type, "update")
            return made.record, self._update(client, operation, made.record["id"])
        return made.record, False

    def _made(self, context: Context, client: MarketoClient) -> Made | None:
        from airflow_provider_marketo.client import operations
        from airflow_provider_marketo.marketo_assets import change, find, kinds
        from airflow_provider_marketo.operators.evidence import described
        from airflow_provider_marketo.operators.files import opened

        folder = kinds.folder_of(self.folder)
        operation = kinds.operation_of(self.asset_type, self.action)
        given: dict[str, Any] = {**(self.parameters or {})}
        if self.action == "clone":
            given |= kinds.naming(self.asset_type, "clone", self.asset_id or "")
        given["name"] = self.name
        if folder is not None:
            given["parent" if self.asset_type == "folders" else "folder"] = folder
        parameters = opened(operations.get(operation), given)
        operations.prepare(operations.get(operation), parameters)
        sending = self._sending(context, client, operation, given, described(operation, given))

        def look() -> Record | None:
            return find.by_name(client, self.asset_type, str(self.name), folder)

        if self.rehearse:
            found = look()
            self.log.info("%s %s", "It exists:" if found else "Would call", described(operation, given))
            return change.Made(found, ours=False) if found else None
        return change.make(client, self._open_ledger(), sending, parameters, look)

    def _change(self, context: Context, client: MarketoClient) -> tuple[Record | None, bool]:
        from airflow_provider_marketo.client.errors import MarketoNotFoundError
        from airflow_provider_marketo.marketo_assets import change, find, kinds

        record = self._find(client)
        if record is None:
            if (self.if_missing or ("skip" if self.action == "delete" else "fail")) == "skip":
                self.log.info("There is no %s %s", self.asset_type, self.asset_id or self.name)
                return None, False
            raise MarketoNotFoundError(
                f"{self.asset_type}: there is no {self.asset_id or repr(self.name)}, or the API user does not see it",
                parameter="name" if self.asset_id is None else "asset_id",
            )
        if self.action == "get":
            return record, False
        operation = kinds.operation_of(self.asset_type, self.action)
        if self.action == "update":
            return record, self._update(client, operation, record["id"])
        if self.rehearse:
            self.log.info("Would call %s for %s (%s)", operation, record["id"], record["name"])
            return record, True
        if self.action == "delete":
            client.call(operation, **kinds.naming(self.asset_type, "delete", record["id"]))
            return record, True
        changed = change.transition(client, self.asset_type, self.action, record["id"])
        return find.by_id(client, self.asset_type, record["id"]), changed

    def _find(self, client: MarketoClient) -> Record | None:
        from airflow_provider_marketo.marketo_assets import find, kinds

        if self.asset_id is not None:
            return find.by_id(client, self.asset_type, self.asset_id)
        return find.by_name(client, self.asset_type, str(self.name), kinds.folder_of(self.folder))

    def _update(self, client: MarketoClient, operation: str, asset_id: int | str) -> bool:
        from airflow_provider_marketo.marketo_assets import kinds
        from airflow_provider_marketo.operators.evidence import described

        given = {**kinds.naming(self.asset_type, "update", asset_id), **(self.parameters or {})}
        if self.rehearse:
            self.log.info("Would call %s", described(operation, given))
        else:
            client.call(operation, **given)
        return True

    def _summary(self, record: Record | None, changed: bool) -> dict[str, Any]:
        from airflow_provider_marketo.marketo_assets.find import url_of

        found = record or {}
        return {
            "asset_type": self.asset_type,
            "action": self.action,
            "id": found.get("id"),
            "name": found.get("name"),
            "status": found.get("status"),
            "url": url_of(found),
            "changed": changed,
            "record": record,
        }


class MarketoProgramTokensOperator(OnceOperator):
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

    template_fields: Sequence[str] = ("program_id", "folder", "tokens", *OnceOperator.template_fields)

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
        from airflow_provider_marketo.operators.failures import fail_for_good

        with fail_for_good():
            if (self.program_id is None) == (self.folder is None):
                raise MarketoInvalidRequestError("give it or folder, and not both", parameter="program_id")
            folder = kinds.folder_of(self.folder) or {"id": int(str(self.program_id)), "type": "Program"}
            wanted = tokens.wanted(self.tokens)
            changed = tokens.apply(self._client(), folder, wanted, dry_run=self.rehearse)
        self.log.info("%s %d of %d tokens", "Would write" if self.rehearse else "Wrote", len(changed), len(wanted))
        return {"folder": folder, "tokens": len(wanted), "changed": changed}


class MarketoCloneProgramOperator(OnceOperator):
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
    :return: ``{"program_id", "name", "url", "created", "tokens_changed", "approved", "activated"}``
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
        *OnceOperator.template_fields,
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
        from airflow_provider_marketo.links.marketo import push_link
        from airflow_provider_marketo.marketo_assets import tokens
        from airflow_provider_marketo.operators.failures import fail_for_good

        with fail_for_good():
            self._check()
            wanted = tokens.wanted(self.tokens or {})
            client = self._client()
            made = self._made(context, client)
            if made is None:  # a dry run
                self._foresee([token.name for token in wanted])
                return self._summary({"name": self.name}, created=False)
            push_link(context, [made.record])
            if not made.ours and self.if_exists == "reuse":
                return self._summary(made.record, created=False)
            return self._fill(client, made, wanted)

    def _foresee(self, names: Sequence[str]) -> None:
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
        from airflow_provider_marketo.marketo_assets import change, clone, kinds

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
        from airflow_provider_marketo.client import operations
        from airflow_provider_marketo.marketo_assets import change, find, kinds
        from airflow_provider_marketo.operators.evidence import described

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

    def _fill(self, client: MarketoClient, made: Made, wanted: list[Any]) -> dict[str, Any]:
        from airflow_provider_marketo.marketo_assets import clone, find, tokens

        program_id = int(made.record["id"])
        contents = clone.ProgramContents(client, program_id)
        changed = tokens.apply(client, contents.home, wanted, dry_run=self.rehearse)
        if self.tags:
            program = find.by_id(client, "programs", program_id) or made.record
            clone.set_tags(client, program, self.tags, dry_run=self.rehearse)
        return self._summary(
            made.record,
            created=made.ours,
            tokens_changed=changed,
            approved=clone.approve(client, contents, self.approve, dry_run=self.rehearse),
            activated=clone.activate(client, contents, self.activate, dry_run=self.rehearse),
        )

    def _summary(self, record: Record, *, created: bool, **done: Any) -> dict[str, Any]:
        from airflow_provider_marketo.marketo_assets.find import url_of

        return {
            "program_id": record.get("id"),
            "name": record.get("name"),
            "url": url_of(record),
            "created": created,
            "tokens_changed": [],
            "approved": {},
            "activated": [],
            **done,
        }


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
        from airflow_provider_marketo.operators.failures import fail_for_good
        from airflow_provider_marketo.storage import OutputFolder

        with fail_for_good():
            types = inventory.checked_types(self.asset_types or kinds.TYPES)
            if self.file_format not in inventory.FORMATS:
                raise MarketoInvalidRequestError(
                    f"is {self.file_format!r} and must be one of {', '.join(inventory.FORMATS)}",
                    parameter="file_format",
                )
            folder = OutputFolder(self.output_path)
            folder.check_writable()
            shelf = inventory.Shelf(folder, context["ti"].run_id)
            client = MarketoHook(self.marketo_conn_id, parallel=self.pool_slots).get_conn()
            began = datetime.now(timezone.utc)
            since = shelf.since if self.incremental else None
            taken = inventory.take(client, types, shelf.before(types), since, began, at_once=self.pool_slots)
            files = shelf.publish(taken, self.file_format, began)
        self.log.info("%d assets; %s", sum(taken.counts().values()), taken.change_counts())
        return {"output": folder.url, "assets": taken.counts(), "changes": taken.change_counts(), "files": files}
