"""What operations are called: ``<family>.<Adobe's summary without the family's own noun>``."""

from __future__ import annotations

import re

FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # Start of the path (a regular expression; the first that matches decides), family, nouns that the family implies.
    (r"/identity/", "identity", ()),
    (r"/userservice/", "user_management", ()),
    (r"/subscriptions/", "data_ingestion", ()),
    (r"/bulk/v1/activities/export", "bulk_export_activities", ("export activity",)),
    (r"/bulk/v1/customobjects/\{apiName\}/export", "bulk_export_custom_objects", ("export custom object",)),
    (r"/bulk/v1/customobjects/", "bulk_import_custom_objects", ("custom objects", "import custom object")),
    (r"/bulk/v1/leads/export", "bulk_export_leads", ("export lead",)),
    (r"/bulk/v1/leads", "bulk_import_leads", ("leads", "import lead")),
    (r"/bulk/v1/program/members/export", "bulk_export_program_members", ("export program member",)),
    (r"/bulk/v1/program/", "bulk_import_program_members", ("program members", "import program member")),
    (r"/rest/v1/activities", "activities", ("activity",)),
    (r"/rest/v1/campaigns", "campaigns", ("campaigns", "campaign")),
    (r"/rest/v1/companies", "companies", ("companies", "company")),
    (r"/rest/v1/customobjects/schema", "custom_object_schema", ("custom object",)),
    (r"/rest/v1/customobjects", "custom_objects", ("custom objects", "custom object")),
    (r"/rest/v1/lists?[/.]", "static_list_membership", ()),
    (r"/rest/v1/leads?[/.]", "leads", ("leads", "lead")),
    (r"/rest/v1/namedAccountList", "named_account_lists", ("named account lists", "named account list")),
    (r"/rest/v1/namedaccounts", "named_accounts", ("namedaccounts", "named account")),
    (r"/rest/v1/opportunities/roles", "opportunity_roles", ("opportunity roles", "opportunity role")),
    (r"/rest/v1/opportunities", "opportunities", ("opportunities", "opportunity")),
    (r"/rest/v1/programs?/", "program_members", ("program members", "program member")),
    (r"/rest/v1/salespersons", "sales_persons", ("salespersons",)),
    (r"/rest/v1/stats", "usage", ()),
    (r"/rest/asset/v1/channel", "channels", ("channels", "channel")),
    (r"/rest/asset/v1/emailTemplate", "email_templates", ("email templates", "email template")),
    (r"/rest/asset/v1/email", "emails", ("emails", "email")),
    (r"/rest/asset/v1/file", "files", ("files", "file")),
    (r"/rest/asset/v1/folder/\{id\}/tokens", "tokens", ("tokens", "token")),
    (r"/rest/asset/v1/folder", "folders", ("folders", "folder")),
    (
        r"/rest/asset/v1/form/(\{\w+\}/)?(field|programMemberFields|reArrange|richText)",
        "form_fields",
        ("form fields", "form field"),
    ),
    (r"/rest/asset/v1/form", "forms", ("forms", "form")),
    (
        r"/rest/asset/v1/(redirectRule|landingPageDomains)",
        "landing_page_redirect_rules",
        ("landing page redirect rules", "landing page redirect rule", "landing page"),
    ),
    (
        r"/rest/asset/v1/landingPageTemplate",
        "landing_page_templates",
        ("landing page templates", "landing page template"),
    ),
    (
        r"/rest/asset/v1/landingPage/\{id\}/(content|dynamicContent)",
        "landing_page_content",
        ("landing page content", "landing page"),
    ),
    (r"/rest/asset/v1/landingPage", "landing_pages", ("landing pages", "landing page")),
    (r"/rest/asset/v1/program", "programs", ("programs", "program")),
    (r"/rest/asset/v1/segmentation", "segments", ("segments",)),
    (r"/rest/asset/v1/smartCampaign", "smart_campaigns", ("smart campaigns", "smart campaign")),
    (r"/rest/asset/v1/smartList", "smart_lists", ("smart lists", "smart list")),
    (r"/rest/asset/v1/snippet", "snippets", ("snippets", "snippet")),
    (r"/rest/asset/v1/staticList", "static_lists", ("static lists", "static list")),
    (r"/rest/asset/v1/tagType", "tags", ("tag",)),
    (r"/rest/asset/v2/emailtemplate", "email_templates_v2", ("email templates", "email template")),
    (r"/rest/asset/v2/email", "emails_v2", ("emails", "email")),
    (r"/rest/asset/v2/fragment", "fragments_v2", ("fragments", "fragment")),
)

EXCEPTIONS: dict[str, str] = {
    # By operationId, where the rule gives the same name twice or one that misleads.
    "describeProgramMemberUsingGET": "describe_legacy",
    "describeUsingGET_6": "describe2",
    "getAllProgramMemberFieldsUsingGET": "get_available_program_member_fields",
    "getLeadsByListIdUsingGET": "get_leads_by_list_id_legacy",
    "identityUsingGET": "get_token",
    "identityUsingPOST": "post_token",
    "pushToMarketoUsingPOST": "push",
}


def family_and_name(operation_id: str, path: str, summary: str) -> tuple[str, str]:
    """
    Return the family and the name of an operation.

    :param operation_id: Adobe's operationId.
    :param path: the operation's path.
    :param summary: Adobe's summary.
    """
    family, nouns = next((family, nouns) for start, family, nouns in FAMILIES if re.match(start, path))
    words = re.sub(r"\s+", " ", summary.lower())
    for noun in nouns:
        # "by Lead Id" says which id is meant and stays.
        words = re.sub(rf"(?<!\bby ){_standing_alone(noun)}", " ", words)
    return family, EXCEPTIONS.get(operation_id) or "_".join(words.split())


def _standing_alone(noun: str) -> str:
    return rf"\b{re.escape(noun)}\b"
