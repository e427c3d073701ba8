"""
Facts about parameters that Adobe's OpenAPI files lack or state wrongly.

A row has an operation (shell pattern), a parameter (with ``.member`` and ``[]`` for members inside), and the changed
members of its compact schema. None removes a member, DROP removes the parameter. Rows apply in order, and a row that
matches nothing is an error.
"""

from __future__ import annotations

from typing import Any

DROP = None

RECORD: dict[str, Any] = {"type": "object", "properties": None, "required": None}
"""A record of the lead database: its members are the instance's own fields."""

FOLDER: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "type": {"type": "string", "enum": ["Folder", "Program"]}},
    "required": ["id", "type"],
}

DATETIME = {"type": "datetime"}
RECORDS = {"maxItems": 300}
REPEATED_IDS = {"list": "repeat", "maxItems": 300}
KEYS = {"enum": ["dedupeFields", "idField"]}
WORD = "[A-Za-z0-9][A-Za-z0-9_]*"
"""API names of custom activity types and their attributes, since September 2026."""

MARKUP = {"type": "file", "media": "text/html"}
PICK_LIST = {"type": "array", "items": {"type": "object"}}
EXPORT_STATUS = ["created", "queued", "processing", "canceled", "cancelled", "completed", "failed"]
LEAD_OBJECTS = (
    "companies",
    "custom_objects",
    "named_account_lists",
    "named_accounts",
    "opportunities",
    "opportunity_roles",
    "sales_persons",
)

Row = tuple[str, str, dict[str, Any] | None]

COMMON: tuple[Row, ...] = (
    # The token travels in a header that the transport sets.
    ("*_v2.*", "access_token", DROP),
    ("data_ingestion.*", "X-Mkto-User-Token", DROP),
    ("*_v2.*", "x-app-type", {"default": "marketo", "required": False}),
    ("identity.*", "grant_type", {"default": "client_credentials", "required": False}),
    ("*", "maxReturn", {"maximum": 200}),
    ("*", "batchSize", {"maximum": 300}),
    ("*", "filterValues", {"maxItems": 300}),
    ("*_v2.list", "pageSize", {"maximum": 50}),
    ("user_management.get_users", "pageSize", {"maximum": 200}),
    ("*", "earliestUpdatedAt", DATETIME),
    ("*", "latestUpdatedAt", DATETIME),
    ("*_v2.list", "createdAtStart", DATETIME),
    ("*_v2.list", "createdAtEnd", DATETIME),
    ("*_v2.list", "modifiedAtStart", DATETIME),
    ("*_v2.list", "modifiedAtEnd", DATETIME),
    ("data_ingestion.*", "X-Correlation-Id", {"maxLength": 255}),
    ("data_ingestion.*", "X-Request-Source", {"maxLength": 50}),
)

