"""Options under ``[marketo]`` in Airflow's configuration. A wrong value causes a warning and never ends the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.configuration import conf

from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = printable_logger(__name__)

_SECTION = "marketo"


class Options:
    """The options of the configuration. Each wrong value is one warning of the object."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def flag(self, name: str, default: bool = False) -> bool:
        """
        Return an option that is on or off.

        :param name: name of the option.
        :param default: the value if the option is missing or is neither on nor off.
        """
        return bool(self._read(conf.getboolean, name, default))

    def number(self, name: str, default: int) -> int:
        """
        Return an option that is a whole number of at least 1.

        :param name: name of the option.
        :param default: the value if the option is missing or is not such a number.
        """
        found = self._read(conf.getint, name, default)
        if found < 1:
            self._warn(name, default)
            return default
        return int(found)

    def text(self, name: str) -> str | None:
        """
        Return an option that is a text; None if it is missing or empty.

        :param name: name of the option.
        """
        found = self._read(conf.get, name, None)
        return str(found).strip() or None if found is not None else None

    def _read(self, read: Callable[..., Any], name: str, default: Any) -> Any:
        try:
            found = read(_SECTION, name, fallback=default)
        except Exception:  # noqa: BLE001 - a wrong text, an interpolation, a secrets backend that raises anything
            self._warn(name, default)
            return default
        return default if found is None else found

    def _warn(self, name: str, default: Any) -> None:
        if name not in self._warned:
            self._warned.add(name)
            log.warning("The option [marketo] %s has an invalid value. The default is used: %s.", name, default)


options = Options()
"""The options of this process."""
