"""mremap() by hand: what goes to the other address, what stays, and what the TLB knows meanwhile."""

from __future__ import annotations

import dataclasses

import pytest
from stepping import Hand, K, contents, folio_at, run, untidy, world

from pagecache.mremap import mremap
from pagecache.operations import (
    EVENT,
    Collapse,
    Load,
    Migrate,
    Mremap,
    Munmap,
    PageOut,
    Store,
    Touch,
    UffdCopy,
    UffdRegister,
    UffdWriteProtect,
    Writeback,
)
from pagecache.pte import MARKER_UFFD_WP
from pagecache.step import KernelBug, Task, UseAfterFree
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
NEW = "linux-2026-mended"
HUGE_PAGE = WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)), VmaSpec(huge=True)), large=((0, 1),))
KEPT = pytest.mark.parametrize("dontunmap", [False, True])


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def two(*indices: int, kernel: str = NEW, pages: tuple[str, ...] = ("data", "data"), **modes: bool) -> World:
    """A file that is mapped twice by one process; some of it is in the first mapping's page table."""
    return world(WorldSpec(pages, vmas=(VmaSpec(mapped=indices, **modes), VmaSpec())), kernel)


def test_a_page_table_is_moved_as_a_whole() -> None:
    here = two(0)
    old, new = here.vmas
    run(Load(0).run(here, "l"))
    table, lock = old.table(0), old.table(0).ptl
    hand = Hand(mremap(old, new, dontunmap=False))
    hand.until("pmd_offset")
    before = len(hand.steps)
    hand.until("mremap_userfaultfd_prep")

    assert hand.steps[before:] == [
        "pmd_offset(vma0, 0)",
        "down_write(i_mmap_rwsem)",
        "spin_lock(pml of A)",
        "pmd_populate(vma1, 0)",
        "flush_tlb_range(vma0, 0, 2)",
        "spin_unlock(pml of A)",
        "up_write(i_mmap_rwsem)",
    ]
    assert hand.finish() == 0
    assert (new.table(0), new.table(0).ptl) == (table, lock)
    assert (old.table(0).vma, new.table(0).vma) == (old, new)
    assert (old.ptes, old.tlb) == ({}, {})
    assert new.mapped(0) is folio_at(here, 0)
    assert untidy(here) == []


@KEPT
def test_entry_by_entry_where_there_is_a_registration(dontunmap: bool) -> None:
    here = two(0, missing=True)
    old, new = here.vmas
    run(Load(0).run(here, "l"))
    hand = Hand(mremap(old, new, dontunmap=dontunmap))
    hand.until("spin_lock_nested")
    before = len(hand.steps)
    hand.until("mremap_userfaultfd_prep")

    assert hand.steps[before:] == [
        "spin_lock_nested(ptl of vma1:0)",
        "ptep_get_and_clear(vma0, 0)",
        "set_pte_at(vma1, 0)",
        "flush_tlb_range(vma0, 0, 2)",
        "spin_unlock(ptl of vma1:0)",
        "spin_unlock(ptl of vma0:0)",
    ]
    assert hand.finish() == 0
    assert old.alive is dontunmap
    assert (old.uffd_missing, new.uffd_missing) == (dontunmap, False)
    assert (new.mapped(0), old.mapped(0)) == (folio_at(here, 0), None)
    assert untidy(here) == []


def test_what_was_at_the_new_address_is_unmapped_first() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(0,)), VmaSpec(missing=True, mapped=(1,)))), NEW)
    new = here.vmas[1]

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert list(new.ptes) == [0]
    assert not new.uffd_registered
    assert folio_at(here, 1).mapcount == 0
    assert untidy(here) == []


def test_and_where_nothing_is_any_more_it_can_be_moved_as_well() -> None:
    here = two(0)
    run(Munmap(1).run(here, "u"))

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert run(Load(0, 1).run(here, "l")) == "d0"
    assert run(Load(0, 0).run(here, "l")) == "SIGSEGV"
    assert run(Mremap(0, 1).run(here, "m")) == "EFAULT"
    assert run(Mremap(1, 0).run(here, "m")) == 0
    assert run(Load(0, 0).run(here, "l")) == "d0"
    assert untidy(here) == []


