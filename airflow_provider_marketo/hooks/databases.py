"""A database's error as one sentence, without the values of rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_marketo.client.errors import MarketoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HIDDEN = "***"

_NAMING = "column|relation|table|schema|constraint|function|operator|near|database|role|user|host name|at|for key|in"
_QUOTED = re.compile(rf"""(?P<naming>\b(?:{_NAMING})\s+)?(?P<mark>["']).*?(?P=mark)""", re.IGNORECASE)
_OTHER_VALUES = re.compile(r"""(?<==\().*?(?=\)(?:\s|$))|[^\s'"(=]+@[^\s'")]+""")
"""Values as in ``Key (email)=(ada@example.com) already exists``, and e-mail addresses anywhere."""

_SHORTEST = 3


UNREACHABLE = (
    "Check the connection's address and credentials, and whether this worker reaches the database. The next try"
    " connects again."
)
"""Remedy if a database cannot be reached."""


class MarketoDatabaseError(MarketoError):
    """A database refused a statement, or cannot be reached."""

    default_remedy = "Try the query with the same connection, outside of this task. The next try runs it again."


def without_values(error: BaseException, hidden: Iterable[Any] = ()) -> str:
    """
    Return the first line of a database's message, with stars for all that may be a value of a row.

    :param error: error of the driver.
    :param hidden: values that must not be shown, such as a query's parameters.
    """
    lines = (line.strip() for line in str(error).splitlines())
    text = next((line for line in lines if line), "")
    for value in sorted(map(str, hidden), key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, HIDDEN)
    text = _QUOTED.sub(lambda found: found[0] if found["naming"] else f"{found['mark']}{HIDDEN}{found['mark']}", text)
    return _OTHER_VALUES.sub(HIDDEN, text) or type(error).__name__


@contextmanager
def saying_plainly(
    what: str,
    parameter: str,
    parameters: Mapping[str, Any] | Iterable[Any] | None = None,
    *,
    remedy: str | None = None,
) -> Iterator[None]:
    """
    Raise the error of a driver as one sentence.

    :param what: what failed, as the beginning of the sentence.
    :param parameter: the operator's argument to look at.
    :param parameters: parameters of the statement; their values are not shown.
    :param remedy: what to do. Default: that of a statement.
    :raises MarketoDatabaseError: the database failed.
    """
    try:
        yield
    except (MarketoError, AirflowException, ImportError):
        raise
    except Exception as error:
        hidden = parameters.values() if isinstance(parameters, Mapping) else parameters or ()
        raise MarketoDatabaseError(
            f"{parameter}: {what} ({type(error).__name__}: {without_values(error, hidden)})", remedy=remedy
        ) from error
