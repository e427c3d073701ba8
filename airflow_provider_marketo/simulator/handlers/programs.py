"""Handlers for programs, channels and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import asset_timestamp
from airflow_provider_marketo.simulator.handlers.assets import delete_contents, filter_assets, requested_asset, show
from airflow_provider_marketo.simulator.paging import asset_page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.asset_kinds import KINDS
from airflow_provider_marketo.simulator.store.assets import PROGRAM, PROGRAM_STATUSES, PROGRAM_TYPES, Asset, Location
from airflow_provider_marketo.simulator.store.programs import CHANNELS, Channel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

TAGS: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "Region": (("EMEA", "Americas", "APAC"), False),
    "Owner": (("Ada", "Grace"), False),
}
"""Tag types: allowed values, and whether every program needs the tag."""

_MAX_NAME_LENGTH = 255


@answers("programs.get_by_id")
def get_by_id(instance: Instance, request: Request) -> Reply:
    program = instance.store.assets.by_family["programs"].get(request["id"])
    return Envelope([show(instance, program)]) if program is not None else NOTHING_FOUND


@answers("programs.get_by_name")
def get_by_name(instance: Instance, request: Request) -> Reply:
    wanted = {"tags": request.get("includeTags", False), "costs": request.get("includeCosts", False)}
    found = [
        {name: value for name, value in show(instance, program).items() if wanted.get(name, True)}
        for program in instance.store.assets.named("programs", request["name"])
        if "," not in program.name
    ]
    return Envelope(found) if found else NOTHING_FOUND


@answers("programs.get_by_tag")
def get_by_tag(instance: Instance, request: Request) -> Reply:
    wanted = (request["tagType"], request["tagValue"])
    found = [
        program
        for program in instance.store.assets.records("programs")
        if any((tag["tagType"], tag["tagValue"]) == wanted for tag in program.shown["tags"])
    ]
    return asset_page(request, found, lambda program: show(instance, program))


@answers("programs.get")
def get(instance: Instance, request: Request) -> Reply:
    programs = filter_assets(instance, request, instance.store.assets.records("programs"))
    status = request.get("status")
    values = request.get("filterValues")
    kept = [
        program
        for program in programs
        if (status is None or program.shown["status"] == status)
        and (values is None or str(_filtered(program, request)) in {str(value) for value in values})
    ]
    return asset_page(request, kept, lambda program: _listed(show(instance, program)))


def _filtered(program: Asset, request: Request) -> Any:
    kind = request.get("filterType")
    return {"id": program.id, "programId": program.id, "folderId": program.location.id, "workspace": "Default"}.get(
        kind
    )


def _listed(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("tags", "costs")}


@answers("programs.create")
def create(instance: Instance, request: Request) -> Reply:
    store = instance.store.assets
    channel = _channel(request["channel"])
    location = store.location(
        request["folder"], kind=KINDS["programs"], program_type=PROGRAM_TYPES[channel.program_type]
    )
    kind = str(request["type"]).capitalize()
    if kind.lower() not in (channel.program_type, "program") and PROGRAM_TYPES[channel.program_type] != kind:
        raise ApiError("709", f"Channel '{channel.name}' does not apply to programs of type '{request['type']}'")
    tags = _tags(request.get("tags") or ())
    program = store.add(
        "programs",
        _name(request),
        location,
        {
            "description": request.get("description", ""),
            "type": PROGRAM_TYPES[channel.program_type],
            "channel": channel.name,
            "tags": tags,
            "costs": list(request.get("costs") or ()),
            "status": PROGRAM_STATUSES.get(channel.program_type, ""),
            **_dates(request),
        },
        instance.now,
    )
    return Envelope([show(instance, program)])


def _dates(request: Request) -> dict[str, Any]:
    names = [name for name in ("startDate", "endDate") if name in request.parameters]
    return {name: asset_timestamp(int(request[name].timestamp())) for name in names}


def _name(request: Request) -> str:
    name: str = request["name"]
    if len(name) > _MAX_NAME_LENGTH:
        raise ApiError("701", f"Program name must not be longer than {_MAX_NAME_LENGTH} characters")
    return name


def _channel(name: str) -> Channel:
    if name not in CHANNELS:
        raise ApiError("702", f"Channel '{name}' not found")
    return CHANNELS[name]


def _tags(tags: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    for tag in tags:
        kind, value = str(tag.get("tagType")), tag.get("tagValue")
        if kind not in TAGS or value not in TAGS[kind][0]:
            raise ApiError("709", f"Invalid tag '{kind}' with value '{value}'")
    return [dict(tag) for tag in tags]


@answers("programs.update_metadata")
def update(instance: Instance, request: Request) -> Reply:
    program = requested_asset(instance, request)
    values = _dates(request)
    if "description" in request.parameters:
        values["description"] = request["description"]
    costs = list(request.get("costs") or ())
    if request.get("costsDestructiveUpdate"):
        values["costs"] = costs
    elif costs:
        values["costs"] = [*program.shown["costs"], *costs]
    if "tags" in request.parameters:
        given = {tag["tagType"]: tag for tag in _tags(request["tags"])}
        kept = [tag for tag in program.shown["tags"] if tag["tagType"] not in given]
        values["tags"] = [*kept, *given.values()]
    instance.store.assets.change(program, instance.now, request.get("name"), **values)
    return Envelope([show(instance, program)])


@answers("programs.update_tag")
def update_tag(instance: Instance, request: Request) -> Reply:
    program, kind = requested_asset(instance, request), request["tagType"]
    given = _tags([{"tagType": kind, "tagValue": request["tagValue"]}])
    return _set_tags(instance, program, [*_tags_but(program, kind), *given])


@answers("programs.delete_tag")
def delete_tag(instance: Instance, request: Request) -> Reply:
    program, kind = requested_asset(instance, request), request["tagType"]
    kept = _tags_but(program, kind)
    if len(kept) == len(program.shown["tags"]):
        raise ApiError("702", f"Program {program.id} has no tag '{kind}'")
    if TAGS[kind][1]:
        raise ApiError("709", f"Tag '{kind}' is required")
    return _set_tags(instance, program, kept)


def _tags_but(program: Asset, kind: str) -> list[dict[str, Any]]:
    return [tag for tag in program.shown["tags"] if tag["tagType"] != kind]


def _set_tags(instance: Instance, program: Asset, tags: list[dict[str, Any]]) -> Reply:
    instance.store.assets.change(program, instance.now, tags=tags)
    return Envelope([{"id": program.id}])


@answers("programs.clone")
def clone(instance: Instance, request: Request) -> Reply:
    store, program = instance.store.assets, requested_asset(instance, request)
    if str(request["folder"]["type"]).capitalize() == PROGRAM:
        raise ApiError("711", "Programs can be cloned into folders only")
    location = store.location(request["folder"], kind=KINDS["programs"])
    copied = store.clone_program(program, _name(request), location, request.get("description"), instance.now)
    return Envelope([show(instance, copied)])


@answers("programs.delete")
def delete(instance: Instance, request: Request) -> Reply:
    program = requested_asset(instance, request)
    location = Location(PROGRAM, int(program.id))
    if any(asset.shown.get("isActive") for asset in instance.store.assets.inside(location)):
        raise ApiError("709", f"Program {program.id} has active campaigns and cannot be deleted")
    delete_contents(instance, location)
    instance.store.assets.remove(program)
    return Envelope([{"id": program.id}])


@answers("programs.approve", "programs.unapprove")
def approve(instance: Instance, request: Request) -> Reply:
    program = requested_asset(instance, request)
    if program.shown["type"] != "Email":
        raise ApiError("709", "Only email programs can be approved")
    approving = request.operation.name == "programs.approve"
    emails = [
        asset
        for asset in instance.store.assets.inside(Location(PROGRAM, int(program.id)))
        if asset.kind.family == "emails" and asset.live is not None
    ]
    if approving and not (program.shown["startDate"] and emails):
        raise ApiError("709", "The email program needs a start date and an approved email")
    if (program.shown["status"] == "locked") == approving:
        raise ApiError("709", f"Program {program.id} is already {'approved' if approving else 'unapproved'}")
    instance.store.assets.change(program, instance.now, status="locked" if approving else "unlocked")
    return Envelope([{"id": program.id}])


_NO_RULES: Mapping[str, Any] = {"filterMatchType": "All", "triggers": [], "filters": []}

_FILTERS: Mapping[str, list[dict[str, Any]]] = {
    "Qualified Leads": [
        {
            "id": 1,
            "name": "Lead Status",
            "ruleTypeId": 105,
            "ruleType": "Lead Status",
            "operator": "is",
            "conditions": [
                {
                    "activityAttributeId": 105,
                    "activityAttributeName": "Lead Status",
                    "operator": "is",
                    "values": ["Qualified"],
                    "isPrimary": True,
                }
            ],
        }
    ]
}
"""Filters of the smart lists that have filters, by the list's name."""


