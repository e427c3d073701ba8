"""
The journal of Adobe I/O Events: what the instance did, in the order in which it arrived there.

Activities arrive at their date, or later if the journal is told to be late. Each entry has a position, and is kept for
seven days.
"""

from __future__ import annotations

import heapq
import random
import uuid
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import count as counting
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import iso, parse_moment, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_marketo.simulator.clock import Clock
    from airflow_provider_marketo.simulator.settings import Settings
    from airflow_provider_marketo.simulator.store import Store
    from airflow_provider_marketo.simulator.store.activities import Activity

KEPT = 7 * 86_400
CLIENT_ID, CLIENT_SECRET = "adobe0client0id0of0the0simulator", "p8e-SimulatedAdobeSecret0123456789"
IMS_ORG = "51M0L4T3D00000000000000@AdobeOrg"
OTHER_INSTANCE = "999-XYZ-000"
UNKNOWN_TYPE = 99_999
WRAPPINGS = ("flat", "body", "event.body")
IDS = ("both", "new", "old")
RETRY_AFTER = ("seconds", "date", "none")

_STANDARD = "com.adobe.platform.marketo.activity.standard."
_CUSTOM = "com.adobe.platform.marketo.activity.custom"
_AUDIT = "com.adobe.platform.marketo.audit.user."

_COMPONENTS: Mapping[str, str] = {
    "emails": "Email",
    "email_templates": "Email Template",
    "folders": "Folder",
    "forms": "Form",
    "landing_pages": "Landing Page",
    "landing_page_templates": "Landing Page Template",
    "programs": "Default Program",
    "segments": "Segmentation",
    "smart_campaigns": "Smart Campaign",
    "smart_lists": "Smart List",
    "snippets": "Snippet",
    "static_lists": "List",
}
_ACTIONS = ("approve", "unapprove", "clone", "create", "delete", "activate", "deactivate", "update")
_WORDS = {"update": "edit"}


