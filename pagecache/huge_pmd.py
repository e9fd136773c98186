"""A PMD that maps all of a huge folio by one entry (``mm/huge_memory.c``, do_set_pmd() in ``mm/memory.c``).

It needs neither a page table nor an entry for each page: one reference and one in the mapcount for the whole folio,
and one dirty bit.  All changes are made under the PMD lock; who clears it holds that lock until the mapcount has
followed, so that a folio may be counted as mapped of which no entry can be found any more.  Whoever has to know takes
and drops the PMD lock (zap_pmd_range() for one folio, page_vma_mapped_walk() with PVMW_SYNC).

A PMD of a file is never split into page-table entries: it is cleared, and faults bring the pages back one by one.

Where a VMA may have such a PMD, :attr:`pagecache.mm.Vma.huge` says.  In Linux it follows from the VMA's alignment, from
madvise(MADV_NOHUGEPAGE) and prctl(PR_SET_THP_DISABLE); "PTE-mapped THP are fine" in any case, says do_set_pmd().

Leaves out: deposited page tables (of some architectures), huge zero pages, the accessed bit.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, drop_references
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma, pmd_changed, pte_changed
from pagecache.pte import MIGRATION, Pte, pte_target
from pagecache.step import step
from pagecache.touched import PMDS, TLB

__all__ = [
    "BEHIND_A_PMD",
    "do_set_pmd",
    "flush_pmd_tlb_range",
    "folio_remove_rmap_pmd",
    "pmd_migration_entry_wait",
    "pmd_mkclean",
    "pmdp_huge_get_and_clear",
    "remove_migration_pmd",
    "set_pmd_migration_entry",
    "split_huge_pmd",
    "split_huge_pmd_locked",
    "split_huge_pmd_of_folio",
    "sync_with_folio_pmd_zap",
    "zap_huge_pmd",
]


BEHIND_A_PMD: Final = ((PMDS, False), (TLB, False))
"""Who zaps goes on to the page table, or to the next PMD, and then to the TLB."""


async def do_set_pmd(vma: Vma, index: int, folio: Folio, *, write: bool) -> bool:
    """``do_set_pmd()``: map the locked ``folio`` by a PMD, if it is a huge page, intact, and nothing is there.

    The caller's reference becomes the mapping's.

    Returns:
        False for VM_FAULT_FALLBACK: try a page-table entry.
    """
    mapping = vma.mapping
    if not vma.suitable(index) or folio.order != mapping.hpage_pmd_order or folio.poisoned:
        return False
    table = vma.table(index)
    await spin_lock(vma.mm.pml)
    if not table.none:
        await spin_unlock(vma.mm.pml)
        return False
    changed = pmd_changed(vma, index, folio)
    await step("set_pmd_at", vma, index, folio, target=("pmd", vma.number), writes=True, also=changed)
    table.huge = Pte(folio, write or not vma.wants_writenotify, dirty=write, huge=True)
    folio.mapcount += 1
    await spin_unlock(vma.mm.pml)
    return True


async def pmdp_huge_get_and_clear(vma: Vma, index: int) -> Pte:
    """``pmdp_huge_get_and_clear()``: empty the PMD, under its lock.  The TLB still has it."""
    table = vma.table(index)
    huge = table.huge
    assert huge is not None, "the caller holds the PMD lock and has looked"
    changed = pmd_changed(vma, index, huge.folio)
    await step("pmdp_huge_get_and_clear", vma, index, target=("pmd", vma.number), writes=True, also=changed)
    huge = table.huge  # a store may have made it dirty: it is taken out atomically
    assert huge is not None
    table.huge = None
    return huge


async def flush_pmd_tlb_range(vma: Vma, index: int) -> None:
    """``flush_pmd_tlb_range()``: from now on no CPU reaches any of the pages through an old entry."""
    flushed = [(PMDS, True), (TLB, True), *((pte_target(one), True) for one in vma.pmd_range(index))]
    await step("flush_pmd_tlb_range", vma, index, target=pte_target(index), writes=True, also=flushed)
    for one in vma.pmd_range(index):
        vma.tlb.pop(one, None)


async def zap_huge_pmd(vma: Vma, index: int, zapped: list[Folio]) -> bool:
    """``zap_huge_pmd()``: clear a PMD that maps a huge page.  Flush and folio_put() are up to mmu_gather.

    Args:
        vma: the mapping.
        index: any index of the huge page.
        zapped: the folio is put at its end, with the reference.

    Returns:
        False if there is no such PMD any more.
    """
    await spin_lock(vma.mm.pml, also=BEHIND_A_PMD)
    if vma.table(index).huge is None:
        await spin_unlock(vma.mm.pml)
        return False
    huge = await pmdp_huge_get_and_clear(vma, index)
    if huge.folio is not None:  # not a migration entry, which counts for nothing
        await folio_remove_rmap_pmd(huge.folio, huge)
        zapped.append(huge.folio)
    await spin_unlock(vma.mm.pml)
    return True


async def folio_remove_rmap_pmd(folio: Folio, huge: Pte) -> None:
    """``folio_remove_rmap_pmd()``: the mapcount follows.  And the folio is dirty, if a CPU has written to it."""
    changed = [*pte_changed(folio), *BEHIND_A_PMD]
    await step("folio_remove_rmap_pmd", folio, target=("refcount", folio.number), writes=True, also=changed)
    folio.mapcount -= 1
    folio.dirty |= huge.dirty


async def split_huge_pmd(vma: Vma, index: int) -> None:
    """``__split_huge_pmd()`` of a file's mapping: if there still is a huge PMD, clear it."""
    await spin_lock(vma.mm.pml, also=BEHIND_A_PMD)
    if vma.table(index).huge is not None:
        await vma.mapping.kernel.split_huge_pmd_locked(vma, index)
    await spin_unlock(vma.mm.pml)


