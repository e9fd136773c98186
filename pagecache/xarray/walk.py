"""Finding entries (``lib/xarray.c``).

The walks are written once.  Under the ``xa_lock`` nobody can tell when a load happens, so a whole walk is one step
without a target.  Without it each load of a pointer is a step: ``xas_start`` for the root, ``xas_load`` for a slot
of a node on the way to an index or at it, ``xas_reload`` for another look; so a reader can stand between a
node and its slot while the writer works.  Loads that nobody can change in this world (slots of indices that it does not
have) have no target.

A lockless reader: handles RETRY; knows that it may have read from a node that had left the tree; and never
takes one lookup that found nothing for the truth.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final, TypeVar, cast

from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.step import Oops, Target, Wait, step
from pagecache.store_buffer import as_seen_by
from pagecache.touched import TREE
from pagecache.xarray.entry import XA_RETRY_ENTRY, Entry, SiblingEntry, Slot
from pagecache.xarray.node import XaNode
from pagecache.xarray.state import (
    XAS_BOUNDS,
    XAS_ERROR,
    XAS_NODE,
    XAS_RESTART,
    XaState,
    must_hold,
    protect,
    xas_reset,
)

__all__ = [
    "find",
    "load",
    "load_slot",
    "looked_at",
    "next_offset",
    "offset_of",
    "parent_of",
    "under_the_lock",
    "xa_get_order",
    "xas_descend",
    "xas_find",
    "xas_find_conflict",
    "xas_get_order",
    "xas_load",
    "xas_next",
    "xas_next_entry",
    "xas_reload",
    "xas_retry",
]

T = TypeVar("T")


def under_the_lock(walk: Coroutine[Any, Any, T]) -> T:
    """The result of a walk that takes no step, because the lock is held."""
    try:
        walk.send(None)
    except StopIteration as stop:
        return cast(T, stop.value)
    raise AssertionError("a walk under the lock took a step")


WALKED: Final = ((TREE, False),)
"""What a walk without the lock looks at besides slots."""


def looked_at(xas: XaState) -> list[tuple[Target, bool]]:
    """What a look under the lock may find: the slots cannot change, but what is known of the folios in them can."""
    return [(("slot", index), False) for index in range(xas.xa.nr_slots)]


def offset_of(index: int, node: XaNode) -> int:
    """``get_offset()``: the slot of ``node`` on the way to ``index``."""
    return (index >> node.shift) & (len(node.slots) - 1)


async def xas_load(xas: XaState) -> Entry:
    """``xas_load()``: the entry at the cursor.

    It walks as far down as the cursor's order, so over a range it may return ``None`` although there are entries
    in the range.  Of a multi-index entry it finds the canonical slot.
    """
    if not xas.locked:
        return await load(xas)
    current = await step("xas_load", xas.index, also=looked_at(xas))
    must_hold(xas, current, "xas_load()")
    entry = under_the_lock(load(xas))
    xas.xa.note(xas.index, entry)
    return entry


async def xas_reload(xas: XaState) -> Entry:
    """``xas_reload()``: look again where the cursor stands, trusting the node it remembers.

    It says that an entry is still there only together with a reference that was taken in between.
    """
    if not xas.locked:
        slot = await _reload(xas, "xas_reload")
        return cast(Entry, slot)
    current = await step("xas_reload", xas.index, also=looked_at(xas))
    must_hold(xas, current, "xas_reload()")
    return cast(Entry, under_the_lock(_reload(xas, "xas_reload")))


async def xas_next(xas: XaState) -> Entry:
    """``xas_next()``: the entry at the next index; from a restart, the one at this index: it does not advance.

    In the middle of a multi-index entry it returns a sibling entry, so it is for ranges in which there are none.
    """
    if not xas.locked:
        return await _next(xas)
    current = await step(
        "xas_next", xas.index if xas.state in (XAS_RESTART, XAS_ERROR) else xas.index + 1, also=looked_at(xas)
    )
    must_hold(xas, current, "xas_next()")
    entry = under_the_lock(_next(xas))
    xas.xa.note(xas.index, entry)
    return entry


async def xas_find(xas: XaState, last: int) -> Entry:
    """``xas_find()``: the next entry up to and including ``last``; ``None`` if there is none.

    From a restart the entry at the cursor is looked at, too; otherwise it has been dealt with.  ``xas.index`` is
    then an index of the entry, the first one unless the walk began in its middle.
    """
    if not xas.locked:
        found: Entry = await xas.xa.xas_find(xas, last)
        return found
    current = await step("xas_find", xas.index, last, also=looked_at(xas))
    must_hold(xas, current, "xas_find()")
    entry = cast(Entry, under_the_lock(xas.xa.xas_find(xas, last)))
    xas.xa.note(xas.index, entry)
    return entry


async def xas_next_entry(xas: XaState, last: int) -> Entry:
    """``xas_next_entry()``: a faster xas_find() once a walk has begun; the same here."""
    if not xas.locked:
        found: Entry = await xas.xa.xas_find(xas, last)
        return found
    current = await step("xas_next_entry", xas.index, last, also=looked_at(xas))
    must_hold(xas, current, "xas_next_entry()")
    entry = cast(Entry, under_the_lock(xas.xa.xas_find(xas, last)))
    xas.xa.note(xas.index, entry)
    return entry


async def xas_find_conflict(xas: XaState) -> Entry:
    """``xas_find_conflict()``: the next entry in the cursor's range, under the ``xa_lock``.

    Called again, it goes on behind the entry it returned; each entry that overlaps the range is found once.  So the
    first being the expected one, and no other, allows an insertion.
    """
    current = await step("xas_find_conflict", xas.index, also=looked_at(xas))
    must_hold(xas, current, "xas_find_conflict()")
    locked, xas.locked = xas.locked, True
    entry = _find_conflict(xas)
    xas.locked = locked
    return entry


async def xas_retry(xas: XaState) -> None:
    """``xas_retry()`` of a RETRY entry: back to the top.

    The caller's busy loop is one wait here: as long as the index holds RETRY, going round again
    changes nothing, and the CPU spins on whoever put it there.  A RETRY of a dead node, or of a slot under change,
    lets it go round at once.
    """
    await step(
        "xas_retry",
        xas.index,
        target=("slot", xas.index),
        ready=lambda: xas.xa.published_at(xas.index) is not XA_RETRY_ENTRY,
        waits_for=lambda: _retry_published_by(xas),
        spins=True,
    )
    xas_reset(xas)


async def xas_get_order(xas: XaState) -> int:
    """``xas_get_order()``: the order of the entry at which the cursor stands."""
    node = xas.node
    if node is None:
        return 0
    order = 0
    while xas.offset + (1 << order) < len(node.slots):
        entry = await load_slot(xas, node, xas.offset + (1 << order), "xas_get_order", xas.index)
        if type(entry) is not SiblingEntry:
            break
        order += 1
    return order + node.shift


async def xa_get_order(xas: XaState) -> int:
    """``xa_get_order()`` of the cursor's array and index: the order of the entry there, 0 if there is none.

    Under RCU only: by the time it returns, the entry may be another one.
    """
    await rcu_read_lock()
    xas_reset(xas)
    order = 0
    entry = await xas_load(xas)
    if entry is not None:
        order = await xas_get_order(xas)
    await rcu_read_unlock()
    return order


# The walks.


async def load_slot(xas: XaState, node: XaNode, offset: int, call: str, index: int) -> Slot:
    """``xa_entry()``: load one slot."""
    if not xas.locked:
        current = await step(call, index, target=_target(xas, index), also=WALKED)
        protect(xas, current, node, f"{call}()")
        if xas.xa.unpublished:
            return cast(Slot, as_seen_by(current, xas.xa, (node, offset), node.slots[offset]))
    return node.slots[offset]


async def _head(xas: XaState, call: str) -> Slot:
    """``xa_head()``: load the root."""
    if not xas.locked:
        current = await step(call, xas.index, target=("xa_head", 0), also=WALKED)
        protect(xas, current, None, f"{call}()")
        if xas.xa.unpublished:
            return cast(Slot, as_seen_by(current, xas.xa, (xas.xa, 0), xas.xa.head))
    return xas.xa.head


async def parent_of(xas: XaState, node: XaNode) -> XaNode | None:
    """``xa_parent()``."""
    if not xas.locked:
        current = await step("xas_load", xas.index, target=_target(xas, xas.index), also=WALKED)
        protect(xas, current, node, "xas_load()")
    return node.parent


def _target(xas: XaState, index: int) -> Target | None:
    return ("slot", index) if index < xas.xa.nr_slots else None


async def _start(xas: XaState) -> Slot:
    """``xas_start()``: where a walk begins."""
    if xas.valid:
        return await _reload(xas, "xas_load")
    if xas.state == XAS_ERROR:
        return None
    head = await _head(xas, "xas_start")
    top = xas.index >> head.shift if type(head) is XaNode else xas.index << xas.xa.chunk_shift
    if top >> xas.xa.chunk_shift:
        xas.leave(XAS_BOUNDS)
        return None
    xas.state = XAS_NODE
    return head


async def xas_descend(xas: XaState, node: XaNode) -> Slot:
    """``xas_descend()``: one level down.

    A sibling that leads to a node belongs to an entry that is being split: RETRY (63b1898fffcd).
    """
    offset = offset_of(xas.index, node)
    entry = await load_slot(xas, node, offset, "xas_load", xas.index)
    while type(entry) is SiblingEntry:
        offset = entry.offset
        entry = await load_slot(xas, node, offset, "xas_load", xas.index)
        if node.shift and type(entry) is XaNode:
            entry = XA_RETRY_ENTRY
    xas.node = node
    xas.offset = offset
    return entry


async def load(xas: XaState) -> Entry:
    """The walk of ``xas_load()``."""
    entry = await _start(xas)
    while type(entry) is XaNode:
        node = entry
        if xas.shift > node.shift:
            break
        entry = await xas.xa.xas_descend(xas, node)
        if node.shift == 0:
            break
    return cast(Entry, entry)


async def _reload(xas: XaState, call: str) -> Slot:
    if not xas.valid:
        raise Oops(f"{call}() at index {xas.index} with a cursor that has not been walked")
    node = xas.node
    if node is None:
        return await _head(xas, call)
    entry = await load_slot(xas, node, offset_of(xas.index, node), call, xas.index)
    if type(entry) is SiblingEntry:
        entry = await load_slot(xas, node, entry.offset, call, xas.index)
    return entry


async def _next(xas: XaState) -> Entry:
    if xas.state not in (XAS_RESTART, XAS_ERROR):
        xas.index += 1
    if not xas.valid:
        return await load(xas)
    if xas.node is not None and xas.offset != offset_of(xas.index, xas.node):
        xas.offset += 1
    while xas.node is not None and xas.offset == len(xas.node.slots):
        xas.offset = xas.node.offset + 1
        xas.node = await parent_of(xas, xas.node)
    while xas.node is not None:
        entry = await load_slot(xas, xas.node, xas.offset, "xas_next", xas.index)
        if type(entry) is not XaNode:
            return cast(Entry, entry)
        xas.node = entry
        xas.offset = offset_of(xas.index, entry)
    xas.leave(XAS_BOUNDS)
    return None


async def find(xas: XaState, last: int) -> Entry:
    """The walk of ``xas_find()``.

    It takes every sibling entry for the rest of an entry that has been dealt with; see :mod:`pagecache.mended.find`.
    """
    if xas.state in (XAS_ERROR, XAS_BOUNDS):
        return None
    if xas.index > last:
        xas.leave(XAS_BOUNDS)
        return None
    if xas.state == XAS_RESTART:
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
        if slot is not None and type(slot) is not SiblingEntry:
            return cast(Entry, slot)
        next_offset(xas)
    if xas.node is None:
        xas.leave(XAS_BOUNDS)
    return None


def next_offset(xas: XaState) -> None:
    """``xas_next_offset()``."""
    node = xas.node
    assert node is not None
    xas.offset += 1
    shift = node.shift
    xas.index = (xas.index >> shift + xas.xa.chunk_shift << shift + xas.xa.chunk_shift) + (xas.offset << shift)


def _find_conflict(xas: XaState) -> Entry:
    if xas.state == XAS_ERROR or (xas.valid and xas.node is None):
        return None
    slot: Slot
    if not xas.valid:
        slot = under_the_lock(_start(xas))
        while type(slot) is XaNode:
            slot = under_the_lock(xas.xa.xas_descend(xas, slot))
        if slot is not None or xas.node is None:
            return cast(Entry, slot)
    node = xas.node
    assert node is not None
    if node.shift > xas.shift:
        return None
    while True:
        if node.shift == xas.shift:
            if xas.offset & xas.sibs == xas.sibs:
                break
        elif xas.offset == len(node.slots) - 1:
            xas.offset = node.offset
            xas.node = node.parent
            if node.parent is None:
                return None
            node = node.parent
            continue
        xas.offset += 1
        slot = node.slots[xas.offset]
        if type(slot) is SiblingEntry:
            continue
        while type(slot) is XaNode:
            xas.node = node = slot
            xas.offset = 0
            slot = node.slots[0]
        if slot is not None:
            return cast(Entry, slot)
    xas.offset -= xas.sibs
    return None


def _retry_published_by(xas: XaState) -> Wait:
    task = xas.xa.retry_by
    what = f"the RETRY entry at index {xas.index}"
    if xas.xa.entry_at(xas.index) is not XA_RETRY_ENTRY:
        return Wait(f"{what}, which has been replaced, to vanish")  # at the next barrier of who did, if not before
    return Wait(what, (task,) if task else ())
