"""Reads the records of listings: page by page, or what belongs to each record of another listing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoBudgetError, MarketoNotFoundError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.listings.listing import VERSIONS, Listing, member
from airflow_provider_marketo.listings.table import LISTINGS

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.plan import Window
    from airflow_provider_marketo.client.client import MarketoClient

_KEYS = 300

log = printable_logger(__name__)

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """
    Tables that are made from one reading: those of a listing's records, and those of what belongs to each record.

    :param root: a listing that costs a call per page. It is read even if only its children are wanted.
    :param tables: the wanted listings that are made from the same records.
    :param children: the wanted listings that cost a call per record, by their source.
    :param found: the wanted listings that are looked up by keys in the records, and the fields with these keys.
    """

    root: Listing
    tables: list[Listing] = field(default_factory=list)
    children: dict[tuple[Any, ...], list[Listing]] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)

    @property
    def listings(self) -> list[Listing]:
        """All wanted listings of the family."""
        found = (LISTINGS[name] for name in self.found)
        return [*self.tables, *(listing for group in self.children.values() for listing in group), *found]


def families(names: Sequence[str], keys_in: Mapping[str, Sequence[str]]) -> list[Family]:
    """
    Group listings so that nothing is read twice.

    :param names: names of the wanted listings. The listings that they are made from are also read.
    :param keys_in: for a listing whose keys are in the records of another one: the name of that one, and the field.
    """
    wanted = [LISTINGS[name] for name in names]
    needed = [LISTINGS[name] for listing in wanted for name in listing.made_of]
    found = {listing.source: Family(listing) for listing in needed}
    for listing in (each for each in wanted if not each.made_of):
        place, key_field = keys_in.get(listing.name, (listing.parent, None))
        root = listing if place is None else LISTINGS[place]
        family = found.setdefault(root.source, Family(root))
        if key_field is not None:
            family.found[listing.name] = key_field
        elif listing.parent is None:
            family.tables.append(listing)
        else:
            family.children.setdefault(listing.source, []).append(listing)
    return list(found.values())


def records(client: MarketoClient, listing: Listing, span: Window | None) -> Iterator[Record]:
    """
    Yield the records of a listing that costs a call per page. Records with versions name the version in ``status``.

    :param client: the instance.
    :param listing: the listing.
    :param span: list only what has changed in this span, if Marketo can select by date; None lists everything.
    """
    dates = {}
    if span is not None and listing.selects_by_date:
        dates = {"earliestUpdatedAt": iso(span.start), "latestUpdatedAt": iso(span.end)}
    for version in VERSIONS if listing.versions else (None,):
        status = {"status": version} if version else {}
        asked = {**listing.parameters, **listing.page, **status, **dates}
        for record in client.paginate(listing.operation, **asked):
            yield {**record, **status}


def looked_up(client: MarketoClient, listing: Listing, keys: Sequence[str]) -> Iterator[Record]:
    """
    Yield the records that Marketo finds for keys, 300 keys to a call.

    :param client: the instance.
    :param listing: a listing that Marketo looks up, with its columns.
    :param keys: values of its field.
    """
    fields = [column.name for column in listing.columns]
    for some in batches(keys, _KEYS):
        asked = {"filterType": listing.looked_up_by, "filterValues": list(some), "fields": fields}
        yield from client.paginate(listing.operation, **asked, **listing.page)


def whole_keys(table: str, keys: Iterable[Any]) -> list[str]:
    """
    Return found keys in Marketo's form: each once, without keys that Marketo would read as two.

    :param table: the table whose rows they look up.
    :param keys: the found values; None and empty texts are left out.
    """
    known = dict.fromkeys(str(key) for key in keys if key not in (None, ""))
    whole = [key for key in known if "," not in key]
    log.info("%s: %s found", table, counted(len(whole), "key"))
    if len(whole) < len(known):
        log.warning(
            "%s: left out %s with a comma, which Marketo reads as two keys",
            table,
            counted(len(known) - len(whole), "key"),
        )
    return whole


def has_changed(record: Record, span: Window | None) -> bool:
    """
    Whether what belongs to a record may have changed in a span. A record without a date may always have.

    :param record: the record.
    :param span: the span; None for all times.
    """
    moment = parse_date_or_none(str(record.get("updatedAt") or ""))
    return span is None or moment is None or moment >= span.start


def records_of(client: MarketoClient, listing: Listing, parent: Record) -> Iterator[Record]:
    """
    Yield what belongs to a record; nothing if the record was deleted since it was listed.

    :param client: the instance.
    :param listing: a listing that costs a call per record.
    :param parent: the record.
    """
    asked = {name: member(parent, place.split(".")) for name, place in listing.asks_with.items()}
    try:
        yield from client.paginate(listing.operation, **listing.parameters, **listing.page, **asked)
    except MarketoNotFoundError:
        log.info("%s: %s was deleted after it was listed", listing.operation, asked)


def check_budget(client: MarketoClient, planned: Sequence[tuple[Listing, int]], *, has_start: bool) -> None:
    """
    Refuse to begin tables that ``max_calls`` would end halfway.

    :param client: the instance.
    :param planned: the listings that cost a call per record, one for each source, with the number of records.
    :param has_start: whether only changed records cost a call, where Marketo says what has changed.
    :raises MarketoBudgetError: the calls that are left do not suffice.
    """
    most, needed = client.tally.max_calls, sum(count for _, count in planned)
    if most is not None and needed > most - client.tally.calls:
        names = ", ".join(listing.name for listing, _ in planned)
        narrows = not has_start and any(listing.follows_parent for listing, _ in planned)
        remedy = "Raise max_calls, or leave these tables out."
        raise MarketoBudgetError(
            f"{names} would take {counted(needed, 'call')} or more, one for each record, and"
            f" {most - client.tally.calls} of max_calls={most} are left",
            parameter="max_calls",
            remedy=f"{remedy} With start, only changed records cost a call." if narrows else remedy,
        )
