from __future__ import annotations

import pytest
from stepping import run

from pagecache.step import KernelBug, Task, UseAfterFree
from pagecache.xarray import ValueEntry, XArray, XaState, xas_load, xas_lock_irq, xas_unlock_irq
from pagecache.xarray.raw_slot import RawSlot, radix_tree_replace_slot, raw_slot

A = Task("A", 0)


def slot_of(xa: XArray, index: int) -> tuple[XaState, RawSlot]:
    """The slot, and the cursor that holds the lock."""
    xas = XaState(xa, index)
    run(xas_lock_irq(xas), A)
    run(xas_load(xas), A)
    return xas, raw_slot(xas)


def test_it_stores_where_the_cursor_was() -> None:
    xa = XArray(8)
    xa.slots[5] = ValueEntry(1)
    xas, slot = slot_of(xa, 5)

    run(radix_tree_replace_slot(slot, ValueEntry(2)), A)
    run(xas_unlock_irq(xas), A)

    assert xa.slots[5] == ValueEntry(2)


def test_the_only_slot_of_a_small_tree_is_its_root() -> None:
    xa = XArray(8)
    xa.slots[0] = ValueEntry(1)
    xas, slot = slot_of(xa, 0)
    xa.slots[1] = ValueEntry(3)

    run(radix_tree_replace_slot(slot, ValueEntry(2)), A)
    run(xas_unlock_irq(xas), A)

    assert xa.entries() == [ValueEntry(2)] + [None] * 7


def test_a_node_that_was_freed_is_no_place_to_store_into() -> None:
    xa = XArray(8)
    xa.slots[5] = ValueEntry(1)
    xas, slot = slot_of(xa, 5)
    xa.slots[5] = None

    with pytest.raises(UseAfterFree, match="node that was freed"):
        run(radix_tree_replace_slot(slot, ValueEntry(2)), A)
    run(xas_unlock_irq(xas), A)


def test_it_takes_the_lock() -> None:
    xa = XArray(8)
    xas, slot = slot_of(xa, 0)
    run(xas_unlock_irq(xas), A)

    with pytest.raises(KernelBug, match="without the tree_lock"):
        run(radix_tree_replace_slot(slot, ValueEntry(2)), A)
