# ruff: noqa: TC003, PLR1714, DTZ001, D205 - gone with the last operator that uses it
"""What authors and templates give as arguments, as what the calls take. Refused by name before a call is spent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from airflow_provider_marketo.client.dates import as_utc as as_utc_time
from airflow_provider_marketo.client.dates import has_zone, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError


def one_of(parameter: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        raise MarketoInvalidRequestError(
            f"{parameter}={value!r} is not one of {', '.join(choices)}", parameter=parameter
        )


def as_utc(parameter: str, value: Any) -> tuple[datetime | None, bool]:
    """
    A date as authors give it, and whether it came without a zone and was taken as UTC.

    :param parameter: for the error.
    :param value: a datetime, an ISO 8601 text, or nothing.
    """
    if value is None or value == "" or value == "None":
        return None, False
    if isinstance(value, str):
        naive = not has_zone(value)
        try:
            value = parse_date(value)
        except ValueError:
            raise MarketoInvalidRequestError(
                f"{parameter}={value!r} is not a date",
                parameter=parameter,
                remedy="Give ISO 8601, such as 2026-01-31 or 2026-01-31T00:00:00Z.",
            ) from None
    else:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if not isinstance(value, datetime):
            raise MarketoInvalidRequestError(
                f"{parameter} is a {type(value).__name__}, not a date", parameter=parameter
            )
        naive = value.tzinfo is None
    return as_utc_time(value).replace(microsecond=0), naive


def as_span(parameter: str, value: Any) -> timedelta:
    """
    A length of time as authors and templates give it, in whole seconds: rows have no finer dates, so a window that
    ended within a second would share its rows with the next one.

    :param parameter: for the error.
    :param value: a timedelta, or a number of days, which may be text.
    """
    if isinstance(value, timedelta):
        return _whole_seconds(value)
    try:
        return _whole_seconds(timedelta(days=float(value)))
    except (TypeError, ValueError, OverflowError):
        raise MarketoInvalidRequestError(
            f"{parameter}={value!r} is neither a timedelta nor a number of days", parameter=parameter
        ) from None


def _whole_seconds(span: timedelta) -> timedelta:
    return timedelta(days=span.days, seconds=span.seconds)


def as_list(value: Any) -> Any:
    """A list as authors and templates give it: a sequence, text with commas, or a single number; None stays None."""
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip().strip("[]").split(",")
    elif isinstance(value, (int, float)):
        value = (value,)
    items = [item.strip().strip("'\"") if isinstance(item, str) else item for item in value]
    return tuple(item for item in items if item != "")


def as_ids(parameter: str, value: Any) -> tuple[int, ...]:
    """
    Ids as authors and templates give them: one, a sequence, or text with commas.

    :param parameter: for the error.
    """
    items = as_list([value] if isinstance(value, int) else value) or ()
    try:
        return tuple(int(item) for item in items)
    except (TypeError, ValueError):
        raise MarketoInvalidRequestError(f"{parameter}={value!r} is not made of ids", parameter=parameter) from None


def as_id(parameter: str, value: Any) -> int | None:
    """
    An id as a number; templates render to text.

    :raises MarketoInvalidRequestError: it is none.
    """
    if value is None or value == "":
        return None
    if not str(value).strip().isdigit():
        raise MarketoInvalidRequestError(f"{parameter}={value!r} is not an id", parameter=parameter)
    return int(value)


def needed_id(parameter: str, value: Any) -> int:
    """
    An id that must be there.

    :raises MarketoInvalidRequestError: it is not.
    """
    found = as_id(parameter, value)
    if found is None:
        raise MarketoInvalidRequestError(f"{parameter}={value!r} is no id", parameter=parameter)
    return found


def checked_values(values: Iterable[Any]) -> list[str]:
    """
    Values of a filter as texts, each once.

    :param values: what to look for; None and empty texts are passed over.
    :raises MarketoInvalidRequestError: one has a comma, which Marketo reads as two values.
    """
    texts = list(dict.fromkeys(text for value in values if value is not None and (text := str(value).strip())))
    with_comma = sum("," in text for text in texts)
    if with_comma:
        raise MarketoInvalidRequestError(
            f"{with_comma} of {len(texts)} values contain a comma, which Marketo reads as two values",
            parameter="filter_values",
            remedy="Look these leads up by another field.",
        )
    return texts
