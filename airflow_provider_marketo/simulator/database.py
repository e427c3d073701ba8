"""The lead database, as the code that writes to it sees the instance: the data and the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.store import Store


class LeadDatabase(Protocol):
    """
    The part of an instance that the code that writes leads needs.

    An instance is built from that code, so the code depends on this protocol and not on the instance.
    """

    @property
    def store(self) -> Store:
        """The data."""
        ...

    @property
    def now(self) -> int:
        """Simulated seconds since 1970."""
        ...
