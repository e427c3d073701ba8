"""The kinds of Marketo assets and their differences, as one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_FORM, FORM = 7001, "Newsletter Signup"
"""The form that the activity log names."""

MARKETING, DESIGN, DATABASE = "Marketing Activities", "Design Studio", "Lead Database"


@dataclass(frozen=True)
class Kind:
    """
    A kind of Marketo asset.

    :param family: the operation family of the catalogue, which is the part before the dot in an operation's name.
    :param title: the kind's name in messages.
    :param code: the letters of its addresses in Marketo's UI, as in ``#EM17A1``.
    :param first_id: the lowest id.
    :param folder_type: type of the folders that may contain it.
    :param in_programs: whether a program may contain it.
    :param drafts: whether changes go to a draft until they are approved.
    :param shape: members of the ``folder`` in its records: ``typed`` (type, value, folderName), ``plain`` (id, type) or
        ``named`` (type, id, name).
    :param url: name of the member with its address in the UI; None if records have no address.
    :param values: default values of its other members, besides id, name, description, folder, dates and status.
    :param needed: members that must be set before it can be approved.
    :param content: name of the member with the content of its template file or page; None if it has no such member.
    :param template: operation family of its templates; None without templates.
    """

    family: str
    title: str
    code: str
    first_id: int
    folder_type: str
    in_programs: bool = True
    drafts: bool = False
    shape: str = "typed"
    url: str | None = "url"
    values: Mapping[str, Any] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    content: str | None = None
    template: str | None = None


_EMAIL: Mapping[str, Any] = {
    "subject": {"type": "Text", "value": ""},
    "fromName": {"type": "Text", "value": "Marketing"},
    "fromEmail": {"type": "Text", "value": "marketing@example.com"},
    "replyEmail": {"type": "Text", "value": "marketing@example.com"},
    "operational": False,
    "textOnly": False,
    "publishToMSI": False,
    "webView": False,
    "template": None,
    "isOpenTrackingDisabled": False,
    "version": 2,
    "autoCopyToText": False,
    "ccFields": [],
    "preHeader": None,
}
_FORM: Mapping[str, Any] = {
    "theme": "simple",
    "language": "English",
    "locale": "en_US",
    "progressiveProfiling": False,
    "labelPosition": "left",
    "fontFamily": "Helvetica",
    "fontSize": "13px",
    "knownVisitor": {"type": "form", "template": None},
    "thankYouList": [{"followupType": "none", "followupValue": None, "default": True}],
    "buttonLocation": 120,
    "buttonLabel": "Submit",
    "waitingLabel": "Please Wait",
}
_PAGE: Mapping[str, Any] = {
    "template": None,
    "title": None,
    "keywords": None,
    "robots": "index, follow",
    "mobileEnabled": False,
    "formPrefill": True,
    "customHeadHTML": None,
    "facebookOgTags": None,
    "URL": None,
}
_CAMPAIGN: Mapping[str, Any] = {
    "type": "default",
    "status": "Never Run",
    "isSystem": False,
    "isActive": False,
    "isRequestable": False,
    "isCommunicationLimitEnabled": False,
    "recurrence": {"weekdayOnly": False},
    "qualificationRuleType": "any",
    "qualificationRuleInterval": 0,
    "qualificationRuleUnit": None,
    "maxMembers": 0,
    "smartListId": None,
    "flowId": None,
    "parentProgramId": None,
}
_PROGRAM: Mapping[str, Any] = {
    "type": "Default",
    "channel": "Content",
    "status": "",
    "startDate": None,
    "endDate": None,
    "sfdcId": None,
    "sfdcName": None,
    "headStart": False,
    "tags": [],
    "costs": [],
}

KINDS: Mapping[str, Kind] = {
    kind.family: kind
    for kind in (
        Kind("programs", "Program", "PG", 1001, MARKETING, in_programs=False, values=_PROGRAM),
        Kind("smart_campaigns", "Smart campaign", "SC", 2001, MARKETING, shape="plain", url="computedUrl",
             values=_CAMPAIGN),
        Kind("emails", "Email", "EM", 3001, "Email", drafts=True, values=_EMAIL,
             needed=("subject", "fromName", "fromEmail", "replyEmail"), content="sections",
             template="email_templates"),
        Kind("email_templates", "Email template", "ET", 4001, "Email Template", in_programs=False, drafts=True,
             values={"version": 2}, needed=("content",), content="content"),
        Kind("landing_pages", "Landing page", "LP", 5001, "Landing Page", drafts=True, url="computedUrl",
             values=_PAGE, content="sections", template="landing_page_templates"),
        Kind("landing_page_templates", "Landing page template", "LT", 6001, "Landing Page Template",
             in_programs=False, drafts=True, values={"templateType": "freeForm", "enableMunchkin": True},
             needed=("content",), content="content"),
        Kind("forms", "Form", "FO", FIRST_FORM, "Landing Page Form", drafts=True, values=_FORM),
        Kind("snippets", "Snippet", "SN", 8001, "Snippet", drafts=True, needed=("content",), content="content"),
        Kind("files", "File", "FI", 9001, "Image", in_programs=False, shape="named",
             values={"mimeType": "image/png", "size": 0}),
        Kind("static_lists", "Static list", "ST", 1001, DATABASE, shape="plain", url="computedUrl"),
        Kind("smart_lists", "Smart list", "SL", 5001, DATABASE, shape="plain"),
        Kind("segmentations", "Segmentation", "SG", 1001, DATABASE, in_programs=False, drafts=True),
        Kind("emails_v2", "Email", "NE", 1, "Email", drafts=True, values={"headers": {}, "settings": {}, "data": {}},
             needed=("headers",)),
        Kind("email_templates_v2", "Email template", "NT", 1, "Email Template", in_programs=False, drafts=True,
             values={"data": {}}),
        Kind("fragments_v2", "Fragment", "NF", 1, "Snippet", drafts=True, values={"settings": {}, "data": {}}),
    )
}  # fmt: skip
"""Kinds by operation family."""
