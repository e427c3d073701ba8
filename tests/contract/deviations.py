"""
Where the client departs from Adobe's OpenAPI files on purpose, because the files are wrong or incomplete there.

``fact`` is the section of the project's notes on the API (``marketo/api.md``) in which the fact stands; ``46 #24`` is
number 24 of the table in section 46, which lists where Adobe's files and Adobe's documentation disagree.
"""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """
    One deviation from the files.

    :param fact: where it is written that the files do not hold.
    :param operations: names of the operations (shell pattern).
    :param kind: of difference; ``never sent`` is a parameter of the files that the client does not have.
    :param subject: the parameter, or the member of the body (shell pattern).
    """

    fact: str
    operations: str
    kind: str
    subject: str


DEVIATIONS = (
    # The token travels in a header that the transport adds.
    Deviation("46 #62", "*_v2.*", "query missing", "access_token"),
    Deviation("46 #62", "*_v2.*", "never sent", "access_token"),
    Deviation("45", "data_ingestion.*", "header missing", "X-Mkto-User-Token"),
    Deviation("45", "data_ingestion.*", "never sent", "X-Mkto-User-Token"),
    # Lists in a query have commas, but for ids of lists and the new designer.
    Deviation("46 #23", "*", "list with commas", "*"),
    # A lookup by a key of several fields is a POST.
    Deviation("46 #48", "custom_objects.get", "verb", "POST"),
    Deviation("46 #48", "opportunities.get", "verb", "POST"),
    Deviation("46 #48", "opportunity_roles.get", "verb", "POST"),
    Deviation("46 #48", "*.get", "query unknown", "_method"),
    Deviation("46 #48", "custom_objects.get", "query missing", "filter*"),
    Deviation("46 #48", "opportunities.get", "query missing", "filter*"),
    Deviation("46 #48", "opportunity_roles.get", "query missing", "filter*"),
    # The files take records of a reply for those of a request.
    Deviation("10", "*", "member missing", "input[[][]].seq"),
    Deviation("10", "*", "member missing", "input[[][]].marketoGUID"),
    Deviation("12", "activities.add_custom_activities", "member missing", "input[[][]].id"),
    Deviation("12", "activities.add_custom_activities", "member missing", "input[[][]].errors"),
    Deviation("22", "program_members.sync_data", "member missing", "input[[][]].{fieldApiName}"),
    # Custom activities and their types.
    Deviation("12", "activities.add_custom_activities", "member missing", "input[[][]].attributes[[][]].name"),
    Deviation("12", "activities.add_custom_activities", "member type", "input[[][]].attributes[[][]].value"),
    Deviation("12", "activities.update_custom_type", "member missing", "*"),
    Deviation("12", "activities.update_custom_type", "never sent", "apiName"),
    Deviation("12", "activities.delete_custom_type_attributes", "member missing", "attributes[[][]].name"),
    # Static lists and programs.
    Deviation("46 #46", "static_list_membership.remove_from_list", "body missing", ""),
    Deviation("46 #46", "static_list_membership.remove_from_list", "never sent", "input"),
    Deviation("21", "static_list_membership.member_of_list", "never sent", "input"),
    Deviation("46 #47", "program_members.get", "query missing", "filterValues"),
    Deviation("11", "leads.merge", "never sent", "leadId"),
    # Bulk.
    Deviation("46 #50", "bulk_export_*.create_job", "member missing", "columnHeaderNames.*"),
    Deviation("46 #51", "bulk_export_program_members.create_job", "member enum", "filter.nurtureCadence"),
    Deviation("46 #52", "bulk_import_program_members.import", "query value", "format"),
    Deviation("46 #68", "bulk_export_*.get_jobs", "query value", "status"),
    # Marketo assets.
    Deviation("46 #11", "email_templates.get_content_by_id", "path", ""),
    Deviation("46 #24", "channels.get_by_name", "query missing", "Name"),
    Deviation("46 #24", "channels.get_by_name", "query unknown", "name"),
    Deviation("46 #24", "channels.get_by_name", "never sent", "Name"),
    Deviation("46 #28", "programs.get", "query unknown", "status"),
    Deviation("46 #28", "programs.get", "query unknown", "filterValues"),
    Deviation("46 #29", "programs.create", "member unknown", "startDate"),
    Deviation("46 #29", "programs.create", "member unknown", "endDate"),
    Deviation("46 #30", "emails.create", "member unknown", "isOpenTrackingDisabled"),
    Deviation("46 #32", "emails.update_dynamic_content_section", "member unknown", "segment"),
    Deviation("46 #32", "emails.update_dynamic_content_section", "member enum", "type"),
    Deviation("46 #34", "snippets.update_content", "query missing", "*"),
    Deviation("46 #34", "snippets.update_content", "member unknown", "*"),
    Deviation("46 #34", "snippets.update_content", "never sent", "*"),
    Deviation("34", "snippets.update_dynamic_content", "member enum", "type"),
    Deviation("46 #35", "smart_campaigns.update", "content type", "application/x-www-form-urlencoded"),
    Deviation("46 #37", "form_fields.add_rich_text_field", "content type", "multipart/form-data"),
    Deviation("39", "files.update_content", "member missing", "id"),
    Deviation("39", "files.update_content", "never sent", "id"),
    Deviation("46 #40", "landing_pages.create", "member unknown", "formPrefill"),
    Deviation("46 #41", "landing_pages.update_variable", "query type", "value"),
    Deviation("46 #60", "*_v2.list", "never sent", "folderType"),
    # Users: the body is the bare list.
    Deviation("46 #58", "user_management.*_roles", "member type", ""),
    Deviation("46 #58", "user_management.*_roles", "never sent", "input"),
)
