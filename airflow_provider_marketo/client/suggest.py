"""Find the known names that a mistyped name may stand for, and suggest them in errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], *, most: int = 1, likeness: float = 0.6) -> list[str]:
    """
    Find the known names that are most like a name. Case, spaces and punctuation make no difference.

    :param name: what the author wrote.
    :param known: the names to choose from, or a mapping from spellings to names.
    :param most: how many names to return at most.
    :param likeness: how much alike two names must be, from 0 to 1.
    :return: the nearest names, the best first; empty if no name is near.
    """
    names: dict[str, str] = {}
    for spelling, meant in known.items() if isinstance(known, Mapping) else ((each, each) for each in known):
        names.setdefault(plain(spelling), meant)
    return list(dict.fromkeys(names[near] for near in get_close_matches(plain(name), names, n=most, cutoff=likeness)))


def did_you_mean(names: Sequence[object]) -> str:
    """Ask whether one of the names was meant, as in ``Did you mean email or id?``."""
    return f"Did you mean {' or '.join(map(str, names))}?"


def with_nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Quote a name, and add a known name that is near: ``'emial' (did you mean 'email'?)``."""
    near = nearest(name, known, likeness=likeness)
    return f"{name!r} (did you mean {near[0]!r}?)" if near and near[0] != name else repr(name)


def plain(name: str) -> str:
    """Return a name in lower case, without spaces and punctuation."""
    return re.sub(r"\W|_", "", name).lower()
