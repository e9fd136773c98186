"""Page-table entries, the TLB, and where the dirty bit goes."""

from __future__ import annotations

import pytest
from stepping import folio_at, run, world

from pagecache.fault import access
from pagecache.pte import MIGRATION, Pte, translate
from pagecache.rmap import try_to_unmap
from pagecache.syscalls import do_munmap
from pagecache.world import VmaSpec, WorldSpec

MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),))


def test_a_load_leaves_the_entry_clean_and_a_store_makes_it_dirty() -> None:
    here = world(MAPPED)
    vma = here.vmas[0]
    run(access(vma, 0, None, waits=False))
    assert (vma.ptes[0].dirty, vma.tlb[0].dirty) == (False, False)
    run(access(vma, 0, "w", waits=False))

    assert (vma.ptes[0].dirty, vma.tlb[0].dirty) == (True, True)


def test_the_first_store_faults_if_the_entry_has_gone_from_the_page_table() -> None:
    """A store through a TLB entry that is not dirty walks the page table once more."""
    vma = world(MAPPED).vmas[0]
    vma.tlb[0] = vma.ptes.pop(0)

    assert translate(vma, 0, write=False) is not None
    assert translate(vma, 0, write=True) is None
    assert vma.tlb == {}


def test_later_stores_go_through_the_tlb_until_it_is_flushed() -> None:
    vma = world(MAPPED).vmas[0]
    translate(vma, 0, write=True)
    gone = vma.ptes.pop(0)

    assert translate(vma, 0, write=True) is gone.folio


def test_nobody_writes_through_an_entry_that_is_not_writable() -> None:
    vma = world(MAPPED).vmas[0]
    vma.ptes[0] = vma.ptes[0]._replace(write=False)

    assert translate(vma, 0, write=False) is not None
    assert translate(vma, 0, write=True) is None


def test_a_migration_entry_is_neither_none_nor_mapped() -> None:
    here = world(MAPPED)
    vma = here.vmas[0]
    vma.ptes[0] = Pte(None, kind=MIGRATION, migrating=folio_at(here, 0))

    assert vma.mapped(0) is None
    assert translate(vma, 0, write=False) is None
    assert str(vma.ptes[0]) == "migration of F0"


@pytest.mark.parametrize("stored", [False, True])
def test_unmapping_moves_the_dirty_bit_to_the_folio(*, stored: bool) -> None:
    here = world(MAPPED)
    folio = folio_at(here, 0)
    folio.dirty = False
    run(access(here.vmas[0], 0, "w" if stored else None, waits=False))
    run(try_to_unmap(here.mapping, folio))

    assert folio.dirty is stored


def test_zapping_moves_the_dirty_bit_to_the_folio() -> None:
    here = world(MAPPED)
    folio = folio_at(here, 1)
    folio.dirty = False
    run(access(here.vmas[0], 1, "w", waits=False))
    run(do_munmap(here.vmas[0]))

    assert folio.dirty


def test_a_write_fault_makes_entry_and_folio_dirty_and_a_read_fault_neither() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(),)))
    for index in (0, 1):
        folio_at(here, index).dirty = False
    run(access(here.vmas[0], 0, None, waits=False))
    run(access(here.vmas[0], 1, "w", waits=False))

    assert here.vmas[0].ptes == {
        0: Pte(folio_at(here, 0), write=True),
        1: Pte(folio_at(here, 1), write=True, dirty=True),
    }
    assert [folio_at(here, index).dirty for index in (0, 1)] == [False, True]
