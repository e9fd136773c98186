"""The array: its root, its lock, and what stands where (``struct xarray``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, cast, overload

from pagecache.locks import SpinLock
from pagecache.step import Task
from pagecache.store_buffer import Store, as_seen_by
from pagecache.xarray.create import create_range
from pagecache.xarray.entry import XA_RETRY_ENTRY, Entry, SiblingEntry, Slot
from pagecache.xarray.node import XaNode
from pagecache.xarray.state import XaState
from pagecache.xarray.store import store_plainly
from pagecache.xarray.walk import find, xas_descend

__all__ = ["Slots", "XArray"]


class XArray:
    """``struct xarray``: a tree of nodes with 2**chunk_shift slots each, and its lock.

    The kernel's nodes have 64 slots (chunk_shift 6), or 16; with 4 of them a file of eight pages has two levels, leaves
    that vanish, and sibling entries.  With ``chunk_shift`` 1 there are no siblings: every order is a multiple of C.

    Args:
        nr_slots: how many indices this world has: entries are only stored below it.
        chunk_shift: C, the number of bits of an index that a node decodes (``XA_CHUNK_SHIFT``).
        descend: xas_descend(),
        create_range: xas_create_range(), and
        find: the walk of xas_find(), which a kernel may replace.

    ``nr_spares`` is the number of nodes that cursors hold in reserve; ``retry_by`` stored the last RETRY entry;
    ``seen`` is what the last look under the lock found, for the watchers.  ``unpublished`` are the stores that only the
    CPU sees that made them (:mod:`pagecache.store_buffer`); whoever holds the lock sees all.

    Leaves out: XA_ZERO_ENTRY, tracking of free entries (xa_alloc()), the list of nodes that only hold
    shadow entries, accounting of nodes to a memory cgroup.
    """

    __slots__ = (
        "chunk_shift",
        "chunk_size",
        "head",
        "marks",
        "nr_slots",
        "nr_spares",
        "retry_by",
        "seen",
        "unpublished",
        "xa_lock",
        "xas_create_range",
        "xas_descend",
        "xas_find",
    )
    __fingerprint_skip__: ClassVar = (
        "chunk_shift",
        "chunk_size",
        "nr_slots",
        "seen",
        "xas_create_range",
        "xas_descend",
        "xas_find",
    )

    def __init__(
        self,
        nr_slots: int,
        chunk_shift: int = 2,
        descend: Callable[..., Any] = xas_descend,
        create_range: Callable[..., Any] = create_range,
        find: Callable[..., Any] = find,
    ) -> None:
        self.xas_descend = descend
        self.xas_find = find
        self.xas_create_range = create_range
        self.chunk_shift = chunk_shift
        self.chunk_size = 1 << chunk_shift
        self.nr_slots = nr_slots
        self.head: Slot = None
        self.marks = 0
        self.xa_lock = SpinLock("i_pages", "i_pages")
        self.nr_spares = 0
        self.retry_by: Task | None = None
        self.seen: tuple[int, Entry] = (0, None)
        self.unpublished: tuple[Store, ...] = ()

    def note(self, index: int, entry: Slot) -> None:
        """A walk under the lock has found ``entry`` at ``index``."""
        self.seen = (index, cast(Entry, entry))

    @property
    def slots(self) -> Slots:
        """What stands at each index of this world, read by a walk of its own, which no cursor can mislead."""
        return Slots(self)

    def place_of(self, index: int) -> tuple[XaNode, int] | None:
        """The node and offset of the (canonical) slot of ``index``; ``None`` if no node leads there."""
        node = self.head
        if type(node) is not XaNode or index >> node.shift + self.chunk_shift:
            return None
        while True:
            offset = index >> node.shift & self.chunk_size - 1
            slot = node.slots[offset]
            if type(slot) is SiblingEntry:
                return node, slot.offset
            if type(slot) is not XaNode:
                return node, offset
            node = slot

    def order_at(self, index: int) -> int:
        """The order of the entry at ``index``; 0 where there is none."""
        place = self.place_of(index)
        if place is None:
            return 0
        node, offset = place
        nr = 1
        while offset + nr < len(node.slots) and type(node.slots[offset + nr]) is SiblingEntry:
            nr += 1
        return node.shift + nr.bit_length() - 1

    def entry_at(self, index: int) -> Entry:
        """The entry at ``index``; RETRY where a split has replaced the entry by nodes and siblings still lead there."""
        place = self.place_of(index)
        if place is None:
            return cast(Entry, self.head) if index == 0 and type(self.head) is not XaNode else None
        node, offset = place
        slot = node.slots[offset]
        return XA_RETRY_ENTRY if type(slot) is XaNode else cast(Entry, slot)

    def published_at(self, index: int) -> Entry:
        """What is seen at ``index`` by who has stored nothing there."""
        place = self.place_of(index) or (self, 0)
        return cast(Entry, as_seen_by(None, self, place, self.entry_at(index)))

    def entries(self) -> list[Entry]:
        """The entries of all indices of this world."""
        return [self.entry_at(index) for index in range(self.nr_slots)]

    def nodes(self) -> Iterator[XaNode]:
        """The nodes of the tree, from the root downwards."""
        below = [self.head]
        while below:
            node = below.pop()
            if type(node) is XaNode:
                yield node
                below += node.slots


class Slots(Sequence[Entry]):
    """The entries of an array by index; storing into it is a plain store of one index, for building worlds."""

    __slots__ = ("xa",)

    def __init__(self, xa: XArray) -> None:
        self.xa = xa

    def __len__(self) -> int:
        return self.xa.nr_slots

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        if isinstance(index, slice):
            return self.xa.entries()[index]
        if not 0 <= index < self.xa.nr_slots:
            raise IndexError(f"index {index} in a world of {self.xa.nr_slots} indices")
        return self.xa.entry_at(index)

    def __setitem__(self, index: int | slice, entry: Entry | Sequence[Entry]) -> None:
        if isinstance(index, slice):
            for position, one in zip(range(self.xa.nr_slots)[index], cast("Sequence[Entry]", entry), strict=True):
                store_plainly(XaState(self.xa, position), one)
        else:
            store_plainly(XaState(self.xa, index), cast(Entry, entry))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.xa.entries())

    def __eq__(self, other: object) -> bool:
        return self.xa.entries() == (other.xa.entries() if isinstance(other, Slots) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.xa.entries())
