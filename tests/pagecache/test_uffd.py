"""Of pagecache/userfaultfd.py; the promises about it have a test of that name."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, snapshot, world

from pagecache.fault import access
from pagecache.folio import ZERO
from pagecache.inode import i_size_write
from pagecache.pte import Pte
from pagecache.step import Task
from pagecache.syscalls import do_munmap, shmem_setattr
from pagecache.userfaultfd import (
    EVENT,
    any_vma_missing,
    mfill_atomic,
    userfaultfd_register,
    userfaultfd_unregister,
)
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.xarray import XA_RETRY_ENTRY

B = Task("B", 1)
REGISTERED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True), VmaSpec("B")))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def fault(here: World, index: int = 1, *, waits: bool = True) -> Hand:
    return Hand(access(here.vmas[0], index, None, waits=waits), B)


def with_a_page_table(here: World) -> dict[str, object]:
    """How the world is, once vma0 has a page table: that stays when nothing else does."""
    here.vmas[0].tables[0].present = True
    return snapshot(here)


def test_registering_sets_the_flag_under_the_mmap_lock_and_looks_at_no_page() -> None:
    here = world()
    hand = Hand(userfaultfd_register(here.vmas[0]))

    assert hand.finish() == 0
    assert hand.steps == [
        "down_write(mmap_lock of A)",
        "vm_flags_set(vma0, VM_UFFD_MISSING)",
        "up_write(mmap_lock of A)",
    ]
    assert here.vmas[0].uffd_missing


def test_registering_and_unregistering_what_was_unmapped_is_an_error() -> None:
    here = world(REGISTERED)
    run(do_munmap(here.vmas[0]))

    assert run(userfaultfd_register(here.vmas[0])) == "EINVAL"
    assert run(userfaultfd_unregister(here.vmas[0])) == "EINVAL"
    assert run(mfill_atomic(here.vmas[0], 1, "new")) == "ENOENT"


def test_unregistering_wakes_who_waits_and_their_faults_are_then_the_kernels() -> None:
    here = world(REGISTERED)
    sleeper = fault(here)
    sleeper.until("schedule")
    assert sleeper.blocked

    assert run(userfaultfd_unregister(here.vmas[0])) == 0

    assert sleeper.finish() == "0"
    assert contents(here) == ["d0", "0"]


def test_a_fault_is_queued_before_the_page_table_is_looked_at_again() -> None:
    """So whoever fills the page after the look finds the fault in the queue."""
    here = world(REGISTERED)
    sleeper = fault(here)
    sleeper.until("userfaultfd_must_wait")
    assert here.vmas[0].uffd_waiters == [(B, 1)]
    sleeper.step()

    assert run(mfill_atomic(here.vmas[0], 1, "new")) == 0

    assert sleeper.finish() == "new"
    assert here.vmas[0].uffd_waiters == []


def test_a_fault_whose_page_was_filled_before_the_look_does_not_sleep() -> None:
    here = world(REGISTERED)
    sleeper = fault(here)
    sleeper.until("handle_userfault")

    assert run(mfill_atomic(here.vmas[0], 1, "new")) == 0

    assert sleeper.finish() == "new"
    assert sleeper.visits("schedule") == 0
    assert here.vmas[0].uffd_waiters == []


def test_filling_a_page_wakes_only_who_waits_for_it() -> None:
    here = world(WorldSpec(("data", "hole", "hole", "hole"), size=4, vmas=(VmaSpec(end=4, missing=True),)))
    sleeper = fault(here, 1)
    sleeper.until("schedule")

    run(mfill_atomic(here.vmas[0], 2, "two"))
    assert sleeper.blocked
    run(mfill_atomic(here.vmas[0], 1, "one"))

    assert sleeper.finish() == "one"


def test_a_thread_that_nobody_needs_again_ends_with_the_event() -> None:
    here = world(REGISTERED)

    assert fault(here, waits=False).finish() == EVENT
    assert contents(here) == ["d0", None]
    assert here.vmas[0].uffd_waiters == []
    assert here.vmas[0].mm.mmap_lock.readers == []


def test_the_event_was_reported_even_if_it_is_resolved_at_once() -> None:
    here = world(REGISTERED)
    touch = fault(here, waits=False)
    touch.until("up_read")

    assert run(mfill_atomic(here.vmas[0], 1, "new")) == 0

    assert touch.finish() == EVENT


def test_a_page_that_is_there_is_nobody_elses_business() -> None:
    assert fault(world(REGISTERED), 0).finish() == "d0"


def test_a_reserved_page_is_not_missing() -> None:
    here = world(WorldSpec(("data", "unwritten"), vmas=(VmaSpec(missing=True),)))

    assert fault(here, 1).finish() == "0"


def test_unmapping_leaves_the_sleepers_asleep() -> None:
    here = world(REGISTERED)
    sleeper = fault(here)
    sleeper.until("schedule")

    run(do_munmap(here.vmas[0]))

    assert sleeper.blocked


@pytest.mark.parametrize("content", ["new", ZERO])
def test_filling_inserts_a_page_over_the_hole_and_maps_it(content: str) -> None:
    here = world(REGISTERED)

    assert run(mfill_atomic(here.vmas[0], 1, content)) == 0
    folio = folio_at(here, 1)

    assert contents(here) == ["d0", content]
    assert here.vmas[0].ptes == {1: Pte(folio, write=True, dirty=True)}
    assert (folio.refcount, folio.mapcount, folio.lru, folio.dirty) == (2, 1, True, True)
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks) == (2, 2, 16)
    assert folio.locked_by is None


def test_filling_needs_a_registration() -> None:
    here = world(REGISTERED)
    before = snapshot(here)

    assert run(mfill_atomic(here.vmas[1], 1, "new")) == "ENOENT"
    assert snapshot(here) == before


def test_whatever_stands_in_the_slot_is_eexist_and_is_not_waited_for() -> None:
    here = world(REGISTERED)
    before = with_a_page_table(here)

    assert run(mfill_atomic(here.vmas[0], 0, "new")) == "EEXIST"
    assert snapshot(here) == before

    here.mapping.i_pages.slots[1] = XA_RETRY_ENTRY

    assert run(mfill_atomic(here.vmas[0], 1, "new")) == "EEXIST"


def test_behind_the_end_of_the_file_is_efault_even_where_something_stands() -> None:
    here = world(WorldSpec(("data", "unwritten"), size=1, vmas=(VmaSpec(missing=True),)))
    before = with_a_page_table(here)

    assert run(mfill_atomic(here.vmas[0], 1, "new")) == "EFAULT"
    assert snapshot(here) == before


def test_a_page_whose_file_shrank_after_the_insertion_is_removed_again() -> None:
    here = world(REGISTERED)
    before = with_a_page_table(here)
    fill = Hand(mfill_atomic(here.vmas[0], 1, "new"))
    fill.until("spin_lock")
    assert contents(here) == ["d0", "new"]
    run(i_size_write(here.inode, 1), B)

    assert fill.finish() == "EFAULT"

    run(i_size_write(here.inode, 2), B)
    assert snapshot(here) == before


def test_a_page_whose_page_table_went_away_after_the_insertion_is_removed_again() -> None:
    here = world(REGISTERED)
    before = snapshot(here)
    fill = Hand(mfill_atomic(here.vmas[0], 1, "new"))
    fill.until("spin_lock")
    assert contents(here) == ["d0", "new"]
    here.vmas[0].table(1).present = False  # retract_page_tables()

    assert fill.finish() == "EAGAIN"
    assert snapshot(here) == before


def test_a_page_table_that_goes_away_before_anything_is_inserted_is_eexist() -> None:
    here = world(REGISTERED)
    before = snapshot(here)
    fill = Hand(mfill_atomic(here.vmas[0], 1, "new"))
    fill.until("pmdp_get_lockless", 2)
    here.vmas[0].table(1).present = False

    assert fill.finish() == "EEXIST"
    assert snapshot(here) == before


def test_without_memory_for_the_page_table_it_is_enomem() -> None:
    here = world(REGISTERED)
    before = snapshot(here)

    assert run(mfill_atomic(here.vmas[0], 1, "new"), failing=[("pte_alloc", 1)]) == "ENOMEM"
    assert snapshot(here) == before


def test_a_truncate_that_finds_the_page_waits_for_the_fill_and_takes_it_away() -> None:
    here = world(REGISTERED)
    fill = Hand(mfill_atomic(here.vmas[0], 1, "new"))
    fill.until("set_pte_at")
    truncate = Hand(shmem_setattr(here.inode, 1), B)
    while not truncate.blocked:
        truncate.step()

    assert fill.finish() == 0
    truncate.finish()

    assert contents(here) == ["d0", None]
    assert here.vmas[0].ptes == {}
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks) == (1, 1, 8)


def test_a_source_that_is_not_in_memory_is_copied_again_without_the_mmap_lock() -> None:
    here = world(REGISTERED)
    fill = Hand(mfill_atomic(here.vmas[0], 1, "new"), failing=[("copy_from_user", 1)])
    fill.until("copy_from_user", 2)

    assert here.vmas[0].mm.mmap_lock.readers == []
    assert fill.pending is not None
    assert fill.pending.sleeps

    assert fill.finish() == 0
    assert contents(here) == ["d0", "new"]
    assert here.memory.nr_live == 2


def test_a_source_that_cannot_be_read_at_all_is_efault_and_leaks_nothing() -> None:
    here = world(REGISTERED)
    before = with_a_page_table(here)

    assert run(mfill_atomic(here.vmas[0], 1, "new"), failing=[("copy_from_user", 1), ("copy_from_user", 2)]) == "EFAULT"
    assert snapshot(here) == before


def test_a_mapping_that_goes_away_while_the_source_is_read_takes_the_page_with_it() -> None:
    here = world(REGISTERED)
    fill = Hand(mfill_atomic(here.vmas[0], 1, "new"), failing=[("copy_from_user", 1)])
    fill.until("copy_from_user", 2)
    run(do_munmap(here.vmas[0]), B)

    assert fill.finish() == "ENOENT"
    assert here.memory.nr_live == 1


def test_filling_without_memory_is_enomem() -> None:
    assert run(mfill_atomic(world(REGISTERED).vmas[0], 1, "new"), failing=[("folio_alloc", 1)]) == "ENOMEM"


@pytest.mark.parametrize(
    ("first", "last", "missing"),
    [(0, 0, False), (0, 1, True), (1, 1, True), (2, 3, False), (0, 4, True)],
)
def test_all_mappings_of_a_range_are_asked_its_last_index_included(first: int, last: int, missing: bool) -> None:
    spec = WorldSpec(("data",) * 4, size=4, vmas=(VmaSpec(end=4), VmaSpec("B", start=1, end=2, missing=True)))

    assert run(any_vma_missing(world(spec).mapping, first, last)) is missing


def test_a_registration_may_come_between_two_looks() -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(), VmaSpec("B"))))
    look = Hand(any_vma_missing(here.mapping, 0, 2))
    look.step()
    run(userfaultfd_register(here.vmas[0]), B)

    assert look.finish() is False