LEAD_DATABASE: tuple[Row, ...] = (
    *(
        (f"{family}.{action}", "input", RECORDS | {"required": True})
        for family in LEAD_OBJECTS
        for action in ("sync", "delete")
    ),
    *((f"{family}.{action}", "input[]", RECORD) for family in LEAD_OBJECTS for action in ("sync", "delete")),
    *((f"{family}.sync", "dedupeBy", KEYS) for family in LEAD_OBJECTS),
    # Sources differ on the default, so it is always sent.
    *((f"{family}.delete", "deleteBy", KEYS | {"default": "dedupeFields"}) for family in LEAD_OBJECTS),
    ("named_account_lists.sync", "action", {"default": "createOnly", "required": False}),
    *(
        row
        for family in ("custom_objects", "opportunities", "opportunity_roles")
        for row in (
            (f"{family}.get", "filterValues", {"required": False}),
            (f"{family}.get", "input", RECORDS | {"required": False}),
            (f"{family}.get", "input[]", RECORD),
        )
    ),
    ("named_account_lists.*_members", "input", RECORDS),
    (
        "named_account_lists.*_members",
        "input[]",
        {"properties": {"marketoGUID": {"type": "string"}}, "required": ["marketoGUID"]},
    ),
    ("leads.sync", "input", RECORDS),
    ("leads.sync", "input[]", RECORD),
    ("leads.delete", "input", RECORDS | {"required": False}),
    ("leads.delete", "id", REPEATED_IDS),
    ("leads.push", "input", RECORDS | {"required": True}),
    ("leads.push", "input[]", RECORD),
    ("leads.push", "programName", {"required": True}),
    ("leads.update_partition", "input", RECORDS),
    ("leads.change_program_status", "input", RECORDS),
    ("leads.update_field", "input", {"maxItems": 1}),
    ("leads.submit_form", "input", {"maxItems": 1}),
    ("leads.submit_form", "input[].leadFormFields", {"open": True}),
    # The losing leads; the winner is the ``leadId`` of the path.
    ("leads.merge", "leadIds", {"maxItems": 25, "required": True}),
    ("static_list_membership.add_to_list", "id", REPEATED_IDS),
    ("static_list_membership.add_to_list", "input", RECORDS | {"required": False}),
    ("static_list_membership.remove_from_list", "id", REPEATED_IDS),
    ("static_list_membership.remove_from_list", "input", DROP),
    ("static_list_membership.member_of_list", "id", REPEATED_IDS | {"required": True}),
    ("static_list_membership.member_of_list", "input", DROP),
    ("static_list_membership.get_lists", "id", {"list": "repeat"}),
    ("program_members.get", "filterValues", {"required": False}),
    ("program_members.get", "startAt", DATETIME),
    ("program_members.get", "endAt", DATETIME),
    ("program_members.sync_*", "input", RECORDS),
    ("program_members.delete", "input", RECORDS),
    (
        "program_members.sync_data",
        "input[]",
        {"properties": {"leadId": {"type": "integer"}}, "required": ["leadId"], "open": True},
    ),
    ("program_members.update_field", "input", {"maxItems": 1}),
    ("campaigns.request", "input.leads", {"maxItems": 100}),
    ("campaigns.request", "input.tokens", {"maxItems": 100}),
    ("custom_object_schema.add_type_fields", "input", {"maxItems": 50}),
)

ACTIVITIES: tuple[Row, ...] = (
    ("activities.get_lead_activities", "activityTypeIds", {"maxItems": 10}),
    ("activities.get_lead_activities", "leadIds", {"maxItems": 30}),
    ("activities.get_lead_changes", "leadIds", {"maxItems": 30}),
    ("activities.get_paging_token", "sinceDatetime", DATETIME),
    ("activities.add_custom_activities", "input", RECORDS),
    (
        "activities.add_custom_activities",
        "input[]",
        {
            "properties": {
                "activityDate": DATETIME,
                "activityTypeId": {"type": "integer"},
                "attributes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "apiName": {"type": "string"},
                            "name": {"type": "string"},
                            "value": {"type": "any"},
                        },
                        "required": ["value"],
                        "one_of": [["apiName", "name"]],
                    },
                },
                "leadId": {"type": "integer"},
                "primaryAttributeValue": {"type": "string"},
            },
            "required": ["activityDate", "activityTypeId", "attributes", "leadId", "primaryAttributeValue"],
        },
    ),
    # A change names only what changes; the type is the ``apiName`` of the path.
    *(
        ("activities.update_custom_type", name, {"required": False})
        for name in ("filterName", "name", "primaryAttribute", "triggerName")
    ),
    ("activities.*_custom_type_attributes", "attributes", {"maxItems": 20, "required": True}),
    ("activities.create_custom_type", "apiName", {"pattern": WORD}),
    *(
        (f"activities.{action}", inside, {"pattern": WORD})
        for action, inside in (
            ("create_custom_type", "primaryAttribute.apiName"),
            ("update_custom_type", "primaryAttribute.apiName"),
            ("create_custom_type_attributes", "attributes[].apiName"),
            ("update_custom_type_attributes", "attributes[].apiName"),
        )
    ),
    ("activities.delete_custom_type_attributes", "attributes[]", {"required": ["apiName"]}),
)

