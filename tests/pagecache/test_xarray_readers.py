"""Every interleaving of one lockless reader with one writer, on small trees."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from stepping import Hand, run
from xarray_rig import R, Thing, W, store

from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.step import KernelBug, UseAfterFree
from pagecache.xarray import (
    XA_RETRY_ENTRY,
    XArray,
    XaState,
    xas_load,
    xas_lock_irq,
    xas_next,
    xas_reload,
    xas_set,
    xas_split,
    xas_split_alloc,
    xas_store,
    xas_unlock_irq,
)

NR = 8

Writer = Callable[[XArray], Coroutine[Any, Any, None]]
SMALL = [Thing(f"s{index}") for index in range(NR)]
HUGE = Thing("huge")
NEW = Thing("new")


def writes(*stores: tuple[int, int, object]) -> Writer:
    """A writer of several (index, order, entry), each in its own xa_lock section."""

    async def write(xa: XArray) -> None:
        for position in range(len(stores)):
            index, order, entry = stores[position]
            xas = XaState(xa, index, order)
            await xas_lock_irq(xas)
            await xas_store(xas, entry)  # type: ignore[arg-type]
            await xas_unlock_irq(xas)

    return write


async def splits(xa: XArray) -> None:
    """The huge entry becomes small ones, each an object of its own."""
    xas = XaState(xa, 0)
    await xas_split_alloc(xas, NEW, 3)  # type: ignore[arg-type]
    await xas_lock_irq(xas)
    await xas_split(xas, NEW, 3)  # type: ignore[arg-type]
    for index in range(NR):
        xas_set(xas, index)
        await xas_store(xas, SMALL[index])  # type: ignore[arg-type]
    await xas_unlock_irq(xas)


def tree(filled: tuple[int, ...], *, huge: bool = False) -> XArray:
    xa = XArray(NR)
    if huge:
        store(xa, 0, 3, HUGE)
    for index in filled:
        store(xa, index, 0, SMALL[index])
    return xa


async def read(xa: XArray, index: int) -> object:
    await rcu_read_lock()
    entry = await xas_load(XaState(xa, index))
    await rcu_read_unlock()
    return entry


CASES: dict[str, tuple[Callable[[], XArray], Writer]] = {
    "eight small entries become a huge one": (lambda: tree(tuple(range(NR))), writes((0, 3, HUGE))),
    "a huge one over holes": (lambda: tree((1, 6)), writes((0, 3, HUGE))),
    "a huge one is split": (lambda: tree((), huge=True), splits),
    "a huge one is erased, and a small one stored": (lambda: tree((), huge=True), writes((0, 3, None), (5, 0, NEW))),
    "the tree grows": (lambda: tree((0,)), writes((2, 0, NEW), (7, 0, NEW))),
    "the tree shrinks to its root": (lambda: tree((0, 5)), writes((5, 0, None), (0, 0, None))),
    "a leaf dies and is replaced": (lambda: tree((0, 5)), writes((5, 0, None), (5, 0, NEW), (6, 0, NEW))),
    "a leaf of several entries dies": (lambda: tree((4, 5)), writes((4, 0, None), (5, 0, None), (4, 0, NEW))),
}


def to_a_load_or_store(hand: Hand) -> bool:
    """Take the steps that nobody can tell; is there another that somebody can?"""
    while hand.pending is not None and (hand.pending.target or ("none", 0))[0] not in ("slot", "xa_head"):
        hand.step()
    return hand.pending is not None


@pytest.mark.parametrize("index", range(NR))
@pytest.mark.parametrize("name", CASES)
def test_a_reader_finds_what_was_at_the_index_at_some_moment(name: str, index: int) -> None:
    """Every interleaving: before each load of the reader the writer makes some number of its stores, perhaps none.

    It begins with as many as there are; the next run makes one less before the last load that can do with less.
    """
    make, write = CASES[name]
    runs = 0
    limits: list[int] = []
    while True:
        xa = make()
        writer, reader = Hand(write(xa), W), Hand(read(xa, index), R)
        was = [xa.entry_at(index)]
        made: list[int] = []
        begins = 0
        while to_a_load_or_store(reader):
            limit = limits[len(made)] if len(made) < len(limits) else 1000
            made.append(0)
            while made[-1] < limit and to_a_load_or_store(writer):
                writer.step()
                to_a_load_or_store(writer)  # what follows unseen belongs to it
                made[-1] += 1
                was.append(xa.entry_at(index))
            begins = begins if len(made) > 1 else len(was) - 1
            reader.step()
        runs += 1
        if reader.result is not XA_RETRY_ENTRY:
            assert reader.result in was[begins:], (made, reader.steps, was)
        writer.finish()
        while made and not made[-1]:
            made.pop()
        if not made:
            break
        limits = [*made[:-1], made[-1] - 1]
    assert runs > 1


def dead_leaf(xa: XArray, index: int) -> Hand:
    """A reader that stands in the leaf of ``index`` when a huge entry replaces it."""
    run(rcu_read_lock(), R)
    reader = Hand(xas_load(XaState(xa, index)), R)
    reader.step()
    reader.step()  # the root, and the node above: the next load is the leaf's
    store(xa, 0, 3, HUGE)
    return reader


def test_a_dead_leaf_says_retry_for_old_entries_and_nothing_for_old_holes() -> None:
    assert dead_leaf(tree((1, 6)), 1).finish() is XA_RETRY_ENTRY
    run(rcu_read_unlock(), R)
    assert dead_leaf(tree((1, 6)), 2).finish() is None
    run(rcu_read_unlock(), R)


def test_a_node_may_be_read_until_the_rcu_section_ends() -> None:
    xa = tree((4, 5))
    xas = XaState(xa, 5)
    run(rcu_read_lock(), R)
    assert run(xas_load(xas), R) is SMALL[5]
    store(xa, 5, 0, None)
    store(xa, 4, 0, None)
    assert run(xas_reload(xas), R) is None
    run(rcu_read_unlock(), R)
    run(rcu_read_lock(), R)
    with pytest.raises(UseAfterFree, match="RCU section that has ended"):
        run(xas_reload(xas), R)
    run(rcu_read_unlock(), R)


def test_a_cursor_kept_across_a_drop_of_the_lock_is_stale_if_its_node_has_gone() -> None:
    xa = tree((4,))
    xas = XaState(xa, 4)
    run(xas_lock_irq(xas), R)
    assert run(xas_load(xas), R) is SMALL[4]
    run(xas_unlock_irq(xas), R)
    store(xa, 4, 0, None)
    store(xa, 5, 0, NEW)
    run(xas_lock_irq(xas), R)
    with pytest.raises(KernelBug, match="stale cursor"):
        run(xas_next(xas), R)
    run(xas_unlock_irq(xas), R)