def test_the_new_vma_comes_last_for_who_walks_the_file() -> None:
    here = two()
    old, new = here.vmas

    run(Mremap(1, 0, dontunmap=True).run(here, "m"))
    assert here.mapping.i_mmap == [new, old]


@KEPT
def test_a_huge_page_is_moved_by_its_pmd(dontunmap: bool) -> None:
    here = world(HUGE_PAGE, NEW)
    old, new = here.vmas
    run(Store(1).run(here, "s"))

    assert run(Mremap(0, 1, dontunmap).run(here, "m")) == 0
    assert old.table(0).huge is None
    assert old.tlb == {}
    moved = new.table(0).huge
    assert moved is not None
    assert (moved.folio, moved.dirty) == (folio_at(here, 0), True)
    assert untidy(here) == []


def test_where_a_page_table_has_come_first_a_huge_page_is_split() -> None:
    here = world(HUGE_PAGE, NEW)
    hand = Hand(mremap(*here.vmas, dontunmap=False))
    hand.until("pmd_offset", 2)  # the first is that of the unmapping
    here.vmas[1].table(0).present = True

    assert hand.finish() == 0
    assert here.vmas[1].table(0).huge is None
    assert folio_at(here, 0).mapcount == 0
    assert untidy(here) == []


def test_a_part_of_a_huge_page_is_split() -> None:
    vmas = (VmaSpec(end=1, huge=True), VmaSpec(end=1, huge=True))
    here = world(WorldSpec(vmas=vmas, large=((0, 1),)), NEW)
    run(Load(0).run(here, "l"))

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert here.vmas[1].mapped(0) is folio_at(here, 0)
    assert untidy(here) == []


def test_write_protection_stays_behind_and_so_does_a_marker() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(0, 1), wp=True), VmaSpec())), NEW)
    old, new = here.vmas
    for index in (0, 1):
        run(UffdWriteProtect(index).run(here, "w"))
    run(PageOut(1).run(here, "p"))
    assert old.ptes[1].kind == MARKER_UFFD_WP

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert list(new.ptes) == [0]
    assert (new.ptes[0].uffd_wp, new.ptes[0].write) == (False, False)
    assert run(Store(0, 1).run(here, "s")) == 0
    assert run(Store(1, 1).run(here, "s")) == 0
    assert untidy(here) == []


def test_without_memory_for_a_page_table_all_is_moved_back() -> None:
    spec = WorldSpec(("data",) * 4, size=4, vmas=(VmaSpec(end=4, missing=True, mapped=(0, 3)), VmaSpec(end=4)))
    here = world(spec, NEW)
    old, new = here.vmas

    assert run(Mremap(0, 1).run(here, "m"), failing=[("pte_alloc", 2)]) == "ENOMEM"
    assert sorted(old.ptes) == [0, 3]
    assert (old.alive, new.alive, old.uffd_missing) == (True, False, True)
    assert run(Load(0).run(here, "l")) == "d0"
    assert run(Load(0, 1).run(here, "l")) == "SIGSEGV"
    assert untidy(here) == []


def test_a_stale_entry_that_reclaim_has_left_is_flushed() -> None:
    here = two(0, 1, missing=True)
    old = here.vmas[0]
    run(Load(0).run(here, "l"))
    reclaim = Hand(PageOut(0).run(here, "p"), B)
    reclaim.until("try_to_unmap_flush")
    assert list(old.tlb) == [0]

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert old.tlb == {}
    reclaim.finish()
    assert untidy(here) == []


def test_a_page_table_that_a_collapse_takes_away_meanwhile_is_not_moved() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(0,)), VmaSpec(), VmaSpec("B"))), NEW)
    collapse = Hand(Collapse(0, 2).run(here, "c"), B)
    collapse.until("pmdp_collapse_flush")
    hand = Hand(mremap(*here.vmas[:2], dontunmap=False))
    hand.until("down_write", 2)
    assert hand.blocked
    assert collapse.finish() == 0

    assert hand.finish() == 0
    assert here.vmas[1].ptes == {}
    assert untidy(here) == []


