"""A tree under a hand: operations on a bare XArray that nobody disturbs, and what must hold between them."""

from __future__ import annotations

from collections.abc import Iterator

from stepping import run

from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.step import Task
from pagecache.xarray import (
    SiblingEntry,
    ValueEntry,
    XaNode,
    XArray,
    XaState,
    xas_load,
    xas_lock_irq,
    xas_nomem,
    xas_store,
    xas_unlock_irq,
)

W = Task("writer", 0)
R = Task("reader", 1)


class Thing:
    """An object somebody keeps in the array."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def store(xa: XArray, index: int, order: int, entry: object, *, failing: bool = False) -> int:
    """Store as the kernel does: under the lock, again with xas_nomem() if there was no memory.

    Returns:
        How often there was none.
    """
    xas = XaState(xa, index, order)
    without = 0
    while True:
        run(xas_lock_irq(xas), W)
        run(xas_store(xas, entry), W, failing=[("xas_create", 1)] if failing else ())  # type: ignore[arg-type]
        run(xas_unlock_irq(xas), W)
        without += bool(xas.error)
        if not run(xas_nomem(xas), W):
            return without


def look(xa: XArray, index: int) -> object:
    """What a lockless reader finds who is alone."""
    run(rcu_read_lock(), R)
    entry = run(xas_load(XaState(xa, index)), R)
    run(rcu_read_unlock(), R)
    return entry


def misshapen(xa: XArray) -> Iterator[str]:
    """What is wrong with the nodes: counts, parents, offsets, siblings that lead nowhere, marks that were lost."""
    if isinstance(xa.head, XaNode) and xa.head.parent is not None:
        yield "the root has a parent"
    for node in xa.nodes():
        if node.dead:
            yield f"{node} is in the tree, but dead"
        if node.shift % xa.chunk_shift:
            yield f"{node}: no multiple of {xa.chunk_shift}"
        if node.count != sum(slot is not None for slot in node.slots):
            yield f"{node}: count {node.count} of {node.slots}"
        values = 0
        for offset, slot in enumerate(node.slots):
            target = slot
            if isinstance(slot, SiblingEntry):
                target = node.slots[slot.offset]
                if slot.offset >= offset or target is None or isinstance(target, XaNode | SiblingEntry):
                    yield f"{node}: {slot} in slot {offset} leads to {target}"
            values += isinstance(target, ValueEntry)
            if isinstance(slot, XaNode):
                if slot.parent is not node or slot.offset != offset or slot.shift != node.shift - xa.chunk_shift:
                    yield f"{slot} in slot {offset} of {node} has offset {slot.offset} and parent {slot.parent}"
                for mark in range(3):
                    if bool(slot.marks[mark]) != bool(node.marks[mark] >> offset & 1):
                        yield f"{slot} in slot {offset} of {node} disagrees about mark {mark}"
            elif slot is None and any(bits >> offset & 1 for bits in node.marks):
                yield f"{node}: slot {offset} is empty, but marked"
        if node.nr_values != values:
            yield f"{node}: nr_values {node.nr_values} of {node.slots}"


def wasteful(xa: XArray) -> Iterator[str]:
    """What a smaller tree could do without: nodes without entries, and a root with nothing but its first child."""
    for node in xa.nodes():
        if not node.count:
            yield f"{node} is empty"
    head = xa.head
    if isinstance(head, XaNode) and head.count == 1:
        only = head.slots[0]
        if isinstance(only, XaNode) or (only is not None and not head.shift):
            yield f"the root {head} has nothing but {only}"
