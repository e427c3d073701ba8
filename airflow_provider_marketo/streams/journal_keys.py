"""
The keys of the rows that a stream of a journal has published lately.

The journal may repeat an event days later, and a stream may run each minute. So a run reads a few segments of keys and
not a file for each run: when a run has published, its keys join the segments before them that are not much larger.
A segment is never changed, so a run that is run again finds the segments that it began with.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client.dates import compact, parse_date
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.streams.overlap import KEYS, Overlap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.output.folder import OutputFolder

_LARGER = 2
"""A segment this many times as large as the next one stays as it is."""

_SPARED = timedelta(days=1)
"""How long keys that no run needs any more stay, for a run that has begun with them."""


class JournalOverlap(Overlap):
    """Keeps two runs of a journal's stream from publishing the same row: like its base, but by arrival, not by date."""

    _without_keys: ClassVar[str] = (
        "give the stream another name and a start: events that the journal repeats are then published again"
    )

    def _is_recorded_near(self, name: str) -> bool:
        """Return True: the position lists the segments that count, whatever their time."""
        return True


def with_segment(
    segments: Mapping[str, str], name: str | None, folder: OutputFolder, *, since: datetime
) -> Mapping[str, str]:
    """
    Return the segments of keys that the next run has to know, and write those that are joined.

    :param segments: names of the segments, with the URL of the output that has them.
    :param name: name of the keys of the run that has just published; None if it has published no row.
    :param folder: the output.
    :param since: keys of earlier runs are no longer needed.
    """
    kept = {each: url for each, url in sorted(segments.items()) if _end(each) > since}
    if name is None or name in kept:
        return kept
    joined = name
    for each in reversed(list(kept)):
        if kept[each] != folder.url or _size(folder, each) > _LARGER * _size(folder, joined):
            break
        joined = _join(folder, each, joined)
        del kept[each]
    return {**kept, joined: folder.url}


def remove_old(folder: OutputFolder, since: datetime) -> None:
    """
    Remove keys that no run needs any more.

    :param folder: the output.
    :param since: keys of earlier runs are no longer needed.
    """
    for name in folder.names(KEYS):
        if name[17:] < compact(since - _SPARED):
            folder.delete(f"{KEYS}/{name}")


def _join(folder: OutputFolder, first: str, second: str) -> str:
    name = f"{first[:16]}_{second[17:]}"
    keys = SeenKeys()
    for each in (first, second):
        keys.load(io.BytesIO(folder.read(f"{KEYS}/{each}") or b""))
    saved = io.BytesIO()
    keys.save(saved)
    keys.close()
    folder.write(f"{KEYS}/{name}", saved.getvalue())
    return name


def _size(folder: OutputFolder, name: str) -> int:
    return int(folder.path(f"{KEYS}/{name}").stat().st_size)


def _end(name: str) -> datetime:
    return parse_date(name[17:])
