"""What a slot can hold besides a pointer to somebody's object (``include/linux/xarray.h``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pagecache.folio import Folio
    from pagecache.xarray.node import XaNode

__all__ = [
    "XA_RETRY_ENTRY",
    "Entry",
    "RetryEntry",
    "SiblingEntry",
    "Slot",
    "ValueEntry",
    "xa_is_retry",
    "xa_is_value",
]


class RetryEntry:
    """``XA_RETRY_ENTRY``: a lockless reader that finds it starts again from the top."""

    __slots__ = ()

    def __str__(self) -> str:
        return "RETRY"

    __repr__ = __str__


XA_RETRY_ENTRY: Final = RetryEntry()


class ValueEntry(NamedTuple):
    """A value entry (``xa_mk_value()``): a swap entry of shmem, a shadow entry of other files."""

    value: int

    def __str__(self) -> str:
        return f"value({self.value})"


class SiblingEntry(NamedTuple):
    """A sibling entry (``xa_mk_sibling()``): the entry of this slot stands at ``offset`` of the same node."""

    offset: int

    def __str__(self) -> str:
        return f"sibling({self.offset})"


Entry: TypeAlias = "Folio | RetryEntry | ValueEntry | None"
"""What a walk returns.  To the tree any object is an entry; the page cache stores folios."""

Slot: TypeAlias = "Entry | SiblingEntry | XaNode"
"""What a slot of a node holds."""


def xa_is_value(entry: object) -> bool:
    """``xa_is_value()``."""
    return type(entry) is ValueEntry


def xa_is_retry(entry: object) -> bool:
    """``xa_is_retry()``."""
    return entry is XA_RETRY_ENTRY
