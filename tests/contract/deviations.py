"""Deliberate deviations of the client from Adobe's OpenAPI files, and what Adobe's pages or replies say instead."""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """
    One deviation from the files.

    :param operations: names of the operations (shell pattern).
    :param kind: kind of difference; ``never sent`` is a parameter of the files that the client does not have.
    :param subject: the parameter, or the member of the body (shell pattern).
    """

    operations: str
    kind: str
    subject: str


REASONS = {
    "The token travels in a header, which the transport adds. Adobe's authentication page ends tokens in queries.": (
        Deviation("*_v2.*", "query missing", "access_token"),
        Deviation("*_v2.*", "never sent", "access_token"),
        Deviation("data_ingestion.*", "header missing", "X-Mkto-User-Token"),
        Deviation("data_ingestion.*", "never sent", "X-Mkto-User-Token"),
    ),
    "Lists in a query have commas, except ids of lists and the new designer. The files repeat the parameter.": (
        Deviation("*", "list with commas", "*"),
    ),
    "A lookup by a key of several fields is a POST with _method=GET. The files describe a GET with a body.": (
        Deviation("custom_objects.get", "verb", "POST"),
        Deviation("opportunities.get", "verb", "POST"),
        Deviation("opportunity_roles.get", "verb", "POST"),
        Deviation("*.get", "query unknown", "_method"),
        Deviation("custom_objects.get", "query missing", "filter*"),
        Deviation("opportunities.get", "query missing", "filter*"),
        Deviation("opportunity_roles.get", "query missing", "filter*"),
    ),
    "The files describe the records of a reply where they mean those of a request.": (
        Deviation("*", "member missing", "input[[][]].seq"),
        Deviation("*", "member missing", "input[[][]].marketoGUID"),
    ),
    "The same mistake, and other names of members, in custom activities and their types.": (
        Deviation("activities.add_custom_activities", "member missing", "input[[][]].id"),
        Deviation("activities.add_custom_activities", "member missing", "input[[][]].errors"),
        Deviation("activities.add_custom_activities", "member missing", "input[[][]].attributes[[][]].name"),
        Deviation("activities.add_custom_activities", "member type", "input[[][]].attributes[[][]].value"),
        Deviation("activities.update_custom_type", "member missing", "*"),
        Deviation("activities.update_custom_type", "never sent", "apiName"),
        Deviation("activities.delete_custom_type_attributes", "member missing", "attributes[[][]].name"),
    ),
    "Each subscription has its own fields. The files give a placeholder as their name.": (
        Deviation("program_members.sync_data", "member missing", "input[[][]].{fieldApiName}"),
    ),
    "The ids of removed or checked members are in the query. The files also ask for a body.": (
        Deviation("static_list_membership.remove_from_list", "body missing", ""),
        Deviation("static_list_membership.remove_from_list", "never sent", "input"),
        Deviation("static_list_membership.member_of_list", "never sent", "input"),
    ),
    "A search by updatedAt has no filterValues.": (Deviation("program_members.get", "query missing", "filterValues"),),
    "The losing leads are in leadIds, which also takes a single lead.": (
        Deviation("leads.merge", "never sent", "leadId"),
    ),
    "columnHeaderNames maps a field to a header. The files describe an object with name and value.": (
        Deviation("bulk_export_*.create_job", "member missing", "columnHeaderNames.*"),
    ),
    "Adobe's pages write pause and norm. The files write paused and normal.": (
        Deviation("bulk_export_program_members.create_job", "member enum", "filter.nurtureCadence"),
    ),
    "Adobe's pages write formats in lower case. The files write them in upper case for program members.": (
        Deviation("bulk_import_program_members.import", "query value", "format"),
    ),
    "Adobe's pages capitalize the status of a job and write Canceled. The files write cancelled.": (
        Deviation("bulk_export_*.get_jobs", "query value", "status"),
    ),
    "Adobe's list of endpoints ends the path with .json.": (
        Deviation("email_templates.get_content_by_id", "path", ""),
    ),
    "Adobe's pages write name. The files write Name.": (
        Deviation("channels.get_by_name", "query missing", "Name"),
        Deviation("channels.get_by_name", "query unknown", "name"),
        Deviation("channels.get_by_name", "never sent", "Name"),
    ),
    "Adobe's pages filter by status; the files name filterType, and leave out its filterValues.": (
        Deviation("programs.get", "query unknown", "status"),
        Deviation("programs.get", "query unknown", "filterValues"),
    ),
    "An e-mail program takes its dates when it is created. The files have them for updates only.": (
        Deviation("programs.create", "member unknown", "startDate"),
        Deviation("programs.create", "member unknown", "endDate"),
    ),
    "Only Adobe's pages have isOpenTrackingDisabled.": (
        Deviation("emails.create", "member unknown", "isOpenTrackingDisabled"),
        Deviation("emails.update_content", "member unknown", "isOpenTrackingDisabled"),
    ),
    "An e-mail needs name, template and folder, and a module needs no name. The files require more.": (
        Deviation("emails.create", "member missing", "subject"),
        Deviation("emails.create", "member missing", "from*"),
        Deviation("emails.create", "member missing", "replyEmail"),
        Deviation("emails.add_module", "query missing", "name"),
        Deviation("emails.duplicate_module", "query missing", "name"),
    ),
    "Marketo itself returns a default thank-you rule without a condition. The files require one.": (
        Deviation("forms.update_thank_you_page", "member missing", "thankyou[[][]].*"),
    ),
    "Adobe's pages list forms that are approved and have a draft, too.": (
        Deviation("forms.get", "query value", "status"),
    ),
    "Adobe's pages have segment, and the types HTML and Text.": (
        Deviation("emails.update_dynamic_content_section", "member unknown", "segment"),
        Deviation("emails.update_dynamic_content_section", "member enum", "type"),
    ),
    "The content of a snippet is sent as a form. The files put it into the query.": (
        Deviation("snippets.update_content", "query missing", "*"),
        Deviation("snippets.update_content", "member unknown", "*"),
        Deviation("snippets.update_content", "never sent", "*"),
        Deviation("snippets.update_dynamic_content", "member enum", "type"),
    ),
    "Adobe's pages send a form. The files describe JSON.": (
        Deviation("smart_campaigns.update", "content type", "application/x-www-form-urlencoded"),
    ),
    "Adobe's pages send parts. The files describe a form.": (
        Deviation("form_fields.add_rich_text_field", "content type", "multipart/form-data"),
    ),
    "The id of a file stands in the path. The files ask for it in the body, too.": (
        Deviation("files.update_content", "member missing", "id"),
        Deviation("files.update_content", "never sent", "id"),
    ),
    "Adobe's pages and replies write formPrefill. The files write prefillForm.": (
        Deviation("landing_pages.create", "member unknown", "formPrefill"),
    ),
    "The value of a variable is a text, such as a colour. The files make it an integer.": (
        Deviation("landing_pages.update_variable", "query type", "value"),
    ),
    "Adobe's pages do not have folderType.": (Deviation("*_v2.list", "never sent", "folderType"),),
    "The body is the bare list of roles. The files wrap it in input.": (
        Deviation("user_management.*_roles", "member type", ""),
        Deviation("user_management.*_roles", "never sent", "input"),
    ),
}

DEVIATIONS = tuple(deviation for deviations in REASONS.values() for deviation in deviations)
