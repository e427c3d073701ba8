"""Texts of others, made fit for a log line."""

from __future__ import annotations

LONGEST = 2000
"""Characters of one text. Marketo's own messages are a tenth of that."""


def printable(text: object, longest: int = LONGEST) -> str:
    r"""
    Return a text on one line, without anything that a terminal or a log viewer would act upon.

    Blanks and line breaks in a row become one blank. Other characters that cannot be printed, such as escape sequences
    and marks that turn the direction of writing, are written as escapes: ``\x1b``.

    :param text: any value; what is not a text is converted.
    :param longest: characters that are kept; the result says how many there were.
    """
    given = text if isinstance(text, str) else str(text)
    # Cut before the work, and once more afterwards: an escape is longer than its character.
    line = " ".join(given[: longest * 2].split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in line)
    if len(given) <= longest * 2 and len(line) <= longest:
        return line
    return f"{line[:longest]}... ({len(given)} characters)"
