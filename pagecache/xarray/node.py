"""A node of the tree (``struct xa_node``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagecache.xarray.entry import Slot

__all__ = ["NR_MARKS", "XaNode"]

NR_MARKS = 3


class XaNode:
    """``struct xa_node``: 2**C slots, each for 2**shift indices.

    Args:
        size: the number of slots.
        shift: a multiple of C; 0 for a leaf.
        offset: its slot in the parent.
        parent: the node above, ``None`` for the topmost one.

    ``count`` is the number of slots that are not NULL, ``nr_values`` that of value entries and their siblings,
    ``marks[m]`` has a bit for each slot.

    ``dead`` nodes have left the tree (xa_node_free()).  Their memory is kept for a grace period: a lockless reader who
    found the node in an RCU section that still goes on may read it.  Nobody else may, see
    :func:`pagecache.xarray.state.protect`.
    """

    __slots__ = ("count", "dead", "marks", "nr_values", "offset", "parent", "shift", "slots")

    def __init__(self, size: int, shift: int = 0, offset: int = 0, parent: XaNode | None = None) -> None:
        self.shift = shift
        self.offset = offset
        self.parent = parent
        self.count = 0
        self.nr_values = 0
        self.slots: list[Slot] = [None] * size
        self.marks: tuple[int, ...] = (0,) * NR_MARKS
        self.dead = False

    def __str__(self) -> str:
        return f"node(shift {self.shift})"

    __repr__ = __str__
