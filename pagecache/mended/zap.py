"""zap_pte_range() that leaves the page table where it is as long as somebody has to wait for its lock.

Since 6.14 (6375e95f381e) madvise(MADV_DONTNEED) takes the page table out of the PMD before it flushes the TLB.  Both
happen under the page-table lock; but whoever comes from the file finds no page table, and takes no lock:

 1. madvise(MADV_DONTNEED) of 2 MB: clears an entry that is dirty, and says so to the page; clears the PMD.
 2. write-back: folio_mkclean() finds the page mapped, and pmd_none(); the page is clean, and written to the disk.
 3. a store, on a CPU whose TLB has the entry, dirty as it was.
 4. madvise(MADV_DONTNEED): flushes the TLB.  The page is clean, and what was stored is lost with it.

That is what 1cf35d47712d and 5df397dec7c4 were about.  A truncate in place of the write-back finds a page that counts
as mapped, and nothing to unmap: it is deleted "still mapped" (VM_BUG_ON_FOLIO() in filemap_unaccount_folio()).  So does
a split.  Reclaim, migration and collapse count the references, and leave it alone.

Here the TLB is flushed, and the page unmapped, first.
"""

from __future__ import annotations

from pagecache.folio import Folio
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma
from pagecache.step import UseAfterFree
from pagecache.zap import (
    ZapDetails,
    do_zap_pte_range,
    looked_at_by_a_zap,
    tlb_flush_mmu_tlbonly,
    tlb_flush_rmaps,
    zap_empty_pte_table,
    zap_pte_table_if_empty,
)

__all__ = ["zap_pte_range"]


async def zap_pte_range(vma: Vma, start: int, end: int, details: ZapDetails, zapped: list[Folio]) -> bool:
    """``zap_pte_range()``: the entries of one page table, and the table, if nothing is left of it.

    Args:
        vma: the mapping.
        start: the first index.
        end: the index behind the last one.
        details: what else.
        zapped: the folios that were mapped are put at its end, with their references.

    Returns:
        False if there is no page table any more.

    Raises:
        UseAfterFree: if the page table was freed in between.
    """
    table = vma.table(start)
    generation = table.generation
    can_reclaim_pt = details.reclaim_pt and range(start, end) == vma.pmd_range(start)
    direct_reclaim = True
    index = start
    while index < end:
        await spin_lock(table.ptl, also=looked_at_by_a_zap(start, end))
        if table.generation != generation:
            raise UseAfterFree(f"zap_pte_range() locks a page table of {vma} at index {start} that has been freed")
        if vma.table(start) is not table or not table.present:
            await spin_unlock(table.ptl)
            return False
        delayed: list[Folio] = []
        force_break = False
        while index < end and not force_break:
            delay_rmap, force_break = await do_zap_pte_range(vma, index, details, zapped)
            if delay_rmap:
                delayed.append(zapped[-1])
            can_reclaim_pt &= index not in vma.ptes  # any_skipped
            index += 1
        direct_reclaim &= not force_break
        if delayed or force_break:
            await tlb_flush_mmu_tlbonly(vma, start, end)
            await tlb_flush_rmaps(delayed)
        if can_reclaim_pt and direct_reclaim and index == end:
            direct_reclaim = await zap_empty_pte_table(vma, start)
        await spin_unlock(table.ptl)
    if can_reclaim_pt and not direct_reclaim:
        await zap_pte_table_if_empty(vma, start)
    return True
