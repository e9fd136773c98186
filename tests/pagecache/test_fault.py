from __future__ import annotations

import pytest
from stepping import DATA_HOLE, Hand, K, contents, folio_at, run, snapshot, world

from pagecache.fault import access
from pagecache.folio import folio_lock, folio_unlock
from pagecache.mm import pmdp_collapse_flush
from pagecache.step import Task
from pagecache.syscalls import do_munmap, shmem_punch_hole
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
MAPPED = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0,)),))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def load(here: World, index: int, task: Task = K) -> Hand:
    return Hand(access(here.vmas[0], index, None, waits=True), task)


def test_a_mapped_page_is_read_without_the_kernel() -> None:
    hand = load(world(MAPPED), 0)

    assert hand.finish() == "d0"
    assert hand.steps == ["load(vma0, 0)"]


def test_a_store_is_seen_through_the_file() -> None:
    here = world(MAPPED)

    assert run(access(here.vmas[0], 0, "stored", waits=True)) == "stored"
    assert contents(here) == ["stored", "d1"]


def test_a_page_that_is_not_mapped_is_faulted_in_and_the_access_tried_again() -> None:
    here = world()
    hand = load(here, 0)

    assert hand.finish() == "d0"
    assert hand.steps == [
        "load(vma0, 0)",
        "down_read(mmap_lock of A)",
        "i_private()",
        "i_size_read()",
        "rcu_read_lock()",
        "xas_start(0)",
        "folio_try_get(F0)",
        "xas_reload(0)",
        "rcu_read_unlock()",
        "folio_lock(F0)",
        "pte_alloc(vma0, 0)",
        "spin_lock(ptl of vma0:0)",
        "set_pte_at(vma0, 0, F0)",
        "spin_unlock(ptl of vma0:0)",
        "folio_unlock(F0)",
        "up_read(mmap_lock of A)",
        "load(vma0, 0)",
    ]
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (2, 1)


def test_a_hole_reads_as_zeroes_and_is_no_hole_afterwards() -> None:
    here = world()

    assert load(here, 1).finish() == "0"
    assert contents(here) == ["d0", "0"]


def test_behind_the_end_of_the_file_there_is_sigbus() -> None:
    here = world(WorldSpec(("data", "hole"), size=1))
    before = snapshot(here)

    assert load(here, 1).finish() == "SIGBUS"
    assert snapshot(here) == before


def test_outside_of_the_mapping_there_is_sigsegv() -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(start=1),)))

    assert load(here, 0).finish() == "SIGSEGV"
    run(do_munmap(here.vmas[0]))
    assert load(here, 1).finish() == "SIGSEGV"


def test_a_fault_waits_for_the_folio_lock() -> None:
    here = world()
    run(folio_lock(folio_at(here, 0)), B)
    hand = load(here, 0)
    hand.until("folio_lock")

    assert hand.blocked

    run(folio_unlock(folio_at(here, 0)), B)

    assert hand.finish() == "d0"


def test_who_comes_second_uses_the_mapping_of_the_first() -> None:
    here = world()
    second = load(here, 0)
    second.until("folio_lock")
    assert load(here, 0, B).finish() == "d0"

    assert second.finish() == "d0"
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (2, 1)


def test_a_fault_whose_page_table_was_taken_away_is_taken_again() -> None:
    here = world()
    hand = load(here, 0)
    hand.until("spin_lock")
    run(pmdp_collapse_flush(here.vmas[0], 0), B)

    assert hand.finish() == "d0"
    assert hand.visits("pte_alloc") == 2
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (2, 1)


@pytest.mark.parametrize("call", ["folio_alloc", "pte_alloc"])
def test_a_fault_without_memory_leaves_no_reference_and_no_lock(call: str) -> None:
    here = world()

    assert run(access(here.vmas[0], 1, None, waits=True), failing=[(call, 1)]) == "SIGBUS"
    assert here.vmas[0].ptes == {}
    assert all((folio.refcount, folio.locked_by) == (1, None) for folio in here.memory.live())
    assert here.vmas[0].mm.mmap_lock.readers == []


def test_a_fault_in_a_range_that_is_being_punched_sleeps_without_the_mmap_lock() -> None:
    here = world()
    punch = Hand(shmem_punch_hole(here.inode, 0, 2), B)
    punch.until("down_read")
    hand = load(here, 1)
    hand.until("schedule")

    assert hand.blocked
    assert here.vmas[0].mm.mmap_lock.readers == []
    assert hand.pending is not None
    assert hand.pending.waits_for is not None
    assert hand.pending.waits_for().holders == (B,)

    punch.finish()

    assert hand.finish() == "0"
    assert hand.steps.count("i_private()") == 2
    assert here.inode.i_lock.owner is None


def test_a_fault_outside_of_the_punched_range_does_not_wait() -> None:
    here = world()
    punch = Hand(shmem_punch_hole(here.inode, 1, 1), B)
    punch.until("down_read")

    assert load(here, 0).finish() == "d0"


def test_a_fault_that_looked_before_the_punch_began_may_still_insert_its_page() -> None:
    here = world()
    hand = load(here, 1)
    hand.until("i_size_read")
    punch = Hand(shmem_punch_hole(here.inode, 0, 2), B)
    punch.until("wake_up_all")
    hand.until("load", 2)

    assert contents(here) == [None, "0"]


def test_a_fault_that_saw_the_punch_and_came_too_late_for_it_goes_on() -> None:
    here = world()
    punch = Hand(shmem_punch_hole(here.inode, 1, 1), B)
    punch.until("wake_up_all")
    hand = load(here, 1)
    hand.until("spin_lock")
    punch_end = punch.finish

    punch.step()  # i_private is cleared under i_lock ...
    assert hand.blocked
    punch_end()  # ... which is now free

    assert hand.finish() == "0"
    assert hand.visits("schedule") == 0


def test_a_hole_of_a_registered_mapping_keeps_the_thread_asleep_for_user_space() -> None:
    here = world(WorldSpec(DATA_HOLE.pages, vmas=(VmaSpec(missing=True),)))
    hand = load(here, 1)
    hand.until("schedule")

    assert hand.blocked
    assert hand.pending is not None
    assert hand.pending.waits_for is not None
    assert hand.pending.waits_for().user
    assert here.vmas[0].mm.mmap_lock.readers == []