@dataclass(frozen=True)
class Manner:
    """
    How the journal behaves, from now on.

    :param duplicates: part of the events, between 0 and 1, that come a second time.
    :param disorder: greatest delay of an event, and of a duplicate after its event, in seconds.
    :param others: part of the events, between 0 and 1, for which another instance of the organization has one as well.
    :param unknown: part of the activities, between 0 and 1, for which the journal also has one whose type and
        attribute Marketo has not announced.
    :param wrapping: shape of an entry: ``flat``, ``body``, ``event.body``, or ``mixed``. If empty, activities are flat
        and audits wrapped, as in Adobe's examples.
    :param ids: names of the event's id: ``both``, ``new`` or ``old``.
    :param odd: whether payloads have the oddities of Adobe's pages: odd times, quoted numbers, unknown members.
    :param page: events on a page if the request has no ``limit``.
    :param exact: whether a page has ``limit`` events, or a single one.
    :param retry_after: form of ``retry-after`` at the end: ``seconds``, ``date`` or ``none``.
    :param joined_links: whether to send one ``Link`` header instead of several.
    :param next_host: scheme and host of the links; empty for relative ones.
    :param forgets_silently: whether a forgotten position gets 204 (400 from ``validate``) instead of 410, as Adobe
        once did.
    :param management_api: whether the project has the I/O Management API. Reading the journal needs its scope.
    :param token_life: seconds until a token of IMS expires.
    :param tokens: how many tokens IMS gives before it refuses further ones; 0 for any number.
    """

    duplicates: float = 0.0
    disorder: float = 0.0
    others: float = 0.0
    unknown: float = 0.0
    wrapping: str = ""
    ids: str = "both"
    odd: bool = False
    page: int = 500
    exact: bool = True
    retry_after: str = "seconds"
    joined_links: bool = False
    next_host: str = ""
    forgets_silently: bool = False
    management_api: bool = True
    token_life: float = 86_399.0
    tokens: int = 0

    def __post_init__(self) -> None:
        for name, known in (("wrapping", ("", "mixed", *WRAPPINGS)), ("ids", IDS), ("retry_after", RETRY_AFTER)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is not one of {', '.join(map(repr, known))}")


@dataclass(frozen=True)
class _Happening:
    """
    What an entry shows.

    :param key: Adobe's id of the delivery.
    :param instance: Munchkin ID.
    :param activity: the activity, or its row if it is generated; None for an audit.
    :param audit: type and data of an audit.
    :param unknown: whether it is of a type that Marketo has not announced.
    """

    key: int
    instance: str
    activity: Activity | int | None = None
    audit: tuple[str, Mapping[str, Any]] | None = None
    unknown: bool = False


class Journal:
    """
    The journal of one event registration.

    :param settings: settings of the instance.
    :param store: data of the instance.
    :param clock: the time.
    """

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self.manner = Manner()
        self.registration = str(uuid.UUID(int=random.Random(settings.seed).getrandbits(128)))
        self._instance = settings.munchkin_id
        self._store = store
        self._clock = clock
        self._chance = random.Random(f"{settings.seed} journal")
        self._keys = counting(1)
        self._arrived: list[int] = []
        self._entries: list[_Happening] = []
        self._late: list[tuple[int, int, _Happening]] = []
        self._settled = self._now() - KEPT
        store.activities.observers.append(lambda activity: self._happen(self._now(), activity=activity))

    def register_again(self) -> None:
        """Delete the registration and make another: it has another address and an empty journal."""
        self.settle()
        self.registration = str(uuid.UUID(int=self._chance.getrandbits(128)))
        self._arrived, self._entries, self._late = [], [], []

    def behave(self, **manner: Any) -> None:
        """
        Change how the journal behaves.

        :param manner: members of :class:`Manner`.
        """
        self.manner = replace(self.manner, **manner)

    def audit(self, operation: str, component_id: Any, user: str) -> None:
        """
        Note a change of an asset, as the audit trail does.

        :param operation: name in the catalogue. Those that change no asset are left out.
        :param component_id: id of the asset.
        :param user: who called.
        """
        family, _, action = operation.partition(".")
        component = _COMPONENTS.get(family)
        word = next((each for each in _ACTIONS if action == each or action.startswith(f"{each}_")), None)
        if component is None or word is None:
            return
        kind = _AUDIT + component.lower().replace(" ", "")
        data = {
            "componentId": component_id,
            "componentType": component,
            "eventAction": _WORDS.get(word, word),
            "imsOrgId": IMS_ORG,
            "userId": user,
        }
        self._happen(self._now(), audit=(kind, data))

    def settle(self) -> None:
        """Let everything that is due arrive."""
        now = self._now()
        if now > self._settled:
            first, self._settled = self._settled + 1, now
            for at, activity in self._store.activities.by_themselves(first, now):
                self._happen(at, activity=activity)
        while self._late and self._late[0][0] <= now:
            at, _, happening = heapq.heappop(self._late)
            self._arrived.append(max(at, self._arrived[-1] if self._arrived else at))
            self._entries.append(happening)

    @property
    def oldest(self) -> int:
        """The number of entries that are forgotten."""
        return bisect_right(self._arrived, self._now() - KEPT)

    @property
    def end(self) -> int:
        """The number of all entries so far."""
        return len(self._entries)

    def at(self, seconds: float) -> int:
        """
        Return slightly less than the number of entries before a time: Adobe starts at a position near it.

        :param seconds: seconds before now.
        """
        return max(self.oldest, bisect_right(self._arrived, self._now() - int(seconds)) - 3)

    def entries(self, first: int) -> Iterator[dict[str, Any]]:
        """
        Yield entries.

        :param first: number of entries to pass over.
        """
        for number in range(first, len(self._entries)):
            yield {"position": self.position(number + 1), "event": self._wrapped(number)}

    def position(self, number: int) -> str:
        """Return the position after a number of entries."""
        return f"heron:{self.registration[:8]}:{number:x}"

    def number(self, position: str) -> int | None:
        """Return the number of entries before a position; None if it is not of this journal."""
        start, _, digits = position.rpartition(":")
        if start != f"heron:{self.registration[:8]}" or not digits:
            return None
        try:
            found = int(digits, 16)
        except ValueError:
            return None
        return found if 0 <= found <= len(self._entries) else None

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _happen(
        self, at: int, *, activity: Activity | int | None = None, audit: tuple[str, Mapping[str, Any]] | None = None
    ) -> None:
        happening = _Happening(next(self._keys), self._instance, activity, audit)
        due = self._later(at)
        self._arrive(due, happening)
        if self._chance.random() < self.manner.duplicates:
            self._arrive(self._later(due), happening)
        if self._chance.random() < self.manner.others:
            self._arrive(self._later(at), replace(happening, key=next(self._keys), instance=OTHER_INSTANCE))
        if activity is not None and self._chance.random() < self.manner.unknown:
            self._arrive(self._later(at), replace(happening, key=next(self._keys), unknown=True))

    def _later(self, at: int) -> int:
        return at + (self._chance.randrange(int(self.manner.disorder)) if self.manner.disorder >= 1 else 0)

    def _arrive(self, due: int, happening: _Happening) -> None:
        heapq.heappush(self._late, (due, next(self._keys), happening))

    def _wrapped(self, number: int) -> dict[str, Any]:
        happening, manner = self._entries[number], self.manner
        event = self._audit(number) if happening.audit else self._activity(happening)
        key = str(uuid.UUID(int=happening.key << 64))
        names = {"new": ("",), "old": ("_",), "both": ("", "_")}[manner.ids]
        about = {f"event{each}id": key for each in names}
        recipient = {f"recipient{each}client{each}id": CLIENT_ID for each in names}
        wrapping = manner.wrapping or ("event.body" if happening.audit else "flat")
        if wrapping == "mixed":
            wrapping = WRAPPINGS[number % len(WRAPPINGS)]
        if wrapping == "flat":
            return {**about, **event, **recipient}
        if wrapping == "body":
            header = {"msgId": key, "_adobeio": {"eventCode": event["type"]}}
            return {**about, "header": header, "body": event, **recipient}
        return {**about, "event": {"body": event}, **recipient}

    def _activity(self, happening: _Happening) -> dict[str, Any]:
        log, activity = self._store.activities, happening.activity
        shown = log.generated(activity) if isinstance(activity, int) else activity
        assert shown is not None
        kind = log.types[shown.type_id]
        types = dict(kind.attributes)
        data: dict[str, Any] = {
            "munchkinId": happening.instance,
            "leadId": str(shown.lead_id),
            "activityDate": timestamp(shown.at),
            "activityTypeId": shown.type_id,
            "activityType": kind.name,
            "activityLogItemId": shown.number,
        }
        if shown.primary_id is not None:
            data["primaryAttributeValueId"] = shown.primary_id
        if shown.primary is not None:
            data["primaryAttributeValue"] = shown.primary
        if shown.campaign_id is not None:
            data |= {"campaignId": shown.campaign_id, "campaignName": f"Campaign {shown.campaign_id}"}
        data["attributes"] = [
            {"name": name, "dataType": "object" if name.endswith(" ID") else types.get(name, "string"), "value": value}
            for name, value in shown.attributes.items()
            if value is not None
        ]
        own = happening.instance == self._instance
        event = {
            "specversion": "1.0",
            "type": _CUSTOM if kind.custom else _STANDARD + kind.name.lower().replace(" ", ""),
            "source": "urn:marketo_activity_stream",
            "id": str(shown.number) if own else f"other-{shown.number}",
            "time": timestamp(shown.at),
            "datacontenttype": "application/json",
            "data": data,
        }
        if happening.unknown:
            event |= {"type": _STANDARD + "somethingnew", "id": f"new-{shown.number}"}
            data |= {"activityTypeId": UNKNOWN_TYPE, "activityType": "Something New"}
            data["attributes"].append({"name": "Mood", "dataType": "string", "value": "sunny"})
        return _made_odd(event, shown.number) if self.manner.odd else event

    def _audit(self, number: int) -> dict[str, Any]:
        happening = self._entries[number]
        assert happening.audit is not None
        kind, data = happening.audit
        at = datetime.fromtimestamp(self._arrived[number], timezone.utc)
        return {
            "specversion": "1.0",
            "type": kind,
            "source": "urn:mlm",
            "time": at.strftime("%Y-%m-%d %H:%M:%S.000"),
            "datacontenttype": "application/json",
            "dataschema": "V2.0",
            "data": {**data, "munchkinId": happening.instance},
        }


def _made_odd(event: dict[str, Any], number: int) -> dict[str, Any]:
    """Return an event in one of the spellings that Adobe's pages show; it means the same."""
    data = event["data"]
    moment = parse_moment(data["activityDate"])
    local = datetime.fromtimestamp(moment.timestamp() - 5 * 3600, timezone.utc)
    spellings = (iso(moment), iso(moment).replace("T", " ").rstrip("Z"), local.strftime("%Y-%m-%dT%H:%M:%S-5:00"))
    odd = {**data, "activityDate": spellings[number % len(spellings)], "lead": {"id": data["leadId"]}, "mood": None}
    if odd.get("campaignId") is not None:
        odd["campaignId"] = f'"{odd["campaignId"]}"'
    if not odd["attributes"]:
        del odd["attributes"]
    return {**event, "data": odd, "dataschema": "V9.9"}
