"""Finding marked entries (``lib/xarray.c``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pagecache.step import step
from pagecache.xarray.entry import Entry, SiblingEntry
from pagecache.xarray.marks import xa_marked
from pagecache.xarray.node import XaNode
from pagecache.xarray.state import XAS_BOUNDS, XAS_ERROR, XAS_NODE, XAS_RESTART, XaState, must_hold

if TYPE_CHECKING:
    from pagecache.xarray.entry import Slot

__all__ = ["xas_find_marked"]


async def xas_find_marked(xas: XaState, last: int, mark: int) -> Entry:
    """``xas_find_marked()``: the next entry up to and including ``last`` that has the mark; ``None`` without one.

    From a restart the entry at the cursor is looked at, too, and if a sibling entry has led there, the first index is
    reported; otherwise it has been dealt with.  If nothing was found up to ``last``, the cursor is to be restarted;
    if there is nothing behind either, it is out of bounds.

    Only under the ``xa_lock``: without it, one look at the marks of a node is a look at many slots, which no target of
    a step can say.
    """
    current = await step("xas_find_marked", xas.index, last, mark)
    must_hold(xas, current, "xas_find_marked()")
    entry = _find_marked(xas, last, mark)
    xas.xa.note(xas.index, entry)
    return cast(Entry, entry)


def _find_marked(xas: XaState, last: int, mark: int) -> Slot:
    if xas.state == XAS_ERROR:
        return None
    advance = xas.valid
    if xas.index > last:
        xas.leave(XAS_RESTART)
        return None
    if xas.valid and xas.node is None:
        xas.index = 1
    elif not xas.valid:
        head = xas.xa.head
        xas.leave(XAS_BOUNDS)
        if type(head) is not XaNode:
            if xas.index == 0 and head is not None and xa_marked(xas.xa, mark):
                xas.state = XAS_NODE
                return head
            xas.index = max(xas.index, 1)
        elif xas.index >> head.shift < len(head.slots):
            xas.state, xas.node, xas.offset = XAS_NODE, head, xas.index >> head.shift
    while xas.node is not None and xas.index <= last:
        node = xas.node
        if xas.offset == len(node.slots):
            xas.offset = node.offset + 1
            xas.node = node.parent
            advance = False
            continue
        if not advance:
            first = node.slots[xas.offset]
            if type(first) is SiblingEntry:
                xas.offset = first.offset
                _move_index(xas, node, xas.offset)
        offset = _chunk(node, xas.offset + advance, mark)
        if offset > xas.offset:
            advance = False
            _move_index(xas, node, offset)
            if xas.index > last:
                break
            xas.offset = offset
            if offset == len(node.slots):
                continue
        slot = node.slots[xas.offset]
        if slot is None or type(slot) is SiblingEntry:
            advance = True
            continue
        if type(slot) is not XaNode:
            return slot
        xas.node = slot
        xas.offset = xas.index >> slot.shift & len(slot.slots) - 1
    xas.leave(XAS_RESTART if xas.index > last else XAS_BOUNDS)
    return None


def _chunk(node: XaNode, offset: int, mark: int) -> int:
    """``xas_find_chunk()``: the first slot from ``offset`` on that has the mark; behind the last one without it."""
    size = len(node.slots)
    return next((slot for slot in range(offset, size) if node.marks[mark] >> slot & 1), size)


def _move_index(xas: XaState, node: XaNode, offset: int) -> None:
    """``xas_move_index()``."""
    shift = node.shift
    xas.index = (xas.index >> shift + xas.xa.chunk_shift << shift + xas.xa.chunk_shift) + (offset << shift)
