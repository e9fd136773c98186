"""Swapping by hand: large entries, their splitting, and who is overtaken."""

from __future__ import annotations

import pytest
from stepping import Hand, run

from pagecache.folio import Folio
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import Load, PageOut, PunchHole, SeekData, SeekHole, Truncate
from pagecache.promises.linearizable import contents
from pagecache.shmem_swap import shmem_confirm_swap, shmem_free_swap, shmem_split_swap_entry
from pagecache.step import Task
from pagecache.swap import folio_alloc_swap
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.xarray import ValueEntry

LARGE = WorldSpec(("swapped", "swapped"), large=((0, 1),))
HUGE = WorldSpec(("swapped",) * 8, hpage_order=3, size=8, vmas=(VmaSpec(end=8),), large=((0, 3),))
IN_MEMORY = WorldSpec(large=((0, 1),))


def world(spec: WorldSpec, kernel: str = "linux-2026-mended") -> World:
    return World(spec, KERNELS_BY_NAME[kernel])


def orders(here: World) -> list[tuple[int, int]]:
    """Of each page the slot that is meant, and the order of the entry that says so."""
    i_pages = here.mapping.i_pages
    told = []
    for index, entry in enumerate(i_pages.entries()):
        order = i_pages.order_at(index)
        told.append((entry.value + index % (1 << order) if isinstance(entry, ValueEntry) else -1, order))
    return told


def test_a_large_folio_goes_out_as_one_entry_and_comes_back_as_one_folio() -> None:
    here = world(IN_MEMORY)

    run(PageOut(1).run(here, ""))

    assert orders(here) == [(0, 1), (1, 1)]
    assert (here.mapping.nrpages, here.inode.info.swapped, here.memory.nr_live) == (0, 2, 0)
    assert contents(here) == ("d0", "d1")

    assert run(Load(1).run(here, "")) == "d1"

    folio = here.mapping.i_pages.slots[0]
    assert isinstance(folio, Folio)
    assert (folio.order, folio.refcount) == (1, 4)  # two of the page cache, and one of each page-table entry
    assert (here.mapping.nrpages, here.inode.info.swapped) == (2, 0)
    assert all(slot.free for slot in here.mapping.swap.slots)


def test_without_memory_for_a_large_folio_one_page_comes_back() -> None:
    here = world(LARGE)
    load = Hand(Load(1).run(here, ""), failing=[("folio_alloc", 1)])

    assert load.finish() == "d1"

    assert orders(here) == [(0, 0), (-1, 0)]
    assert contents(here) == ("d0", "d1")
    assert [slot.free for slot in here.mapping.swap.slots] == [False, True]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2)]),
        (5, [(0, 2), (1, 2), (2, 2), (3, 2), (4, 0), (5, 0), (6, 1), (7, 1)]),
    ],
)
def test_what_is_beside_the_page_keeps_as_large_entries_as_it_can(index: int, expected: list[tuple[int, int]]) -> None:
    here = world(HUGE)

    assert run(shmem_split_swap_entry(here.mapping, index, ValueEntry(0))) == ""

    assert orders(here) == expected


def test_an_entry_is_not_split_if_it_is_another_one_by_now() -> None:
    here = world(LARGE)

    assert run(shmem_split_swap_entry(here.mapping, 1, ValueEntry(1))) == "EEXIST"

    assert orders(here) == [(0, 1), (1, 1)]


def test_splitting_gets_its_node_after_the_lock_has_been_dropped() -> None:
    here = world(WorldSpec(("swapped",) * 8, hpage_order=3, size=8, vmas=(VmaSpec(end=8),), large=((0, 2),)))
    split = Hand(shmem_split_swap_entry(here.mapping, 3, ValueEntry(0)), failing=[("xas_try_split", 1)])

    assert split.finish() == ""

    assert split.visits("xas_nomem") == 2
    assert orders(here)[:4] == [(0, 1), (1, 1), (2, 0), (3, 0)]
    assert here.mapping.i_pages.nr_spares == 0


@pytest.mark.parametrize(("index", "last", "gone"), [(0, 1, 2), (0, 0, 0), (1, 1, 0), (0, 7, 2)])
def test_an_entry_that_crosses_an_end_of_the_range_stays(index: int, last: int, gone: int) -> None:
    here = world(LARGE)

    assert run(shmem_free_swap(here.mapping, index, last, ValueEntry(0))) == gone

    assert [slot.count for slot in here.mapping.swap.slots] == ([0, 0] if gone else [1, 1])


def test_the_order_is_that_of_the_entry_under_the_lock() -> None:
    here = world(LARGE)
    free = Hand(shmem_free_swap(here.mapping, 0, 1, ValueEntry(0)), Task("T", 1))
    run(shmem_split_swap_entry(here.mapping, 1, ValueEntry(0)))

    assert free.finish() == 1

    assert [slot.count for slot in here.mapping.swap.slots] == [0, 1]


def test_confirming_says_the_order() -> None:
    here = world(LARGE)

    assert run(shmem_confirm_swap(here.mapping, 1, ValueEntry(0))) == 1
    assert run(shmem_confirm_swap(here.mapping, 1, ValueEntry(1))) == -1


def test_slots_for_a_large_entry_are_aligned_and_consecutive() -> None:
    here = world(WorldSpec(("data", "swapped", "data", "data"), size=4, vmas=(VmaSpec(end=4),)))

    assert run(folio_alloc_swap(here.mapping.swap, 1)) == 2
    assert run(folio_alloc_swap(here.mapping.swap, 0)) == 0
    assert run(folio_alloc_swap(here.mapping.swap, 2)) == -1


def test_a_hole_punch_takes_its_part_of_a_large_entry() -> None:
    here = world(HUGE, "linux-2026")

    assert run(PunchHole(3, 2).run(here, "")) == 0

    assert contents(here) == ("d0", "d1", "d2", "hole", "hole", "d5", "d6", "d7")


def test_today_a_truncate_into_a_large_entry_goes_round_and_round() -> None:
    """See pagecache/mended/partial.py."""
    here = world(LARGE, "linux-2026")
    truncate = Hand(Truncate(1).run(here, ""))

    with pytest.raises(AssertionError, match="does not end"):
        truncate.finish()


def test_mended_it_ends() -> None:
    here = world(LARGE)

    assert run(Truncate(1).run(here, "")) == 0

    assert contents(here) == ("d0", "hole")
    assert [slot.count for slot in here.mapping.swap.slots] == [0, 0]


@pytest.mark.parametrize("kernel", ["linux-2026", "linux-2026-mended"])
@pytest.mark.parametrize("index", [0, 1])
def test_all_of_a_large_entry_is_data(kernel: str, index: int) -> None:
    here = world(LARGE, kernel)

    assert run(SeekHole(index).run(here, "")) == 2
    assert run(SeekData(index).run(here, "")) == index
