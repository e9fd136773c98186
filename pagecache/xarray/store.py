"""Storing and erasing (``lib/xarray.c``).

A store over several slots publishes one after the other, canonical slot first, and under each of them the subtree that
was there is freed: each of its entries becomes RETRY, its holes stay holes.  Each of these writes is a step of
its own, since lockless readers see them one by one.

No step of their own have, since no reader can tell (what he reads is the same, and one that loses his way starts
again): the nodes that xas_create() adds, and what follows the last write: empty nodes that leave the tree, from
the leaf upwards, and a root that is replaced by its only child.
"""

from __future__ import annotations

from typing import Final, NamedTuple, cast

from pagecache.step import Task, step
from pagecache.store_buffer import publish_stores, store
from pagecache.touched import NRPAGES, TREE
from pagecache.xarray.create import create
from pagecache.xarray.entry import XA_RETRY_ENTRY, Entry, SiblingEntry, Slot, xa_is_value
from pagecache.xarray.marks import init_marks, squash_marks
from pagecache.xarray.node import XaNode
from pagecache.xarray.state import XAS_BOUNDS, XAS_NODE, XaState, must_hold, xas_lock_irq, xas_unlock_irq
from pagecache.xarray.walk import load, looked_at, under_the_lock, xas_load

__all__ = ["Write", "store_plainly", "xa_cmpxchg", "xas_store"]


STORED: Final = ((NRPAGES, True), (TREE, True))
"""What a store changes besides its slot."""


class Write(NamedTuple):
    """One slot to be written: of ``node``, or the root; ``first`` is the first index that leads there."""

    call: str
    node: XaNode | None
    offset: int
    value: Slot
    first: int


class _Plan:
    """What a store is going to do.  The lock is held, so nothing changes until it is done."""

    __slots__ = ("count", "first", "freed", "node", "values", "writes")

    def __init__(self) -> None:
        self.first: Slot = None
        self.node: XaNode | None = None
        self.writes: list[Write] = []
        self.freed: list[XaNode] = []
        self.count = 0
        self.values = 0


async def xas_store(xas: XaState, entry: Entry) -> Entry:
    """``xas_store()``: store ``entry`` over the cursor's range; ``None`` erases the entry that is there.

    Nodes are made as needed; if there is no memory, nothing is stored and ``xas.error`` is ENOMEM.

    Returns:
        The entry that was there, of little meaning over a range.

    Raises:
        KernelBug: if the ``xa_lock`` is not held, or the cursor's node was freed since it came there.
    """
    done = 0
    also = [*STORED, *looked_at(xas)]
    if entry is None:
        # Announced with the cursor's index, which is that of the first slot but in the middle of an entry.
        current = await step("xas_store", xas.index, None, target=("slot", xas.index), writes=True, also=also)
        must_hold(xas, current, "xas_store()")
        plan = _plan(xas, None, failing=False)
        for write in plan.writes[:1]:
            _write(xas, write, current)
        done = 1
    else:
        current = await step("xas_create", xas.index, fails="ENOMEM", also=also)
        must_hold(xas, current, "xas_store()")
        plan = _plan(xas, entry, failing=current.failing)
    for position in range(done, len(plan.writes)):
        write = plan.writes[position]
        if write.call == "xas_store":
            current = await step("xas_store", write.first, entry, target=("slot", write.first), writes=True, also=also)
        else:
            current = await step("xas_free_nodes", write.first, target=("slot", write.first), writes=True, also=also)
        _write(xas, write, current)
    if plan.freed or plan.count < 0:
        publish_stores(current)  # what nodes leave the tree, everybody sees at once
    _finish(xas, plan)
    return cast(Entry, plan.first)


def store_plainly(xas: XaState, entry: Entry) -> None:
    """All of xas_store() at once, for a world that nobody looks at yet."""
    xas.locked = True
    plan = _plan(xas, entry, failing=False)
    for write in plan.writes:
        _write(xas, write, None)
    _finish(xas, plan)


async def xa_cmpxchg(xas: XaState, old: Entry, entry: Entry) -> Entry:
    """``xa_cmpxchg_irq()`` of the cursor's array and index: store ``entry`` if ``old`` is there.

    The slot exists if ``old`` is not ``None``, so no memory is needed.

    Returns:
        What was there.

    Raises:
        ValueError: if ``old`` is ``None``.
    """
    if old is None:
        raise ValueError("xa_cmpxchg() of an empty slot may need memory, which the model leaves out; give an old entry")
    await xas_lock_irq(xas)
    current = await xas_load(xas)
    if current == old:
        await xas_store(xas, entry)
    await xas_unlock_irq(xas)
    return current


