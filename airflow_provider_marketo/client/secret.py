"""A text that never shows itself."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_HIDDEN = "***"


class Secret:
    """
    A secret text, such as a client secret or an access token.

    Only :meth:`reveal` returns the text. ``repr``, ``str``, formatting, ``dataclasses.asdict`` and tools that record
    the local variables of a traceback show ``***`` instead. A secret cannot be pickled.

    :param text: the text, or a secret with this text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str | Secret) -> None:
        shown = text.reveal() if isinstance(text, Secret) else str(text)
        # A closure, so that not even the attribute's value is the text.
        self._text: Callable[[], str] = lambda: shown
        del text

    def reveal(self) -> str:
        """Return the text. Do not keep it in a variable."""
        return self._text()

    @classmethod
    def optional(cls, text: str | Secret | None) -> Secret | None:
        """
        Return the secret of a text; None for no text.

        :param text: the text; None or an empty text gives None.
        """
        return cls(text) if text else None

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, specification: str) -> str:
        return _HIDDEN

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: Any) -> Secret:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a secret cannot be serialized")
