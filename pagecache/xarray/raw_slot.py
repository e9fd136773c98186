"""A pointer to a slot, as the radix tree handed it out before there were cursors (``lib/radix-tree.c`` of 4.8).

A cursor can tell that it has to start again; a pointer cannot.  For what was written with it: see B10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagecache.step import KernelBug, UseAfterFree, step

if TYPE_CHECKING:
    from pagecache.xarray.array import XArray
    from pagecache.xarray.entry import Entry
    from pagecache.xarray.node import XaNode
    from pagecache.xarray.state import XaState

__all__ = ["RawSlot", "radix_tree_replace_slot", "raw_slot"]


class RawSlot:
    """``void **slot``: slot ``offset`` of ``node``, or of the root if there is no node; ``index`` is for reports."""

    __slots__ = ("index", "node", "offset", "xa")

    def __init__(self, xa: XArray, index: int, node: XaNode | None, offset: int) -> None:
        self.xa = xa
        self.index = index
        self.node = node
        self.offset = offset


def raw_slot(xas: XaState) -> RawSlot:
    """The slot at which the cursor stands, as ``radix_tree_for_each_slot()`` gives it; under the lock."""
    return RawSlot(xas.xa, xas.index, xas.node, xas.offset)


async def radix_tree_replace_slot(slot: RawSlot, entry: Entry) -> None:
    """``radix_tree_replace_slot()``: store ``entry`` where the pointer points to, whatever that is by now.

    Raises:
        KernelBug: without the lock.
        UseAfterFree: if the node has left the tree: it was found before the lock was dropped, so that no grace period
            had to wait for us.
    """
    current = await step("radix_tree_replace_slot", slot.index, entry, target=("slot", slot.index), writes=True)
    if slot.xa.xa_lock.owner is not current:
        raise KernelBug(f"radix_tree_replace_slot() by {current} without the tree_lock")
    if slot.node is None:
        slot.xa.head = entry
        return
    if slot.node.dead:
        raise UseAfterFree(
            f"radix_tree_replace_slot() by {current} at index {slot.index} wrote into a node that was freed "
            f"after the tree_lock had been dropped"
        )
    slot.node.slots[slot.offset] = entry
