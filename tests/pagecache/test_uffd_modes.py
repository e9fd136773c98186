"""userfaultfd for MINOR and for WP events."""

from __future__ import annotations

import pytest
from stepping import Hand, folio_at, run, steps, untidy, world

from pagecache.fault import access
from pagecache.memory_failure import memory_failure
from pagecache.mfill_continue import mfill_atomic_continue
from pagecache.mprotect import mwriteprotect_range
from pagecache.operations import PageOut, UffdUnregister
from pagecache.pte import MARKER_UFFD_WP, Pte
from pagecache.rmap import try_to_unmap
from pagecache.step import Task
from pagecache.syscalls import do_munmap
from pagecache.userfaultfd import EVENT, userfaultfd_register, userfaultfd_unregister
from pagecache.world import VmaSpec, World, WorldSpec

WP = WorldSpec(vmas=(VmaSpec(mapped=(0, 1), wp=True),))
MINOR = WorldSpec(("data", "hole"), vmas=(VmaSpec(minor=True),))
U = Task("u", 1)


def store(here: World, index: int, content: str = "w") -> str:
    """A store by a thread that stays asleep if its fault is reported."""
    return str(run(access(here.vmas[0], index, content, waits=False), U))


# WP


def test_protecting_a_mapped_page_takes_the_permission_away_and_flushes() -> None:
    here = world(WP)
    store(here, 0)
    assert steps(mwriteprotect_range(here.vmas[0], 0, protect=True)) == [
        "down_read(mmap_lock of A)",
        "pmd_offset(vma0, 0)",
        "spin_lock(ptl of vma0:0)",
        "ptep_modify_prot_commit(vma0, 0)",
        "spin_unlock(ptl of vma0:0)",
        "flush_tlb_page(vma0, 0)",
        "up_read(mmap_lock of A)",
    ]
    assert here.vmas[0].ptes[0] == Pte(folio_at(here, 0), dirty=True, uffd_wp=True)
    assert here.vmas[0].tlb == {}


def test_a_store_to_a_protected_page_is_reported_and_a_load_is_not() -> None:
    here = world(WP)
    run(mwriteprotect_range(here.vmas[0], 0, protect=True))

    assert run(access(here.vmas[0], 0, None, waits=False), U) == "d0"
    assert store(here, 0) == EVENT
    assert store(here, 1) == "w"


def test_a_marker_protects_what_is_not_mapped() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(wp=True),)))
    run(mwriteprotect_range(here.vmas[0], 0, protect=True))
    assert here.vmas[0].ptes == {0: Pte(None, kind=MARKER_UFFD_WP)}

    assert store(here, 0) == EVENT
    assert here.vmas[0].ptes == {0: Pte(folio_at(here, 0), write=False, dirty=True, uffd_wp=True)}
    assert untidy(here) == []


def test_protection_outlives_the_mapping() -> None:
    """pte_install_uffd_wp_if_needed()."""
    here = world(WP)
    run(mwriteprotect_range(here.vmas[0], 0, protect=True))
    run(try_to_unmap(here.mapping, folio_at(here, 0)))

    assert here.vmas[0].ptes[0] == Pte(None, kind=MARKER_UFFD_WP)
    assert store(here, 0) == EVENT


def test_protecting_what_reclaim_has_just_unmapped_flushes_what_reclaim_has_not() -> None:
    """flush_tlb_batched_pending()."""
    here = world(WP)
    store(here, 0)
    reclaim = Hand(PageOut(0).run(here, ""), Task("reclaim", 2))
    reclaim.until("try_to_unmap_flush")
    assert here.vmas[0].tlb[0].write

    run(mwriteprotect_range(here.vmas[0], 0, protect=True))

    assert here.vmas[0].tlb == {}
    reclaim.finish()
    assert store(here, 0) == EVENT


def test_munmap_drops_the_marker() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(wp=True),)))
    run(mwriteprotect_range(here.vmas[0], 0, protect=True))
    run(do_munmap(here.vmas[0]))

    assert here.vmas[0].ptes == {}


