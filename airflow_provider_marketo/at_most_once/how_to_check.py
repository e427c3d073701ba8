"""How to check in Marketo whether a request ran."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

_INSTRUCTIONS = (
    (
        "campaigns.request",
        "In Marketo, open the campaign's Results tab, or a lead's activity log, and look for 'Campaign is Requested'.",
    ),
    ("campaigns.schedule", "In Marketo, open the campaign's Schedule tab and look for the run."),
    ("emails.send_sample", "Ask the recipient of the sample: Marketo keeps no list of samples."),
    ("leads.push", "In Marketo, look for 'Push Lead to Marketo' in the activity log of one of the leads."),
    ("leads.submit_form", "In Marketo, look for 'Fill Out Form' in the lead's activity log."),
    (
        "leads.sync",
        "Look for the leads by their e-mail address. With action='createDuplicate', the request creates further ones.",
    ),
    ("leads.merge", "Check whether the losing leads still exist: leads.get_by_filter_type with filterType=id."),
    ("activities.add_custom_activities", "Look for activities of that type in the activity log of one of the leads."),
    ("bulk_import_*", "Check whether the first row of the file is in Marketo, which has no list of imports."),
    ("data_ingestion.*", "Check whether the first record of the request is in Marketo. It may take hours to arrive."),
    ("programs.update_metadata", "Look at the program's period costs: the request adds to them."),
    ("emails.*_module", "Look at the e-mail's modules: emails.get_content."),
    ("form_fields.*", "Look at the form's fields: form_fields.get_fields_for_form."),
    ("user_management.invite_user", "Look for the invitation: user_management.get_invited_user_by_id."),
    ("*_v2.*", "Look for the asset's name in Marketo, or with {family}.list."),
    ("snippets.*", "Look for the asset's name in Marketo, or with snippets.get."),
    ("landing_page_content.add_section", "Look at the sections of the landing page: landing_page_content.get."),
    ("landing_page_redirect_rules.create", "Look for the rule: landing_page_redirect_rules.get."),
    ("*.create_fields", "Look for the fields: {family}.get_fields."),
    ("program_members.*", "Look at the leads' status and fields in the program: program_members.get."),
    ("static_list_membership.*", "Look for the leads in the static list: static_list_membership.member_of_list."),
    ("*.sync", "Look for the records by their keys: {family}.get."),
    ("activities.*", "Look for the custom activity type: activities.get_custom_types."),
    ("custom_object_schema.*", "Look for the fields of the type: custom_object_schema.describe_type."),
    ("*", "Look for the asset's name in Marketo, or with {family}.get_by_name."),
)
"""The first pattern that matches applies."""


def how_to_check(operation: str) -> str:
    """
    Return the sentences that tell a person how to check whether a request ran.

    :param operation: name of the operation.
    :return: one sentence or several.
    """
    text = next(text for pattern, text in _INSTRUCTIONS if fnmatchcase(operation, pattern))
    return text.format(family=operation.partition(".")[0])


def described(operation: str, parameters: Mapping[str, Any]) -> str:
    """
    Describe a call without lead data: show ids and names of Marketo assets, and count everything else.

    :param operation: name of the operation.
    :param parameters: the call's parameters, in Adobe's spelling.
    """
    return f"{operation}({', '.join(f'{name}={shown(name, value)}' for name, value in parameters.items())})"


def shown(name: str, value: Any) -> str:
    """
    Return the part of a parameter's value that a log may show.

    :param name: name of the parameter.
    :param value: its value.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{inner}: {shown(inner, member)}" for inner, member in value.items()) + "}"
    if isinstance(value, (list, tuple, set)) and not all(isinstance(item, int) for item in value):
        return f"<{len(value)} entries>"
    if isinstance(value, (bool, int, float, list, tuple)) or value is None or _is_harmless(name):
        return repr(value)
    return f"<{type(value).__name__}>"


_HARMLESS = frozenset(
    (
        *("action", "apiName", "channel", "cloneToProgramName", "filterType", "folderType", "format", "hostname", "id"),
        *("lookupField", "name", "programName", "runAt", "status", "statusName", "type"),
    )
)


def _is_harmless(name: str) -> bool:
    return name in _HARMLESS or name.endswith("Id")
