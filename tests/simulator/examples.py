"""An example call of every operation: default values by parameter name, and values for single operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.operation import Operation
from airflow_provider_marketo.simulator.store.asset_kinds import KINDS
from tests.simulator.support import JANUARY
from tests.simulator.world import SMALL, File, World

TODAY = "2026-03-15T12:00:00Z"
FOLDERS = {
    "emails": 104,
    "email_templates": 105,
    "landing_pages": 106,
    "landing_page_templates": 107,
    "forms": 108,
    "snippets": 109,
    "files": 110,
    "static_lists": 103,
    "smart_lists": 103,
}
MARKETING_FOLDER = 111
MARKUP = '<html><body><div class="mktEditable" id="main">Hello</div></body></html>'


def example(world: World, name: str) -> dict[str, Any]:
    """Return parameters with which an operation succeeds. What they need is created first."""
    operation = operations.get(name)
    verb = name.partition(".")[2]
    given = _OPERATIONS.get(name) or _of_family(operation.family, verb)
    own = given(world) if callable(given) else dict(given or {})
    needed = [each for each, parameter in operation.parameters.items() if parameter.required and each not in own]
    return {each: _default(world, operation, each) for each in needed if each not in _NOT_SENT} | own


def _of_family(family: str, verb: str) -> Any:
    """Return the example of an operation that several families have."""
    if family in _CRM:
        return _CRM_VERBS.get(verb, lambda family: {})(family)
    if family.endswith("_v2"):
        return _V2_VERBS[verb](family)
    if family in _EXPORTS:
        return {
            "create_job": _export(family),
            "enqueue_job": lambda world: _created_export(world, family),
            "cancel_job": lambda world: _created_export(world, family),
        }.get(verb, {})
    if family in _IMPORTS:
        content, more = _IMPORTS[family]
        return {"file": File(content), **more} if verb == "import" else _api_name(family)
    if verb in _STATES:
        return lambda world: {"id": _STATES[verb](world, family)}
    return {}


_NOT_SENT = ("X-Mkto-User-Token",)
_BY_PARAMETER: Mapping[str, Any] = {
    "activityTypeIds": [1, 2, 6, 12, 13, 22, 24, 104],
    "apiName": "car_c",
    "campaignId": 2001,
    "content": File(MARKUP.encode(), "a.html", "text/html"),
    "cookie": "id:123-abc-456&token:_mch-example.com-1",
    "customObjectName": "car_c",
    "customObjectAPIName": "car_c",
    "emailAddress": "ada@example.org",
    "fieldApiName": "score1_c",
    "fields": ["leadStatus", "title"],
    "file": File(b"email\nada@example.org\n"),
    "filterType": "id",
    "filterValues": ["1001", "1002"],
    "firstName": "Ada",
    "folderType": "Program",
    "formId": 7001,
    "fromEmail": "ada@example.org",
    "fromName": "Ada",
    "input": [{"id": 1001}, {"id": 7}],
    "label": "Address",
    "lastName": "Lovelace",
    "leadId": 1001,
    "listId": 1001,
    "moduleId": "offer",
    "munchkinId": SMALL.munchkin_id,
    "name": "A New Name",
    "programId": 1001,
    "programMemberStatus": "Attended",
    "programName": "Spring Webinar",
    "replyEmail": "ada@example.org",
    "sinceDatetime": JANUARY["startAt"],
    "statusName": "Attended",
    "subject": "Hello",
    "tagType": "Region",
    "tagValue": "EMEA",
    "text": File(b"<p>Hello</p>", "a.html", "text/html"),
    "userid": SMALL.users[0].user_id,
    "workspaceId": "1",
}


def _default(world: World, operation: Operation, name: str) -> Any:
    made = _MADE.get(name)
    return _BY_PARAMETER[name] if made is None else made(world, operation)


def _feed_token(world: World, operation: Operation) -> str:
    since = {"sinceDatetime": JANUARY["startAt"]}
    return str(world.json("activities.get_paging_token", since)["nextPageToken"])


_FAMILY_OF_IDS = {"form_fields": "forms", "landing_page_content": "landing_pages", "segments": "segmentations"}


def _approved(world: World, family: str) -> int | str:
    """Return the id of the second generated asset, which is approved."""
    return [asset.id for asset in world.instance.store.assets.records(family)][-1]


def _draft(world: World, family: str) -> int | str:
    """Return the id of the first generated asset, which is a draft."""
    return [asset.id for asset in world.instance.store.assets.records(family)][-2]


def _approved_with_draft(world: World, family: str) -> int | str:
    number = _approved(world, family)
    assets = world.instance.store.assets
    assets.change(assets.find(family, number), world.instance.now, description="Changed")
    return number


_EXPORTS: Mapping[str, tuple[list[str], dict[str, Any]]] = {
    "bulk_export_leads": (["id", "email"], {"createdAt": JANUARY}),
    "bulk_export_activities": (["marketoGUID", "attributes"], {"createdAt": JANUARY}),
    "bulk_export_program_members": (["leadId", "statusName"], {"programId": 1001}),
    "bulk_export_custom_objects": (["vin"], {"updatedAt": JANUARY}),
}
_IMPORTS: Mapping[str, tuple[bytes, dict[str, Any]]] = {
    "bulk_import_leads": (b"email,dateOfBirth\nada@example.org,never\nnone,2000-01-01\n", {}),
    "bulk_import_program_members": (
        b"email,dateOfBirth\nada@example.org,never\nnone,2000-01-01\n",
        {"programId": "1001", "programMemberStatus": "Attended"},
    ),
    "bulk_import_custom_objects": (b"vin,year,ownerId\nA1,never,\nA2,2000,7\n", {"apiName": "car_c"}),
}


def _export(family: str) -> dict[str, Any]:
    fields, job_filter = _EXPORTS[family]
    return {"fields": fields, "filter": job_filter, **_api_name(family)}


def _api_name(family: str) -> dict[str, str]:
    return {"apiName": "car_c"} if family.endswith("custom_objects") else {}


def _created_export(world: World, family: str) -> dict[str, Any]:
    number = world.first(f"{family}.create_job", "exportId", **_export(family))
    return {"exportId": number, **_api_name(family)}


def _finished_export(world: World, operation: Operation) -> str:
    job = _created_export(world, operation.family)
    world.json(f"{operation.family}.enqueue_job", job)
    world.clock.advance(120)
    world.json(f"{operation.family}.get_jobs", _api_name(operation.family))
    return str(job["exportId"])


def _finished_import(world: World, family: str) -> int:
    content, more = _IMPORTS[family]
    number = world.first(f"{family}.import", "batchId", file=File(content), **more)
    world.clock.advance(120)
    return int(number)


_MADE: Mapping[str, Callable[[World, Operation], Any]] = {
    "folder": lambda world, operation: {"id": FOLDERS.get(operation.family, MARKETING_FOLDER), "type": "Folder"},
    "id": lambda world, operation: _approved(world, _FAMILY_OF_IDS.get(operation.family, operation.family)),
    "nextPageToken": _feed_token,
    "template": lambda world, operation: _approved(world, str(KINDS[operation.family].template)),
    "exportId": _finished_export,
    "batchId": lambda world, operation: _finished_import(world, operation.family),
}


def _custom_type(world: World, *, approved: bool = True) -> str:
    named = {"name": "Visited Booth", "triggerName": "Visits Booth", "filterName": "Visited Booth"}
    primary = {"apiName": "booth", "name": "Booth", "dataType": "string"}
    world.json("activities.create_custom_type", {"apiName": "booth_c", **named, "primaryAttribute": primary})
    added = {"attributes": [{"apiName": "minutes", "name": "Minutes", "dataType": "integer"}]}
    world.json("activities.create_custom_type_attributes", {"apiName": "booth_c", **added})
    if approved:
        world.json("activities.approve_custom_type", {"apiName": "booth_c"})
    return "booth_c"


def _object_type(world: World, *, draft: bool) -> str:
    world.json("custom_object_schema.sync_type", {"apiName": "order_c", "displayName": "Order", "pluralName": "Orders"})
    fields = [
        {"name": "number", "displayName": "Number", "dataType": "string", "isDedupeField": True},
        {"name": "total", "displayName": "Total", "dataType": "float"},
    ]
    world.json("custom_object_schema.add_type_fields", {"apiName": "order_c", "input": fields})
    if not draft:
        world.json("custom_object_schema.approve_type", {"apiName": "order_c"})
    return "order_c"


def _crm(world: World, family: str) -> dict[str, Any]:
    """Create a record and return it."""
    records = {
        "companies": {"externalCompanyId": "C1", "company": "Acme"},
        "sales_persons": {"externalSalesPersonId": "S1", "email": "s1@example.org"},
        "named_accounts": {"name": "Acme"},
        "opportunities": {"externalOpportunityId": "O1", "name": "Deal"},
        "opportunity_roles": {"externalOpportunityId": "O1", "leadId": 1001, "role": "Buyer"},
    }
    if family == "opportunity_roles":
        _crm(world, "opportunities")
    world.json(f"{family}.sync", {"input": [records[family]]})
    return records[family]


def _account_list(world: World, *, member: bool = False) -> dict[str, Any]:
    number = world.first("named_account_lists.sync", "marketoGUID", action="createOnly", input=[{"name": "Targets"}])
    _crm(world, "named_accounts")
    (guid,) = world.instance.store.crm["named_accounts"].records
    if member:
        world.json("named_account_lists.add_members", {"id": number, "input": [{"marketoGUID": guid}]})
    return {"id": number, "input": [{"marketoGUID": guid}, {"marketoGUID": "none"}]}


def _email(world: World) -> dict[str, Any]:
    """Create an e-mail from the template that has a module, a section and two variables."""
    template = next(
        asset.id for asset in world.instance.store.assets.records("email_templates") if asset.name == "Newsletter"
    )
    headers = {"subject": "Hi", "fromName": "Ada", "fromEmail": "ada@example.org", "replyEmail": "ada@example.org"}
    folder = {"id": FOLDERS["emails"], "type": "Folder"}
    number = world.first("emails.create", "id", name="News", template=template, folder=folder, **headers)
    return {"id": number}


def _page(world: World, *, dynamic: bool = False) -> dict[str, Any]:
    number = _approved(world, "landing_pages")
    world.json("landing_page_content.add_section", {"id": number, "contentId": "text", "type": "HTML", "value": "Hi"})
    if dynamic:
        changed = {"type": "DynamicContent", "value": str(_segmentation(world))}
        world.json("landing_page_content.update_section", {"id": number, "contentId": "text", **changed})
    return {"id": number, "contentId": "text"}


def _guided_page(world: World) -> int:
    template = next(
        each.id for each in world.instance.store.assets.records("landing_page_templates") if each.name == "Guided"
    )
    folder = {"id": FOLDERS["landing_pages"], "type": "Folder"}
    return int(world.first("landing_pages.create", "id", name="Guided", template=template, folder=folder))


def _segmentation(world: World) -> int | str:
    return next(iter(world.instance.store.assets.by_family["segmentations"]))


def _rule(world: World) -> dict[str, Any]:
    return {"id": world.first("landing_page_redirect_rules.create", "id", **_RULE)}


_RULE = {
    "hostname": "info.example.com",
    "redirectFrom": {"type": "path", "value": "old"},
    "redirectTo": {"type": "url", "value": "https://www.example.com/new"},
}


def _invited(world: World) -> dict[str, Any]:
    person = {"emailAddress": "eve@example.org", "firstName": "Eve", "lastName": "Smith"}
    world.json("user_management.invite_user", {**person, "userRoleWorkspaces": [{"accessRoleId": 2, "workspaceId": 1}]})
    return {"userid": "eve@example.org"}


def _email_program(world: World, *, approved: bool) -> dict[str, Any]:
    world.json("programs.update_metadata", {"id": 1003, "startDate": TODAY})
    invitation = next(
        asset
        for asset in world.instance.store.assets.records("emails")
        if (asset.location.type, asset.location.id) == ("Program", 1003)
    )
    if invitation.live is None:
        world.json("emails.approve_draft", {"id": invitation.id})
    if approved:
        world.json("programs.approve", {"id": 1003})
    return {"id": 1003}


def _campaign(world: World, kind: str) -> int | str:
    campaigns = world.instance.store.assets.records("smart_campaigns")
    return next(each.id for each in campaigns if each.shown["type"] == kind)


def _form_with_fieldset(world: World) -> dict[str, Any]:
    world.json("form_fields.add_fieldset_to_form", {"id": 7001, "label": "More"})
    assets = world.instance.store.assets
    fields = world.json("form_fields.get_fields_for_form", {"id": 7001, "status": "draft"})["result"]
    positions = [
        {"columnNumber": 0, "rowNumber": row, "fieldName": field["id"]}
        for row, field in enumerate(fields)
        if field["id"] not in ("LastName", "fieldset_1")
    ]
    inner = [{"columnNumber": 0, "rowNumber": 0, "fieldName": "LastName"}]
    positions.append({"columnNumber": 0, "rowNumber": 9, "fieldName": "fieldset_1", "fieldList": inner})
    world.json("form_fields.update_field_positions", {"id": 7001, "positions": positions})
    assert assets.find("forms", 7001).draft is not None
    return {"id": 7001, "fieldSetId": "fieldset_1", "fieldId": "LastName"}


def _positions(world: World) -> dict[str, Any]:
    fields = world.json("form_fields.get_fields_for_form", {"id": 7001})["result"]
    return {
        "id": 7001,
        "positions": [
            {"columnNumber": 0, "rowNumber": row, "fieldName": each["id"]} for row, each in enumerate(fields)
        ],
    }


def _v2_body(family: str) -> dict[str, Any]:
    place = {"appData": {"workspaceId": "1", "editorType": "designer"}, "name": "A New Name"}
    if family == "emails_v2":
        return {**place, "headers": {"subject": "Hello"}}
    if family == "fragments_v2":
        return {**place, "settings": {"fragmentType": "html", "supportedChannels": ["email"]}}
    return place


def _new_v2(member: str, **more: Any) -> Callable[[str], Any]:
    """Return an example that names a new draft."""
    return lambda family: lambda world: {member: world.first(f"{family}.create", "id", **_v2_body(family)), **more}


def _several_v2(family: str) -> Any:
    return lambda world: {"assetIds": [world.first(f"{family}.create", "id", **_v2_body(family))]}


_V2_VERBS: Mapping[str, Callable[[str], Any]] = {
    "bulk_delete": _several_v2,
    "bulk_get": _several_v2,
    "bulk_get_used_by": _several_v2,
    "clone": _new_v2("assetId", newAsset={"name": "A Copy"}),
    "create": _v2_body,
    "delete": _new_v2("id"),
    "get_by_id": _new_v2("id"),
    "get_used_by": _new_v2("assetId"),
    "list": lambda family: {},
    "update": _new_v2("id", description="Changed"),
    "update_status": _new_v2("contentId", action="approve"),
}


def _records(family: str) -> Any:
    return lambda world: {"input": [_crm(world, family), {}]}


_CRM = ("companies", "sales_persons", "named_accounts", "opportunities", "opportunity_roles")
_CRM_VERBS: Mapping[str, Callable[[str], Any]] = {
    "sync": _records,
    "delete": _records,
    "get": lambda family: lambda world: {"filterType": "dedupeFields", **_search(world, family)},
    "get_field_by_name": lambda family: {"fieldApiName": "name" if family != "companies" else "company"},
}


def _search(world: World, family: str) -> dict[str, Any]:
    record = _crm(world, family)
    if family == "opportunity_roles":
        return {"input": [record]}
    return {"filterValues": [next(iter(record.values()))]}


def _deletable(world: World, family: str) -> int | str:
    drafts = any(asset.kind.drafts for asset in world.instance.store.assets.records(family))
    return _draft(world, family) if drafts else _approved(world, family)


_STATES: Mapping[str, Callable[[World, str], int | str]] = {
    "approve_draft": _draft,
    "delete": _deletable,
    "discard_draft": _approved_with_draft,
    "unapprove": _approved,
    "unapprove_draft": _approved,
}


def _done(world: World, operation: str, /, **parameters: Any) -> dict[str, Any]:
    """Send a call that an example needs first."""
    world.json(operation, parameters)
    return {}


_OPERATIONS: dict[str, Any] = {
    "activities.add_custom_activities": lambda world: {
        "input": [
            {
                "leadId": 1001,
                "activityDate": TODAY,
                "activityTypeId": 100_001,
                "primaryAttributeValue": "Fair",
                "attributes": [{"apiName": "rating", "value": 4.5}],
            },
            {
                "leadId": 7,
                "activityDate": TODAY,
                "activityTypeId": 100_001,
                "primaryAttributeValue": "Fair",
                "attributes": [],
            },
        ]
    },
    "activities.approve_custom_type": lambda world: {"apiName": _custom_type(world, approved=False)},
    "activities.create_custom_type": {
        "apiName": "booth_c",
        "name": "Visited Booth",
        "triggerName": "Visits Booth",
        "filterName": "Visited Booth",
        "primaryAttribute": {"apiName": "booth", "name": "Booth", "dataType": "string"},
    },
    "activities.create_custom_type_attributes": lambda world: {
        "apiName": _custom_type(world),
        "attributes": [{"apiName": "colour", "name": "Colour", "dataType": "string"}],
    },
    "activities.delete_custom_type": {"apiName": "attendedEvent_c"},
    "activities.delete_custom_type_attributes": lambda world: {
        "apiName": _custom_type(world),
        "attributes": [{"apiName": "minutes"}],
    },
    "activities.describe_custom_type": {"apiName": "attendedEvent_c"},
    "activities.discard_custom_type_draft": lambda world: {
        **_done(world, "activities.update_custom_type", apiName="attendedEvent_c", name="Other"),
        "apiName": "attendedEvent_c",
    },
    "activities.update_custom_type": {"apiName": "attendedEvent_c", "name": "Attended Something"},
    "activities.update_custom_type_attributes": lambda world: {
        "apiName": _custom_type(world),
        "attributes": [{"apiName": "minutes", "name": "Duration", "dataType": "integer"}],
    },
    "campaigns.request": lambda world: {
        "campaignId": _campaign(world, "trigger"),
        "input": {"leads": [{"id": 1001}], "tokens": [{"name": "{{my.Headline}}", "value": "Hi"}]},
    },
    "campaigns.schedule": lambda world: {"campaignId": _campaign(world, "batch"), "input": {}},
    "channels.get_by_name": {"name": "Webinar"},
    "custom_object_schema.add_type_fields": {
        "input": [{"name": "colour", "displayName": "Colour", "dataType": "string"}]
    },
    "custom_object_schema.approve_type": lambda world: {"apiName": _object_type(world, draft=True)},
    "custom_object_schema.delete_type_fields": lambda world: {
        "apiName": _object_type(world, draft=True),
        "input": [{"name": "total"}],
    },
    "custom_object_schema.discard_type_draft": lambda world: {
        **_done(world, "custom_object_schema.sync_type", apiName="car_c", displayName="A Car"),
        "apiName": "car_c",
    },
    "custom_object_schema.sync_type": {"apiName": "order_c", "displayName": "Order"},
    "custom_object_schema.update_type_field": lambda world: {
        "apiName": _object_type(world, draft=True),
        "fieldApiName": "total",
        "displayName": "Sum",
    },
    "custom_objects.delete": {"input": [{"vin": "SIM00000000000001"}, {"vin": "none"}]},
    "custom_objects.get": {"filterType": "vin", "filterValues": ["SIM00000000000001"]},
    "custom_objects.sync": {"input": [{"vin": "NEW"}, {"make": "VW"}]},
    "data_ingestion.add_leads_to_list": {"input": [{"leadId": 1001}]},
    "data_ingestion.delete_program_members": {"programs": [{"programId": 1001, "members": [{"leadId": 1001}]}]},
    "data_ingestion.remove_leads_from_list": {"input": [{"leadId": 1001}]},
    "data_ingestion.sync_companies": {"input": [{"externalCompanyId": "C1", "company": "Acme"}]},
    "data_ingestion.sync_custom_objects": {"customObjects": [{"vin": "NEW"}]},
    "data_ingestion.sync_persons": {"persons": [{"email": "ada@example.org"}]},
    "data_ingestion.sync_program_member_status": {
        "programs": [{"programId": 1001, "status": "Attended", "members": [{"leadId": 1001}]}]
    },
    "email_templates.get_used_by": {"id": 4001},
    "email_templates.get_by_name": {"name": "Plain"},
    "emails.add_module": lambda world: {**_email(world), "name": "second", "index": 1},
    "emails.approve_draft": _email,
    "emails.delete_module": lambda world: {**_email(world), "moduleId": "offer"},
    "emails.duplicate_module": lambda world: {**_email(world), "name": "third"},
    "emails.get_by_name": {"name": "Invitation"},
    "emails.get_content": _email,
    "emails.get_dynamic_content": lambda world: {**_email(world), "contentId": "main"},
    "emails.get_full_content": _email,
    "emails.get_variables": _email,
    "emails.rearrange_modules": lambda world: {
        **_email(world),
        "positions": [{"moduleId": "offer", "index": 0}, {"moduleId": "hero", "index": 1}],
    },
    "emails.rename_module": lambda world: {**_email(world), "name": "deal"},
    "emails.send_sample": lambda world: {**_email(world), "leadId": "1001"},
    "emails.update_content": lambda world: {**_email(world), "subject": {"type": "Text", "value": "Hello"}},
    "emails.update_content_section": lambda world: {**_email(world), "htmlId": "main", "type": "Text", "value": "Hi"},
    "emails.update_dynamic_content_section": lambda world: {
        **_email(world),
        "contentId": "main",
        "segment": "EMEA",
        "type": "Text",
        "value": "Hi",
    },
    "emails.update_full_content": _email,
    "emails.update_variable": lambda world: {**_email(world), "name": "colour", "value": "#ff0000"},
    "files.get_by_name": {"name": "File 00001"},
    "folders.create": {"parent": {"id": MARKETING_FOLDER, "type": "Folder"}},
    "folders.delete": {"id": MARKETING_FOLDER, "type": "Folder"},
    "folders.get_by_id": {"id": MARKETING_FOLDER, "type": "Folder"},
    "folders.get_by_name": {"name": "Campaigns"},
    "folders.get_contents": {"id": 104, "type": "Folder"},
    "folders.update_metadata": {"id": MARKETING_FOLDER, "type": "Folder", "description": "Changed"},
    "form_fields.add_field_to_form": {"id": 7001, "fieldId": "Title"},
    "form_fields.add_visibility_rules": {
        "formId": 7001,
        "fieldId": "Email",
        "visibilityRule": {
            "ruleType": "show",
            "rules": [{"subjectField": "FirstName", "operator": "is", "values": ["Ada"]}],
        },
    },
    "form_fields.delete": {"id": 7001, "fieldId": "LastName"},
    "form_fields.delete_field_from_fieldset": _form_with_fieldset,
    "form_fields.get_fields_for_form": {"id": 7001},
    "form_fields.update": {"id": 7001, "fieldId": "Email", "label": "E-mail"},
    "form_fields.update_field_positions": _positions,
    "forms.get_by_name": {"name": "Newsletter Signup"},
    "forms.get_used_by": lambda world: {
        "id": 7001,
        **_done(
            world,
            "landing_page_content.add_section",
            id=_approved(world, "landing_pages"),
            contentId="form",
            type="Form",
            value="7001",
        ),
        **_done(world, "landing_pages.approve_draft", id=_approved(world, "landing_pages")),
    },
    "forms.update_submit_button": {"label": "Go"},
    "forms.update_thank_you_page": {"thankyou": [{"followupType": "none", "followupValue": None, "default": True}]},
    "landing_page_content.add_section": {"contentId": "more", "type": "HTML", "value": "Hi"},
    "landing_page_content.delete_section": _page,
    "landing_page_content.get": lambda world: {"id": _page(world)["id"], "status": "draft"},
    "landing_page_content.get_dynamic_content": lambda world: _page(world, dynamic=True),
    "landing_page_content.update_dynamic_content_section": lambda world: {
        **_page(world, dynamic=True),
        "segment": "EMEA",
        "type": "HTML",
        "value": "Hi",
    },
    "landing_page_content.update_section": lambda world: {**_page(world), "type": "HTML", "value": "Bye"},
    "landing_page_redirect_rules.create": _RULE,
    "landing_page_redirect_rules.delete": _rule,
    "landing_page_redirect_rules.get": lambda world: _done(world, "landing_page_redirect_rules.create", **_RULE),
    "landing_page_redirect_rules.get_by_id": _rule,
    "landing_page_redirect_rules.update": lambda world: {**_rule(world), "hostname": "go.example.com"},
    "landing_page_templates.get_by_name": {"name": "Plain"},
    "landing_pages.get_by_name": {"name": "Landing page 00001"},
    "landing_pages.get_variables": lambda world: {"id": _guided_page(world)},
    "landing_pages.update_variable": lambda world: {"id": _guided_page(world), "variableId": "colour", "value": "red"},
    "leads.change_program_status": {"status": "Attended", "input": [{"id": 1001}, {"id": 7}]},
    "leads.create_fields": {"input": [{"name": "petName", "displayName": "Pet Name", "dataType": "string"}]},
    "leads.delete": {"input": [{"id": 1001}, {"id": 7}]},
    "leads.get_field_by_name": {"fieldApiName": "email"},
    "leads.merge": {"leadIds": [1002, 1003]},
    "leads.push": {"input": [{"email": "ada@example.org"}, {"email": "none"}]},
    "leads.submit_form": {"input": [{"leadFormFields": {"email": "ada@example.org"}}]},
    "leads.sync": {"input": [{"email": "ada@example.org"}, {"email": "none"}]},
    "leads.update_field": {"fieldApiName": "email", "input": [{"description": "Changed"}]},
    "leads.update_partition": {"input": [{"id": 1001, "partitionName": "Default"}]},
    "named_account_lists.add_members": _account_list,
    "named_account_lists.delete": lambda world: {
        **_done(world, "named_account_lists.sync", action="createOnly", input=[{"name": "Targets"}]),
        "input": [{"name": "Targets"}, {"name": "none"}],
    },
    "named_account_lists.get": lambda world: {
        **_done(world, "named_account_lists.sync", action="createOnly", input=[{"name": "Targets"}]),
        "filterType": "dedupeFields",
        "filterValues": ["Targets"],
    },
    "named_account_lists.get_members": lambda world: {"id": _account_list(world, member=True)["id"]},
    "named_account_lists.remove_members": lambda world: _account_list(world, member=True),
    "named_account_lists.sync": {"action": "createOnly", "input": [{"name": "Targets"}, {}]},
    "program_members.create_fields": {"input": [{"name": "seat", "displayName": "Seat", "dataType": "string"}]},
    "program_members.delete": {"input": [{"leadId": 1001}, {"leadId": 7}]},
    "program_members.get": {"filterType": "leadId", "filterValues": ["1001", "1004"]},
    "program_members.get_field_by_name": {"fieldApiName": "statusName"},
    "program_members.sync_data": {"input": [{"leadId": 1001, "seatNumber": 1}, {"leadId": 7}]},
    "program_members.sync_status": {"input": [{"leadId": 1001}, {"leadId": 7}]},
    "program_members.update_field": {"fieldApiName": "seatNumber", "input": [{"description": "Changed"}]},
    "programs.approve": lambda world: _email_program(world, approved=False),
    "programs.create": {"channel": "Content", "type": "Default"},
    "programs.get_by_name": {"name": "Spring Webinar"},
    "programs.get_by_tag": lambda world: _done(
        world, "programs.update_metadata", id=1001, tags=[{"tagType": "Region", "tagValue": "EMEA"}]
    ),
    "programs.update_tag": {"id": 1001, "tagType": "Region", "tagValue": "EMEA"},
    "programs.delete_tag": lambda world: {
        **_done(world, "programs.update_tag", id=1001, tagType="Region", tagValue="EMEA"),
        "id": 1001,
        "tagType": "Region",
    },
    "programs.get_smart_list_by_program_id": {"programId": 1003},
    "programs.unapprove": lambda world: _email_program(world, approved=True),
    "smart_campaigns.activate": lambda world: {
        **_done(world, "smart_campaigns.deactivate", id=_campaign(world, "trigger")),
        "id": _campaign(world, "trigger"),
    },
    "smart_campaigns.deactivate": lambda world: {"id": _campaign(world, "trigger")},
    "smart_campaigns.get_by_name": {"name": "Send Invitation"},
    "smart_lists.get_by_name": {"name": "Qualified Leads"},
    "snippets.update_content": {"type": "Text", "content": "Hello"},
    "snippets.update_dynamic_content": {"segmentId": 10_011, "type": "HTML", "value": "Hi"},
    "static_lists.get_by_name": {"name": "Newsletter"},
    "static_list_membership.add_to_list": {"input": [{"id": 1001}, {"id": 7}]},
    "static_list_membership.member_of_list": {"id": [1001, 1002]},
    "static_list_membership.remove_from_list": {"id": [1001, 1002]},
    "tags.get_by_name": {"name": "Region"},
    "tokens.create": {"id": 1001, "name": "Place", "type": "text", "value": "Paris"},
    "tokens.delete_by_name": {"id": 1001, "name": "Headline", "type": "text"},
    "tokens.get_by_folder_id": {"id": 1001, "folderType": "Program"},
    "user_management.add_roles": {"input": [{"accessRoleId": 2, "workspaceId": 1}]},
    "user_management.delete_invited_user": _invited,
    "user_management.delete_roles": {"input": [{"accessRoleId": 101, "workspaceId": 1}]},
    "user_management.get_invited_user_by_id": _invited,
    "user_management.invite_user": {"userRoleWorkspaces": [{"accessRoleId": 2, "workspaceId": 1}]},
    "user_management.update_user_attributes": {"firstName": "Ada"},
}
