"""A value that shows stars wherever an operator's attributes are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.arguments import is_filled_in_later

if TYPE_CHECKING:
    from airflow_provider_marketo.arguments import Check

_STARS = "***"


class Hidden(str):
    """
    The text ``***`` with the value behind it.

    Airflow's logs, its serialised DAGs, its page of rendered templates and OpenLineage show attributes of operators by
    their text, and all of them accept this text.

    :param given: the value.
    """

    given: Any

    def __new__(cls, given: Any) -> Hidden:
        """Make a text of stars, which hides the given value."""
        hidden = super().__new__(cls, _STARS)
        hidden.given = given.given if isinstance(given, Hidden) else given
        return hidden

    def __getnewargs__(self) -> tuple[Any]:
        return (self.given,)


def hide(value: Any) -> Any:
    """
    Hide a value. None stays None, and a reference to another task's result stays visible, since Airflow looks for it.

    :param value: the value.
    """
    return value if value is None or _has_references(value) else Hidden(value)


def of_hidden(check: Check) -> Check:
    """
    Return a check of the value behind the stars.

    :param check: a function that takes the argument's name and its value.
    """
    return lambda name, value: check(name, value.given if isinstance(value, Hidden) else value)


def _has_references(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_references, value.values()))
    if isinstance(value, (list, tuple, set)):
        return any(map(_has_references, value))
    return not isinstance(value, str) and is_filled_in_later(value)