def _plan(xas: XaState, entry: Entry, *, failing: bool) -> _Plan:
    """What ``xas_store()`` writes."""
    plan = _Plan()
    if entry is not None:
        last = xas.index | ((xas.sibs + 1) << xas.shift) - 1
        if last >= xas.xa.nr_slots:
            raise IndexError(f"{entry} is to be stored up to index {last} of a world of {xas.xa.nr_slots} indices")
        first = create(xas, failing=failing)
    else:
        locked, xas.locked = xas.locked, True
        first = cast(Slot, under_the_lock(load(xas)))
        xas.locked = locked
    plan.first = first
    if not xas.valid:
        return plan
    node = plan.node = xas.node
    if node is not None and xas.shift < node.shift:
        xas.sibs = 0
    if first == entry and not xas.sibs:
        return plan
    if node is None:
        if entry is None:
            init_marks(xas)
        plan.writes.append(Write("xas_store", None, 0, entry, 0))
        if type(first) is XaNode:
            _plan_freeing(plan, first)
        return plan
    if xas.sibs:
        squash_marks(xas, node)
    if entry is None:
        init_marks(xas)
    _plan_slots(xas, plan, node, entry)
    return plan


def _plan_slots(xas: XaState, plan: _Plan, node: XaNode, entry: Entry) -> None:
    """The loop of ``xas_store()`` over the slots of a node."""
    offset, behind = xas.offset, xas.offset + xas.sibs
    base = xas.index >> node.shift + xas.xa.chunk_shift << node.shift + xas.xa.chunk_shift
    value: Slot = entry
    is_value = xa_is_value(entry)
    following = first = plan.first
    while True:
        plan.writes.append(Write("xas_store", node, offset, value, base + (offset << node.shift)))
        if type(following) is XaNode and node.shift:
            _plan_freeing(plan, following)
        plan.count += (following is None) - (entry is None)
        plan.values += (not xa_is_value(first)) - (not is_value)
        if entry is not None:
            if offset == behind:
                break
            value = SiblingEntry(xas.offset)
        elif offset == len(node.slots) - 1:
            break
        offset += 1
        following = node.slots[offset]
        if type(following) is not SiblingEntry:
            if entry is None and offset > behind:
                break
            first = following
    plan.first = first


def _plan_freeing(plan: _Plan, top: XaNode) -> None:
    """``xas_free_nodes()`` of a subtree that has been replaced: its entries become RETRY."""
    base = _base_of(top)
    for offset in range(len(top.slots)):
        entry = top.slots[offset]
        if type(entry) is XaNode and top.shift:
            _plan_freeing(plan, entry)
        elif entry is not None:
            plan.writes.append(Write("xas_free_nodes", top, offset, XA_RETRY_ENTRY, base + (offset << top.shift)))
    plan.freed.append(top)


def _base_of(node: XaNode) -> int:
    """The first index of a node."""
    base = 0
    while node.parent is not None:
        base += node.offset << node.parent.shift
        node = node.parent
    return base


def _write(xas: XaState, write: Write, current: Task | None) -> None:
    if write.node is None:
        store(current, xas.xa, (xas.xa, 0), xas.xa.head, ("xa_head", 0))
        xas.xa.head = write.value
    else:
        store(current, xas.xa, (write.node, write.offset), write.node.slots[write.offset], ("slot", write.first))
        write.node.slots[write.offset] = write.value
    if write.call == "xas_store" and write.value is XA_RETRY_ENTRY:
        xas.xa.retry_by = current


def _finish(xas: XaState, plan: _Plan) -> None:
    """``update_node()``, and the end of the nodes that were replaced."""
    for freed in plan.freed:
        freed.count = freed.nr_values = 0
        freed.dead = True
    node = plan.node
    if node is None or not (plan.count or plan.values):
        return
    node.count += plan.count
    node.nr_values += plan.values
    if plan.count < 0:
        _delete_node(xas, node)


def _delete_node(xas: XaState, node: XaNode) -> None:
    """``xas_delete_node()``: an empty node leaves the tree, and so upwards."""
    while not node.count:
        parent = node.parent
        node.dead = True
        if parent is None:
            xas.xa.head = None
            xas.leave(XAS_BOUNDS)
            return
        xas.state, xas.node, xas.offset = XAS_NODE, parent, node.offset
        parent.slots[node.offset] = None
        parent.count -= 1
        node = parent
    if node.parent is None:
        _shrink(xas, node)


def _shrink(xas: XaState, node: XaNode) -> None:
    """``xas_shrink()``: a root with nothing but its first child is replaced by it."""
    while node.count == 1:
        entry = node.slots[0]
        if entry is None or (type(entry) is not XaNode and node.shift):
            return
        xas.leave(XAS_BOUNDS)
        xas.xa.head = entry
        node.count = node.nr_values = 0
        node.dead = True
        if type(entry) is not XaNode:
            node.slots[0] = XA_RETRY_ENTRY
            return
        entry.parent = None
        node = entry
