"""B26: by hand, exhausted, and with half of the fix: the order compared, and not the entry."""

from __future__ import annotations

import pytest
from questions import never, reach

from fuzz.engine.verdict import Verdict
from fuzz.subject import Subject
from pagecache.folio import Folio
from pagecache.history.b26_stale_nodes import BUG, xa_load
from pagecache.inode import AddressSpace
from pagecache.kernel import Kernel
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, PageOut, Read
from pagecache.xarray import (
    XaState,
    xa_get_order,
    xa_is_value,
    xas_destroy,
    xas_find_conflict,
    xas_get_order,
    xas_lock_irq,
    xas_nomem,
    xas_reset,
    xas_set_err,
    xas_split,
    xas_split_alloc,
    xas_store,
    xas_unlock_irq,
)
from strategies.case import Case, Deviation
from strategies.programs import named

SLOTS = "every_slot_points_to_a_live_folio_that_agrees"
OOPS = "the_kernel_does_not_oops"

HOLE = BUG.focus.worlds[0]
READ = (Read(1),)
COLLAPSE_AND_RECLAIM = (Collapse(0), PageOut(0))


async def order_compared(mapping: AddressSpace, folio: Folio, index: int) -> str:
    """``__filemap_add_folio()`` of 6.9 that begins anew if the order has changed, and does not look at the entry."""
    folio.refcount += folio.nr_pages
    folio.mapping = mapping
    folio.index = index
    xas = XaState(mapping.i_pages, index, folio.order)
    while True:
        alloced_order = await xa_get_order(XaState(mapping.i_pages, index))
        if alloced_order > folio.order:
            entry = await xa_load(XaState(mapping.i_pages, index))
            await xas_split_alloc(xas, entry, alloced_order)
        order = -1
        await xas_lock_irq(xas)
        old = await xas_find_conflict(xas)
        if old is not None:
            order = await xas_get_order(xas)
        if order > folio.order and order != alloced_order:
            await xas_unlock_irq(xas)
            await xas_destroy(xas)
            xas_reset(xas)
            continue
        if old is not None and not xa_is_value(old):
            xas_set_err(xas, "EEXIST")
        else:
            if order > folio.order:
                await xas_split(xas, old, order)
                xas_reset(xas)
            await xas_store(xas, folio)
            mapping.nrpages += folio.nr_pages
        await xas_unlock_irq(xas)
        again = await xas_nomem(xas)
        if not again:
            break
    if xas.error:
        folio.mapping = None
        folio.refcount -= folio.nr_pages
    return xas.error


ORDER_COMPARED = LINUX_2026_MENDED.replace(
    name="order-compared", summary="6.9, and the order is compared", filemap_add_folio=order_compared
)


def judged(kernel: Kernel, *deviations: Deviation) -> Verdict:
    program = named((READ, *((operation,) for operation in COLLAPSE_AND_RECLAIM)))
    return Subject(kernel).judge(Case(kernel.name, HOLE, program, deviations))


SEES_NO_HUGE_PAGE = Deviation("read", "xas_start", 2, "khugepaged")
"""Its second walk is that of xa_get_order()."""
HAS_NODES = Deviation("read", "xas_lock_irq", 1, "reclaim")


@pytest.mark.parametrize("kernel", [BUG.kernel, ORDER_COMPARED], ids=lambda kernel: kernel.name)
def test_the_nodes_are_full_of_a_page_that_is_freed_meanwhile(kernel: Kernel) -> None:
    verdict = judged(kernel, SEES_NO_HUGE_PAGE, HAS_NODES)

    assert verdict.promise == SLOTS
    assert "after read had stored it, which has been freed" in verdict.sentence


def test_the_fixed_function_makes_others() -> None:
    assert not judged(BUG.fixed, SEES_NO_HUGE_PAGE, HAS_NODES).failed


def split_without_nodes(kernel: Kernel) -> Verdict:
    program = named((READ, COLLAPSE_AND_RECLAIM))
    deviation = Deviation("read", "xas_lock_irq", 1, "khugepaged")
    return Subject(kernel).judge(Case(kernel.name, HOLE, program, (deviation,)))


def test_it_splits_without_nodes() -> None:
    verdict = split_without_nodes(BUG.kernel)

    assert verdict.promise == OOPS
    assert "needs a node that xas_split_alloc() has not made" in verdict.sentence


@pytest.mark.parametrize("kernel", [BUG.fixed, ORDER_COMPARED], ids=lambda kernel: kernel.name)
def test_who_compares_the_order_makes_them_then(kernel: Kernel) -> None:
    assert not split_without_nodes(kernel).failed


def test_one_deviation_for_the_oops_and_two_for_the_slots() -> None:
    reach(BUG.kernel, HOLE, READ, COLLAPSE_AND_RECLAIM, promise=OOPS, deviations=1)
    reach(ORDER_COMPARED, HOLE, READ, COLLAPSE_AND_RECLAIM, promise=SLOTS, deviations=2)


@pytest.mark.slow
def test_with_both_compared_there_is_neither() -> None:
    never(BUG.fixed, HOLE, READ, COLLAPSE_AND_RECLAIM, promise=SLOTS)
