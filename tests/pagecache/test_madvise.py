"""madvise(MADV_DONTNEED), by hand: what goes, what stays, and when the page table goes with it."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, steps, untidy, world

from pagecache.collapse.madvise import madvise_collapse
from pagecache.madvise import madvise_dontneed
from pagecache.operations import (
    DontNeed,
    Load,
    Munmap,
    PageOut,
    PunchHole,
    Store,
    Touch,
    UffdContinue,
    UffdCopy,
    UffdWriteProtect,
    UffdZeropage,
)
from pagecache.pte import MARKER_UFFD_WP
from pagecache.step import KernelBug, Task
from pagecache.userfaultfd import EVENT
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.zap import ZapDetails, zap_page_range

B = Task("B", 1)
OLD, NEW = "linux-6.4-mended", "linux-2026-mended"
BOTH = pytest.mark.parametrize("kernel", [OLD, NEW])


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def mapped(*indices: int, kernel: str = NEW, **modes: bool) -> World:
    """A file of two pages, of which the first process maps some."""
    return world(WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=indices, **modes), VmaSpec("B"))), kernel)


def test_it_clears_flushes_and_takes_the_page_table_out() -> None:
    here = mapped(0, 1)
    run(Load(0).run(here, "l"))

    assert steps(madvise_dontneed(here.vmas[0], 0, 2)) == [
        "down_read(mmap_lock of A)",
        "spin_lock(ptl of vma0:0)",
        "ptep_get_and_clear(vma0, 0)",
        "tlb_next_batch()",
        "ptep_get_and_clear(vma0, 1)",
        "tlb_next_batch()",
        "spin_trylock(pml of A)",
        "pmd_clear(vma0, 0)",
        "spin_unlock(pml of A)",
        "spin_unlock(ptl of vma0:0)",
        "flush_tlb_page(vma0, 0)",
        "folio_put(F0)",
        "folio_put(F1)",
        "up_read(mmap_lock of A)",
    ]
    assert not here.vmas[0].table(0).present
    assert here.vmas[0].tlb == {}
    assert contents(here) == ["d0", "d1"]
    assert untidy(here) == []


def test_until_6_13_the_page_table_stayed() -> None:
    here = mapped(0, 1, kernel=OLD)

    assert run(DontNeed(0, 2).run(here, "d")) == 0
    assert here.vmas[0].table(0).present
    assert here.vmas[0].ptes == {}
    assert untidy(here) == []


@BOTH
@pytest.mark.parametrize("start", [0, 1])
def test_of_a_part_of_what_it_covers_it_stays(kernel: str, start: int) -> None:
    here = mapped(0, 1, kernel=kernel)

    assert run(DontNeed(start).run(here, "d")) == 0
    assert here.vmas[0].table(0).present
    assert list(here.vmas[0].ptes) == [1 - start]


def test_it_stays_if_a_marker_is_in_it() -> None:
    here = mapped(0, 1, wp=True)
    run(UffdWriteProtect(1).run(here, "w"))

    assert run(DontNeed(0, 2).run(here, "d")) == 0
    assert here.vmas[0].table(0).present
    assert here.vmas[0].ptes[1].kind == MARKER_UFFD_WP
    assert 0 not in here.vmas[0].ptes


def test_each_page_table_is_one_of_its_own() -> None:
    here = world(WorldSpec(("data",) * 4, size=4, vmas=(VmaSpec(end=4, mapped=(0, 1, 2, 3)),)), NEW)

    assert run(DontNeed(0, 3).run(here, "d")) == 0
    assert [table.present for table in here.vmas[0].tables] == [False, True]
    assert list(here.vmas[0].ptes) == [3]


@BOTH
def test_what_is_mapped_by_a_pmd_goes_as_a_whole_or_is_split(kernel: str) -> None:
    spec = WorldSpec(("data", "data"), vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=((0, 1),))
    whole, part = world(spec, kernel), world(spec, kernel)

    assert run(DontNeed(0, 2).run(whole, "d")) == 0
    assert run(DontNeed(0, 1).run(part, "d")) == 0
    assert whole.vmas[0].table(0).huge is None
    assert part.vmas[0].table(0).huge is None
    assert untidy(whole) == untidy(part) == []


@BOTH
def test_what_is_not_mapped_is_an_error_after_the_rest(kernel: str) -> None:
    here = world(WorldSpec(("data",) * 4, size=4, vmas=(VmaSpec(start=1, end=3, mapped=(1, 2)),)), kernel)

    assert run(DontNeed(0, 2).run(here, "d")) == "ENOMEM"
    assert list(here.vmas[0].ptes) == [2]
    assert run(DontNeed(3).run(here, "d")) == "ENOMEM"
    run(Munmap().run(here, "m"))
    assert run(DontNeed(1).run(here, "d")) == "ENOMEM"


@BOTH
def test_of_a_private_mapping_the_copies_go(kernel: str) -> None:
    here = mapped(kernel=kernel, private=True)
    run(Store(0).run(here, "s"))
    run(Store(1).run(here, "t"))

    assert run(DontNeed(0).run(here, "d")) == 0
    assert run(Load(0).run(here, "l")) == "d0"
    assert run(Load(1).run(here, "l")) == "t"
    assert untidy(here) == []


@BOTH
@pytest.mark.parametrize("fill", [UffdCopy(1), UffdZeropage(1)], ids=repr)
def test_a_userfaultfd_hears_of_the_page_again(kernel: str, fill: UffdCopy | UffdZeropage) -> None:
    spec = WorldSpec(("data", "hole"), vmas=(VmaSpec(private=True, missing=True),))
    here = world(spec, kernel)
    assert run(fill.run(here, "f")) == 0
    assert run(Touch(1).run(here, "l")) != EVENT

    run(DontNeed(0, 2).run(here, "d"))
    assert run(Touch(1).run(here, "l")) == EVENT


@BOTH
def test_so_does_one_that_asked_for_pages_that_are_there(kernel: str) -> None:
    here = mapped(minor=True, kernel=kernel)
    assert run(UffdContinue(0).run(here, "c")) == 0
    assert run(Touch(0).run(here, "l")) == "d0"

    run(DontNeed(0).run(here, "d"))
    assert run(Touch(0).run(here, "l")) == EVENT


@pytest.mark.parametrize("failure", [("spin_trylock", 1), ("tlb_next_batch", 1), ("tlb_next_batch", 2)], ids=str)
def test_where_the_lock_was_dropped_the_table_is_looked_through_again(failure: tuple[str, int]) -> None:
    here = mapped(0, 1)
    hand = Hand(madvise_dontneed(here.vmas[0], 0, 2), failing=[failure])

    assert hand.finish() == 0
    assert hand.steps[-8:] == [
        "spin_lock(pml of A)",
        "spin_lock(ptl of vma0:0)",
        "pmd_clear(vma0, 0)",
        "spin_unlock(ptl of vma0:0)",
        "spin_unlock(pml of A)",
        "folio_put(F0)",
        "folio_put(F1)",
        "up_read(mmap_lock of A)",
    ]
    assert untidy(here) == []


@pytest.mark.parametrize("failure", [("spin_trylock", 1), ("tlb_next_batch", 1)], ids=str)
def test_what_a_fault_has_put_there_meanwhile_stays(failure: tuple[str, int]) -> None:
    here = mapped(0, 1)
    hand = Hand(madvise_dontneed(here.vmas[0], 0, 2), failing=[failure])
    hand.until("spin_unlock")
    hand.step()
    assert run(Load(0).run(here, "l"), B) == "d0"

    assert hand.finish() == 0
    assert here.vmas[0].mapped(0) is folio_at(here, 0)
    assert untidy(here) == []


def test_what_is_locked_cannot_be_had() -> None:
    here = mapped(0)
    hand = Hand(madvise_dontneed(here.vmas[0], 0, 2))
    hand.until("spin_trylock")
    here.vmas[0].mm.pml.owner = B
    hand.step()
    here.vmas[0].mm.pml.owner = None

    hand.finish()
    assert "spin_lock(pml of A)" in hand.steps
    assert not here.vmas[0].table(0).present


def test_the_table_may_be_gone_when_it_is_looked_through_again() -> None:
    here = mapped(0)
    hand = Hand(madvise_dontneed(here.vmas[0], 0, 2), failing=[("spin_trylock", 1)])
    hand.until("spin_lock", 2)
    run(DontNeed(0, 2).run(here, "d"), B)

    assert hand.finish() == 0
    assert not here.vmas[0].table(0).present


def test_a_page_of_a_file_that_is_dirty_is_flushed_before_it_counts_as_unmapped() -> None:
    here = mapped(kernel=OLD)
    run(Store(0).run(here, "s"))
    run(Load(1).run(here, "l"))

    assert steps(madvise_dontneed(here.vmas[0], 0, 2))[2:8] == [
        "ptep_get_and_clear(vma0, 0)",
        "ptep_get_and_clear(vma0, 1)",
        "flush_tlb_page(vma0, 0)",
        "flush_tlb_page(vma0, 1)",
        "folio_remove_rmap_pte(F0)",
        "spin_unlock(ptl of vma0:0)",
    ]
    assert folio_at(here, 0).dirty


def test_a_copy_that_is_dirty_can_wait() -> None:
    here = mapped(kernel=OLD, private=True)
    run(Store(0).run(here, "s"))

    assert steps(madvise_dontneed(here.vmas[0], 0, 1))[2:5] == [
        "ptep_get_and_clear(vma0, 0)",
        "spin_unlock(ptl of vma0:0)",
        "flush_tlb_page(vma0, 0)",
    ]


@BOTH
def test_the_pages_stay_in_the_file_until_somebody_else_wants_them_gone(kernel: str) -> None:
    here = mapped(0, 1, kernel=kernel)
    run(DontNeed(0, 2).run(here, "d"))
    run(PunchHole(0).run(here, "p"))
    run(PageOut(1).run(here, "r"))

    assert contents(here) == [None, "d1"]
    assert run(Load(1).run(here, "l")) == "d1"


def test_who_zaps_what_is_gone_looks_at_the_pmd_again() -> None:
    """zap_pmd_range() of another one, who holds the lock that the file's mappings hang on."""
    spec = WorldSpec(("data", "data"), vmas=(VmaSpec(huge=True, mapped=(0,)),), large=((0, 1),))
    here = world(spec, NEW)
    hand = Hand(zap_page_range(here.vmas[0], 0, 2, ZapDetails()))
    hand.until("spin_lock")
    run(DontNeed(0, 2).run(here, "d"), B)
    run(Load(0).run(here, "l"), B)
    assert here.vmas[0].table(0).huge is not None

    assert len(hand.finish()) == 1
    assert here.vmas[0].table(0).none


def test_a_collapse_whose_page_table_has_gone_flushes_what_it_has_cleared() -> None:
    spec = WorldSpec(("data", "data"), vmas=(VmaSpec(huge=True, mapped=(0,)),), large=((0, 1),))
    here = world(spec, NEW)
    run(Load(0).run(here, "l"), B)
    hand = Hand(madvise_collapse(here.vmas[0], 0))
    hand.until("folio_put_refs")
    assert run(madvise_dontneed(here.vmas[0], 0, 2), B) == 0
    assert here.vmas[0].tlb != {}

    assert hand.finish() == "EINVAL"
    assert "flush_pmd_tlb_range(vma0, 0)" in hand.steps
    assert here.vmas[0].tlb == {}
    assert untidy(here) == []


def test_a_page_table_cannot_be_taken_out_twice() -> None:
    here = mapped(0)
    table = here.vmas[0].table(0)
    hand = Hand(madvise_dontneed(here.vmas[0], 0, 2))
    hand.until("pmd_clear")
    table.present = False

    with pytest.raises(KernelBug, match="a page table of vma0 at index 0 is freed that is not there"):
        hand.finish()
