"""Handlers for files and redirect rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import asset_timestamp
from airflow_provider_marketo.simulator.handlers.assets import requested_asset, show
from airflow_provider_marketo.simulator.paging import asset_page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.asset_kinds import KINDS
from airflow_provider_marketo.simulator.store.assets import RedirectRule

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request, Upload

HOSTS = ("info.example.com", "go.example.com")
_MAX_HOST_LENGTH = 255


@answers("files.create")
def create(instance: Instance, request: Request) -> Reply:
    store = instance.store.assets
    location = store.location(request["folder"], kind=KINDS["files"])
    values = {**_file_values(request["file"]), "description": request.get("description", "")}
    there = store.named("files", request["name"])
    if there and request.get("insertOnly"):
        raise ApiError("709", f"File name already exists: {request['name']}")
    if there:
        store.change(there[0], instance.now, **values)
        return Envelope([show(instance, there[0])])
    return Envelope([show(instance, store.add("files", request["name"], location, values, instance.now))])


@answers("files.update_content")
def update_content(instance: Instance, request: Request) -> Reply:
    file = requested_asset(instance, request)
    instance.store.assets.change(file, instance.now, **_file_values(request["file"]))
    return Envelope([show(instance, file)])


def _file_values(upload: Upload) -> dict[str, Any]:
    return {"mimeType": upload.content_type, "size": len(upload.content)}


@answers("landing_page_redirect_rules.get")
def get_rules(instance: Instance, request: Request) -> Reply:
    earliest, latest = request.get("earliestUpdatedAt"), request.get("latestUpdatedAt")
    page, path = request.get("redirectTolandingPageId"), request.get("redirectToPath")
    found = [
        rule
        for rule in instance.store.assets.rules.values()
        if (earliest is None or rule.updated >= earliest.timestamp())
        and (latest is None or rule.updated <= latest.timestamp())
        and (page is None or rule.values["redirectTo"] == {"type": "landingPageId", "value": str(page)})
        and (path is None or rule.values["redirectTo"]["value"] == path)
    ]
    return asset_page(request, found, _show_rule)


@answers("landing_page_redirect_rules.get_by_id")
def get_rule(instance: Instance, request: Request) -> Reply:
    rule = instance.store.assets.rules.get(request["id"])
    return Envelope([_show_rule(rule)]) if rule is not None else NOTHING_FOUND


@answers("landing_page_redirect_rules.create", "landing_page_redirect_rules.update")
def write_rule(instance: Instance, request: Request) -> Reply:
    rules = instance.store.assets.rules
    values = {name: request[name] for name in ("hostname", "redirectFrom", "redirectTo") if name in request.parameters}
    if "id" in request.parameters:
        rule = _rule(instance, request)
    else:
        number = max(rules, default=100) + 1
        rule = RedirectRule(number, instance.now, instance.now)
    merged = {**rule.values, **values}
    _check_rule(instance, merged, rule.id)
    rule.values, rule.updated = merged, instance.now
    rules[rule.id] = rule
    return Envelope([_show_rule(rule)])


@answers("landing_page_redirect_rules.delete")
def delete_rule(instance: Instance, request: Request) -> Reply:
    rule = _rule(instance, request)
    del instance.store.assets.rules[rule.id]
    return Envelope([{"id": rule.id}])


@answers("landing_page_redirect_rules.get_domains")
def get_domains(instance: Instance, request: Request) -> Reply:
    return asset_page(
        request, HOSTS, lambda host: {"hostname": host, "type": "domain-alias" if host != HOSTS[0] else "domain"}
    )


def _rule(instance: Instance, request: Request) -> RedirectRule:
    rule = instance.store.assets.rules.get(request["id"])
    if rule is None:
        raise ApiError("702", f"Redirect rule {request['id']} not found")
    return rule


def _check_rule(instance: Instance, values: dict[str, Any], number: int) -> None:
    if values["hostname"] not in HOSTS or len(values["hostname"]) > _MAX_HOST_LENGTH:
        raise ApiError("709", f"Unknown hostname '{values['hostname']}'")
    if values["redirectFrom"]["type"] == "path" and str(values["redirectFrom"]["value"]).startswith("/"):
        raise ApiError("701", "A path must not start with a slash")
    for rule in instance.store.assets.rules.values():
        same = all(rule.values[name] == values[name] for name in ("hostname", "redirectFrom"))
        if same and rule.id != number:
            raise ApiError("709", "A redirect rule for this address already exists")


def _show_rule(rule: RedirectRule) -> dict[str, Any]:
    host = rule.values["hostname"]
    return {
        "id": rule.id,
        **rule.values,
        "redirectFromUrl": f"https://{host}/{rule.values['redirectFrom']['value']}",
        "redirectToUrl": str(rule.values["redirectTo"]["value"]),
        "createdAt": asset_timestamp(rule.created),
        "updatedAt": asset_timestamp(rule.updated),
    }
