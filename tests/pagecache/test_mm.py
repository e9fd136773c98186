from __future__ import annotations

import pytest
from stepping import folio_at, run, steps, world

from pagecache.mm import (
    find_vma,
    pmdp_collapse_flush,
    userfaultfd_missing,
)
from pagecache.pte import Pte
from pagecache.step import UseAfterFree
from pagecache.syscalls import do_munmap
from pagecache.world import VmaSpec, WorldSpec
from pagecache.zap import zap_page_range

MAPPED = WorldSpec(("data",) * 4, size=4, vmas=(VmaSpec(start=1, end=4, mapped=(1, 2)),))


def test_a_vma_maps_a_range_of_the_file() -> None:
    vma = world(MAPPED).vmas[0]

    assert [index for index in range(6) if vma.maps(index)] == [1, 2, 3]


def test_each_huge_page_has_a_page_table_of_its_own() -> None:
    vma = world(MAPPED).vmas[0]

    assert vma.table(0) is vma.table(1)
    assert vma.table(1) is not vma.table(2)
    assert vma.table(1).ptl.target != vma.table(2).ptl.target


def test_a_vma_is_found_until_it_is_unmapped() -> None:
    vma = world(MAPPED).vmas[0]
    assert find_vma(vma) is vma

    run(do_munmap(vma))

    assert find_vma(vma) is None


def test_the_flags_of_an_unmapped_vma_are_gone() -> None:
    vma = world(MAPPED).vmas[0]
    assert not userfaultfd_missing(vma)
    run(do_munmap(vma))

    with pytest.raises(UseAfterFree, match="vm_flags of vma0"):
        userfaultfd_missing(vma)


def test_zapping_clears_and_flushes_and_leaves_the_references_to_the_caller() -> None:
    here = world(MAPPED)
    folio = folio_at(here, 1)
    vma = here.vmas[0]
    vma.tlb[1] = Pte(folio)

    assert steps(zap_page_range(vma, 1, 2)) == [
        "spin_lock(ptl of vma0:0)",
        "ptep_get_and_clear(vma0, 1)",
        "spin_unlock(ptl of vma0:0)",
        "flush_tlb_page(vma0, 1)",
    ]
    assert vma.ptes.get(1) is None
    assert (folio.mapcount, folio.refcount) == (0, 2)


def test_zapping_takes_the_lock_of_a_table_that_maps_nothing_there() -> None:
    here = world(MAPPED)
    vma = here.vmas[0]
    vma.tlb[3] = Pte(folio_at(here, 3))
    vma.mm.tlb_flush_batched = True
    vma.table(3).present = True

    assert steps(zap_page_range(vma, 3, 4)) == [
        "spin_lock(ptl of vma0:1)",
        "spin_unlock(ptl of vma0:1)",
        "flush_tlb_page(vma0, 3)",
    ]
    assert vma.tlb == {}


def test_zapping_skips_where_there_is_no_table() -> None:
    here = world(MAPPED)
    vma = here.vmas[0]
    vma.table(3).present = False

    assert steps(zap_page_range(vma, 3, 4)) == []


def test_retracting_a_page_table_that_is_not_empty_loses_what_it_maps() -> None:
    here = world(MAPPED)
    vma = here.vmas[0]
    run(pmdp_collapse_flush(vma, 2))

    assert not vma.table(2).present
    assert list(vma.ptes) == [1]
    assert folio_at(here, 2).mapcount == 1
