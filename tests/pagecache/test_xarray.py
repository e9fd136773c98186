from __future__ import annotations

from typing import Any

import pytest
from stepping import Hand, run, steps

from pagecache.folio import Memory
from pagecache.locks import rcu_read_lock
from pagecache.mended import create_range as mended_create_range
from pagecache.step import KernelBug, Task
from pagecache.xarray import (
    XA_RETRY_ENTRY,
    ValueEntry,
    XArray,
    XaState,
    xa_is_retry,
    xa_is_value,
    xas_create_range,
    xas_find_conflict,
    xas_load,
    xas_lock_irq,
    xas_next,
    xas_next_entry,
    xas_nomem,
    xas_reload,
    xas_reset,
    xas_retry,
    xas_set,
    xas_set_order,
    xas_store,
    xas_unlock_irq,
)
from pagecache.xarray.create import create_range

A = Task("A", 0)
B = Task("B", 1)
NR_SLOTS = 4


@pytest.fixture
def xa() -> XArray:
    for task in (A, B):
        task.atomic = 0
        task.held.clear()
    return XArray(NR_SLOTS)


def locked(xa: XArray, index: int = 0, order: int = 0) -> XaState:
    xas = XaState(xa, index, order)
    run(xas_lock_irq(xas), A)
    return xas


def reading(task: Task = B) -> None:
    """Enter an RCU read-side section."""
    run(rcu_read_lock(), task)


def test_a_lockless_load_touches_root_and_slot_and_a_load_under_the_lock_is_invisible(xa: XArray) -> None:
    xa.slots[1] = ValueEntry(1)
    reading()
    lockless = Hand(xas_load(XaState(xa, 1)), B)
    under_the_lock = Hand(xas_load(locked(xa, 1)))

    assert lockless.pending is not None
    assert lockless.pending.target == ("xa_head", 0)
    lockless.step()
    assert lockless.pending.target == ("slot", 1)
    assert under_the_lock.pending is not None
    assert under_the_lock.pending.target is None


def test_a_load_beyond_the_last_slot_finds_nothing(xa: XArray) -> None:
    reading()
    assert run(xas_load(XaState(xa, NR_SLOTS)), B) is None


def test_a_lockless_load_outside_of_an_rcu_section_is_a_kernel_bug(xa: XArray) -> None:
    with pytest.raises(KernelBug, match="RCU read-side section"):
        run(xas_load(XaState(xa, 0)), B)


def test_storing_over_a_range_publishes_one_slot_after_the_other(xa: XArray) -> None:
    huge = Memory().new_folio(1)
    xas = locked(xa)
    xas_set_order(xas, 3, 1)
    store = Hand(xas_store(xas, huge), A)

    store.until("xas_store", 2)
    assert xa.slots == [None, None, huge, None]
    store.step()
    assert xa.slots == [None, None, huge, huge]
    assert store.finish() is None
    assert store.steps == ["xas_create(2)", "xas_store(2, H0)", "xas_store(3, H0)"]


def test_storing_without_the_lock_is_a_kernel_bug(xa: XArray) -> None:
    with pytest.raises(KernelBug, match="without the xa_lock"):
        run(xas_store(XaState(xa, 0), None), A)


@pytest.mark.parametrize("call", [xas_find_conflict, xas_create_range])
def test_looking_at_the_nodes_without_the_lock_is_a_kernel_bug(xa: XArray, call: type) -> None:
    with pytest.raises(KernelBug, match="without the xa_lock"):
        run(call(XaState(xa, 0)), A)


def test_the_lock_is_a_spinlock(xa: XArray) -> None:
    xas = locked(xa)

    assert A.atomic == 1
    assert Hand(xas_lock_irq(XaState(xa, 0)), B).blocked

    run(xas_unlock_irq(xas), A)

    assert A.atomic == 0
    assert not xas.locked


