"""
The listings: one row for each table of reference data. To add a listing, add a row here and a word in ``choices.py``.

The operation's page in Adobe's reference says what a record has. Its paging, its dates and its permissions are in the
catalogue of operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.listings.listing import Listing, columns

if TYPE_CHECKING:
    from collections.abc import Mapping

_ASSET = "id:integer name description createdAt:datetime updatedAt:datetime"
_PLACE = (
    "folderId:integer=folder.id|folder.value folderType=folder.type folderName=folder.folderName|folder.name"
    " workspace url=url|computedUrl"
)
_FIELD = "name displayName dataType length:integer updateable:boolean crmManaged:boolean"
_EMAIL = (
    f"{_ASSET} {_PLACE} status subject=subject.value fromName=fromName.value fromEmail=fromEmail.value"
    " replyEmail=replyEmail.value preHeader operational:boolean publishToMSI:boolean textOnly:boolean webView:boolean"
    " isOpenTrackingDisabled:boolean autoCopyToText:boolean template:integer version:integer ccFields"
)

ASSETS = (
    "folders",
    "programs",
    "smart_campaigns",
    "emails",
    "email_templates",
    "landing_pages",
    "landing_page_templates",
    "landing_page_redirect_rules",
    "forms",
    "snippets",
    "files",
    "static_lists",
    "smart_lists",
    "segmentations",
)
"""Listings of Marketo assets. ``assets`` is made of them."""

_LISTINGS = (
    Listing(
        "lead_fields",
        "leads.describe",
        key=("id",),
        columns=columns(
            "id:integer displayName dataType length:integer restName=rest.name restReadOnly:boolean=rest.readOnly"
            " soapName=soap.name soapReadOnly:boolean=soap.readOnly"
        ),
    ),
    Listing(
        "program_member_fields",
        "program_members.describe",
        key=("name",),
        columns=columns(_FIELD),
        each="fields",
    ),
    Listing(
        "activity_types",
        "activities.get_types",
        key=("id",),
        columns=columns(
            "id:integer name description apiName primaryAttributeName=primaryAttribute.name"
            " primaryAttributeApiName=primaryAttribute.apiName primaryAttributeDataType=primaryAttribute.dataType"
        ),
    ),
    Listing(
        "activity_type_attributes",
        "activities.get_types",
        key=("activityTypeId", "name"),
        columns=columns("activityTypeId:integer=^.id name apiName dataType"),
        each="attributes",
    ),
    Listing(
        "programs",
        "programs.get",
        key=("id",),
        columns=columns(
            f"{_ASSET} {_PLACE} type channel status startDate:datetime endDate:datetime sfdcId sfdcName"
            " headStart:boolean"
        ),
    ),
    Listing(
        "program_tokens",
        "tokens.get_by_folder_id",
        key=("programId", "name"),
        columns=columns("programId:integer=^.id name type value computedUrl"),
        parameters={"folderType": "Program"},
        each="tokens",
        parent="programs",
        asks_with={"id": "id"},
        default=False,
    ),
    Listing(
        "program_costs",
        "programs.get_by_id",
        key=("programId", "position"),
        columns=columns("programId:integer=^.id position:integer=# startDate:datetime cost:integer note"),
        each="costs",
        parent="programs",
        asks_with={"id": "id"},
        default=False,
    ),
    Listing(
        "program_tags",
        "programs.get_by_id",
        key=("programId", "tagType"),
        columns=columns("programId:integer=^.id tagType tagValue"),
        each="tags",
        parent="programs",
        asks_with={"id": "id"},
        default=False,
    ),
    Listing("channels", "channels.get", key=("id",), columns=columns(f"{_ASSET} applicableProgramType")),
    Listing(
        "channel_statuses",
        "channels.get",
        key=("channelId", "name"),
        columns=columns("channelId:integer=^.id name description type step:integer success:boolean hidden:boolean"),
        each="progressionStatuses",
    ),
    Listing(
        "tag_types",
        "tags.get_types",
        key=("tagType",),
        columns=columns("tagType applicableProgramTypes required:boolean"),
    ),
    Listing(
        "smart_campaigns",
        "smart_campaigns.get",
        key=("id",),
        columns=columns(
            f"{_ASSET} {_PLACE} type status isActive:boolean isSystem:boolean isRequestable:boolean"
            " parentProgramId:integer flowId:integer smartListId:integer maxMembers:integer"
            " isCommunicationLimitEnabled:boolean qualificationRuleType qualificationRuleInterval:integer"
            " qualificationRuleUnit recurrenceStartAt:datetime=recurrence.startAt"
            " recurrenceEndAt:datetime=recurrence.endAt recurrenceIntervalType=recurrence.intervalType"
            " recurrenceInterval:integer=recurrence.interval recurrenceWeekdayOnly:boolean=recurrence.weekdayOnly"
            " recurrenceWeekdayMask=recurrence.weekdayMask recurrenceDayOfMonth:integer=recurrence.dayOfMonth"
            " recurrenceDayOfWeek=recurrence.dayOfWeek recurrenceWeekOfMonth:integer=recurrence.weekOfMonth"
        ),
    ),
    Listing("emails", "emails.get", key=("id", "status"), columns=columns(_EMAIL), versions=True),
    Listing(
        "email_versions",
        "emails.get",
        key=("id", "status", "updatedAt"),
        columns=columns(_EMAIL),
        versions=True,
        complete=False,
    ),
    Listing(
        "email_templates",
        "email_templates.get",
        key=("id", "status"),
        columns=columns(f"{_ASSET} {_PLACE} status version:integer"),
        versions=True,
    ),
    Listing(
        "landing_pages",
        "landing_pages.get",
        key=("id", "status"),
        columns=columns(
            f"{_ASSET} {_PLACE} status pageUrl=URL title keywords robots template:integer mobileEnabled:boolean"
            " formPrefill:boolean customHeadHTML facebookOgTags"
        ),
        versions=True,
    ),
    Listing(
        "landing_page_templates",
        "landing_page_templates.get",
        key=("id", "status"),
        columns=columns(f"{_ASSET} {_PLACE} status templateType enableMunchkin:boolean"),
        versions=True,
    ),
    Listing(
        "landing_page_redirect_rules",
        "landing_page_redirect_rules.get",
        key=("id",),
        columns=columns(
            "id:integer createdAt:datetime updatedAt:datetime hostname redirectFromUrl redirectToUrl"
            " redirectFromType=redirectFrom.type redirectFromValue=redirectFrom.value"
            " redirectToType=redirectTo.type redirectToValue=redirectTo.value"
        ),
    ),
    Listing(
        "forms",
        "forms.get",
        key=("id", "status"),
        columns=columns(
            f"{_ASSET} {_PLACE} status theme language locale progressiveProfiling:boolean labelPosition fontFamily"
            " fontSize knownVisitorType=knownVisitor.type knownVisitorTemplate=knownVisitor.template thankYouList"
            " buttonLocation:integer buttonLabel waitingLabel"
        ),
        versions=True,
    ),
    Listing(
        "form_fields",
        "form_fields.get_fields_for_form",
        key=("formId", "formStatus", "id"),
        columns=columns(
            "formId:integer=^.id formStatus=^.status id label dataType required:boolean defaultValue hintText"
            " instructions maxLength:integer rowNumber:integer columnNumber:integer fieldWidth:integer"
            " labelWidth:integer formPrefill:boolean isSensitive:boolean validationMessage visibilityRules"
            " fieldMetaData text"
        ),
        parent="forms",
        asks_with={"id": "id", "status": "status"},
        default=False,
    ),
    Listing("snippets", "snippets.get", ("id", "status"), columns(f"{_ASSET} {_PLACE} status"), versions=True),
    Listing("files", "files.get", ("id",), columns(f"{_ASSET} {_PLACE} mimeType size:integer")),
    Listing(
        "folders",
        "folders.get",
        key=("id", "type"),
        columns=columns(
            "id:integer=folderId.id|id type=folderId.type name description createdAt:datetime updatedAt:datetime"
            " folderType path parentId:integer=parent.id parentType=parent.type isArchive:boolean isSystem:boolean"
            " accessZoneId:integer workspace url"
        ),
        parameters={"maxDepth": 50},
    ),
    Listing(
        "folder_tokens",
        "tokens.get_by_folder_id",
        key=("folderId", "folderType", "name"),
        columns=columns("folderId:integer=^.folderId.id folderType=^.folderId.type name type value computedUrl"),
        each="tokens",
        parent="folders",
        asks_with={"id": "folderId.id", "folderType": "folderId.type"},
        default=False,
    ),
    Listing("static_lists", "static_lists.get", key=("id",), columns=columns(f"{_ASSET} {_PLACE}")),
    Listing(
        "list_members",
        "static_list_membership.get_leads_by_list_id",
        key=("listId", "leadId"),
        columns=columns("listId:integer=^.id leadId:integer=id"),
        parameters={"fields": ["id"]},
        parent="static_lists",
        asks_with={"listId": "id"},
        follows_parent=False,
        default=False,
    ),
    Listing("smart_lists", "smart_lists.get", key=("id",), columns=columns(f"{_ASSET} {_PLACE}")),
    Listing(
        "smart_list_rules",
        "smart_lists.get_by_id",
        key=("smartListId", "position"),
        columns=columns(
            "smartListId:integer=^.id position:integer=# id:integer name ruleTypeId:integer ruleType operator"
            " conditions"
        ),
        parameters={"includeRules": True},
        each="rules.filters",
        parent="smart_lists",
        asks_with={"id": "id"},
        default=False,
    ),
    Listing(
        "segmentations",
        "segments.get_segmentations",
        key=("id", "status"),
        columns=columns(f"{_ASSET} {_PLACE} status"),
        versions=True,
    ),
    Listing(
        "segments",
        "segments.get_for_segmentation",
        key=("segmentationId", "status", "id"),
        columns=columns(
            "segmentationId:integer=^.id status=^.status id:integer name description createdAt:datetime"
            " updatedAt:datetime url"
        ),
        parent="segmentations",
        asks_with={"id": "id", "status": "status"},
    ),
    Listing(
        "custom_object_types",
        "custom_objects.list",
        key=("name",),
        columns=columns(
            "name=name|apiName displayName pluralName description createdAt:datetime updatedAt:datetime idField"
            " dedupeFields searchableFields relationships"
        ),
    ),
    Listing(
        "custom_object_fields",
        "custom_objects.describe",
        key=("customObject", "name"),
        columns=columns(f"customObject=^.name {_FIELD}"),
        each="fields",
        parent="custom_object_types",
        asks_with={"customObjectName": "name"},
        default=False,
    ),
    Listing(
        "assets",
        "folders.get",
        key=("assetType", "id"),
        columns=columns(
            "assetType id:integer name type folderPath workspace status hasDraft:boolean createdAt:datetime"
            " updatedAt:datetime url"
        ),
        made_of=ASSETS,
        default=False,
    ),
    Listing(
        "asset_changes",
        "folders.get",
        key=("seenAt", "change", "assetType", "id"),
        columns=columns("seenAt:datetime change assetType id:integer name columns url"),
        made_of=ASSETS,
        complete=False,
        default=False,
    ),
    Listing(
        "companies",
        "companies.get",
        key=("id",),
        columns=(),
        looked_up_by="externalCompanyId",
        describe="companies.describe",
        complete=False,
        default=False,
    ),
    Listing(
        "opportunities",
        "opportunities.get",
        key=("marketoGUID",),
        columns=(),
        looked_up_by="externalOpportunityId",
        describe="opportunities.describe",
        complete=False,
        default=False,
    ),
    Listing(
        "opportunity_roles",
        "opportunity_roles.get",
        key=("marketoGUID",),
        columns=(),
        looked_up_by="externalOpportunityId",
        describe="opportunity_roles.describe",
        complete=False,
        default=False,
    ),
    Listing(
        "sales_persons",
        "sales_persons.get",
        key=("id",),
        columns=(),
        looked_up_by="externalSalesPersonId",
        describe="sales_persons.describe",
        complete=False,
        default=False,
    ),
    Listing(
        "named_accounts",
        "named_accounts.get",
        key=("marketoGUID",),
        columns=(),
        looked_up_by="name",
        describe="named_accounts.describe",
        complete=False,
        default=False,
    ),
    Listing("lead_partitions", "leads.get_partitions", key=("id",), columns=columns("id:integer name description")),
    Listing(
        "api_usage",
        "usage.get_weekly_usage",
        key=("date", "userId"),
        columns=columns("date:date=^.date userId count:integer"),
        each="users",
        complete=False,
    ),
    Listing(
        "api_errors",
        "usage.get_weekly_errors",
        key=("date", "errorCode"),
        columns=columns("date:date=^.date errorCode count:integer"),
        each="errors",
        complete=False,
    ),
)

LISTINGS: Mapping[str, Listing] = {listing.name: listing for listing in _LISTINGS}
"""By name."""

DEFAULT: tuple[str, ...] = tuple(listing.name for listing in _LISTINGS if listing.default)
"""Tables that an operator lists if its author names none. Only ``segments`` takes a call for each row."""