def collapsed_meanwhile(kernel: str) -> Hand:
    """mremap() of a registered mapping, whose page table a collapse takes away when there is a new one."""
    here = two(0, kernel=kernel, missing=True)
    hand = Hand(mremap(*here.vmas, dontunmap=False))
    hand.until("spin_lock", 1)
    here.vmas[0].table(0).present = False
    here.vmas[0].ptes.clear()
    folio_at(here, 0).mapcount = 0
    folio_at(here, 0).refcount = 1
    return hand


def test_today_it_warns_where_it_tries_again() -> None:
    """See :mod:`pagecache.mended.mremap`."""
    with pytest.raises(KernelBug, match=r"WARN_ON_ONCE: move_normal_pmd\(\): pmd_none\(\*new_pmd\) is not so"):
        collapsed_meanwhile("linux-2026").finish()


def test_mended_it_does_not() -> None:
    assert collapsed_meanwhile(NEW).finish() == 0


def test_a_page_table_at_the_new_address_is_a_surprise_if_there_is_one_to_be_moved() -> None:
    here = two(0)
    hand = Hand(mremap(*here.vmas, dontunmap=False))
    hand.until("down_write", 4)
    here.vmas[1].table(0).present = True

    with pytest.raises(KernelBug, match="WARN_ON_ONCE"):
        hand.finish()


def test_an_entry_must_not_go_into_a_page_table_that_has_gone() -> None:
    here = two(0, missing=True)
    hand = Hand(mremap(*here.vmas, dontunmap=False))
    hand.until("set_pte_at")
    here.vmas[1].table(0).present = False

    with pytest.raises(UseAfterFree, match="an entry for index 0 is moved into a page table that vma1 has no more"):
        hand.finish()


def test_who_sleeps_for_a_userfaultfd_sleeps_on() -> None:
    here = two(0, pages=("data", "hole"), missing=True)
    assert run(Touch(1).run(here, "t")) == EVENT

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert run(UffdCopy(1).run(here, "c")) == "ENOENT"
    assert run(UffdCopy(1, 1).run(here, "c")) == "ENOENT"
    assert run(UffdRegister(1).run(here, "r")) == 0
    assert run(UffdCopy(1, 1).run(here, "c")) == 0
    assert contents(here) == ["d0", "c"]


def test_a_regular_file_stays_open_for_writing_as_long_as_it_is_mapped_so() -> None:
    writable = VmaSpec(mapped=(0, 1), writable=True)
    spec = WorldSpec(("dirty", "data"), vmas=(writable, dataclasses.replace(writable, mapped=())), backing="file")
    here = world(spec, NEW)
    file = here.mapping.regular
    assert file is not None

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert file.i_writecount == 1
    assert run(Mremap(1, 0, dontunmap=True).run(here, "m")) == 0
    assert file.i_writecount == 2
    run(Writeback(0).run(here, "w"))
    assert here.vmas[0].ptes[0].write is False
    assert untidy(here) == []


def test_migration_finds_what_has_been_moved() -> None:
    here = two(0, missing=True)
    migrate = Hand(Migrate(0).run(here, "m"), B)
    migrate.until("folio_add_lru")
    assert here.vmas[0].migrating(0) is not None

    assert run(Mremap(0, 1).run(here, "m")) == 0
    assert here.vmas[1].migrating(0) is not None
    assert migrate.finish() == 0
    assert here.vmas[1].mapped(0) is folio_at(here, 0)
    assert untidy(here) == []


@pytest.mark.parametrize(
    "other",
    [
        VmaSpec("B"),
        VmaSpec(end=1),
        VmaSpec(huge=True),
        VmaSpec(private=True),
    ],
    ids=["another process", "another range", "pmds", "private"],
)
def test_it_takes_two_that_are_alike(other: VmaSpec) -> None:
    spec = WorldSpec(vmas=(VmaSpec(), other))

    assert not Mremap.fits(spec)
    assert "which is not alike" in Mremap(0, 1).problem(spec)
    assert Mremap.pairs(WorldSpec(vmas=(VmaSpec(), VmaSpec(), other))) == ((0, 1), (1, 0))
    assert Mremap(0, 0).problem(WorldSpec(vmas=(VmaSpec(), VmaSpec())))
    assert "new_vma is 2, but the world has 2" in Mremap(0, 2).problem(WorldSpec(vmas=(VmaSpec(), VmaSpec())))
