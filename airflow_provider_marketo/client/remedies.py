"""
What a person can do about each of Marketo's codes, as one or two sentences.

A code that stands here for a whole reply may also be the reason why Marketo skipped one record. A code without a remedy
of its own gets that of its error's class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.client import codes

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPORT = "It is a mistake of this provider: report it with the operation and the request id."
_MERGE_IN_CRM = "Merge these leads in the CRM, or call the merge with mergeInCRM=false."
_SUBSCRIPTION = "The subscription does not have this feature: ask Adobe, or do without it."

REMEDIES: Mapping[str, str] = {
    codes.TIMED_OUT: "Ask for less at once: Marketo ran out of time.",
    codes.METHOD_UNSUPPORTED: _REPORT,
    codes.NOT_JSON: _REPORT,
    codes.NO_SUCH_ADDRESS: "Check the connection's host: this address does not exist there.",
    codes.WRONG_CONTENT_TYPE: _REPORT,
    codes.BAD_MULTIPART: "Check that the file can be read and is not empty, and send it again.",
    codes.SUBSCRIPTION_UNREACHABLE: "Usually temporary; if it stays, check the Munchkin ID in the connection's host.",
    codes.WRONG_SUBSCRIPTION_TYPE: _SUBSCRIPTION,
    codes.BLANK: "Fill the field that the message names.",
    codes.NOTHING_FOUND: "Check the id or the name, and whether the API user's role and workspace may see it.",
    codes.FEATURE_OFF: _SUBSCRIPTION,
    codes.INVALID_DATE: "Write dates as ISO 8601, such as 2026-01-31 or 2026-01-31T00:00:00Z.",
    codes.BUSINESS_RULE: "Marketo's rule stands in the message: change the asset in Marketo, or the request.",
    codes.FOLDER_NOT_FOUND: "Check the folder's id and type: a program counts as a folder of type Program.",
    codes.WRONG_FOLDER_TYPE: "Choose a folder that may hold this kind of asset.",
    codes.PERSON_ACCOUNTS: "Merge Salesforce person accounts in Salesforce.",
    codes.RECORD_TYPE_NOT_FOUND: "Give the API user's role in the CRM a default record type, or merge in the CRM.",
    codes.SALES_PERSON_NOT_FOUND: "Create the sales person first.",
    codes.WRONG_TYPE: "Write the value in the field's type; describe shows the types.",
    codes.PARAMETER_MISSING: "Give the parameter that the message names.",
    codes.INVALID_DATA: "Correct the value that the message names.",
    codes.LEAD_NOT_FOUND: "Check the lead's id: the lead may have been deleted, or merged into another.",
    codes.LEAD_EXISTS: "Use action='createOrUpdate', or leave the lead out.",
    codes.UNKNOWN_FIELD: "Compare the field names with the REST API names in Field Management.",
    codes.SEVERAL_LEADS_MATCH: "Merge the duplicates in Marketo, or use lookupField='id'.",
    codes.PARTITION_DENIED: "Give the API user's role access to the lead partition.",
    codes.PARTITION_REQUIRED: "Give the name of the lead partition, partitionName.",
    codes.OTHER_PARTITION: "Leave partitionName out, or move the lead to that partition first.",
    codes.BAD_COOKIE: "Send the value of the cookie _mkto_trk as the browser has it.",
    codes.OBJECT_NOT_FOUND: "Check the id or the name: it may have been deleted, or the API user may not see it.",
    codes.NOT_CREATED: "Send it again later; if it stays, ask Adobe's support with the request id.",
    codes.NOT_IN_LIST: "The lead is not in the list: there is nothing to remove.",
    codes.OBJECT_EXISTS: "Use action='createOrUpdate', or another name.",
    codes.CRM_OWNS_RECORDS: "A native CRM synchronisation owns these records: change them in the CRM.",
    codes.LIST_BUSY: "Wait until the running import into the same list has finished.",
    codes.CLONE_ALLOWANCE: "Clone the program with programs.clone instead.",
    codes.COMPANY_FIELD_OF_LEAD: "Write company fields with companies.sync.",
    codes.IN_USE: "Remove what uses the object first; Marketo shows it under Used By.",
    codes.UNKNOWN_STATUS: "Use a status of the program's channel; channels.get_by_name lists them.",
    codes.CUSTOM_OBJECTS_OFF: _SUBSCRIPTION,
    codes.MOST_ACTIVITY_TYPES: "Delete a custom activity type that is no longer used, or ask Adobe to raise the limit.",
    codes.MOST_ATTRIBUTES: "A custom activity type takes 20 attributes: leave some out, or put them into another type.",
    codes.FILTER_UNSUPPORTED: "Select by createdAt or by a static list: the subscription does not have this filter.",
    codes.SAME_REFERENCE: "Send rows with the same reference in different calls.",
    codes.STATUS_UNCHANGED: "The lead is in this status or past it already: there is nothing to change.",
    codes.TOO_FAR_AHEAD: "Choose a time within the next two years.",
    codes.NOTHING_TO_DISCARD: "Check whether the custom object type has a draft: there may be nothing to discard.",
    codes.ACTIVITY_TOO_LARGE: "Shorten the attributes of the activity: together they may have 65,536 bytes.",
    codes.CRM_DUPLICATE: "The merge would create a duplicate in the CRM: use the record that is there.",
    codes.CRM_FIELD_TOO_LONG: "Shorten the field, or call the merge with mergeInCRM=false.",
    codes.CRM_MERGE_FAILED: _MERGE_IN_CRM,
    codes.PERSONAL_URL_CONFLICT: "Merge these leads in Marketo's own pages.",
    codes.MERGE_TOO_MANY: "Merge at most 25 leads in a call.",
    codes.HTTP_TOO_LARGE: "Send fewer records at once.",
    codes.HTTP_URI_TOO_LONG: "Ask for fewer values at once.",
    codes.HTTP_NOT_FOUND: "Check the id. A job has a file only once it is completed.",
}

_DESCRIBE = {"leads": "leads.describe2", "static_list_membership": "leads.describe2"}


def remedy_of(code: str, operation: str) -> str | None:
    """
    Return what to do about a code; None to say what the error's class says.

    :param code: Marketo's code, or ``HTTP <status>``.
    :param operation: the operation's name in the catalogue.
    """
    family = operation.partition(".")[0]
    if code == codes.FIELD_NOT_SEARCHABLE:
        describe = _DESCRIBE.get(family, f"{family}.describe")
        return f"Use a field that Marketo can search by: {describe} lists them as searchableFields."
    return REMEDIES.get(code)