BULK: tuple[Row, ...] = (
    ("bulk_export_*.get_jobs", "status[]", {"enum": EXPORT_STATUS}),
    ("bulk_export_*.create_job", "columnHeaderNames", {"properties": None, "required": None}),
    ("bulk_export_*.create_job", "format", {"enum": ["CSV", "TSV", "SSV"]}),
    ("bulk_export_*.create_job", "filter.createdAt", {"maxDays": 31}),
    ("bulk_export_*.create_job", "filter.updatedAt", {"maxDays": 31}),
    ("bulk_export_*.create_job", "filter.createdAt.startAt", DATETIME),
    ("bulk_export_*.create_job", "filter.createdAt.endAt", DATETIME),
    ("bulk_export_*.create_job", "filter.updatedAt.startAt", DATETIME),
    ("bulk_export_*.create_job", "filter.updatedAt.endAt", DATETIME),
    (
        "bulk_export_leads.create_job",
        "filter",
        {"one_of": [["createdAt", "smartListId", "smartListName", "staticListId", "staticListName", "updatedAt"]]},
    ),
    (
        "bulk_export_custom_objects.create_job",
        "filter",
        {"one_of": [["smartListId", "smartListName", "staticListId", "staticListName", "updatedAt"]]},
    ),
    (
        "bulk_export_activities.create_job",
        "filter",
        {"exclusive": [["primaryAttributeValueIds", "primaryAttributeValues"]]},
    ),
    ("bulk_export_activities.create_job", "filter.primaryAttributeValueIds", {"maxItems": 50}),
    ("bulk_export_activities.create_job", "filter.primaryAttributeValues", {"maxItems": 50}),
    ("bulk_export_program_members.create_job", "filter", {"one_of": [["programId", "programIds"]]}),
    ("bulk_export_program_members.create_job", "filter.programIds", {"maxItems": 10}),
    (
        "bulk_export_program_members.create_job",
        "filter.nurtureCadence",
        {"enum": ["norm", "normal", "pause", "paused"]},
    ),
    (
        "bulk_import_*.import",
        "format",
        {"enum": ["csv", "tsv", "ssv"], "default": "csv", "required": False},
    ),
    ("bulk_import_*.import", "file", {"type": "file", "media": "text/csv", "maxBytes": 10_485_759, "required": True}),
)

