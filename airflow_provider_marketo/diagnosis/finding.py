"""What a check of ``airflow marketo doctor`` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_provider_marketo.client.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_marketo.client.errors import MarketoError

Level = Literal["ok", "warning", "error", "not checked"]

_NAMED = 5
"""Greatest number of names in one sentence. Further names are only counted."""


@dataclass(frozen=True)
class Finding:
    """
    One line of the report.

    :param level: ``ok``, ``warning``, ``error``, or ``not checked`` for what only a change in Marketo could show.
    :param about: a connection, a pool or a folder; empty for this Airflow.
    :param found: what the check found, as a sentence.
    :param remedy: what to do; empty if there is nothing to do.
    """

    level: Level
    about: str
    found: str
    remedy: str = ""


def ok(about: str, found: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding("ok", about, found)


def warning(about: str, found: str, remedy: str) -> Finding:
    """Return a finding that a person should look at."""
    return Finding("warning", about, found, remedy)


def error(about: str, found: str, remedy: str) -> Finding:
    """Return a finding that makes tasks fail, wait for ever, or break Marketo's limits."""
    return Finding("error", about, found, remedy)


def failed(about: str, failure: MarketoError, otherwise: str, *, said: str | None = None) -> Finding:
    """
    Return an error of this package as a finding with what to do.

    :param about: as in :class:`Finding`.
    :param failure: the error.
    :param otherwise: what to do if the error does not say.
    :param said: the sentence. Default: the error's message.
    """
    return error(about, failure.message if said is None else said, failure.remedy or otherwise)


def not_checked(about: str, found: str, remedy: str = "") -> Finding:
    """Return a finding about something that the doctor cannot check."""
    return Finding("not checked", about, found, remedy)


def listed(names: Iterable[str], noun: str) -> str:
    """Return names as a text, the first five by name: ``task a.b`` or ``7 tasks (a.b, a.c, a.d, a.e, a.f, ...)``."""
    known: Sequence[str] = sorted(set(names))
    if len(known) == 1:
        return f"{noun} {known[0]}"
    more = ", ..." if len(known) > _NAMED else ""
    return f"{counted(len(known), noun)} ({', '.join(known[:_NAMED])}{more})"
