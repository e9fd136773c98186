from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, snapshot, world

from pagecache.folio import folio_get, folio_lock, folio_put, folio_unlock
from pagecache.shmem import shmem_add_to_page_cache
from pagecache.step import Task
from pagecache.syscalls import shmem_fallocate, shmem_setattr
from pagecache.truncate import INFINITY, shmem_undo_range, truncate_inode_folio, truncate_inode_partial_folio
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
FOUR = WorldSpec(("data",) * 4, size=4, vmas=(VmaSpec(end=4),))
HUGE = WorldSpec(("data",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def huge() -> World:
    """One huge folio of four pages."""
    here = world(HUGE)
    assert run(here.kernel.collapse_file(here.vmas[0].mm, here.mapping, 0, None)) == "SCAN_SUCCEED"
    return here


def test_removing_a_mapped_folio_unmaps_it_first() -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0,)),)))
    folio = folio_at(here, 0)
    run(folio_get(folio))
    run(folio_lock(folio))

    run(truncate_inode_folio(here.mapping, folio))

    assert here.vmas[0].ptes == {}
    assert contents(here) == [None, "d1"]
    assert folio.refcount == 1


def test_a_folio_that_has_left_the_file_is_left_alone() -> None:
    here = world()
    folio = folio_at(here, 0)
    folio.mapping = None

    assert run(truncate_inode_folio(here.mapping, folio)) is None
    assert here.mapping.i_pages.slots[0] is folio


def test_part_of_a_huge_folio_is_zeroed_and_then_split_off() -> None:
    here = huge()
    folio = folio_at(here, 0)
    run(folio_get(folio))
    run(folio_lock(folio))

    assert run(truncate_inode_partial_folio(here.mapping, folio, 1, 2))
    assert contents(here) == ["d0", "0", "0", "d3"]
    assert [entry.order for entry in here.mapping.i_pages.slots if entry is not None] == [0, 0, 0, 0]


def test_part_of_a_huge_folio_that_cannot_be_split_stays_as_zeroes() -> None:
    here = huge()
    folio = folio_at(here, 0)
    run(folio_get(folio), B)  # somebody reads it
    run(folio_get(folio))
    run(folio_lock(folio))

    assert not run(truncate_inode_partial_folio(here.mapping, folio, 1, 2))
    assert contents(here) == ["d0", "0", "0", "d3"]
    assert folio.order == 2


def test_a_folio_wholly_inside_is_removed_whole() -> None:
    here = huge()
    folio = folio_at(here, 0)
    run(folio_get(folio))
    run(folio_lock(folio))

    assert run(truncate_inode_partial_folio(here.mapping, folio, 0, INFINITY))
    assert contents(here) == [None] * 4


def test_a_range_is_emptied_and_the_rest_stays() -> None:
    here = world(FOUR)

    run(shmem_undo_range(here.inode, 1, 2, unfalloc=False))

    assert contents(here) == ["d0", None, None, "d3"]
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks) == (2, 2, 16)
    assert here.memory.nr_live == 2


@pytest.mark.parametrize(
    ("start", "last", "left"),
    [
        (0, 0, [None, "d1", "d2", "d3"]),
        (1, 2, ["d0", None, None, "d3"]),
        (3, INFINITY, ["d0", "d1", "d2", None]),
        (0, 3, [None] * 4),
        (0, INFINITY, [None] * 4),
    ],
)
def test_a_range_that_cuts_a_huge_folio_splits_it(start: int, last: int, left: list[str | None]) -> None:
    here = huge()

    run(shmem_undo_range(here.inode, start, last, unfalloc=False))

    assert contents(here) == left
    present = sum(entry is not None for entry in left)
    assert here.mapping.nrpages == here.inode.info.alloced == here.memory.nr_live == present
    assert all(folio.refcount == 1 for folio in here.memory.live())


def test_what_is_locked_is_waited_for_in_the_second_pass() -> None:
    here = world(FOUR)
    folio = folio_at(here, 2)
    run(folio_lock(folio), B)
    removal = Hand(shmem_undo_range(here.inode, 1, 2, unfalloc=False))
    removal.until("folio_lock")

    assert removal.blocked
    assert contents(here) == ["d0", None, "d2", "d3"]

    run(folio_unlock(folio), B)
    removal.finish()

    assert contents(here) == ["d0", None, None, "d3"]


def test_a_page_that_was_replaced_while_it_was_waited_for_is_looked_up_again() -> None:
    here = world(FOUR)
    old = folio_at(here, 2)
    run(folio_lock(old), B)
    removal = Hand(shmem_undo_range(here.inode, 1, 2, unfalloc=False))
    removal.until("folio_lock")

    new = here.memory.new_folio(0)
    new.mapping, new.index, new.uptodate = here.mapping, 2, True
    here.mapping.i_pages.slots[2] = new
    old.mapping = None
    run(folio_unlock(old), B)
    run(folio_put(old), B)
    removal.finish()

    assert contents(here) == ["d0", None, None, "d3"]
    assert old.freed
    assert new.freed


@pytest.mark.parametrize(("last", "left"), [(INFINITY, None), (3, "late")])
def test_a_truncate_goes_round_until_nothing_is_left_and_a_punch_makes_one_sweep(last: int, left: str | None) -> None:
    here = world(FOUR)
    folio = folio_at(here, 2)
    run(folio_lock(folio), B)
    removal = Hand(shmem_undo_range(here.inode, 1, last, unfalloc=False))
    removal.until("folio_lock")
    late = here.memory.new_folio(0)
    late.uptodate, late.pages = True, ["late"]
    assert run(shmem_add_to_page_cache(late, here.mapping, 1), B) == ""
    run(folio_unlock(folio), B)

    removal.finish()

    assert contents(here) == ["d0", left, None, None]


def test_undoing_a_reservation_removes_only_what_nobody_has_written() -> None:
    here = world(WorldSpec(("data", "unwritten", "data", "unwritten"), size=4, vmas=(VmaSpec(end=4),)))

    run(shmem_undo_range(here.inode, 0, 2, unfalloc=True))

    assert contents(here) == ["d0", None, "d2", "unwritten"]


@pytest.mark.parametrize(("start", "last", "fallocend"), [(0, 3, 0), (2, INFINITY, 2), (1, 1, 4)])
def test_removing_the_end_of_what_is_reserved_gives_up_the_reservation(start: int, last: int, fallocend: int) -> None:
    here = world(FOUR)
    run(shmem_fallocate(here.inode, 0, 4, keep_size=True))
    assert here.inode.info.fallocend == 4

    run(shmem_undo_range(here.inode, start, last, unfalloc=False))

    assert here.inode.info.fallocend == fallocend


def test_a_truncate_to_the_same_size_changes_nothing() -> None:
    here = world(FOUR)
    before = snapshot(here)

    run(shmem_setattr(here.inode, 4))

    assert snapshot(here) == before
