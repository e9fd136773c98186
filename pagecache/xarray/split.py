"""Splitting a multi-index entry (``lib/xarray.c``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagecache.step import Oops, step
from pagecache.touched import TREE
from pagecache.xarray.create import destroy
from pagecache.xarray.entry import Entry, SiblingEntry, Slot, xa_is_value
from pagecache.xarray.marks import change
from pagecache.xarray.node import NR_MARKS, XaNode
from pagecache.xarray.state import XaState, must_hold, xas_set_err
from pagecache.xarray.walk import load, under_the_lock

if TYPE_CHECKING:
    from pagecache.xarray.array import XArray

__all__ = ["xas_destroy", "xas_split", "xas_split_alloc", "xas_try_split", "xas_try_split_min_order"]


async def xas_split_alloc(xas: XaState, entry: Entry, order: int) -> None:
    """``xas_split_alloc()``: nodes for the coming split of an entry of ``order`` into entries of the cursor's order.

    The nodes are filled **with the entry that is passed in**: if another one is there when the lock has been
    taken, they are poison, and must be destroyed rather than used (6758c1128ceb).  It may sleep.  If the split
    needs no nodes there are none; ENOMEM, also for a split by more than two levels.
    """
    current = await step("xas_split_alloc", xas.index, order, sleeps=True, fails="ENOMEM")
    chunk_shift = xas.xa.chunk_shift
    if xas.shift + chunk_shift > order:
        return
    if current.failing or xas.shift + 2 * chunk_shift <= order:
        destroy(xas)
        xas_set_err(xas, "ENOMEM")
        return
    for _ in range(1 << order % chunk_shift):
        node = XaNode(xas.xa.chunk_size)
        _fill(xas, node, entry)
        xas.reserve(node)


def _fill(xas: XaState, node: XaNode, entry: Entry) -> None:
    """A node of entries of the cursor's order, all of them ``entry``."""
    node.slots = [
        entry if not offset & xas.sibs else SiblingEntry(offset & ~xas.sibs) for offset in range(len(node.slots))
    ]


def xas_try_split_min_order(xa: XArray, order: int) -> int:
    """``xas_try_split_min_order()``: to which order xas_try_split() can split an entry of ``order``, at the least."""
    rest = order % xa.chunk_shift
    if rest == 0:
        return max(order - 1, 0)
    return order - rest


async def xas_try_split(xas: XaState, entry: Entry, order: int) -> None:
    """``xas_try_split()``: split an entry of ``order``, getting the one node that it may take under the lock (6.15).

    The cursor's order is at least xas_try_split_min_order(); without memory it is in the error ENOMEM, and nothing has
    changed.

    Raises:
        KernelBug: if the ``xa_lock`` is not held.
    """
    current = await step("xas_try_split", xas.index, order, fails="ENOMEM")
    must_hold(xas, current, "xas_try_split()")
    if xas.shift + xas.xa.chunk_shift <= order:
        if not xas.spares:
            if current.failing:
                xas_set_err(xas, "ENOMEM")
                return
            xas.reserve(XaNode(xas.xa.chunk_size))
        _fill(xas, xas.spares[-1], entry)
    await xas_split(xas, entry, order)


async def xas_split(xas: XaState, entry: Entry, order: int) -> None:
    """``xas_split()``: split an entry of ``order`` into entries of the cursor's order, all of them ``entry``.

    Written from the highest slot downwards, each slot a step of its own.  In between, siblings lead to a
    canonical slot that has become a node: a reader must take that for RETRY.

    Raises:
        KernelBug: if the ``xa_lock`` is not held.
        Oops: if a node is needed that xas_split_alloc() has not made.
    """
    current = await step("xas_split", xas.index, order, also=[(TREE, True)])
    must_hold(xas, current, "xas_split()")
    locked, xas.locked = xas.locked, True
    before = under_the_lock(load(xas))
    xas.locked = locked
    node = xas.node
    if not xas.valid or node is None:
        return
    first = xas.offset
    marks = [mark for mark in range(NR_MARKS) if node.marks[mark] >> first & 1]
    base = xas.index >> node.shift + xas.xa.chunk_shift << node.shift + xas.xa.chunk_shift
    slots = _slots(xas, node, first, order)
    values = 0
    for position in range(len(slots)):
        offset, is_canonical = slots[position]
        index = base + (offset << node.shift)
        await step("xas_store", index, entry, target=("slot", index), writes=True)
        value: Slot
        if xas.shift < node.shift:
            value = _child(xas, node, offset, entry, marks)
            values -= xa_is_value(before)
        else:
            value = entry if is_canonical else SiblingEntry(offset & ~xas.sibs)
            values += xa_is_value(entry) - xa_is_value(before)
        if is_canonical:
            for mark in marks:
                change(node, mark, node.marks[mark] | 1 << offset)
        node.slots[offset] = value
    node.nr_values += values


def _slots(xas: XaState, node: XaNode, first: int, order: int) -> list[tuple[int, bool]]:
    """The slots to be written, in order: from the last entry to the first, of each the canonical slot first."""
    nr = 1 << order - node.shift if order >= node.shift else 1
    if xas.shift < node.shift:
        return [(offset, True) for offset in range(first + nr - 1, first - 1, -1)]
    ordered: list[tuple[int, bool]] = []
    for canonical in range(first + nr - 1 - xas.sibs, first - 1, -xas.sibs - 1):
        ordered.append((canonical, True))
        ordered += [(offset, False) for offset in range(canonical + xas.sibs, canonical, -1)]
    return ordered


def _child(xas: XaState, node: XaNode, offset: int, entry: Entry, marks: list[int]) -> XaNode:
    if not xas.spares:
        raise Oops(f"xas_split() at index {xas.index} needs a node that xas_split_alloc() has not made")
    child = xas.spares[-1]
    xas.spares = xas.spares[:-1]
    xas.xa.nr_spares -= 1
    child.shift = node.shift - xas.xa.chunk_shift
    child.offset = offset
    child.count = len(child.slots)
    child.nr_values = len(child.slots) if xa_is_value(entry) else 0
    child.parent = node
    for mark in marks:
        change(child, mark, sum(1 << slot for slot in range(0, len(child.slots), xas.sibs + 1)))
    return child


async def xas_destroy(xas: XaState) -> None:
    """``xas_destroy()``: free the nodes that the cursor has in reserve."""
    await step("xas_destroy")
    destroy(xas)