@answers("programs.get_smart_list_by_program_id")
def get_smart_list(instance: Instance, request: Request) -> Reply:
    program = instance.store.assets.find("programs", request["programId"])
    if program.shown["type"] != "Email":
        return NOTHING_FOUND
    return Envelope([smart_list(program, request)])


def smart_list(asset: Asset, request: Request) -> dict[str, Any]:
    """Return the record of the smart list that belongs to a campaign or an e-mail program."""
    found = {
        "id": 90_000 + int(asset.id),
        "name": f"{asset.name} Smart List",
        "description": "",
        "createdAt": asset_timestamp(asset.created),
        "updatedAt": asset_timestamp(asset.updated),
        "url": asset.url,
        "folder": {"id": asset.location.id, "type": asset.location.type},
        "workspace": "Default",
    }
    if request.get("includeRules"):
        found["rules"] = _NO_RULES
    return found


@answers("smart_campaigns.get_smart_list_by_smart_campaign_id")
def get_campaign_smart_list(instance: Instance, request: Request) -> Reply:
    return Envelope([smart_list(requested_asset(instance, request, "smart_campaigns"), request)])


@answers("smart_lists.get_by_id")
def get_smart_list_by_id(instance: Instance, request: Request) -> Reply:
    found = instance.store.assets.by_family["smart_lists"].get(request["id"])
    if found is None:
        return NOTHING_FOUND
    rules = {"rules": {**_NO_RULES, "filters": _FILTERS.get(found.name, [])}} if request.get("includeRules") else {}
    return Envelope([{**show(instance, found), **rules}])


