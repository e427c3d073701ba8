"""Marketo assets: folders and their contents, drafts, approved versions, My Tokens, and a log of sendings."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.store.asset_kinds import KINDS, Kind
from airflow_provider_marketo.simulator.store.lists import Lists, StaticList
from airflow_provider_marketo.simulator.store.programs import Program, Programs
from airflow_provider_marketo.simulator.store.template_markup import Markup, markup_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date


UI = "https://app-sim.marketo.com"
IMAGES = "https://na-sim.marketo.com/rs/123-ABC-456/images"
FOLDER, PROGRAM = "Folder", "Program"
WORKSPACE = "Default"
_FIRST_FOLDER = 101
PROGRAM_TYPES = {"event": "Event", "engagement": "Engagement", "email": "Email", "default": "Default"}
"""Program types as program records name them, by the name that channels use."""


PROGRAM_STATUSES = {"engagement": "off", "email": "unlocked"}
"""Status of a new program by the program type of its channel; other programs have no status."""


class Location(NamedTuple):
    """The folder or program that contains something. A folder and a program can have the same id."""

    type: str
    id: int


@dataclass
class Folder:
    """
    A folder.

    :param type: the folder type, which decides what it may contain, such as ``Email`` or ``Marketing Activities``.
    :param system: whether it is one of Marketo's own folders, which cannot be changed.
    """

    id: int
    name: str
    parent: Location | None
    type: str
    created: int
    updated: int
    description: str = ""
    system: bool = False
    archived: bool = False


@dataclass
class Asset:
    """
    A Marketo asset: anything in a folder that is not a folder.

    :param location: the folder or program that contains it.
    :param live: the approved version; for a kind without drafts, the only version.
    :param draft: the version that is not approved yet.
    """

    kind: Kind
    id: int | str
    name: str
    location: Location
    created: int
    updated: int
    live: dict[str, Any] | None = None
    draft: dict[str, Any] | None = None

    @property
    def newest(self) -> dict[str, Any]:
        """The draft; without a draft, the approved version."""
        found = self.draft if self.draft is not None else self.live
        assert found is not None
        return found

    @property
    def shown(self) -> dict[str, Any]:
        """The version that Marketo returns if the request names no status."""
        return self.live if self.live is not None else self.newest

    @property
    def url(self) -> str:
        """The asset's address in Marketo's UI; the public address of a file."""
        if self.kind.family == "files":
            return f"{IMAGES}/{quote(self.name)}"
        return f"{UI}/#{self.kind.code}{self.id}A1"


class Sending(NamedTuple):
    """
    A request that sends something to people, now or at ``run_at``.

    :param operation: the operation that was called.
    :param asset_id: id of the campaign or the e-mail.
    :param leads: ids of the leads that the request names.
    :param at: time of the request, in seconds since 1970.
    :param run_at: time at which the campaign is scheduled; None if it runs at once.
    :param tokens: values of My Tokens, or the address of a sample.
    :param audience: ids of the leads for which a scheduled campaign runs.
    """

    operation: str
    asset_id: int
    leads: tuple[int, ...]
    at: int
    run_at: int | None = None
    tokens: tuple[tuple[str, str], ...] = ()
    audience: tuple[int, ...] = ()


@dataclass
class RedirectRule:
    """A redirect rule of landing pages."""

    id: int
    created: int
    updated: int
    values: dict[str, Any] = field(default_factory=dict)


def _contents_of(asset: Asset) -> Iterator[tuple[Any, str]]:
    """Iterate over type and content of the sections of an e-mail or a page, in all of its versions."""
    for version in (asset.live, asset.draft):
        for section in (version or {}).get("sections", ()):
            yield section.get("type") or section.get("contentType"), str(section.get("content") or section.get("value"))


class Assets:
    """
    All Marketo assets of an instance.

    :param programs: the programs of the lead database.
    :param lists: the static lists of the lead database.
    """

    def __init__(self, programs: Programs, lists: Lists) -> None:
        self._programs, self._lists = programs, lists
        self.folders: dict[int, Folder] = {}
        self.by_family: dict[str, dict[int | str, Asset]] = {family: {} for family in KINDS}
        self.rules: dict[int, RedirectRule] = {}
        self.tokens: dict[Location, dict[tuple[str, str], str]] = {}
        self.sendings: list[Sending] = []
        self.clones: Counter[date] = Counter()
        self._names: dict[tuple[str, int | None, str], int | str] = {}
        self._next: dict[str, int] = {family: kind.first_id for family, kind in KINDS.items()}

    # Folders

    def add_folder(
        self, name: str, parent: Location | None, kind: str, now: int, *, system: bool = False, description: str = ""
    ) -> Folder:
        """Create a folder."""
        number = max(self.folders, default=_FIRST_FOLDER - 1) + 1
        self.folders[number] = Folder(number, name, parent, kind, now, now, description, system)
        return self.folders[number]

    def location(
        self, value: Mapping[str, Any], *, kind: Kind | None = None, program_type: str | None = None
    ) -> Location:
        """
        Return the folder or program that a request names.

        :param value: ``id`` and ``type``.
        :param kind: the kind of asset that the request puts there; None if it puts no asset there.
        :param program_type: type of the program that the request puts there. Engagement programs may contain all
            programs, the other types only e-mail programs.
        :raises ApiError: 710, it does not exist; 711, it cannot contain the kind.
        """
        location = Location(str(value["type"]).capitalize(), int(value["id"]))
        if location.type not in (FOLDER, PROGRAM):
            raise ApiError("711", "Folder type must be Folder or Program")
        known = location.id in (self.folders if location.type == FOLDER else self.by_family["programs"])
        if not known:
            raise ApiError("710", f"Parent folder not found: {location.type} {location.id}")
        if kind is not None:
            in_program = self.program_of(location) is not None
            fits = kind.in_programs if in_program else self.folders[location.id].type == kind.folder_type
            if kind.family == "programs" and location.type == PROGRAM:
                fits = program_type == "Email" or self.by_family["programs"][location.id].shown["type"] == "Engagement"
            if not fits:
                raise ApiError("711", f"Assets of type {kind.title} cannot be placed in {location.type} {location.id}")
        return location

    def with_ancestors(self, location: Location | None) -> Iterator[Location]:
        """Iterate over a folder or program and all that contain it, up to the root; over nothing for None."""
        while location is not None:
            yield location
            if location.type == FOLDER:
                location = self.folders[location.id].parent
            else:
                location = self.by_family["programs"][location.id].location

    def program_of(self, location: Location | None) -> int | None:
        """Return the id of the program that is or contains a location; None outside of programs."""
        return next((each.id for each in self.with_ancestors(location) if each.type == PROGRAM), None)

    def path(self, folder: Folder) -> str:
        """Return the path of a folder from the root."""
        names = [folder.name, *map(self.name_of, self.with_ancestors(folder.parent))]
        return "/" + "/".join(reversed(names))

    def name_of(self, location: Location) -> str:
        """Return the name of a folder or program."""
        where = self.folders if location.type == FOLDER else self.by_family["programs"]
        return where[location.id].name

    def inside(self, location: Location) -> Iterator[Asset]:
        """Iterate over the assets directly in a folder or program."""
        return (asset for assets in self.by_family.values() for asset in assets.values() if asset.location == location)

    def subfolders(self, location: Location) -> Iterator[Folder]:
        """Iterate over the folders directly in a folder or program."""
        return (folder for folder in self.folders.values() if folder.parent == location)

    # Assets

    def find(self, family: str, asset_id: int | str) -> Asset:
        """
        Return an asset by id.

        :param family: operation family of the asset's kind.
        :raises ApiError: 702, it does not exist.
        """
        asset = self.by_family[family].get(asset_id)
        if asset is None:
            raise ApiError("702", f"{KINDS[family].title} {asset_id} not found")
        return asset

    def named(self, family: str, name: str, location: Location | None = None) -> list[Asset]:
        """Return the assets of a name. A name is unique in each program, and among assets outside of programs."""
        found = [
            self.by_family[family][number]
            for (known_family, _, known_name), number in self._names.items()
            if (known_family, known_name) == (family, name)
        ]
        return [asset for asset in found if location is None or asset.location == location]

    def add(
        self, family: str, name: str, location: Location, values: Mapping[str, Any], now: int, *, approved: bool = False
    ) -> Asset:
        """
        Create an asset.

        :param approved: whether it is approved at once.
        :raises ApiError: 709, the name is taken.
        """
        kind = KINDS[family]
        self._check_name_is_free(family, name, location)
        number: int | str = self._next[family]
        self._next[family] += 1
        if family.endswith("_v2"):
            number = f"{kind.code.lower()}-{number:08d}"
        version = {"description": "", **copy.deepcopy(dict(kind.values)), **self._from_template(kind, values), **values}
        asset = Asset(kind, number, name, location, now, now)
        if kind.drafts and not approved:
            asset.draft = version
        else:
            asset.live = version
        self.by_family[family][number] = asset
        self._names[self._name_key(family, name, location)] = number
        self._update_lead_database(asset)
        return asset

    def _from_template(self, kind: Kind, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sections and variables that an asset takes from its template."""
        if kind.template is None or values.get("template") is None:
            return {}
        markup = markup_of(self._live_html(kind.template, values["template"]))
        sections = {"sections": markup.new_sections()} if kind.family == "emails" else {}
        return {**sections, "variables": markup.new_variables()}

    def _live_html(self, family: str, template_id: int | str) -> str:
        template = self.by_family[family].get(template_id)
        return str(template.shown.get("content") or "") if template is not None else ""

    def template_html(self, asset: Asset) -> str:
        """Return the HTML of an asset's template; empty without a template."""
        template = asset.newest.get("template")
        return "" if asset.kind.template is None or template is None else self._live_html(asset.kind.template, template)

    def markup_of_template(self, asset: Asset) -> Markup:
        """Return the editable parts of an asset's template."""
        return markup_of(self.template_html(asset))

    def change(self, asset: Asset, now: int, name: str | None = None, **values: Any) -> None:
        """
        Change an asset. For a kind with drafts, change the draft, and create it first if it is missing.

        :raises ApiError: 709, the name is taken.
        """
        if name is not None and name != asset.name:
            self._check_name_is_free(asset.kind.family, name, asset.location)
            del self._names[self._name_key(asset.kind.family, asset.name, asset.location)]
            asset.name = name
            self._names[self._name_key(asset.kind.family, name, asset.location)] = asset.id
        if asset.kind.drafts and asset.draft is None:
            asset.draft = copy.deepcopy(asset.live)
        asset.newest.update(values)
        asset.updated = now
        self._update_lead_database(asset)

    def remove(self, asset: Asset) -> None:
        """Delete an asset."""
        del self.by_family[asset.kind.family][asset.id]
        self._names.pop(self._name_key(asset.kind.family, asset.name, asset.location), None)
        if asset.kind.family == "programs":
            self._programs.all.pop(int(asset.id), None)
        if asset.kind.family == "static_lists":
            self._lists.all.pop(int(asset.id), None)

    def users(self, asset: Asset) -> list[Asset]:
        """Return the assets that use an asset, such as the landing pages of a form or the e-mails of a template."""
        family, number = asset.kind.family, asset.id
        if family == "email_templates_v2":
            return [each for each in self.records("emails_v2") if each.newest.get("templateId") == number]
        of_template = next((kind.family for kind in KINDS.values() if kind.template == family), None)
        if of_template is not None:
            return [each for each in self.by_family[of_template].values() if each.shown.get("template") == number]
        wanted = {"forms": "Form", "snippets": "Snippet"}.get(family)
        if wanted is None:
            return []
        return [
            each
            for each in (*self.by_family["landing_pages"].values(), *self.by_family["emails"].values())
            if any((wanted, str(number)) == used for used in _contents_of(each))
        ]

    def clone(self, asset: Asset, name: str, location: Location, now: int, **values: Any) -> Asset:
        """Clone an asset: its approved version, or its draft if it has no approved version."""
        family = asset.kind.family
        copied = self.add(family, name, location, {**copy.deepcopy(asset.shown), **values}, now)
        if family == "smart_campaigns":
            copied.newest.update(isActive=False, status="Never Run", parentProgramId=self.program_of(location))
        return copied

    def clone_program(self, program: Asset, name: str, location: Location, description: str | None, now: int) -> Asset:
        """Clone a program with its contents and its own My Tokens."""
        values = {} if description is None else {"description": description}
        copied = self.clone(program, name, location, now, costs=[], **values)
        source, target = Location(PROGRAM, int(program.id)), Location(PROGRAM, int(copied.id))
        self._clone_contents(source, target, now)
        if source in self.tokens:
            self.tokens[target] = dict(self.tokens[source])
        return copied

    def _clone_contents(self, source: Location, target: Location, now: int) -> None:
        for asset in list(self.inside(source)):
            self.clone(asset, asset.name, target, now)
        for folder in list(self.subfolders(source)):
            made = self.add_folder(folder.name, target, folder.type, now, description=folder.description)
            self._clone_contents(Location(FOLDER, folder.id), Location(FOLDER, made.id), now)

    def _name_key(self, family: str, name: str, location: Location) -> tuple[str, int | None, str]:
        return family, None if family == "programs" else self.program_of(location), name

    def _check_name_is_free(self, family: str, name: str, location: Location) -> None:
        if self._name_key(family, name, location) in self._names:
            raise ApiError("709", f"{KINDS[family].title} name already exists: {name}")

    def _update_lead_database(self, asset: Asset) -> None:
        """Update the lead database, which has its own records of programs and static lists."""
        made, changed, version = timestamp(asset.created), timestamp(asset.updated), asset.newest
        number = int(asset.id) if isinstance(asset.id, int) else 0
        if asset.kind.family == "programs":
            description = version["description"]
            self._programs.all[number] = Program(
                number, asset.name, version["channel"], made, changed, description, WORKSPACE
            )
        elif asset.kind.family == "static_lists":
            program = self.program_of(asset.location)
            inside = self.by_family["programs"][program].name if program is not None else None
            self._lists.all[number] = StaticList(number, asset.name, made, changed, version["description"], inside)

    # Queries of all assets

    def sent_twice(self) -> int:
        """Count repeated sendings: the same campaign to a lead, the same run of a campaign, a sample to an address."""
        sent = Counter(
            (sending.operation, sending.asset_id, to)
            for sending in self.sendings
            for to in (*sending.leads, *((sending.run_at, sending.tokens),) * (not sending.leads))
        )
        return sum(count - 1 for count in sent.values())

    def records(self, family: str) -> Iterable[Asset]:
        """Return all assets of a family."""
        return self.by_family[family].values()
