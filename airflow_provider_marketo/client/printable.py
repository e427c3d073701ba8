"""Make texts that come from elsewhere safe for a log line."""

from __future__ import annotations

import logging
from collections.abc import Mapping

LONGEST = 2000
"""Characters of one text. Marketo's own messages are a tenth of that."""


def printable(text: object, longest: int = LONGEST) -> str:
    r"""
    Return a text on one line, without anything that a terminal or a log viewer would act upon.

    Spaces and line breaks in a row become one space. Other characters that cannot be printed, such as escape sequences
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


def printable_logger(name: str) -> logging.Logger:
    """
    Return a module's logger, which makes the arguments of each log line printable.

    Names of assets, messages of jobs and warnings come from Marketo, and file names and templates from elsewhere. The
    message itself is ours; its arguments are not.

    :param name: the module's ``__name__``.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_PRINTABLE)
    return logger


class _PrintableArguments(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.args and not isinstance(record.args, Mapping):
            record.args = tuple(map(_argument, record.args))
        else:
            record.msg, record.args = _argument(record.getMessage()), ()
        return True


_PRINTABLE = _PrintableArguments()
_LONGEST_ARGUMENT = 4 * LONGEST
"""Characters. An error has two texts: a message and a remedy."""


def _argument(value: object) -> object:
    if isinstance(value, (int, float)):
        return value
    shown = str(value)  # may begin with a space, as a part of a sentence does
    return shown if shown.isprintable() and len(shown) <= _LONGEST_ARGUMENT else printable(shown, _LONGEST_ARGUMENT)
