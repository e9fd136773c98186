"""xas_find() that does not step over what it has not seen.

A truncate misses a huge page:

 1. khugepaged: holds the lock of the small folio at index 1; index 0 is a hole.
 2. truncate, first pass: skips the folio, which is locked.  Second pass: xas_find() loads slot 0, a hole.
 3. khugepaged: joins the slots.  Slot 0 holds the huge page now, slot 1 is its sibling.
 4. truncate: xas_find() takes the sibling at slot 1 for the rest of an entry that it has dealt with, and steps over it.
    Nothing was found, so nothing is left, thinks shmem_undo_range(): the huge page stays behind the end of the file,
    with the data, which is back when the file grows.

lseek() is misled in the same way (:mod:`pagecache.mended.seek`).  In Linux, with nodes of 64 slots, the hole is a whole
leaf of holes: a dead leaf says RETRY only where something was (xas_free_nodes()), and the walk leaves it for the next
slot of the node above, a sibling.

Here a sibling is stepped over only if it belongs to the entry at which the walk has begun; otherwise the walk says
RETRY, and begins again at that index.
"""

from __future__ import annotations

from typing import cast

from pagecache.xarray import XA_RETRY_ENTRY, Entry, SiblingEntry, XaNode, XaState
from pagecache.xarray.state import XAS_BOUNDS, XAS_ERROR, XAS_RESTART
from pagecache.xarray.walk import load, load_slot, next_offset, offset_of, parent_of

__all__ = ["find"]


async def find(xas: XaState, last: int) -> Entry:
    """The walk of ``xas_find()``; RETRY at a sibling whose entry has not been dealt with."""
    if xas.state in (XAS_ERROR, XAS_BOUNDS):
        return None
    if xas.index > last:
        xas.leave(XAS_BOUNDS)
        return None
    dealt_with = (xas.node, xas.offset)
    if xas.state == XAS_RESTART:
        dealt_with = (None, 0)
        entry = await load(xas)
        if entry is not None or xas.node is None:
            return entry
    elif xas.node is None:
        xas.index = 1
        xas.leave(XAS_BOUNDS)
        return None
    elif xas.offset != offset_of(xas.index, xas.node):
        size = len(xas.node.slots)
        xas.offset = offset_of(xas.index, xas.node) if xas.node.shift else ((xas.index - 1) & (size - 1)) + 1
    next_offset(xas)
    while xas.node is not None and xas.index <= last:
        if xas.offset == len(xas.node.slots):
            xas.offset = xas.node.offset + 1
            xas.node = await parent_of(xas, xas.node)
            continue
        slot = await load_slot(xas, xas.node, xas.offset, "xas_load", xas.index)
        if type(slot) is XaNode:
            xas.node = slot
            xas.offset = 0
            continue
        if type(slot) is SiblingEntry:
            if (xas.node, slot.offset) != dealt_with:
                return XA_RETRY_ENTRY
        elif slot is not None:
            return cast(Entry, slot)
        next_offset(xas)
    if xas.node is None:
        xas.leave(XAS_BOUNDS)
    return None
