"""A huge page that is mapped by one PMD: set, split, zapped, migrated, pinned; and who has to look at the PMD lock."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, steps, untidy, world

from pagecache.collapse.madvise import madvise_collapse
from pagecache.fault import access
from pagecache.folio import folio_lock, folio_put, folio_unlock
from pagecache.gup import gup_fast, pin_user_pages_fast
from pagecache.huge_pmd import split_huge_pmd, zap_huge_pmd
from pagecache.mfill_continue import mfill_atomic_continue
from pagecache.migrate import migrate_pages
from pagecache.mprotect import mwriteprotect_range
from pagecache.pte import MARKER_UFFD_WP, Pte
from pagecache.rmap import remove_migration_ptes, try_to_migrate, try_to_unmap
from pagecache.step import KernelBug, Task
from pagecache.syscalls import do_munmap, mincore, shmem_setattr
from pagecache.userfaultfd import mfill_atomic
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.zap import unmap_mapping_folio, unmap_mapping_range, zap_page_range

B = Task("B", 1)
KERNEL = "linux-2026-mended"
LARGE = ((0, 1),)
UNMAPPED = WorldSpec(vmas=(VmaSpec(huge=True),), large=LARGE)
MAPPED = WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=LARGE)


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def mapped() -> World:
    return world(MAPPED, KERNEL)


def counts(here: World) -> tuple[int, int]:
    folio = here.memory.folios[0]
    return folio.refcount, folio.mapcount


# How it comes


def test_a_huge_page_that_is_mapped_as_a_whole_is_so_by_a_pmd() -> None:
    here = mapped()

    assert here.vmas[0].ptes == {}
    assert here.vmas[0].table(0).huge == Pte(folio_at(here, 0), write=True, huge=True)
    assert counts(here) == (3, 1)
    assert untidy(here) == []


def test_a_fault_maps_all_of_it() -> None:
    here = world(UNMAPPED, KERNEL)

    hand = Hand(access(here.vmas[0], 1, None, waits=True))
    assert hand.finish() == "d1"
    at = hand.steps.index("set_pmd_at(vma0, 1, H0)")
    assert (hand.steps[at - 1], hand.steps[at + 1]) == ("spin_lock(pml of A)", "spin_unlock(pml of A)")
    assert counts(here) == (3, 1)
    assert run(access(here.vmas[0], 0, None, waits=True)) == "d0"
    assert here.vmas[0].tlb.keys() == {0, 1}


def test_a_store_marks_the_pmd_and_a_write_fault_the_folio_too() -> None:
    here = world(UNMAPPED, KERNEL)
    folio = folio_at(here, 0)
    folio.dirty = False
    run(access(here.vmas[0], 1, None, waits=True))
    assert (here.vmas[0].table(0).huge, folio.dirty) == (Pte(folio, write=True, huge=True), False)

    run(access(here.vmas[0], 0, "new", waits=True))

    assert here.vmas[0].table(0).huge == Pte(folio, write=True, dirty=True, huge=True)
    assert not folio.dirty
    assert contents(here) == ["new", "d1"]


@pytest.mark.parametrize(
    "vma",
    [VmaSpec(), VmaSpec(start=1, huge=True), VmaSpec(end=1, huge=True)],
    ids=["not-aligned", "without-the-head", "without-the-tail"],
)
def test_where_a_pmd_may_not_be_there_are_page_table_entries(vma: VmaSpec) -> None:
    here = world(WorldSpec(vmas=(vma,), large=LARGE), KERNEL)

    run(access(here.vmas[0], vma.start, None, waits=True))

    assert here.vmas[0].table(0).huge is None
    assert here.vmas[0].ptes.keys() == {*range(vma.start, vma.end)}


def test_a_small_folio_gets_an_entry_and_then_its_page_table_is_in_the_way() -> None:
    here = world(WorldSpec(("data",) * 2, vmas=(VmaSpec(huge=True),)), KERNEL)
    run(access(here.vmas[0], 0, None, waits=True))

    assert here.vmas[0].ptes.keys() == {0}
    assert here.vmas[0].table(0).present


def test_who_finds_the_pmd_set_meanwhile_tries_again() -> None:
    here = world(UNMAPPED, KERNEL)
    hand = Hand(access(here.vmas[0], 0, None, waits=True))
    hand.until("folio_lock")
    run(access(here.vmas[0], 1, None, waits=True), B)

    assert hand.finish() == "d0"
    assert counts(here) == (3, 1)
    assert untidy(here) == []


# How it goes


def test_munmap_clears_it_and_the_mapcount_follows_under_the_pmd_lock() -> None:
    here = mapped()

    assert steps(zap_page_range(here.vmas[0], 0, 2)) == [
        "pmd_offset(vma0, 0)",
        "spin_lock(pml of A)",
        "pmdp_huge_get_and_clear(vma0, 0)",
        "folio_remove_rmap_pmd(H0)",
        "spin_unlock(pml of A)",
        "flush_pmd_tlb_range(vma0, 0)",
    ]
    assert counts(here) == (3, 0)  # the reference is the caller's


def test_a_part_of_it_is_zapped_by_clearing_it_all() -> None:
    here = mapped()
    run(access(here.vmas[0], 0, "new", waits=True))
    folio_at(here, 0).dirty = False

    assert run(zap_page_range(here.vmas[0], 1, 2)) == []
    assert here.vmas[0].table(0).none
    assert here.vmas[0].tlb == {}
    assert (counts(here), folio_at(here, 0).dirty) == ((2, 0), True)
    assert untidy(here) == []


@pytest.mark.parametrize("how", ["zap", "split", "unmap"])
def test_its_dirty_bit_is_not_lost(how: str) -> None:
    here = mapped()
    vma, folio = here.vmas[0], folio_at(here, 0)
    run(access(vma, 1, "new", waits=True))
    folio.dirty = False

    if how == "zap":
        run(zap_huge_pmd(vma, 0, []))
    elif how == "split":
        run(split_huge_pmd(vma, 0))
    else:
        run(try_to_unmap(here.mapping, folio))

    assert folio.dirty
    assert vma.table(0).none


def test_a_store_reaches_the_page_until_the_flush_and_no_longer() -> None:
    here = mapped()
    vma = here.vmas[0]
    run(access(vma, 0, "old", waits=True))
    split = Hand(split_huge_pmd(vma, 0), B)
    split.until("flush_pmd_tlb_range")

    assert run(access(vma, 1, "late", waits=True)) == "late"  # the TLB entry is that of all the page
    assert vma.table(0).none
    split.finish()
    assert vma.tlb == {}
    assert contents(here) == ["old", "late"]
    assert untidy(here) == []


def test_there_may_be_nothing_to_split_or_zap_any_more() -> None:
    here = mapped()
    vma = here.vmas[0]
    split, zap = Hand(split_huge_pmd(vma, 0)), Hand(zap_huge_pmd(vma, 0, []), B)
    run(try_to_unmap(here.mapping, folio_at(here, 0)))

    assert (split.finish(), zap.finish()) == (None, False)
    assert untidy(here) == []


def test_unmapping_one_folio_waits_for_whoever_has_cleared_the_pmd() -> None:
    here = mapped()
    zap = Hand(zap_huge_pmd(here.vmas[0], 0, []), B)
    zap.until("folio_remove_rmap_pmd")
    folio = folio_at(here, 0)
    run(folio_lock(folio))
    unmap = Hand(unmap_mapping_folio(here.mapping, folio))
    unmap.until("spin_lock")

    assert (here.vmas[0].table(0).none, folio.mapcount, unmap.blocked) == (True, 1, True)
    zap.finish()
    unmap.finish()
    assert folio.mapcount == 0


def test_unmapping_a_range_does_not_wait() -> None:
    here = mapped()
    zap = Hand(zap_huge_pmd(here.vmas[0], 0, []), B)
    zap.until("folio_remove_rmap_pmd")

    run(unmap_mapping_range(here.mapping, 0, 2))

    assert folio_at(here, 0).mapcount == 1


def test_unmapping_one_folio_is_for_its_locker() -> None:
    here = mapped()

    with pytest.raises(KernelBug, match="without its lock"):
        run(unmap_mapping_folio(here.mapping, folio_at(here, 0)))


def test_a_truncate_leaves_neither_page_nor_pmd() -> None:
    here = mapped()

    assert run(shmem_setattr(here.inode, 0)) == 0
    assert here.vmas[0].table(0).none
    assert contents(here) == [None, None]
    assert untidy(here) == []


def test_munmap_lets_go_of_it() -> None:
    here = mapped()
    run(access(here.vmas[0], 0, None, waits=True))

    assert run(do_munmap(here.vmas[0])) == 0
    assert (counts(here), here.vmas[0].tlb) == ((2, 0), {})
    assert untidy(here) == []


# Splitting and migration


def test_a_split_unmaps_it_first() -> None:
    here = mapped()
    folio = folio_at(here, 0)
    run(folio_lock(folio))
    folio.refcount += 1

    assert run(here.kernel.split_folio(here.mapping, folio)) == ""
    assert here.vmas[0].table(0).none
    assert folio_at(here, 1) is not folio
    run(folio_unlock(folio))
    run(folio_put(folio))
    assert untidy(here) == []


def test_a_split_waits_for_the_mapcount_of_a_pmd_that_is_just_cleared() -> None:
    here = mapped()
    zap = Hand(zap_huge_pmd(here.vmas[0], 0, []), B)
    zap.until("folio_remove_rmap_pmd")
    unmap = Hand(try_to_unmap(here.mapping, folio_at(here, 0), sync=True))
    unmap.until("spin_lock")

    assert unmap.blocked


def test_a_migration_entry_stands_for_it_and_faults_wait() -> None:
    here = mapped()
    vma, folio = here.vmas[0], folio_at(here, 0)
    run(folio_lock(folio))
    run(try_to_migrate(here.mapping, folio))

    assert (str(vma.table(0).huge), counts(here)) == ("migration of H0", (2, 0))
    fault = Hand(access(vma, 0, None, waits=True), B)
    fault.until("migration_entry_wait_on_locked")
    assert fault.blocked
    assert run(mincore(vma, 0)) == 1
    run(remove_migration_ptes(here.mapping, folio, folio))
    assert (vma.table(0).huge, counts(here)) == (Pte(folio, write=True, huge=True), (3, 1))
    run(folio_unlock(folio))
    assert fault.finish() == "d0"
    assert untidy(here) == []


def test_a_migration_entry_may_be_zapped() -> None:
    here = mapped()
    folio = folio_at(here, 0)
    run(folio_lock(folio))
    run(try_to_migrate(here.mapping, folio))
    zapped = run(zap_page_range(here.vmas[0], 0, 2))
    run(remove_migration_ptes(here.mapping, folio, folio))

    assert (zapped, here.vmas[0].table(0).none, counts(here)) == ([], True, (2, 0))


def test_a_huge_page_is_migrated_with_its_pmd() -> None:
    here = mapped()
    run(access(here.vmas[0], 0, "new", waits=True))
    old = folio_at(here, 0)

    assert run(migrate_pages(here.mapping, 0)) == ""
    assert folio_at(here, 0) is not old
    assert here.vmas[0].table(0).huge == Pte(folio_at(here, 0), write=True, dirty=True, huge=True)
    assert untidy(here) == []


# Those who look


def test_all_of_it_is_in_core() -> None:
    here = mapped()

    assert steps(mincore(here.vmas[0], 1))[1:3] == ["pmd_offset(vma0, 1)", "spin_lock(pml of A)"]
    assert run(mincore(here.vmas[0], 1)) == 1


def test_mincore_asks_the_page_cache_if_the_pmd_goes_meanwhile() -> None:
    here = mapped()
    hand = Hand(mincore(here.vmas[0], 1))
    hand.until("spin_lock")
    run(do_truncate(here), B)

    assert hand.finish() == 0


async def do_truncate(here: World) -> None:
    await shmem_setattr(here.inode, 0)


def test_gup_fast_pins_the_folio_and_looks_at_the_pmd_again() -> None:
    here = mapped()
    hand = Hand(gup_fast(here.vmas[0], 1))

    assert hand.finish() is folio_at(here, 0)
    assert hand.steps[1:-1] == ["pmdp_get_lockless(vma0, 1)", "folio_try_get(H0)", "pmdp_get(vma0, 1)"]
    assert counts(here) == (4, 1)


def test_a_pin_that_comes_after_the_split_is_put_again() -> None:
    here = mapped()
    hand = Hand(gup_fast(here.vmas[0], 0))
    hand.until("folio_try_get")
    run(split_huge_pmd(here.vmas[0], 0), B)

    assert hand.finish() is None
    assert counts(here) == (2, 0)


def test_gup_fast_wants_a_pmd_that_may_be_written() -> None:
    here = mapped()
    table = here.vmas[0].table(0)
    assert table.huge is not None
    table.huge = table.huge._replace(write=False)

    assert run(gup_fast(here.vmas[0], 0)) is None


def test_the_slow_way_pins_by_the_pmd_and_marks_it() -> None:
    here = world(UNMAPPED, KERNEL)

    assert run(pin_user_pages_fast(here.vmas[0], 1)) is folio_at(here, 0)
    huge = here.vmas[0].table(0).huge
    assert huge is not None
    assert huge.dirty
    assert counts(here) == (4, 1)


# userfaultfd


def test_an_ioctl_of_a_userfaultfd_does_not_split_it() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, missing=True, mapped=(0, 1)),), large=LARGE), KERNEL)

    assert run(mfill_atomic(here.vmas[0], 0, "new")) == "EEXIST"
    assert run(mfill_atomic_continue(here.vmas[0], 0)) == "EEXIST"
    assert here.vmas[0].table(0).huge is not None


def test_a_pmd_that_comes_in_between_is_eagain() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, minor=True),), large=LARGE), KERNEL)
    hand = Hand(mfill_atomic_continue(here.vmas[0], 0))
    hand.until("folio_lock")
    assert run(madvise_collapse(here.vmas[0], 0), B) == 0

    assert hand.finish() == "EAGAIN"
    assert untidy(here) == []


def test_write_protection_is_a_matter_of_page_table_entries() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, wp=True, mapped=(0, 1)),), large=LARGE), KERNEL)
    vma = here.vmas[0]
    run(access(vma, 0, None, waits=True))

    assert run(mwriteprotect_range(vma, 1, protect=True)) == 0
    assert (vma.table(0).huge, vma.table(0).present) == (None, True)
    assert vma.ptes == {1: Pte(None, kind=MARKER_UFFD_WP)}
    assert vma.tlb == {}
    assert run(access(vma, 0, None, waits=True)) == "d0"
    assert vma.table(0).huge is None


def test_a_registration_for_wp_events_wants_write_faults() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, wp=True),), large=LARGE), KERNEL)
    vma = here.vmas[0]
    run(access(vma, 0, None, waits=True))
    assert vma.table(0).huge == Pte(folio_at(here, 0), write=False, huge=True)

    assert run(access(vma, 0, "new", waits=True)) == "new"
    assert vma.table(0).huge == Pte(folio_at(here, 0), write=True, dirty=True, huge=True)
    assert untidy(here) == []
