"""Making room for entries: nodes, and the memory for them (``lib/xarray.c``).

A node that is added is empty, or says what the tree said without it; so nobody can tell when that happens,
and the steps here have no target.  Under the ``xa_lock`` memory is allocated with GFP_NOWAIT, which may fail: the
cursor is then in the error ENOMEM, its owner drops the lock, calls xas_nomem() and decides everything anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagecache.step import step
from pagecache.touched import TREE
from pagecache.xarray.entry import Slot, xa_is_value
from pagecache.xarray.marks import change
from pagecache.xarray.node import NR_MARKS, XaNode
from pagecache.xarray.state import XAS_NODE, XaState, must_hold, xas_reset, xas_set_err
from pagecache.xarray.walk import offset_of, under_the_lock

if TYPE_CHECKING:
    from pagecache.xarray.array import XArray

__all__ = ["create", "create_range", "destroy", "xas_create_range", "xas_nomem"]


async def xas_create_range(xas: XaState) -> None:
    """``xas_create_range()`` of the kernel's table."""
    await xas.xa.xas_create_range(xas)


async def create_range(xas: XaState) -> None:
    """``xas_create_range()``: make sure that every index of the cursor's range has a slot.

    On success the cursor is one for single entries, at the beginning of the range; on ENOMEM it is as before.
    Meant for orders below 2C, as HPAGE_PMD_ORDER is: in a larger range a multi-index entry that is neither in a leaf
    nor in the topmost node leads it to slot -1 of that node, as the kernel's walk upwards would.
    What it made may vanish when the lock is dropped: a node without entries goes with the last of its neighbours.

    A spare node that it did not need stays with the cursor, and after success nobody frees it: see
    :mod:`pagecache.mended.create_range`.
    """
    current = await step("xas_create_range", xas.index, xas.order, fails="ENOMEM", also=[(TREE, True)])
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


async def xas_nomem(xas: XaState) -> bool:
    """``xas_nomem()``: if the cursor failed for want of memory, get some; true if it is worth another try.

    Called without the lock: it may sleep.  Whatever spare nodes the cursor has otherwise are freed.
    """
    if xas.error != "ENOMEM":
        await step("xas_nomem")
        destroy(xas)
        return False
    current = await step("xas_nomem", sleeps=True, fails="ENOMEM")
    if current.failing:
        return False
    xas.spares = [XaNode(xas.xa.chunk_size)]
    xas.xa.nr_spares += 1
    xas_reset(xas)
    return True


def destroy(xas: XaState) -> None:
    """``xas_destroy()``: free the cursor's spare nodes."""
    xas.xa.nr_spares -= len(xas.spares)
    xas.spares = []


def create(xas: XaState, *, failing: bool) -> Slot:
    """``xas_create()``: walk to the cursor's slot, adding what nodes are missing.

    Returns:
        What stands there; ``None`` with ``xas.error`` set if there was no memory.
    """
    entry: Slot
    if xas.error:
        return None
    if xas.node is None:
        xas.leave(XAS_NODE)
        shift = _expand(xas, failing=failing)
        if shift < 0:
            return None
        entry = xas.xa.head
        parent = None
    else:
        parent = xas.node
        shift = parent.shift
        entry = parent.slots[xas.offset]
    chunk_shift = xas.xa.chunk_shift
    locked, xas.locked = xas.locked, True
    while shift > xas.shift:
        shift -= chunk_shift
        if entry is None:
            node = _alloc(xas, shift, failing=failing)
            if node is None:
                break
            if parent is None:
                xas.xa.head = node
            else:
                parent.slots[xas.offset] = node
        elif type(entry) is XaNode:
            node = entry
        else:
            break
        entry = under_the_lock(xas.xa.xas_descend(xas, node))
        parent = node
    xas.locked = locked
    return entry


def _alloc(xas: XaState, shift: int, *, failing: bool) -> XaNode | None:
    """``xas_alloc()``: a node under the cursor's; the spare one if there is one, whatever its slots hold."""
    parent = xas.node
    if xas.spares:
        node = xas.spares[-1]
        xas.spares = []  # xas_nomem() puts one there; the rest of a chain of xas_split_alloc() would leak
        xas.xa.nr_spares -= 1
    elif failing:
        xas_set_err(xas, "ENOMEM")
        return None
    else:
        node = XaNode(xas.xa.chunk_size)
    if parent is not None:
        node.offset = xas.offset
        parent.count += 1
    node.shift = shift
    node.count = 0
    node.nr_values = 0
    node.parent = parent
    return node


def _expand(xas: XaState, *, failing: bool) -> int:
    """``xas_expand()``: let the tree grow upwards until it can contain the cursor's range.

    Returns:
        The shift of a node that would be the parent of the topmost one; -1 without memory.
    """
    xa = xas.xa
    head = xa.head
    last = _max(xas)
    shift = 0
    if head is None:
        if last == 0:
            return 0
        while last >> shift >= xa.chunk_size:
            shift += xa.chunk_shift
        return shift + xa.chunk_shift
    node = None
    if type(head) is XaNode:
        node = head
        shift = head.shift + xa.chunk_shift
    while last > _max_index(xa, head):
        node = _alloc(xas, shift, failing=failing)
        if node is None:
            return -1
        node.count = 1
        node.nr_values = int(xa_is_value(head))
        node.slots[0] = head
        for mark in range(NR_MARKS):
            if xa.marks >> mark & 1:
                change(node, mark, node.marks[mark] | 1)
        if type(head) is XaNode:
            head.offset = 0
            head.parent = node
        head = xa.head = node
        shift += xa.chunk_shift
    xas.node = node
    return shift


def _max(xas: XaState) -> int:
    """``xas_max()``: the highest index that must fit; a multi-index entry at 0 needs a node above it, or beside."""
    last = xas.index
    if xas.shift or xas.sibs:
        mask = ((xas.sibs + 1) << xas.shift) - 1
        last |= mask
        if mask == last:
            last += 1
    return last


def _max_index(xa: XArray, head: Slot) -> int:
    """``max_index()``: the highest index the tree can contain as it is."""
    return (xa.chunk_size << head.shift) - 1 if type(head) is XaNode else 0
