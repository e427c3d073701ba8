"""
How operations behave: facts that Adobe's OpenAPI files do not carry.

Every table maps names, as shell patterns, to a fact; the first pattern that fits decides.
"""

from __future__ import annotations

Table = tuple[tuple[str, str], ...]

RETRY: Table = (
    # Queries that are sent as POST.
    ("identity.post_token", "read"),
    ("*_v2.get_used_by", "read"),
    ("*_v2.bulk_get*", "read"),
    # Sends something, runs something, or adds a record without a key.
    ("activities.add_custom_activities", "once"),
    ("bulk_import_*.import", "once"),
    ("campaigns.request", "once"),
    ("campaigns.schedule", "once"),
    ("data_ingestion.sync_persons", "once"),
    ("emails.add_module", "once"),
    ("emails.duplicate_module", "once"),
    ("emails.send_sample", "once"),
    ("form_fields.add_fieldset_to_form", "once"),
    ("form_fields.add_rich_text_field", "once"),
    ("leads.push", "once"),
    ("leads.submit_form", "once"),
    # A job that is created and never queued runs nothing.
    ("bulk_export_*.create_job", "repeatable"),
    # May run again, but not twice at a time.
    ("leads.sync", "upsert"),
    # Overwrites: the token of that name, the file of that name.
    ("tokens.create", "repeatable"),
    ("files.create", "repeatable"),
    # Leaves something behind under a name or key of its own, so whether it ran can be looked up.
    ("*.clone", "reconcile"),
    ("*.create", "reconcile"),
    ("*.create_fields", "reconcile"),
    ("activities.create_custom_type", "reconcile"),
    ("activities.create_custom_type_attributes", "reconcile"),
    ("custom_object_schema.add_type_fields", "reconcile"),
    ("form_fields.add_field_to_form", "reconcile"),
    ("landing_page_content.add_section", "reconcile"),
    ("leads.merge", "reconcile"),
    ("user_management.invite_user", "reconcile"),
)
"""Whether a request may be sent again. Without a row: a GET is a read, everything else may be repeated."""

RETRY_OVERRIDES: dict[str, list[list[object]]] = {
    # Parameter, value (None: any), class. The last one that applies decides.
    "leads.sync": [["action", "createDuplicate", "once"], ["action", "updateOnly", "repeatable"]],
    "files.create": [["insertOnly", True, "reconcile"]],
    "programs.update_metadata": [["costs", None, "once"], ["costsDestructiveUpdate", True, "repeatable"]],
    "emails_v2.update_status": [["action", "create_draft", "reconcile"]],
    "email_templates_v2.update_status": [["action", "create_draft", "reconcile"]],
    "fragments_v2.update_status": [["action", "create_draft", "reconcile"]],
}

SERVER_TIMEOUT: tuple[tuple[str, int], ...] = (
    ("leads.merge", 180),
    ("leads.sync", 90),
    ("leads.push", 90),
    ("leads.associate", 60),
    ("leads.update_partition", 60),
    ("leads.get_by_filter_type", 60),
    ("leads.*", 30),
    ("static_list_membership.get_leads_by_list_id", 60),
    ("activities.get_paging_token", 300),
    ("activities.add_custom_activities", 90),
    ("activities.*", 30),
    ("named_accounts.sync", 120),
    ("custom_objects.sync", 120),
    ("companies.sync", 60),
    ("companies.delete", 60),
    ("opportunit*.sync", 60),
    ("opportunit*.delete", 60),
    ("sales_persons.sync", 60),
    ("sales_persons.delete", 60),
    ("named_accounts.delete", 60),
    ("custom_objects.delete", 60),
    ("companies.*", 30),
    ("opportunit*.*", 30),
    ("sales_persons.*", 30),
    ("named_accounts.*", 30),
    ("custom_objects.*", 30),
)
"""Seconds after which Marketo gives up. Assets have 300; undocumented operations count as 60."""

ASSET_TIMEOUT = 300
OTHER_TIMEOUT = 60
REPLY: Table = (
    ("identity.*", "bare"),
    ("user_management.*", "bare"),
    ("data_ingestion.*", "accepted"),
    ("bulk_export_*.get_file", "file"),
    ("bulk_import_*.get_failures", "file"),
    ("bulk_import_*.get_warnings", "file"),
)
"""Replies that are not Marketo's envelope of ``success``, ``result`` and ``errors``."""

PERMISSION_SPELLINGS = {
    "Read-Asset": "Read-Only Assets",
    "Read-Only Asset": "Read-Only Assets",
    "Read-Write Asset": "Read-Write Assets",
    "Read-Only Campaigns": "Read-Only Campaign",
    "Read-Write Campaigns": "Read-Write Campaign",
    "Read Only Redirect Rules": "Read-Only Redirect Rules",
    "Read Write Redirect Rules": "Read-Write Redirect Rules",
    "Read-Write Named Opportunity": "Read-Write Opportunity",
}
"""Permissions, as the role editor spells them."""

PERMISSIONS: dict[str, list[str]] = {
    "landing_pages.get_variables": ["Read-Only Assets", "Read-Write Assets"],
}
"""Permissions of operations for which the files name none."""

PATHS = {
    "email_templates.get_content_by_id": "/rest/asset/v1/emailTemplate/{id}/content.json",
}
"""Paths of operations for which the files have another path."""
