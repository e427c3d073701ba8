"""
The closed sets of values that arguments take, as types: an editor completes them, and a wrong one is an import error.

A DAG file that is only parsed reads this module, so it imports nothing. Tests compare each set with its table.
"""

from __future__ import annotations

from typing import Literal

UNSET = "unset"
"""Default of an argument for which None is a value of its own."""

BulkObject = Literal["leads", "activities", "program_members", "custom_objects"]
FileFormat = Literal["parquet", "jsonl", "csv"]
AttributesForm = Literal["map", "json", "typed"]
WindowOrder = Literal["oldest_first", "newest_first"]
OnSchemaChange = Literal["evolve", "fail"]
OnTypeError = Literal["null", "string", "fail"]
OnQuotaExhausted = Literal["defer", "fail"]
OnGap = Literal["fail", "skip"]
OnJournalGap = Literal["fail", "skip", "fill"]
ProgramsSelection = Literal["changed", "all"]
AssetState = Literal["approved", "draft", "deleted"]
LeadsMode = Literal["auto", "updated_at", "change_feed", "snapshot"]
ImportObject = Literal["leads", "program_members", "custom_objects"]
SyncObject = Literal[
    "leads", "companies", "opportunities", "opportunity_roles", "sales_persons", "named_accounts", "custom_objects"
]
QueryObject = Literal[
    "leads",
    "companies",
    "opportunities",
    "opportunity_roles",
    "sales_persons",
    "named_accounts",
    "custom_objects",
    "program_members",
]
Transport = Literal["auto", "sync", "bulk", "ingestion"]
SyncAction = Literal["createOrUpdate", "createOnly", "updateOnly", "createDuplicate"]
DedupeBy = Literal["dedupeFields", "idField"]
ListMode = Literal["add", "remove", "mirror"]
SourceFormat = Literal["csv", "tsv", "jsonl", "parquet"]
RejectsFormat = Literal["jsonl", "parquet"]
EmptyFields = Literal["keep", "clear"]
OnDuplicates = Literal["last", "fail"]
OnLostUpload = Literal["resend", "stop"]
OnUnknown = Literal["ask", "fail"]
OnAmbiguous = Literal["stop", "resend", "assume_sent"]
IfExists = Literal["fail", "reuse", "update"]
IfMissing = Literal["fail", "skip"]
AssetType = Literal[
    "folders",
    "programs",
    "smart_campaigns",
    "emails",
    "email_templates",
    "landing_pages",
    "landing_page_templates",
    "forms",
    "snippets",
    "files",
    "static_lists",
    "smart_lists",
    "emails_v2",
    "email_templates_v2",
    "fragments_v2",
]
AssetAction = Literal[
    "get",
    "create",
    "update",
    "clone",
    "approve",
    "unapprove",
    "discard_draft",
    "delete",
    "activate",
    "deactivate",
]
ApprovedInProgram = Literal["snippets", "forms", "landing_pages", "emails"]
LookedUpObject = Literal["companies", "opportunities", "opportunity_roles", "sales_persons", "named_accounts"]
"""Objects that Marketo cannot list. It only finds records by their keys."""

ListingObject = Literal[
    "lead_fields",
    "program_member_fields",
    "activity_types",
    "activity_type_attributes",
    "programs",
    "program_tokens",
    "program_costs",
    "program_tags",
    "channels",
    "channel_statuses",
    "tag_types",
    "smart_campaigns",
    "emails",
    "email_versions",
    "email_templates",
    "landing_pages",
    "landing_page_templates",
    "landing_page_redirect_rules",
    "forms",
    "form_fields",
    "snippets",
    "files",
    "folders",
    "folder_tokens",
    "static_lists",
    "list_members",
    "smart_lists",
    "smart_list_rules",
    "segmentations",
    "segments",
    "custom_object_types",
    "custom_object_fields",
    "assets",
    "asset_changes",
    LookedUpObject,
    "lead_partitions",
    "api_usage",
    "api_errors",
]
LoadMode = Literal["upsert", "snapshot", "tombstones"]
OnDelete = Literal["mark", "erase"]
StreamObject = Literal["activities", "lead_changes", "deleted_leads", "merged_leads"]
RemovalFeed = Literal["deleted_leads", "merged_leads"]
ObjectName = Literal[BulkObject, StreamObject, "user_audits", SyncObject, ListingObject]
"""Every name that ``object_type``, ``object_types`` or ``tables`` may have. Each means the same rows everywhere."""
