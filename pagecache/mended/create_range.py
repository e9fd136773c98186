"""xas_create_range() that frees the spare node that it did not need.

 1. K: xas_create_range() has no memory for a node; unlocks, and xas_nomem() puts a spare node into the cursor.
 2. F: a fault stores a page next to it, which makes that node.
 3. K: locks, and xas_create_range() finds all the slots it wants.  The spare node stays with the cursor, a variable on
    the stack of collapse_file(), which does not look at it again.

So here it goes: not after each slot, since the next one may need it, but in the end.

From: "lib: xarray: free unused spare node in xas_create_range()", Shardul Bankar, 4 December 2025,
<20251204142625.1763372-1-shardul.b@mpiricsoftware.com>.
"""

from __future__ import annotations

from pagecache.step import step
from pagecache.xarray.create import create, destroy
from pagecache.xarray.state import XaState, must_hold
from pagecache.xarray.walk import offset_of

__all__ = ["create_range"]


async def create_range(xas: XaState) -> None:
    """``xas_create_range()``: make sure that every index of the cursor's range has a slot.

    See :mod:`pagecache.xarray.create`.
    """
    current = await step("xas_create_range", xas.index, xas.order, fails="ENOMEM")
    must_hold(xas, current, "xas_create_range()")
    index, shift, sibs = xas.index, xas.shift, xas.sibs
    chunk = xas.xa.chunk_size
    xas.index |= ((sibs + 1) << shift) - 1
    if xas.node is not None and xas.node.shift == shift:
        xas.offset |= sibs
    xas.shift = xas.sibs = 0
    while True:
        create(xas, failing=current.failing)
        if xas.error:
            xas.shift, xas.sibs, xas.index = shift, sibs, index
            return
        if xas.index <= index | (chunk - 1):
            break
        xas.index -= chunk
        while xas.node is not None and xas.node.shift < shift:
            node = xas.node
            xas.node = node.parent
            xas.offset = node.offset - 1
            if node.offset:
                break
    xas.index = index
    if xas.node is not None:
        xas.offset = offset_of(index, xas.node)
    destroy(xas)