def test_next_walks_to_the_index_from_a_restart_and_then_advances(xa: XArray) -> None:
    xas = locked(xa)
    xas_set(xas, 1)

    assert steps(xas_next(xas), A) == ["xas_next(1)"]
    assert steps(xas_next(xas), A) == ["xas_next(2)"]

    xas_set(xas, 2)

    assert steps(xas_next(xas), A) == ["xas_next(2)"]


def test_the_next_entry_skips_holes_and_stops_at_the_last_index(xa: XArray) -> None:
    value = ValueEntry(7)
    xa.slots[2] = value
    xas = locked(xa)

    assert run(xas_next_entry(xas, 1), A) is None
    xas_set(xas, 0)
    assert run(xas_next_entry(xas, 3), A) is value
    assert xas.index == 2
    assert run(xas_next_entry(xas, 3), A) is None


def test_a_conflict_is_whatever_stands_in_the_range_a_retry_entry_included(xa: XArray) -> None:
    xas = locked(xa, 0, order=1)
    assert run(xas_find_conflict(xas), A) is None

    xa.slots[1] = XA_RETRY_ENTRY
    xas_reset(xas)

    assert run(xas_find_conflict(xas), A) is XA_RETRY_ENTRY
    assert run(xas_find_conflict(xas), A) is None


def test_after_the_last_conflict_the_cursor_is_back_at_its_range(xa: XArray) -> None:
    huge = Memory().new_folio(1)
    xas = locked(xa, 2, order=1)

    assert run(xas_find_conflict(xas), A) is None
    assert run(xas_find_conflict(xas), A) is None
    run(xas_store(xas, huge), A)

    assert xa.slots == [None, None, huge, huge]


def test_a_reader_that_finds_a_retry_entry_spins_on_who_put_it_there(xa: XArray) -> None:
    writer = locked(xa, 1)
    run(xas_store(writer, XA_RETRY_ENTRY), A)
    reader = XaState(xa, 1)
    reading()
    entry = run(xas_load(reader), B)
    spinning = Hand(xas_retry(reader), B)

    assert xa_is_retry(entry)
    assert spinning.blocked
    assert spinning.pending is not None
    assert spinning.pending.spins
    assert spinning.pending.waits_for is not None
    assert spinning.pending.waits_for().holders == (A,)

    run(xas_store(writer, None), A)
    spinning.finish()

    assert reader.restart


def test_reloading_shows_what_the_slot_says_now(xa: XArray) -> None:
    xas = XaState(xa, 0)
    reading()
    assert run(xas_load(xas), B) is None
    xa.slots[0] = ValueEntry(1)

    assert run(xas_reload(xas), B) == ValueEntry(1)
    assert xa_is_value(xa.slots[0])


def test_making_slots_fails_for_want_of_memory_and_is_worth_another_try(xa: XArray) -> None:
    xas = locked(xa, 0, order=1)
    run(xas_create_range(xas), A, failing=[("xas_create_range", 1)])
    assert xas.error == "ENOMEM"

    run(xas_unlock_irq(xas), A)

    assert run(xas_nomem(xas), A)
    assert xas.error == ""
    assert not run(xas_nomem(xas), A)


@pytest.mark.parametrize(("function", "left"), [(create_range, 1), (mended_create_range.create_range, 0)])
def test_a_spare_node_is_not_needed_any_more_once_somebody_else_made_the_slots(function: Any, left: int) -> None:
    xa = XArray(2, create_range=function)
    xas = locked(xa, 0, order=1)
    run(xas_create_range(xas), A, failing=[("xas_create_range", 1)])
    run(xas_unlock_irq(xas), A)
    assert run(xas_nomem(xas), A)

    xa.slots[1] = ValueEntry(1)
    run(xas_lock_irq(xas), A)
    run(xas_create_range(xas), A)

    assert not xas.error
    assert xa.nr_spares == left


def test_without_memory_there_is_no_other_try(xa: XArray) -> None:
    xas = XaState(xa, 0)
    xas.error = "ENOMEM"

    assert not run(xas_nomem(xas), A, failing=[("xas_nomem", 1)])
    assert xas.error == "ENOMEM"

    xas_reset(xas)

    assert xas.error == ""