def test_lifting_wakes_the_store_and_lets_it_through() -> None:
    here = world(WP)
    vma = here.vmas[0]
    run(mwriteprotect_range(vma, 0, protect=True))
    sleeper = Hand(access(vma, 0, "w", waits=True), U)
    sleeper.until("schedule")
    assert sleeper.blocked
    run(mwriteprotect_range(vma, 0, protect=False))

    assert sleeper.finish() == "w"
    assert folio_at(here, 0).page_at(0) == "w"


def test_what_a_load_maps_in_a_registered_vma_is_not_writable_at_once() -> None:
    """vma_wants_writenotify(); the write fault that follows is nobody's business."""
    here = world(WorldSpec(vmas=(VmaSpec(wp=True),)))
    run(access(here.vmas[0], 0, None, waits=False))
    assert not here.vmas[0].ptes[0].write

    assert store(here, 0) == "w"
    assert here.vmas[0].ptes[0] == Pte(folio_at(here, 0), write=True, dirty=True)
    assert folio_at(here, 0).refcount == 2


def test_unregistering_lifts_the_protection() -> None:
    here = world(WP)
    run(mwriteprotect_range(here.vmas[0], 0, protect=True))
    assert run(userfaultfd_unregister(here.vmas[0])) == 0

    assert store(here, 0) == "w"


def test_a_marker_of_an_older_registration_is_cleared_by_a_fault() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(wp=True),)))
    run(mwriteprotect_range(here.vmas[0], 0, protect=True))
    run(userfaultfd_register(here.vmas[0], "minor"))
    run(userfaultfd_register(here.vmas[0], "missing"))

    assert store(here, 0) == "w"


def test_only_a_vma_that_is_registered_for_wp_can_be_protected() -> None:
    assert run(mwriteprotect_range(world(MINOR).vmas[0], 0, protect=True)) == "ENOENT"


# MINOR


def test_a_fault_at_a_page_that_is_there_is_reported() -> None:
    here = world(MINOR)

    assert run(access(here.vmas[0], 0, None, waits=False), U) == EVENT
    assert run(access(here.vmas[0], 1, None, waits=False), U) == "0"  # a hole is filled as ever
    assert untidy(here) == []


@pytest.mark.parametrize(("index", "result"), [(0, 0), (1, "EFAULT")])
def test_continue_maps_what_is_there(index: int, result: int | str) -> None:
    here = world(MINOR)

    assert run(mfill_atomic_continue(here.vmas[0], index)) == result
    assert (here.vmas[0].mapped(index) is not None) is (result == 0)
    assert untidy(here) == []


def test_continue_does_not_map_memory_that_has_failed() -> None:
    here = world(MINOR)
    assert run(memory_failure(here.mapping, 0)) == 0

    assert run(mfill_atomic_continue(here.vmas[0], 0)) == "EIO"
    assert here.vmas[0].ptes == {}
    assert untidy(here) == []


def test_continue_over_a_mapping_is_eexist() -> None:
    here = world(MINOR)
    run(mfill_atomic_continue(here.vmas[0], 0))

    assert run(mfill_atomic_continue(here.vmas[0], 0)) == "EEXIST"
    assert folio_at(here, 0).refcount == 2


def test_continue_wakes_the_fault() -> None:
    here = world(MINOR)
    sleeper = Hand(access(here.vmas[0], 0, None, waits=True), U)
    sleeper.until("schedule")
    assert sleeper.blocked
    run(mfill_atomic_continue(here.vmas[0], 0))

    assert sleeper.finish() == "d0"


@pytest.mark.parametrize(("kernel", "asleep"), [("linux-2026", 1), ("linux-2026-mended", 0)])
def test_unregistering_wakes_who_waits_for_a_missing_page_and_nobody_else(kernel: str, asleep: int) -> None:
    here = world(MINOR, kernel)
    hand = Hand(access(here.vmas[0], 0, None, waits=True))
    hand.until("schedule")

    assert run(UffdUnregister().run(here, ""), U) == 0
    assert len(here.vmas[0].uffd_waiters) == asleep
