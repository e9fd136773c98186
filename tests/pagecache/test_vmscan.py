"""Reclaim of pages that are clean, dirty, or one and then the other."""

from __future__ import annotations

import pytest
from questions import never
from stepping import Hand, K, folio_at, run, steps, untidy, world

from pagecache.fault import access
from pagecache.folio import folio_get, folio_put
from pagecache.memory_failure import memory_failure
from pagecache.operations import Collapse, Operation, PageOut, PinWrite, Stat, Truncate, UffdZeropage
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


# A large folio that cannot go out as a whole is split, and its parts go out one by one.

LARGE = WorldSpec(("data",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),), large=((0, 2),))


def large() -> World:
    return world(LARGE, "linux-2026-mended")


def swapped(here: World) -> list[str | None]:
    """By page, what is kept of it in swap, in an entry of its own."""
    i_pages, slots = here.mapping.i_pages, here.mapping.swap.slots
    return [
        slots[entry.value].content if isinstance(entry, ValueEntry) and not i_pages.order_at(index) else None
        for index, entry in enumerate(i_pages.slots)
    ]


def test_a_large_folio_goes_out_as_a_whole() -> None:
    here = large()
    run(PageOut(0).run(here, ""))

    assert here.mapping.i_pages.order_at(3) == 2
    assert untidy(here) == []


@pytest.mark.parametrize("size", [1, 2, 3])
def test_one_that_the_end_of_the_file_cuts_through_goes_out_in_parts(size: int) -> None:
    here = large()
    head = folio_at(here, 0)
    out = Hand(PageOut(0).run(here, ""))
    out.until("i_size_read")
    here.inode.i_size = size  # a truncate that has just begun
    here.inode.info.fallocend = 0

    out.finish()

    assert swapped(here)[:4] == [f"d{index}" if index < size else None for index in range(4)]
    assert here.mapping.i_pages.slots[size:4] == [None] * (4 - size)
    assert head.freed
    assert untidy(here) == []


def test_a_truncate_returns_beside_a_collapse_behind_the_end_and_its_swapout() -> None:
    threads = (Truncate(1),), (Collapse(0), PageOut(0))

    assert never("linux-2026-mended", WorldSpec(vmas=(VmaSpec(),)), *threads, promise="no_livelock") > 1_000


def test_what_fallocate_has_reserved_behind_the_end_is_not_cut_off() -> None:
    here = large()
    here.inode.info.fallocend = 4
    out = Hand(PageOut(0).run(here, ""))
    out.until("i_size_read")
    here.inode.i_size = 1
    out.finish()

    assert here.mapping.i_pages.order_at(3) == 2


def test_without_consecutive_slots_it_goes_out_in_parts() -> None:
    here = large()
    run(PageOut(0).run(here, ""), failing=[("folio_alloc_swap", 1)])

    assert swapped(here)[:4] == ["d0", "d1", "d2", "d3"]
    assert untidy(here) == []


def test_a_part_for_which_there_is_no_slot_stays() -> None:
    here = large()
    run(PageOut(0).run(here, ""), failing=[("folio_alloc_swap", 1), ("folio_alloc_swap", 3)])

    assert swapped(here)[:4] == ["d0", None, "d2", "d3"]
    assert (folio_at(here, 1).dirty, folio_at(here, 1).lru, folio_at(here, 1).refcount) == (True, True, 1)
    assert untidy(here) == []


def test_one_that_cannot_be_split_stays_as_it_is() -> None:
    here = large()
    head = folio_at(here, 0)
    out = Hand(PageOut(0).run(here, ""), failing=[("folio_alloc_swap", 1)])
    out.until("can_split_folio")
    run(folio_get(head), F)
    out.finish()

    assert folio_at(here, 3) is head
    assert (head.order, head.dirty, head.lru) == (2, True, True)
    run(folio_put(head), F)
    assert untidy(here) == []
