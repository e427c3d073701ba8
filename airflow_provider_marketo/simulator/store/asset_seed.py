"""
The Marketo assets that a new instance has.

``docs/simulator.md`` lists their ids, so that people can use them in a first try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import parse_timestamp
from airflow_provider_marketo.simulator.store.asset_kinds import DATABASE, DESIGN, FORM, KINDS, MARKETING
from airflow_provider_marketo.simulator.store.assets import (
    FOLDER,
    PROGRAM,
    PROGRAM_STATUSES,
    PROGRAM_TYPES,
    Assets,
    Location,
)
from airflow_provider_marketo.simulator.store.programs import CHANNELS, Program

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_marketo.simulator.store.lists import StaticList

PLAIN = '<html><body><div class="mktEditable" id="main">Hello</div></body></html>'
NEWSLETTER = """<html>
<head>
<title>Newsletter</title>
<meta class="mktoString" id="headline" mktoName="Headline" default="{{my.Headline}}">
<meta class="mktoColor" id="colour" mktoName="Colour" default="#336699">
<meta class="mktoString" id="linkText" mktoName="Link text" default="Read more" mktoModuleScope="true">
</head>
<body>
<table class="mktoContainer" id="content">
<tr class="mktoModule" id="hero" mktoName="Hero"><td style="background: ${colour}">
<h1>${headline}</h1>
<div class="mktoText" id="main" mktoName="Main">Hello {{lead.First Name:default=you}}, see you on {{my.Date}}.</div>
</td></tr>
<tr class="mktoModule" id="offer" mktoName="Offer"><td>
<div class="mktoImg" id="picture" mktoName="Picture"><img src="https://www.example.com/offer.png" alt="An offer"></div>
<div class="mktoText" id="details" mktoName="Details">Only this week.</div>
<a href="https://www.example.com/offer">${linkText}</a>
</td></tr>
</table>
</body>
</html>"""
"""A template of version 2 with My Tokens, two modules and variables."""

GUIDED = """<html>
<head>
<meta class="mktoString" id="headline" mktoName="Headline" default="Welcome">
<meta class="mktoColor" id="colour" mktoName="Colour" default="#336699">
<meta class="mktoBoolean" id="showFooter" mktoName="Show footer" default="true">
</head>
<body style="background: ${colour}"><h1>${headline}</h1></body>
</html>"""

EMAIL = "Invitation"


def seed(
    assets: Assets, programs: Iterable[Program], lists: Iterable[StaticList], generated: int, created: int
) -> None:
    """
    Add the initial assets to an instance.

    :param assets: still empty.
    :param programs: the initial programs of the lead database.
    :param lists: the initial static lists of the lead database.
    :param generated: number of generated assets of each kind.
    :param created: their creation time, in seconds since 1970.
    """
    locations = _folders(assets, created)
    _templates(assets, locations, created)
    for program in list(programs):
        _program(assets, program, locations[MARKETING], created)
    for known in list(lists):
        assets.add("static_lists", known.name, locations[DATABASE], {}, parse_timestamp(known.created_at))
    assets.add("smart_lists", "All Leads", locations[DATABASE], {}, created)
    assets.add("smart_lists", "Qualified Leads", locations[DATABASE], {}, created)
    segments = {"segments": ["EMEA", "Americas", "Default"]}
    assets.add("segmentations", "Region", locations[DATABASE], segments, created, approved=True)
    assets.add("forms", FORM, locations["Landing Page Form"], {}, created, approved=True)
    for family, kind in KINDS.items():
        for number in range(generated):
            name, values = f"{kind.title} {number + 1:05d}", _GENERATED_VALUES.get(family, {})
            assets.add(family, name, locations[kind.folder_type], values, created, approved=number % 3 > 0)


def _folders(assets: Assets, created: int) -> dict[str, Location]:
    """Add Marketo's own folders, and one that can hold programs; return them by folder type."""
    top = (MARKETING, DESIGN, DATABASE)
    locations = {name: Location(FOLDER, assets.add_folder(name, None, name, created, system=True).id) for name in top}
    for kind in KINDS.values():
        if kind.folder_type not in locations:
            name, parent = f"{kind.folder_type}s", locations[DESIGN]
            folder = assets.add_folder(name, parent, kind.folder_type, created, system=True)
            locations[kind.folder_type] = Location(FOLDER, folder.id)
    assets.add_folder("Campaigns", locations[MARKETING], MARKETING, created)
    return locations


def _templates(assets: Assets, locations: Mapping[str, Location], created: int) -> None:
    for family, name, content, more in (
        ("email_templates", "Plain", PLAIN, {}),
        ("email_templates", "Newsletter", NEWSLETTER, {}),
        ("landing_page_templates", "Plain", PLAIN, {}),
        ("landing_page_templates", "Guided", GUIDED, {"templateType": "guided"}),
    ):
        location = locations[KINDS[family].folder_type]
        assets.add(family, name, location, {"content": content, **more}, created, approved=True)


def _program(assets: Assets, program: Program, folder: Location, created: int) -> None:
    """Add a program of the lead database, with an e-mail and with a campaign of each type."""
    channel = CHANNELS[program.channel]
    values = {"type": PROGRAM_TYPES[channel.program_type], "channel": channel.name}
    values["status"] = "on" if channel.program_type == "engagement" else PROGRAM_STATUSES.get(channel.program_type, "")
    made = assets.add("programs", program.name, folder, values, parse_timestamp(program.created_at))
    location = Location(PROGRAM, int(made.id))
    assets.tokens[location] = {("Headline", "text"): "Hello", ("Date", "date"): "2026-05-04"}
    template = assets.named("email_templates", "Newsletter")[0].id
    assets.add("emails", EMAIL, location, {**_SENDABLE, "template": template}, created)
    trigger = {"type": "trigger", "isRequestable": True, "isActive": True, "status": "Active"}
    for name, own in (("Send Invitation", trigger), ("Weekly Send", {"type": "batch"})):
        assets.add("smart_campaigns", name, location, {**own, "parentProgramId": location.id}, created)


def _text(value: str) -> dict[str, str]:
    return {"type": "Text", "value": value}


_SENDABLE = {
    "subject": _text("You are invited"),
    "fromName": _text("Marketing"),
    "fromEmail": _text("marketing@example.com"),
    "replyEmail": _text("marketing@example.com"),
}
_GENERATED_VALUES: Mapping[str, Mapping[str, Any]] = {
    "emails": {**_SENDABLE, "template": 4001},
    "email_templates": {"content": PLAIN},
    "landing_page_templates": {"content": PLAIN},
    "snippets": {"content": [{"type": "HTML", "content": "<p>Hello</p>"}]},
    "smart_campaigns": {"type": "batch"},
    "segmentations": {"segments": ["Default"]},
}
