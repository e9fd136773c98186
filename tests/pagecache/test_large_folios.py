"""Large folios of a regular file whose file system writes them back, and one that lies across the end of the file."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, untidy, world

from pagecache.collapse.madvise import madvise_collapse
from pagecache.collapse.scan import SCAN_FAIL, SCAN_SUCCEED
from pagecache.fault import access
from pagecache.folio import folio_get, folio_lock, folio_put, folio_unlock
from pagecache.pte import Pte
from pagecache.regular.open import open_for_write
from pagecache.regular.read import filemap_read
from pagecache.regular.truncate import vfs_truncate
from pagecache.regular.write import generic_file_write, writeback
from pagecache.step import Task
from pagecache.syscalls import shmem_setattr
from pagecache.vmscan import reclaim_folio
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
KERNEL = "linux-2026-mended"
LARGE = ((0, 1),)
VMAS = (VmaSpec(huge=True),)
DIRTY = WorldSpec(("dirty", "dirty"), vmas=VMAS, large=LARGE, backing="file")
CLEAN = WorldSpec(("data", "data"), vmas=VMAS, large=LARGE, backing="file")
SHMEM = WorldSpec(("data", "data"), vmas=VMAS, large=LARGE)


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def load(here: World, index: int) -> str:
    return str(run(access(here.vmas[0], index, None, waits=True)))


def truncate_that_cannot_split(here: World) -> Hand:
    """A truncate to one page, while somebody has a reference to the huge page."""
    folio = folio_at(here, 0)
    run(folio_get(folio), B)
    shmem = here.mapping.regular is None
    hand = Hand(shmem_setattr(here.inode, 1) if shmem else vfs_truncate(here.inode, 1))
    assert hand.finish() == 0
    run(folio_put(folio), B)
    return hand


# Dirty ones


def test_a_dirty_large_folio_is_not_counted_as_one_that_cannot_be_written_back() -> None:
    here, other = world(DIRTY, KERNEL), world(CLEAN, KERNEL)
    assert here.mapping.regular is not None
    assert other.mapping.regular is not None

    assert (here.mapping.regular.large_folios, here.mapping.regular.nr_thps) == (True, 0)
    assert (other.mapping.regular.large_folios, other.mapping.regular.nr_thps) == (False, 1)
    assert (here.mapping.regular.disk, contents(here)) == (["old0", "old1"], ["d0", "d1"])
    assert untidy(here) == []


@pytest.mark.parametrize("kernel", [KERNEL, "linux-2026"])
def test_it_stays_when_the_file_is_opened_for_writing(kernel: str) -> None:
    here, other = world(DIRTY, kernel), world(CLEAN, kernel)
    run(open_for_write(here.mapping))
    run(open_for_write(other.mapping))

    assert contents(here) == ["d0", "d1"]
    assert contents(other) == [None, None]


def test_it_is_written_and_written_back_as_a_whole() -> None:
    here = world(DIRTY, KERNEL)
    assert here.mapping.regular is not None

    assert run(generic_file_write(here.inode, 1, "new")) == 1
    assert (contents(here), folio_at(here, 0).order) == (["d0", "new"], 1)
    run(writeback(here.mapping, 0))
    assert here.mapping.regular.disk == ["d0", "new"]
    assert not folio_at(here, 0).dirty
    assert untidy(here) == []


def test_it_is_reclaimed_when_it_is_clean() -> None:
    here = world(DIRTY, KERNEL)
    assert here.mapping.regular is not None
    run(reclaim_folio(here.mapping, 0))
    assert contents(here) == ["d0", "d1"]

    run(writeback(here.mapping, 0))
    run(reclaim_folio(here.mapping, 0))
    assert here.mapping.nrpages == 0
    assert here.mapping.regular.nr_thps == 0
    assert run(filemap_read(here.inode, 1)) == "d1"
    assert untidy(here) == []


def test_where_huge_pages_are_counted_they_are_counted_down_again() -> None:
    here = world(CLEAN, KERNEL)
    assert here.mapping.regular is not None
    run(reclaim_folio(here.mapping, 0))

    assert (here.mapping.nrpages, here.mapping.regular.nr_thps) == (0, 0)
    assert untidy(here) == []


# Across the end


def test_a_truncate_splits_it() -> None:
    here = world(DIRTY, KERNEL)

    assert run(vfs_truncate(here.inode, 1)) == 0
    assert (contents(here), folio_at(here, 0).order) == (["d0", None], 0)
    assert untidy(here) == []


def test_what_cannot_be_split_is_zeroed_unmapped_and_stays() -> None:
    here = world(DIRTY, KERNEL)
    folio = folio_at(here, 0)
    run(folio_get(folio), B)
    hand = Hand(vfs_truncate(here.inode, 1))
    hand.until("folio_zero_range")
    vma = here.vmas[0]
    vma.ptes[0] = Pte(folio)  # a fault before the folio was locked, at a page that the truncate leaves
    vma.table(0).present = True
    run(folio_get(folio), B)
    folio.mapcount += 1

    assert hand.finish() == 0
    assert "ptep_get_and_clear(vma0, 0)" in hand.steps
    assert (contents(here), folio_at(here, 0), folio.order) == (["d0", "0"], folio, 1)
    assert (vma.ptes, folio.mapcount) == ({}, 0)
    run(folio_put(folio), B)
    assert untidy(here) == []


def test_a_clean_one_leaves_the_cache() -> None:
    here = world(CLEAN, KERNEL)
    truncate_that_cannot_split(here)

    assert contents(here) == [None, None]
    assert load(here, 0) == "d0"
    assert untidy(here) == []


def test_a_fault_maps_its_own_page_of_it_and_no_other() -> None:
    here = world(DIRTY, KERNEL)
    truncate_that_cannot_split(here)
    fault = Hand(access(here.vmas[0], 0, None, waits=True))

    assert fault.finish() == "d0"
    assert here.vmas[0].table(0).huge is None
    assert here.vmas[0].ptes.keys() == {0}
    assert load(here, 1) == "SIGBUS"
    assert "i_size_read()" in fault.steps[fault.steps.index("folio_lock(H0)") + 2 :]
    assert untidy(here) == []


def test_within_the_file_it_is_mapped_by_a_pmd() -> None:
    here = world(DIRTY, KERNEL)

    assert load(here, 0) == "d0"
    assert here.vmas[0].table(0).huge is not None


def test_the_file_may_grow_again() -> None:
    here = world(DIRTY, KERNEL)
    truncate_that_cannot_split(here)
    assert run(vfs_truncate(here.inode, 2)) == 0

    assert (load(here, 1), load(here, 0)) == ("0", "d0")
    assert here.vmas[0].table(0).huge is not None
    assert untidy(here) == []


def test_shmem_is_exempt() -> None:
    here = world(SHMEM, KERNEL)
    truncate_that_cannot_split(here)
    assert (contents(here), folio_at(here, 0).order) == (["d0", "0"], 1)

    fault = Hand(access(here.vmas[0], 0, None, waits=True))
    assert fault.finish() == "d0"
    assert here.vmas[0].table(0).huge is not None
    assert load(here, 1) == "0"


@pytest.mark.parametrize(("kernel", "beyond"), [("linux-2026", "0"), (KERNEL, "SIGBUS")])
def test_nor_does_a_collapse_map_it(kernel: str, beyond: str) -> None:
    here = world(DIRTY, kernel)
    truncate_that_cannot_split(here)

    assert run(madvise_collapse(here.vmas[0], 0)) == ("EINVAL" if beyond == "SIGBUS" else 0)
    assert load(here, 1) == beyond
    assert load(here, 0) == "d0"
    assert untidy(here) == []


@pytest.mark.parametrize(("size", "result"), [(2, SCAN_SUCCEED), (1, SCAN_FAIL)])
def test_a_huge_page_that_ends_with_the_file_is_mapped(size: int, result: str) -> None:
    here = world(DIRTY, KERNEL)
    here.inode.i_size = size
    folio = folio_at(here, 0)
    run(folio_lock(folio))

    assert run(here.kernel.set_huge_pmd(here.vmas[0], 0, folio)) == result
    run(folio_unlock(folio))
