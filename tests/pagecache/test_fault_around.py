"""filemap_map_pages(), stepped by hand: what is mapped around a fault, and what is left alone."""

from __future__ import annotations

import pytest
from stepping import Hand, K, folio_at, run, untidy, world

from pagecache.fault import access
from pagecache.folio import folio_lock, folio_unlock
from pagecache.step import Task
from pagecache.syscalls import do_munmap, shmem_punch_hole
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
AROUND = WorldSpec(("data", "data", "hole", "data"), 2, 4, (VmaSpec(end=4, around=True),))
HUGE = WorldSpec(("data", "data"), vmas=(VmaSpec(around=True, huge=True),), large=((0, 1),))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def load(here: World, index: int, task: Task = K, failing: tuple[tuple[str, int], ...] = ()) -> Hand:
    return Hand(access(here.vmas[0], index, None, waits=True), task, failing)


def mapped(here: World) -> list[int]:
    return sorted(here.vmas[0].ptes)


def until_blocked(hand: Hand) -> None:
    """Go on until it must wait."""
    while not hand.blocked:
        hand.step()


def test_a_load_maps_what_is_around_and_takes_no_other_fault() -> None:
    here = world(AROUND)

    hand = load(here, 1)

    assert hand.finish() == "d1"
    assert mapped(here) == [0, 1, 3]
    assert "i_private()" not in hand.steps  # shmem_fault() was not asked
    assert [folio_at(here, index).refcount for index in (0, 1, 3)] == [2, 2, 2]


def test_a_page_that_is_not_there_is_faulted_in_and_the_others_are_mapped() -> None:
    here = world(AROUND)

    assert load(here, 2).finish() == "0"
    assert mapped(here) == [0, 1, 2, 3]


def test_a_store_maps_its_own_page_only() -> None:
    here = world(AROUND)

    run(access(here.vmas[0], 1, "stored", waits=True))

    assert mapped(here) == [1]


def test_what_lies_outside_of_the_mapping_or_behind_the_end_is_not_around() -> None:
    part = WorldSpec(("data", "data", "data", "hole"), 2, 3, (VmaSpec(start=1, end=3, around=True),))
    here = world(part)
    load(here, 1).finish()
    assert mapped(here) == [1, 2]

    here = world(WorldSpec(("data", "data", "unwritten", "hole"), 2, 2, (VmaSpec(end=4, around=True),)))
    load(here, 0).finish()
    assert mapped(here) == [0, 1]


@pytest.mark.parametrize("mode", [{"minor": True}, {"wp": True}])
def test_where_a_userfaultfd_wants_each_fault_there_is_none(mode: dict[str, bool]) -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(around=True, **mode),)))

    run(access(here.vmas[0], 0, None, waits=False))

    assert 1 not in mapped(here)


def test_a_locked_folio_is_skipped_and_not_waited_for() -> None:
    here = world(AROUND)
    run(folio_lock(folio_at(here, 0)), B)

    assert load(here, 1).finish() == "d1"
    assert mapped(here) == [1, 3]
    assert folio_at(here, 0).refcount == 1

    run(folio_unlock(folio_at(here, 0)), B)


def test_a_frozen_folio_is_skipped() -> None:
    here = world(AROUND)
    folio = folio_at(here, 0)
    folio.refcount, folio.frozen_by = 0, B

    assert load(here, 1).finish() == "d1"
    assert mapped(here) == [1, 3]


def test_what_is_not_uptodate_and_what_has_failed_is_skipped() -> None:
    here = world(WorldSpec(("unwritten", "data", "data", "hole"), 2, 4, (VmaSpec(end=4, around=True),)))
    folio_at(here, 2).poisoned = True

    assert load(here, 1).finish() == "d1"
    assert mapped(here) == [1]
    assert [folio_at(here, index).refcount for index in (0, 2)] == [1, 1]


def test_a_folio_that_is_punched_out_before_it_is_locked_is_not_mapped() -> None:
    """1. The load has a reference to page 0.  2. Page 0 is punched out.  3. The load looks again before it maps."""
    here = world(AROUND)
    hand = load(here, 1)
    hand.until("folio_trylock")
    run(shmem_punch_hole(here.inode, 0, 1), B)

    assert hand.finish() == "d1"
    assert mapped(here) == [1, 3]


def test_a_punch_waits_for_the_folio_lock_and_unmaps_what_was_mapped_meanwhile() -> None:
    here = world(AROUND)
    hand = load(here, 1)
    hand.until("set_pte_at")
    punch = Hand(shmem_punch_hole(here.inode, 0, 1), B)
    until_blocked(punch)

    assert hand.finish() == "d1"
    punch.finish()

    assert mapped(here) == [1, 3]


def test_what_is_mapped_already_stays_and_the_reference_is_put() -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(around=True, mapped=(1,)),)))

    assert load(here, 0).finish() == "d0"
    assert [folio_at(here, index).refcount for index in (0, 1)] == [2, 2]


def test_a_huge_page_is_mapped_by_its_pmd() -> None:
    here = world(HUGE)

    assert load(here, 1).finish() == "d1"
    assert here.vmas[0].table(0).huge is not None
    assert mapped(here) == []


def test_a_large_folio_is_mapped_page_by_page_with_a_reference_for_each() -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(around=True),), large=((0, 1),)))
    before = folio_at(here, 0).refcount

    assert load(here, 0).finish() == "d0"
    assert mapped(here) == [0, 1]
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (before + 2, 2)


def test_without_memory_for_a_page_table_the_fault_fails() -> None:
    here = world(AROUND)

    assert load(here, 1, failing=(("pte_alloc_one", 1),)).finish() == "SIGBUS"
    assert mapped(here) == []


def test_munmap_leaves_nothing_behind() -> None:
    here = world(AROUND)
    load(here, 1).finish()
    run(do_munmap(here.vmas[0]))

    assert [folio_at(here, index).refcount for index in (0, 1, 3)] == [1, 1, 1]


def test_a_regular_file_is_mapped_as_far_as_it_goes() -> None:
    """A huge page across the end is no PMD; a part of it is mapped, where a page table is there already."""
    vma = VmaSpec(end=2, around=True, huge=True)
    here = world(WorldSpec(("data", "data"), 1, 2, (vma,), ((0, 1),), "file"))
    here.inode.i_size = 1

    assert load(here, 0).finish() == "d0"
    assert here.vmas[0].table(0).huge is None
    assert mapped(here) == [0]


def test_of_two_tasks_that_fault_at_once_one_maps() -> None:
    here = world(AROUND)
    first, second = load(here, 0), load(here, 1, B)
    first.until("set_pte_at")

    until_blocked(second)  # the page-table lock
    assert first.finish() == "d0"
    assert second.finish() == "d1"
    assert mapped(here) == [0, 1, 3]
    assert untidy(here) == []


@pytest.mark.parametrize(("backing", "pages"), [("shmem", [0, 1, 2, 3]), ("file", [0, 1, 2])])
def test_a_large_folio_across_the_end_is_mapped_as_a_whole_in_shmem_only(backing: str, pages: list[int]) -> None:
    here = world(WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4, around=True),), ((2, 1),), backing=backing))
    here.inode.i_size = 3  # as after a truncate that could not split the folio

    load(here, 0).finish()

    assert mapped(here) == pages


def test_a_large_folio_is_mapped_as_far_as_the_mapping_goes() -> None:
    here = world(WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=3, around=True),), ((2, 1),)))

    load(here, 0).finish()

    assert mapped(here) == [0, 1, 2]
    assert folio_at(here, 2).refcount == 2 + 1
