"""Names that people give to things, as parts of keys and paths."""

from __future__ import annotations

import hashlib
import re

LONGEST = 120
"""Longest part, in characters. With a prefix it fits a Variable's key (250) and the name of a file (255 bytes)."""

_PLAIN = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_-])?")
_OTHER = re.compile(r"[^a-z0-9_]+")
_SHOWN = 60
_DIGITS = 16


def key_part(name: str) -> str:
    """
    Return a name as a part of a key, a path or a pattern: different names have different parts.

    A plain name (lower-case letters, digits, ``_``, ``-``, ``.``, not too long) stays as it is. Any other name
    becomes its readable characters and a digest of the whole name: ``Forms?EMEA`` becomes
    ``forms-emea~0c5e8a1f2b3d4e6f``. No part needs quoting in a URL or is a pattern for a file system. Parts of
    different names differ even where case, accents and spaces at the end do not count.

    :param name: any text.
    """
    if len(name) <= LONGEST and _PLAIN.fullmatch(name):
        return name
    shown = _OTHER.sub("-", name.lower())[:_SHOWN].strip("-")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{shown}~{digest}"
