"""Split long lists into parts that fit into one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ItemT = TypeVar("ItemT")


def batches(items: Sequence[ItemT], size: int) -> Iterator[Sequence[ItemT]]:
    """
    Yield the items in their order, a batch at a time.

    :param items: the items, any number.
    :param size: largest number of items in a batch.
    """
    return (items[first : first + size] for first in range(0, len(items), size))
