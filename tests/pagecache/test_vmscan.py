"""Reclaim of pages that are clean, dirty, or one and then the other."""

from __future__ import annotations

import pytest
from stepping import Hand, K, folio_at, run, steps, untidy, world

from pagecache.fault import access
from pagecache.folio import folio_get, folio_put
from pagecache.memory_failure import memory_failure
from pagecache.operations import Operation, PageOut, PinWrite, Stat, UffdZeropage
from pagecache.step import Task
from pagecache.syscalls import shmem_fallocate
from pagecache.vmscan import reclaim_folio
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.xarray import ValueEntry

F = Task("F", 1)
HOLE = WorldSpec(("data", "hole"), vmas=(VmaSpec(),))
ARMED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, F):
        task.held.clear()
        task.atomic = 0


def read_fault(spec: WorldSpec = HOLE) -> World:
    here = world(spec, "linux-2026-mended")
    assert run(access(here.vmas[0], 1, None, waits=False)) == "0"
    return here


def test_a_page_that_nobody_wrote_leaves_a_hole() -> None:
    here = read_fault()
    page = folio_at(here, 1)

    run(PageOut(1).run(here, ""))

    assert page.freed
    assert here.mapping.i_pages.slots[1] is None
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.info.swapped) == (1, 2, 0)
    assert run(Stat().run(here, "")) == "st_size 2, st_blocks 8"
    assert untidy(here) == []


def test_it_is_not_written() -> None:
    taken = steps(reclaim_folio(read_fault().mapping, 1))
    assert not any(step.startswith(("folio_alloc_swap", "swap_writepage", "is_page_cache_freeable")) for step in taken)


def test_a_store_through_the_mapping_is_written() -> None:
    here = read_fault()
    run(access(here.vmas[0], 1, "w", waits=False))

    run(PageOut(1).run(here, ""))

    entry = here.mapping.i_pages.slots[1]
    assert isinstance(entry, ValueEntry)
    assert here.mapping.swap.slots[entry.value].content == "w"
    assert untidy(here) == []


@pytest.mark.parametrize("operation", [UffdZeropage(1)], ids=repr)
def test_zeroes_that_somebody_asked_for_are_kept(operation: Operation) -> None:
    here = world(ARMED, "linux-2026-mended")
    assert run(operation.run(here, "")) == 0

    run(PageOut(1).run(here, ""))

    assert isinstance(here.mapping.i_pages.slots[1], ValueEntry)


def test_fallocate_keeps_what_a_fault_has_left() -> None:
    here = read_fault()
    assert run(shmem_fallocate(here.inode, 1, 1, keep_size=False)) == 0

    run(PageOut(1).run(here, ""))

    assert isinstance(here.mapping.i_pages.slots[1], ValueEntry)


def test_a_page_with_a_reference_stays() -> None:
    here = read_fault()
    page = folio_at(here, 1)
    run(folio_get(page), F)

    run(PageOut(1).run(here, ""))

    assert folio_at(here, 1) is page
    assert page.lru
    run(folio_put(page), F)
    assert untidy(here) == []


def test_what_is_written_through_a_pin_without_the_folio_lock_stays() -> None:
    here = read_fault()
    page = folio_at(here, 1)
    pin = Hand(PinWrite(1, unlocked=True).run(here, "p"), F)
    pin.until("set_page_dirty")
    out = Hand(reclaim_folio(here.mapping, 1))
    out.until("xas_lock_irq")  # not dirty, unmapped: on its way out

    assert pin.finish() == 0
    out.finish()

    assert folio_at(here, 1) is page
    assert (page.page_at(1), page.dirty, page.refcount) == ("p", True, 1)
    assert untidy(here) == []


def test_a_page_that_becomes_dirty_before_the_freeze_stays() -> None:
    here = read_fault()
    page = folio_at(here, 1)
    out = Hand(reclaim_folio(here.mapping, 1))
    out.until("folio_ref_freeze")
    page.dirty = True  # by somebody who has put the reference again

    out.finish()

    assert folio_at(here, 1) is page
    assert (page.refcount, page.dirty, page.lru, page.mapping) == (1, True, True, here.mapping)
    assert untidy(here) == []


def test_a_page_whose_memory_fails_while_it_is_isolated_is_neither_written_nor_put_back() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(0,)),)), "linux-2026-mended")
    page = folio_at(here, 0)
    out = Hand(reclaim_folio(here.mapping, 0))
    out.until("folio_trylock")
    assert run(memory_failure(here.mapping, 0), F) == "EBUSY"

    out.finish()

    assert folio_at(here, 0) is page
    assert (page.refcount, page.mapcount, page.lru, page.locked_by) == (1, 0, False, None)
    assert untidy(here) == []


def test_a_world_may_begin_with_zeroes_that_nobody_wrote() -> None:
    here = world(WorldSpec(("zeroes", "data"), vmas=(VmaSpec(mapped=(0,)),)), "linux-2026-mended")
    assert run(access(here.vmas[0], 0, None, waits=False)) == "0"

    run(PageOut(0).run(here, ""))

    assert here.mapping.i_pages.slots[0] is None
    assert untidy(here) == []