async def split_huge_pmd_of_folio(vma: Vma, folio: Folio) -> None:
    """What TTU_SPLIT_HUGE_PMD makes of a PMD that maps ``folio``: split_huge_pmd_locked(), under the PMD lock."""
    await spin_lock(vma.mm.pml)
    huge = vma.table(folio.index).huge
    if huge is not None and huge.folio is folio:
        await vma.mapping.kernel.split_huge_pmd_locked(vma, folio.index)
    await spin_unlock(vma.mm.pml)


async def split_huge_pmd_locked(vma: Vma, index: int) -> None:
    """``__split_huge_pmd_locked()``: "We are going to unmap this huge page. So just go ahead and zap it".

    A migration entry goes, too: faults bring the pages back when the folio has moved.
    """
    huge = await pmdp_huge_get_and_clear(vma, index)
    await flush_pmd_tlb_range(vma, index)
    if huge.folio is not None:
        await folio_remove_rmap_pmd(huge.folio, huge)
        drop_references(huge.folio, 1)


async def sync_with_folio_pmd_zap(vma: Vma) -> None:
    """``sync_with_folio_pmd_zap()``: whoever has cleared the PMD just now has lowered the mapcount afterwards."""
    await spin_lock(vma.mm.pml, also=BEHIND_A_PMD)
    await spin_unlock(vma.mm.pml)


async def set_pmd_migration_entry(vma: Vma, folio: Folio) -> None:
    """``set_pmd_migration_entry()``: replace a PMD that maps the locked ``folio`` by a migration entry."""
    await spin_lock(vma.mm.pml)
    table = vma.table(folio.index)
    if table.huge is not None and table.huge.folio is folio:
        entry = await pmdp_huge_get_and_clear(vma, folio.index)  # pmdp_invalidate(): not present, but not none
        table.huge = Pte(None, entry.write, entry.dirty, entry.uffd_wp, MIGRATION, folio, huge=True)
        await flush_pmd_tlb_range(vma, folio.index)
        await folio_remove_rmap_pmd(folio, entry)
        drop_references(folio, 1)
    await spin_unlock(vma.mm.pml)


async def remove_migration_pmd(vma: Vma, src: Folio, dst: Folio) -> None:
    """``remove_migration_pmd()``: map ``dst``, locked, if the PMD is a migration entry for ``src``."""
    await spin_lock(vma.mm.pml)
    table = vma.table(dst.index)
    if table.huge is not None and table.huge.migrating is src:
        changed = pmd_changed(vma, dst.index, dst)
        await step("set_pmd_at", vma, dst.index, dst, target=("pmd", vma.number), writes=True, also=changed)
        entry = table.huge
        table.huge = Pte(dst, entry.write, entry.dirty, entry.uffd_wp, huge=True)
        dst.refcount += 1
        dst.mapcount += 1
    await spin_unlock(vma.mm.pml)


async def pmd_mkclean(vma: Vma, folio: Folio) -> None:
    """The part of ``page_vma_mkclean_one()`` for a PMD that maps ``folio``."""
    await spin_lock(vma.mm.pml)
    table = vma.table(folio.index)
    huge = table.huge
    if huge is not None and huge.folio is folio and huge.write:
        huge = await pmdp_huge_get_and_clear(vma, folio.index)  # pmdp_invalidate(): not present, but not none
        table.huge = huge._replace(write=False, dirty=False)
        await flush_pmd_tlb_range(vma, folio.index)
    await spin_unlock(vma.mm.pml)


async def pmd_migration_entry_wait(vma: Vma, index: int) -> None:
    """``pmd_migration_entry_wait()``: if the PMD is a migration entry, sleep until its folio is unlocked."""
    await spin_lock(vma.mm.pml)
    huge = vma.table(index).huge
    folio = None if huge is None else huge.migrating
    await spin_unlock(vma.mm.pml)
    if folio is not None:
        await step(
            "migration_entry_wait_on_locked",
            folio,
            target=("folio_lock", folio.number),
            ready=folio.is_unlocked,
            waits_for=folio.lock_waits_for,
            sleeps=True,
        )