ASSETS: tuple[Row, ...] = (
    ("channels.get_by_name", "Name", {"name": "name"}),
    *((f"{family}.get_by_name", "folder", FOLDER) for family in ("emails", "forms")),
    *(
        (f"{family}.get", "folder", FOLDER)
        for family in (
            "emails",
            "files",
            "forms",
            "landing_page_templates",
            "landing_pages",
            "smart_campaigns",
            "smart_lists",
            "static_lists",
        )
    ),
    ("folders.get", "root", FOLDER),
    ("folders.get_by_name", "root", FOLDER),
    ("folders.create", "description", {"maxLength": 2000}),
    ("folders.update_metadata", "description", {"maxLength": 2000}),
    ("smart_campaigns.*", "description", {"maxLength": 2000}),
    ("smart_campaigns.update", "name", {"in": "form"}),
    ("smart_campaigns.update", "description", {"in": "form"}),
    ("tokens.create", "name", {"maxLength": 50}),
    ("tokens.delete_by_name", "name", {"required": True}),
    ("tokens.delete_by_name", "type", {"required": True}),
    ("tokens.delete_by_name", "folderType", {"required": True}),
    ("programs.clone", "name", {"maxLength": 255}),
    ("programs.get", "status", {"in": "query", "type": "string", "enum": ["on", "off", "unlocked"]}),
    (
        "programs.get",
        "filterValues",
        {"in": "query", "type": "array", "items": {"type": "string"}, "list": "comma", "maxItems": 300},
    ),
    ("programs.create", "startDate", {"in": "form", "type": "datetime"}),
    ("programs.create", "endDate", {"in": "form", "type": "datetime"}),
    ("programs.*", "costs[].startDate", {"type": "date"}),
    ("programs.update_metadata", "startDate", DATETIME),
    ("programs.update_metadata", "endDate", DATETIME),
    ("emails.create", "isOpenTrackingDisabled", {"in": "form", "type": "boolean"}),
    # Adobe's pages need name, template and folder only; headers may follow before the approval.
    ("emails.create", "subject", {"required": False}),
    ("emails.create", "fromName", {"required": False}),
    ("emails.create", "fromEmail", {"required": False}),
    ("emails.create", "replyEmail", {"required": False}),
    ("emails.update_content", "isOpenTrackingDisabled", {"in": "form", "type": "boolean"}),
    ("emails.add_module", "name", {"required": False}),
    ("emails.duplicate_module", "name", {"required": False}),
    ("emails.update_metadata", "preHeader", {"maxLength": 1024}),
    ("emails.rearrange_modules", "positions", {"type": "array", "items": {"type": "object"}, "required": True}),
    ("emails.update_dynamic_content_section", "segment", {"in": "form", "type": "string"}),
    ("emails.update_dynamic_content_section", "type", {"enum": ["HTML", "Text"]}),
    ("emails.update_full_content", "content", MARKUP),
    ("email_templates.create", "content", MARKUP),
    ("email_templates.update_content", "content", MARKUP | {"required": True}),
    ("landing_page_templates.update_content", "content", MARKUP),
    ("files.create", "file", {"type": "file"}),
    ("files.update_content", "file", {"type": "file"}),
    ("form_fields.add_rich_text_field", "text", MARKUP | {"in": "part"}),
    ("form_fields.add_field_to_form", "values", PICK_LIST),
    ("form_fields.update", "values", PICK_LIST),
    ("form_fields.update_field_positions", "positions", {"required": True}),
    # The files let a fieldset contain fieldsets without end; there is one level.
    (
        "form_fields.update_field_positions",
        "positions[].fieldList[]",
        {
            "properties": {
                "columnNumber": {"type": "integer"},
                "fieldName": {"type": "string"},
                "rowNumber": {"type": "integer"},
            },
            "required": ["columnNumber", "fieldName", "rowNumber"],
        },
    ),
    ("form_fields.add_visibility_rules", "visibilityRule", {"required": True}),
    ("forms.create", "name", {"required": True}),
    ("forms.get", "offset", {"type": "integer"}),
    # The documentation has a third status for forms, in lists only.
    ("forms.get", "status", {"enum": ["approved", "draft", "approved with draft"]}),
    ("forms.update_thank_you_page", "thankyou", {"required": True}),
    # The default rule, as Marketo itself returns it, has no condition, and null as its value.
    (
        "forms.update_thank_you_page",
        "thankyou[]",
        {"required": ["followupType"], "required_unless": {"default": ["operator", "subjectField", "values"]}},
    ),
    ("forms.update_thank_you_page", "thankyou[].followupValue", {"nullable": True}),
    ("landing_pages.create", "formPrefill", {"in": "form", "type": "boolean"}),
    ("landing_pages.clone", "template", {"required": True}),
    ("landing_pages.update_variable", "value", {"type": "string"}),
    ("landing_pages.get_full_content", "segmentation", {"type": "array", "items": {"type": "object"}, "list": "json"}),
    ("landing_page_redirect_rules.*", "hostname", {"maxLength": 255}),
    ("snippets.update_content", "type", {"in": "form"}),
    ("snippets.update_content", "content", {"in": "form"}),
    ("snippets.update_dynamic_content", "type", {"enum": ["HTML", "Text"]}),
    ("*_v2.list", "folderType", DROP),
    ("*_v2.list", "status", {"list": "repeat"}),
    ("*_v2.bulk_get", "assetIds", {"maxItems": 20}),
    ("*_v2.bulk_delete", "assetIds", {"maxItems": 20}),
    ("*_v2.bulk_get_used_by", "assetIds", {"maxItems": 50}),
)

OTHERS: tuple[Row, ...] = (
    # The body is the bare list.
    ("user_management.add_roles", "input", {"in": "body"}),
    ("user_management.delete_roles", "input", {"in": "body"}),
    ("data_ingestion.sync_persons", "persons", {"maxItems": 1000}),
    ("data_ingestion.sync_custom_objects", "customObjects", {"maxItems": 1000}),
    ("data_ingestion.sync_companies", "input", {"maxItems": 1000}),
    ("data_ingestion.*_program_member*", "programs[].members", {"maxItems": 1000}),
    ("data_ingestion.*_list", "input", {"maxItems": 1000}),
)

AMENDMENTS: tuple[Row, ...] = (*COMMON, *LEAD_DATABASE, *ACTIVITIES, *BULK, *ASSETS, *OTHERS)

ONE_OF: dict[str, list[list[str]]] = {
    # Exactly one of these has to be given.
    "custom_objects.get": [["filterValues", "input"]],
    "opportunities.get": [["filterValues", "input"]],
    "opportunity_roles.get": [["filterValues", "input"]],
    "leads.delete": [["id", "input"]],
    "static_list_membership.add_to_list": [["id", "input"]],
    "program_members.get": [["filterValues", "startAt"]],
}

EXCLUSIVE: dict[str, list[list[str]]] = {
    # At most one of these may be given.
    "program_members.get": [["filterValues", "endAt"]],
}

MAX_DAYS: dict[str, int] = {
    # Longest time between the parameters startAt and endAt.
    "program_members.get": 7,
}
