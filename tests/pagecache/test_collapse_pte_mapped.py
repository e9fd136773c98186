"""MADV_COLLAPSE of what is a huge page already: its page table goes, a PMD comes; and under which locks."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, snapshot, steps, untidy, world

from pagecache.collapse.madvise import free_page_table_of, madvise_collapse
from pagecache.collapse.scan import SCAN_FAIL, SCAN_PAGE_COMPOUND, SCAN_SUCCEED, SCAN_VMA_CHECK
from pagecache.folio import folio_lock, folio_put, folio_unlock
from pagecache.gup import gup_fast
from pagecache.history.b22_table_freed_under_a_walk import BUG
from pagecache.mm import pmdp_collapse_flush, pte_free_now
from pagecache.pte import MARKER_UFFD_WP, Pte
from pagecache.rmap import try_to_unmap
from pagecache.step import Task, UseAfterFree
from pagecache.syscalls import do_munmap
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.zap import unmap_mapping_range

B = Task("B", 1)
OLD, NEW = "linux-6.4-mended", "linux-2026-mended"
BOTH = pytest.mark.parametrize("kernel", [OLD, NEW])
LARGE = ((0, 1),)
BY_A_PMD = WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=LARGE)
BY_AN_ENTRY = WorldSpec(vmas=(VmaSpec(huge=True, mapped=(1,)),), large=LARGE)
MMAP, I_MMAP = "mmap_lock of A", "i_mmap_rwsem"


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def collapse(here: World) -> Hand:
    return Hand(here.kernel.collapse_pte_mapped_thp(here.vmas[0], 0))


def counts(here: World) -> tuple[int, int]:
    folio = here.memory.folios[0]
    return folio.refcount, folio.mapcount


def split(here: World, task: Task) -> None:
    folio = folio_at(here, 0)
    run(folio_lock(folio), task)
    folio.refcount += 1
    assert run(here.kernel.split_folio(here.mapping, folio), task) == ""
    run(folio_unlock(folio), task)
    run(folio_put(folio), task)


@pytest.mark.parametrize("kernel", ["linux-6.2", "linux-6.4", "linux-2026"])
def test_a_collapse_maps_the_huge_page(kernel: str) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0,)),)), kernel)

    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    huge = here.vmas[0].table(0).huge
    assert huge is not None
    assert (huge.folio, folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (folio_at(here, 0), 3, 1)
    assert untidy(here) == []


@BOTH
def test_a_collapse_of_what_is_mapped_so_has_nothing_to_do(kernel: str) -> None:
    here = world(BY_A_PMD, kernel)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_SUCCEED
    assert snapshot(here) == before


@BOTH
def test_entries_of_the_huge_page_give_way_to_a_pmd(kernel: str) -> None:
    here = world(BY_AN_ENTRY, kernel)
    vma = here.vmas[0]
    hand = collapse(here)

    assert hand.finish() == SCAN_SUCCEED
    assert (vma.ptes, vma.table(0).present, counts(here)) == ({}, False, (3, 1))
    assert vma.table(0).huge == Pte(folio_at(here, 0), write=True, huge=True)
    assert "folio_put_refs(H0, 1)" in hand.steps
    assert untidy(here) == []


@BOTH
def test_a_page_table_with_something_else_stays(kernel: str) -> None:
    here = world(BY_AN_ENTRY, kernel)
    vma = here.vmas[0]
    vma.ptes[0] = Pte(None, kind=MARKER_UFFD_WP)

    assert collapse(here).finish() == SCAN_FAIL
    assert (vma.ptes.keys(), vma.table(0).present, counts(here)) == ({0, 1}, True, (3, 1))
    assert K.held == []


@BOTH
def test_small_folios_are_left_alone(kernel: str) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, mapped=(1,)),)), kernel)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_PAGE_COMPOUND
    assert snapshot(here) == before


@BOTH
def test_where_nothing_is_cached_nothing_is_mapped(kernel: str) -> None:
    here = world(WorldSpec(("hole", "hole"), vmas=(VmaSpec(huge=True),)), kernel)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_FAIL
    assert snapshot(here) == before


@BOTH
def test_a_registration_for_wp_events_keeps_its_page_table(kernel: str) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, wp=True, mapped=(1,)),), large=LARGE), kernel)

    assert run(madvise_collapse(here.vmas[0], 0)) == "EINVAL"
    assert here.vmas[0].ptes.keys() == {1}
    assert K.held == []


@BOTH
def test_the_mapping_may_have_gone(kernel: str) -> None:
    here = world(BY_AN_ENTRY, kernel)
    hand = collapse(here)
    run(do_munmap(here.vmas[0]), B)

    assert hand.finish() == SCAN_VMA_CHECK
    assert (counts(here), K.held) == ((2, 0), [])


@BOTH
def test_somebody_may_have_split_the_huge_page_again(kernel: str) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True),)), kernel)
    hand = Hand(madvise_collapse(here.vmas[0], 0))
    hand.step()
    while "mmap_lock" not in str(hand.pending) or "up" in str(hand.pending):
        hand.step()
    split(here, B)

    assert hand.finish() == "EINVAL"
    assert contents(here) == ["d0", "d1"]
    assert untidy(here) == []


# Who else may look at the page table


def test_a_table_that_is_freed_at_once_takes_all_the_locks_for_writing() -> None:
    here = world(BY_AN_ENTRY, OLD)
    hand = collapse(here)
    hand.until("spin_lock")

    assert (here.vmas[0].mm.mmap_lock.writer, here.mapping.i_mmap_rwsem.writer) == (K, K)
    hand.finish()
    at = hand.steps.index("pmdp_collapse_flush(vma0, 0)")
    freed = ["tlb_remove_table_sync_one()", "pte_free(vma0, 0)", f"up_write({I_MMAP})"]
    assert hand.steps[at + 1 : at + 4] == freed
    assert hand.steps[-1] == f"up_write({MMAP})"


def test_a_table_that_outlives_its_walkers_does_not() -> None:
    here = world(BY_AN_ENTRY, NEW)
    hand = collapse(here)
    hand.until("spin_lock")

    assert (here.vmas[0].mm.mmap_lock.readers, here.mapping.i_mmap_rwsem.writer) == ([K], None)
    assert "pte_free(vma0, 0)" not in hand.steps


def test_its_entries_go_with_the_table() -> None:
    here = world(BY_AN_ENTRY, OLD)
    folio = folio_at(here, 0)
    run(folio_lock(folio))
    hand = Hand(free_page_table_of(here.vmas[0], 0, folio))
    hand.until("pmdp_collapse_flush")

    assert "page_remove_rmap(H0, 1)" in hand.steps
    assert (here.vmas[0].ptes.keys(), counts(here)) == ({1}, (2, 0))
    assert hand.finish() == SCAN_SUCCEED
    assert (here.vmas[0].ptes, here.vmas[0].tlb) == ({}, {})


def test_gup_fast_is_waited_for() -> None:
    here = world(BY_AN_ENTRY, OLD)
    walk = Hand(gup_fast(here.vmas[0], 1), B)
    walk.until("ptep_get_lockless")
    hand = collapse(here)
    hand.until("tlb_remove_table_sync_one")

    assert hand.blocked
    assert walk.finish() is None  # the entry has gone with its table
    assert hand.finish() == SCAN_SUCCEED
    assert untidy(here) == []


def test_who_comes_from_the_file_is_waited_for() -> None:
    here = world(BY_AN_ENTRY, OLD)
    walk = Hand(unmap_mapping_range(here.mapping, 1, 2), B)
    walk.until("spin_lock")
    hand = collapse(here)
    while str(hand.pending) != f"down_write({I_MMAP})":
        hand.step()

    assert hand.blocked
    walk.finish()
    assert hand.finish() == SCAN_SUCCEED
    assert counts(here) == (3, 1)
    assert untidy(here) == []


def test_until_6_1_he_locked_a_page_table_that_had_been_freed() -> None:
    here = world(BY_AN_ENTRY, BUG.kernel)
    walk = Hand(unmap_mapping_range(here.mapping, 1, 2), B)
    walk.until("spin_lock")
    assert collapse(here).finish() == SCAN_SUCCEED

    with pytest.raises(UseAfterFree, match="locks a page table of vma0 at index 1 that has been freed"):
        walk.finish()


def test_he_looks_at_the_pmd_again_since_6_6() -> None:
    here = world(BY_AN_ENTRY, NEW)
    walk = Hand(unmap_mapping_range(here.mapping, 1, 2), B)
    walk.until("spin_lock")
    assert collapse(here).finish() == SCAN_SUCCEED

    assert here.vmas[0].table(0).huge is not None
    walk.finish()
    assert here.vmas[0].table(0).huge is None  # pte_offset_map_lock() has failed, so he splits what is there by now
    assert counts(here) == (2, 0)


@pytest.mark.parametrize("walker", ["gup_fast", "rmap", "nobody"])
def test_a_table_is_missed_by_those_who_are_on_their_way(walker: str) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(1,)),)), OLD)
    vma = here.vmas[0]
    if walker == "gup_fast":
        Hand(gup_fast(vma, 1), B).until("ptep_get_lockless")
    elif walker == "rmap":
        folio = folio_at(here, 1)
        run(folio_lock(folio), B)
        Hand(try_to_unmap(here.mapping, folio), B).until("spin_lock")

    assert steps(pmdp_collapse_flush(vma, 0)) == ["pmdp_collapse_flush(vma0, 0)"]
    run(pte_free_now(vma, 0))
    assert vma.table(0).generation == (walker != "nobody")