@answers("channels.get", "channels.get_by_name")
def get_channels(instance: Instance, request: Request) -> Reply:
    channels = list(CHANNELS.values())
    if "name" in request.parameters:
        found = [_show_channel(channel) for channel in channels if channel.name == request["name"]]
        return Envelope(found) if found else NOTHING_FOUND
    return asset_page(request, channels, _show_channel)


def _show_channel(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.id,
        "name": channel.name,
        "applicableProgramType": {"engagement": "nurture", "email": "email_batch", "default": "program"}.get(
            channel.program_type, channel.program_type
        ),
        "createdAt": asset_timestamp(1_577_836_800),
        "updatedAt": asset_timestamp(1_577_836_800),
        "progressionStatuses": [
            {
                "name": status.name,
                "description": "",
                "hidden": False,
                "type": f"{channel.program_type}.{status.name.lower()}",
                "step": status.step,
                "success": status.success,
            }
            for status in channel.statuses
        ],
    }


@answers("tags.get_types")
def get_tags(instance: Instance, request: Request) -> Reply:
    return asset_page(request, list(TAGS), lambda name: _show_tag(name, values=False))


@answers("tags.get_by_name")
def get_tag(instance: Instance, request: Request) -> Reply:
    return Envelope([_show_tag(request["name"])]) if request["name"] in TAGS else NOTHING_FOUND


def _show_tag(name: str, values: bool = True) -> dict[str, Any]:
    allowed, required = TAGS[name]
    tag = {"tagType": name, "applicableProgramTypes": "[program, event, webinar, nurture]", "required": required}
    return {**tag, "allowableValues": f"[{','.join(allowed)}]"} if values else tag
