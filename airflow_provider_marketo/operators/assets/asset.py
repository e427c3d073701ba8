"""One Marketo asset: found, made, changed, approved, deleted."""

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


_NEEDS_PARAMETERS = ("update",)
_MAKES = ("create", "clone")


class MarketoAssetOperator(MarketoOnceOperator):
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
        *MarketoOnceOperator.template_fields,
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
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
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
        from airflow_provider_marketo.at_most_once.files import opened
        from airflow_provider_marketo.at_most_once.how_to_check import described
        from airflow_provider_marketo.client import operations
        from airflow_provider_marketo.marketo_assets import change, find, kinds

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
        from airflow_provider_marketo.at_most_once.how_to_check import described
        from airflow_provider_marketo.marketo_assets import kinds

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
